from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.jira.routes import ROUTES, route
from tests.loadtest.jira_plain import Said, ask, document, form, sandbox
from tests.loadtest.shapes import Shapes

SHAPES = Shapes.of("jira")

# What the document leaves open stands in it elsewhere: every error, and the members of an issue's fields.
ERROR = "#ErrorCollection"
FIELDS: dict[str, Any] = {
    "assignee": {"|": ["#User", "null"]},
    "attachment": ["#Attachment"],
    "comment": "#PageOfComments",
    "creator": "#User",
    "issuelinks": ["object"],
    "issuetype": "#IssueTypeDetails",
    "labels": ["string"],
    "parent": "object",
    "priority": "#Priority",
    "project": "#Project",
    "reporter": "#User",
    "status": "#StatusDetails",
    "subtasks": ["object"],
    "summary": "string",
    "timespent": "integer|null",
    "worklog": "#PageOfWorklogs",
}

SUB = {"project": {"key": "SHOP"}, "issuetype": {"name": "Sub-task"}, "summary": "sub", "parent": {"key": "SHOP-1"}}
TASK = {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "task"}
LINK = {"type": {"name": "Blocks"}, "inwardIssue": {"key": "SHOP-1"}, "outwardIssue": {"key": "SHOP-2"}}
FILE_TYPE, FILE = form(("a.txt", b"a"))


def script(version: str) -> Iterator[tuple[str, str, object]]:
    """
    Yield requests that meet every operation, in an order in which they can be done.
    """
    text: object = document("a") if version == "3" else "a"
    yield "POST", "issue", {"fields": TASK | {"description": text, "labels": ["a"]}}
    yield "POST", "issue/bulk", {"issueUpdates": [{"fields": TASK}, {}]}
    yield "POST", "issue/bulk", {"issueUpdates": [{}]}
    yield "POST", "issue", {"fields": SUB | {"assignee": {"accountId": "712020:mia"}}}
    yield "PUT", "issue/SHOP-1", {"fields": {"priority": {"name": "High"}, "labels": ["b"]}}
    yield "PUT", "issue/SHOP-1?returnIssue=true", {"fields": {"duedate": "2026-12-01"}}
    yield "PUT", "issue/SHOP-1/assignee", {"accountId": "712020:omar"}
    yield "GET", "issue/SHOP-1/transitions", None
    yield "POST", "issue/SHOP-1/transitions", {"transition": {"id": "31"}}
    yield "POST", "issue/SHOP-1/comment", {"body": text, "properties": [{"key": "a", "value": 1}]}
    yield "PUT", "issue/SHOP-1/comment/10000?expand=properties", {"body": text}
    yield "POST", "issue/SHOP-1/worklog", {"timeSpent": "1h", "comment": text}
    yield "PUT", "issue/SHOP-1/worklog/10000", {"timeSpent": "2h"}
    yield "PUT", "issue/SHOP-1/properties/a", {"a": 1}
    yield "PUT", "issue/SHOP-1/properties/a", {"a": 2}
    yield "POST", "issue/SHOP-1/attachments", FILE
    yield "POST", "issueLink", LINK
    for path in READS:
        yield "GET", path, None
    for path in ("search/jql", "search", "search/approximate-count"):
        yield "POST", path, {"jql": "project = SHOP"}
    for path in ("comment/10000", "worklog/10000", "properties/a"):
        yield "DELETE", f"issue/SHOP-1/{path}", None
    yield "DELETE", "attachment/10000", None
    yield "DELETE", "issueLink/10000", None
    yield "DELETE", "issue/SHOP-1?deleteSubtasks=true", None


READS = (
    "serverInfo",
    "myself",
    "user?accountId=712020:mia",
    "user/search?query=mia",
    "project",
    "project/search?maxResults=1",
    "project/SHOP",
    "project/SHOP/statuses",
    "issuetype",
    "issuetype/10001",
    "status",
    "status/Done",
    "priority",
    "field",
    "issue/createmeta?expand=projects.issuetypes.fields",
    "issue/createmeta/SHOP/issuetypes",
    "issue/createmeta/SHOP/issuetypes/10001",
    "issue/SHOP-1?expand=names,schema,changelog,transitions,renderedFields&properties=*all",
    "issue/SHOP-3",
    "issue/SHOP-1/editmeta",
    "issue/SHOP-1/changelog?maxResults=1",
    "issue/SHOP-1/comment",
    "issue/SHOP-1/comment/10000?expand=properties",
    "issue/SHOP-1/worklog",
    "issue/SHOP-1/worklog/10000",
    "issue/SHOP-1/properties",
    "issue/SHOP-1/properties/a",
    "attachment/meta",
    "attachment/10000",
    "attachment/content/10000",
    "attachment/content/10000?redirect=false",
    "issueLink/10000",
    "issueLinkType",
    "search/jql?jql=project+%3D+SHOP&maxResults=1&fields=*all",
    "search?jql=project+%3D+SHOP&expand=names,schema",
)

