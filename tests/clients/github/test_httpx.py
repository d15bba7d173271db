from __future__ import annotations

import pytest

from tests.clients.bench import Bench
from tests.clients.github.with_httpx import work
from tests.clients.ways import STYLES, UNIX

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("style", [*STYLES, UNIX])
@pytest.mark.parametrize("upstream", ["sandbox", "emulate"])
def test_same_work(on: Bench, upstream: str, style: str) -> None:
    """httpx does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, upstream, style)
    assert not differences, "\n".join(differences)
