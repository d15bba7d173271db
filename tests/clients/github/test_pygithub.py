from __future__ import annotations

import pytest

from tests.clients.bench import Bench, assert_ours
from tests.clients.github.with_pygithub import ours, work
from tests.clients.table import hold, row
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("upstream", ["sandbox", "emulate"])
def test_same_work(on: Bench, upstream: str, style: str) -> None:
    """PyGithub does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, upstream, style)
    assert not differences, "\n".join(differences)


def test_ours(on: Bench) -> None:
    """A refusal of ours is an error of the client's own that shows our reason, and a write in doubt is sent once."""
    assert_ours(on.refusals(ours, "sandbox"))


@pytest.mark.parametrize("upstream", ["sandbox", "emulate"])
def test_row(on: Bench, upstream: str) -> None:
    """The page's row is what a run finds."""
    hold(row(on, "PyGithub", work, upstream, STYLES), "PyGithub", upstream)
