from __future__ import annotations

import pytest

from tests.clients.bench import Bench
from tests.clients.jira.with_jira import work
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("style", STYLES)
def test_same_work(on: Bench, style: str) -> None:
    """The library does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, "sandbox", style)
    assert not differences, "\n".join(differences)
