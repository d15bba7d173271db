from __future__ import annotations

import pytest

from tests.clients.bench import Bench
from tests.clients.github.with_githubkit import work
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("upstream", ["sandbox", "emulate"])
def test_same_work(on: Bench, upstream: str, style: str) -> None:
    """githubkit does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, upstream, style)
    assert not differences, "\n".join(differences)
