"""Every Jira client in Python does the same work directly and through each style of door."""

from __future__ import annotations

import pytest

from tests.clients.bench import Bench, assert_ours
from tests.clients.jira import with_atlassian, with_jira
from tests.clients.table import hold, row
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow

WORK = {"jira": with_jira.work, "atlassian-python-api": with_atlassian.work}
OURS = {"jira": with_jira.ours, "atlassian-python-api": with_atlassian.ours}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", WORK)
def test_same_work(on: Bench, name: str, style: str) -> None:
    """The client does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(WORK[name], "sandbox", style)
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("name", WORK)
def test_ours(on: Bench, name: str) -> None:
    """A refusal of ours is an error of the client's own that shows our reason, and a write in doubt is sent once."""
    assert_ours(on.refusals(OURS[name], "sandbox"))


@pytest.mark.parametrize("name", WORK)
def test_row(on: Bench, name: str) -> None:
    """The page's row is what a run finds."""
    hold(row(on, name, WORK[name], "sandbox", STYLES), name, "sandbox")