FAILURES: tuple[tuple[str, str, object], ...] = (
    ("POST", "issue", {"fields": {}}),
    ("GET", "issue/SHOP-9", None),
    ("PUT", "issue/SHOP-1", {"fields": {"summary": ""}}),
    ("POST", "issue/SHOP-1/transitions", {"transition": {"id": "99"}}),
    ("POST", "issue/SHOP-1/comment", {}),
    ("POST", "issue/SHOP-1/worklog", {}),
    ("GET", "search/jql?jql=nonsense", None),
    ("POST", "issueLink", {}),
    ("DELETE", "attachment/1", None),
    ("GET", "project/NO", None),
)


def faults(method: str, path: str, said: Said) -> list[str]:
    """
    Say what is wrong with an answer, in either version; the document is of version 3.
    """
    path = f"/rest/api/3/{path}"
    operation = SHAPES.operation(method, path)
    assert operation is not None, path
    documented = operation.answers.get(str(said.status), "undocumented")
    if said.status >= 400 and documented is None:
        return list(SHAPES.differences(ERROR, said.body))
    if said.body == b"" or isinstance(said.body, bytes):
        # A document without a type for a body says nothing about whether there is one.
        return [] if documented in {None, "any"} else [f"{operation.name}: no JSON where there should be"]
    found = SHAPES.faults(method, path, said.status, json.dumps(said.body).encode())
    body = said.body if isinstance(said.body, dict) else {}
    for shown in [body, *body.get("issues", [])]:
        if isinstance(shown.get("fields"), dict) and "summary" in shown["fields"] and "key" in shown:
            for name in FIELDS.keys() & shown["fields"].keys():
                found += SHAPES.differences(FIELDS[name], shown["fields"][name], name)
    return found


def play(upstream: JiraSandbox, version: str) -> Iterator[tuple[str, str, Said]]:
    for method, path, body in script(version):
        content_type = FILE_TYPE if body is FILE else "application/json"
        said = ask(
            upstream, method, path, body, version=version, content_type=content_type, X_Atlassian_Token="no-check"
        )
        yield method, path, said


@pytest.mark.parametrize("version", ["2", "3"])
def test_as_documented(version: str) -> None:
    """Every operation's answer has the types and the members that the vendor's document says."""
    met = set()
    for method, path, said in play(sandbox(), version):
        assert said.status < 400 or (path, said.status) == ("issue/bulk", 400), (method, path, said)
        assert faults(method, path, said) == [], (method, path)
        met.add(route(path.partition("?")[0])[0][method])
    assert met == {handler for _, _, handler in ROUTES}


@pytest.mark.parametrize(("method", "path", "body"), FAILURES)
def test_failing_as_documented(method: str, path: str, body: object) -> None:
    """Every failure is a collection of errors, with a status that the document knows."""
    upstream = sandbox()
    ask(upstream, "POST", "issue", {"fields": TASK})
    said = ask(upstream, method, path, body)
    operation = SHAPES.operation(method, f"/rest/api/3/{path}")
    assert operation is not None
    assert str(said.status) in operation.answers
    assert said.status >= 400
    assert faults(method, path, said) == []


def test_every_route_documented() -> None:
    """Whatever the sandbox answers is in the document, and in the table."""
    for method, path, _ in ROUTES:
        assert SHAPES.operation(method, f"/rest/api/3/{path.replace('{}', 'x')}") is not None, path
    assert len(SHAPES.operations) == len(ROUTES)


SPOIL: list[Callable[[dict[str, Any]], object]] = [
    lambda body: body.update(id=10000),
    lambda body: body.update(self=None),
    lambda body: body["fields"].update(labels="a"),
    lambda body: body["fields"]["status"].update(statusCategory=3),
    lambda body: body["fields"]["comment"]["comments"][0].update(id=1),
    lambda body: body["fields"]["project"].update(simplified="no"),
]


@pytest.mark.parametrize("spoil", SPOIL)
def test_spoilt_caught(spoil: Callable[[dict[str, Any]], object]) -> None:
    """An issue with one member of a wrong type is not as documented."""
    upstream = sandbox()
    ask(upstream, "POST", "issue", {"fields": TASK})
    ask(upstream, "POST", "issue/SHOP-1/comment", {"body": document("a")})
    said = ask(upstream, "GET", "issue/SHOP-1")
    assert faults("GET", "issue/SHOP-1", said) == []
    spoil(said.body)
    assert len(faults("GET", "issue/SHOP-1", said)) == 1
