from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtest.installation import agent
from tests.canary.forms import secret
from tests.clients.bench import Api, Bench, bench
from tests.clients.compare import Rules
from tests.clients.upstreams import SITE, jira_ends

SECRET = secret("jira")
USER = "bot@shop.test"

JIRA = Api(rules=Rules(), origins=(SITE,), objectless=frozenset({"linkIssues"}))

# All that the scripts do, and nothing else: `createProject` is what is refused.
ALLOWED: dict[str, object] = {
    name: {}
    for name in (
        "*Attachment",
        "*Comment",
        "*Worklog",
        "*IssueProperty",
        "assignIssue",
        "createIssue",
        "deleteIssue",
        "doTransition",
        "editIssue",
        "findUsers",
        "getAttachmentContent",
        "getComments",
        "getCurrentUser",
        "getEditIssueMeta",
        "getFields",
        "getIssue",
        "getIssueLinkTypes",
        "getIssueWorklog",
        "getProject",
        "getServerInfo",
        "getTransitions",
        "linkIssues",
        "searchAndReconsileIssuesUsingJql*",
        "searchProjects",
    )
}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """
    Run Jira twice, and Breakwater in front of one of them.
    """
    with jira_ends(SECRET, USER) as ends:
        configured = {"catalog": "jira", "credential": {"env": "UPSTREAM_SECRET", "user": USER}}
        with bench(
            tmp_path_factory.mktemp("jira"), JIRA, {"sandbox": ends}, configured, agent(ALLOWED, loops=False)
        ) as made:
            yield made
