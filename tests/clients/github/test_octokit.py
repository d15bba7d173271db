from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.clients.bench import Bench, assert_ours
from tests.clients.nodejs import playing
from tests.clients.play import Script
from tests.clients.table import hold, row
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Script]:
    """
    Keep one process with the client in it.
    """
    with playing(tmp_path_factory.mktemp("octokit"), "octokit.mjs") as script:
        yield script


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("upstream", ["sandbox", "emulate"])
def test_same_work(on: Bench, work: Script, upstream: str, style: str) -> None:
    """Octokit does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, upstream, style)
    assert not differences, "\n".join(differences)


def test_ours(on: Bench, work: Script) -> None:
    """A refusal of ours is an error of the client's own that shows our reason, and a write in doubt is sent once."""
    assert_ours(on.refusals(partial(work, only="ours"), "sandbox"))


@pytest.mark.parametrize("upstream", ["sandbox", "emulate"])
def test_row(on: Bench, work: Script, upstream: str) -> None:
    """The page's row is what a run finds."""
    hold(row(on, "@octokit/rest", work, upstream, STYLES), "@octokit/rest", upstream)
