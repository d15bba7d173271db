from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.bench import Bench
from tests.clients.nodejs import playing
from tests.clients.play import Script
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
