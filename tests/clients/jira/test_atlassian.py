from __future__ import annotations

import pytest

from tests.clients.bench import Bench, assert_ours
from tests.clients.jira.with_atlassian import ours, work
from tests.clients.table import hold, row
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("style", STYLES)
def test_same_work(on: Bench, style: str) -> None:
    """The library does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, "sandbox", style)
    assert not differences, "\n".join(differences)


def test_ours(on: Bench) -> None:
    """A refusal of ours is an error of the client's own that shows our reason, and a write in doubt is sent once."""
    assert_ours(on.refusals(ours, "sandbox"))


def test_row(on: Bench) -> None:
    """The page's row is what a run finds."""
    hold(row(on, "atlassian-python-api", work, "sandbox", STYLES), "atlassian-python-api", "sandbox")
