from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.jira.documents import to_document, to_text
from loadtest.upstreams.jira.routes import PREFIX, route
from tests.loadtest.jira_plain import BASE, Said, ask, document, fields, form, make, sandbox

NEW = {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "Card declined"}


@pytest.fixture
def upstream() -> JiraSandbox:
    return sandbox()


def edit(upstream: JiraSandbox, key: str, body: object, version: str = "3") -> Said:
    return ask(upstream, "PUT", f"issue/{key}", body, version=version)


# ------------------------------------------------------------------------------------------------------------- making


@pytest.mark.parametrize(
    ("changed", "at_fault"),
    [
        ({"summary": None}, {"summary"}),
        ({"summary": " "}, {"summary"}),
        ({"summary": "a\nb"}, {"summary"}),
        ({"summary": "a" * 256}, {"summary"}),
        ({"project": {"key": "NO"}}, {"project"}),
        ({"issuetype": {"name": "Nonsense"}}, {"issuetype"}),
        ({"issuetype": {"name": "Sub-task"}}, {"issuetype"}),
        ({"issuetype": {"name": "Sub-task"}, "parent": {"key": "SHOP-9"}}, {"parent"}),
        ({"priority": {"name": "Nonsense"}}, {"priority"}),
        ({"labels": ["two words"]}, {"labels"}),
        ({"labels": "urgent"}, {"labels"}),
        ({"duedate": "soon"}, {"duedate"}),
        ({"assignee": {"name": "mia"}}, {"assignee"}),
        ({"assignee": {"accountId": "nobody"}}, {"assignee"}),
        ({"customfield_10016": "five"}, {"customfield_10016"}),
        ({"status": {"name": "Done"}}, {"status"}),
        ({"nonsense": 1, "summary": None}, {"nonsense", "summary"}),
    ],
)
def test_refused_fields(upstream: JiraSandbox, changed: dict[str, Any], at_fault: set[str]) -> None:
    """An issue with a wrong field is not made, and every field at fault is named."""
    said = ask(upstream, "POST", "issue", {"fields": NEW | changed})
    assert (said.status, said.body["errorMessages"], set(said.body["errors"])) == (400, [], at_fault)
    assert upstream.effects.total() == 0


@pytest.mark.parametrize("body", [b" ", b"{", b"[]", b'{"fields": []}', b'{"fields": 1}'])
def test_unreadable_body(upstream: JiraSandbox, body: bytes) -> None:
    """A body that is no object of objects is refused."""
    said = ask(upstream, "POST", "issue", body)
    assert (said.status, said.body["errors"], len(said.body["errorMessages"])) == (400, {}, 1)


def test_not_json(upstream: JiraSandbox) -> None:
    """A body that does not call itself JSON is not read."""
    assert ask(upstream, "POST", "issue", {"fields": NEW}, content_type="text/plain").status == 415


def test_made_twice(upstream: JiraSandbox) -> None:
    """The same request twice makes two issues: there are no idempotency keys."""
    assert [make(upstream), make(upstream)] == ["SHOP-1", "SHOP-2"]
    assert upstream.effects == {"issue.created": 2}


def test_keys_not_reused(upstream: JiraSandbox) -> None:
    """The key of a deleted issue is never given again."""
    ask(upstream, "DELETE", f"issue/{make(upstream)}")
    assert make(upstream) == "SHOP-2"


def test_made_on_the_move(upstream: JiraSandbox) -> None:
    """An issue can be made with a transition, a property and a comment at once."""
    said = ask(
        upstream,
        "POST",
        "issue",
        {
            "fields": NEW,
            "transition": {"id": "21"},
            "properties": [{"key": "breakwater_call", "value": {"id": "1"}}],
            "update": {"comment": [{"add": {"body": document("first")}}], "labels": [{"add": "new"}]},
        },
    )
    shown = ask(upstream, "GET", f"issue/{said.body['id']}?properties=*all").body
    assert (shown["fields"]["status"]["name"], shown["fields"]["labels"]) == ("In Progress", ["new"])
    assert shown["fields"]["comment"]["comments"][0]["body"] == document("first")
    assert shown["properties"] == {"breakwater_call": {"id": "1"}}


def test_bulk(upstream: JiraSandbox) -> None:
    """Of many issues those that are right are made, and the others are told by their place."""
    bodies = [{"fields": NEW}, {"fields": {}}, {"fields": NEW}]
    said = ask(upstream, "POST", "issue/bulk", {"issueUpdates": bodies})
    assert (said.status, [each["key"] for each in said.body["issues"]]) == (201, ["SHOP-1", "SHOP-2"])
    assert [each["failedElementNumber"] for each in said.body["errors"]] == [1]
    assert ask(upstream, "POST", "issue/bulk", {"issueUpdates": [{}]}).status == 400


# ------------------------------------------------------------------------------------------------------------ editing


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ({"fields": {"labels": ["c", "d", "c"]}}, {"labels": ["c", "d"]}),
        ({"update": {"labels": [{"add": "c"}, {"remove": "a"}, {"add": "b"}]}}, {"labels": ["b", "c"]}),
        ({"update": {"labels": [{"set": ["z"]}, {"add": "y"}]}}, {"labels": ["z", "y"]}),
        ({"update": {"summary": [{"set": "New"}]}}, {"summary": "New"}),
        ({"fields": {"duedate": "2026-12-01"}}, {"duedate": "2026-12-01"}),
        ({"fields": {"customfield_10016": 2.5}}, {"customfield_10016": 2.5}),
        ({"fields": {"description": None}}, {"description": None}),
        ({"fields": {}, "update": {}}, {"labels": ["a", "b"], "summary": "Card declined"}),
    ],
)
def test_edited(upstream: JiraSandbox, body: dict[str, Any], after: dict[str, Any]) -> None:
    """An edit sets what it names, changes lists as it says, and leaves the rest."""
    key = make(upstream, labels=["a", "b"], description=document("text"))
    before = fields(upstream, key)
    assert edit(upstream, key, body)[::2] == (204, b"")
    assert fields(upstream, key) == before | after
    assert upstream.effects == {"issue.created": 1, "issue.updated": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"fields": {"summary": "New", "duedate": "soon"}},
        {"fields": {"labels": []}, "update": {"labels": [{"add": "c"}]}},
        {"fields": {"summary": "New"}, "update": {"comment": [{"add": {"body": ""}}]}},
        {"fields": {"summary": "New"}, "update": {"worklog": [{"add": {"timeSpent": "soon"}}]}},
        {"fields": {"summary": "New"}, "update": {"issuelinks": [{"add": {"type": {"name": "Blocks"}}}]}},
        {"fields": {"summary": "New", "project": {"key": "OPS"}}},
        {"fields": {"summary": "New", "issuetype": {"name": "Sub-task"}}},
        {"fields": {"summary": "New"}, "update": {"labels": [{"edit": "c"}]}},
        {"fields": {"summary": "New"}, "update": {"status": [{"set": "Done"}]}},
    ],
)
def test_edit_whole_or_not(upstream: JiraSandbox, body: dict[str, Any]) -> None:
    """An edit with anything wrong in it changes nothing."""
    key = make(upstream, labels=["a"])
    before = fields(upstream, key)
    assert edit(upstream, key, body).status == 400
    assert fields(upstream, key) == before
    assert upstream.effects == {"issue.created": 1}


def test_edit_returned(upstream: JiraSandbox) -> None:
    """An edit that asks for the issue is answered with it."""
    said = ask(upstream, "PUT", f"issue/{make(upstream)}?returnIssue=true", {"fields": {"summary": "New"}})
    assert (said.status, said.body["fields"]["summary"]) == (200, "New")


@pytest.mark.parametrize(
    ("body", "status", "assignee"),
    [
        ({"accountId": "712020:mia"}, 204, "712020:mia"),
        ({"accountId": None}, 204, None),
        ({"accountId": "-1"}, 204, None),
        ({"name": "mia"}, 400, "712020:omar"),
        ({"accountId": "nobody"}, 400, "712020:omar"),
    ],
)
def test_assigned(upstream: JiraSandbox, body: object, status: int, assignee: str | None) -> None:
    """An issue goes to an account, to nobody, or to whoever is the default; a name is no account."""
    key = make(upstream, assignee={"accountId": "712020:omar"})
    assert ask(upstream, "PUT", f"issue/{key}/assignee", body).status == status
    found = fields(upstream, key)["assignee"]
    assert (found and found["accountId"]) == assignee


def test_changelog(upstream: JiraSandbox) -> None:
    """Every change is in the changelog once, in ids and in words, and its pages say where the next one is."""
    key = make(upstream)
    edit(upstream, key, {"fields": {"priority": {"name": "High"}, "labels": ["a"]}})
    edit(upstream, key, {"fields": {"labels": ["a"]}})
    ask(upstream, "POST", f"issue/{key}/transitions", {"transition": {"id": "31"}})
    first = ask(upstream, "GET", f"issue/{key}/changelog?maxResults=1").body
    assert (first["total"], first["isLast"]) == (2, False)
    items = {
        item["field"]: (item.get("from"), item["fromString"], item["toString"]) for item in first["values"][0]["items"]
    }
    assert items == {"labels": (None, "", "a"), "priority": ("3", "Medium", "High")}
    second = ask(upstream, "GET", first["nextPage"].partition("/rest/api/3/")[2]).body
    assert (second["isLast"], second["values"][0]["items"][0]["toString"], "nextPage" in second) == (
        True,
        "Done",
        False,
    )


# ---------------------------------------------------------------------------------------------------------- documents

LINES = st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=9), max_size=5)


@given(LINES)
def test_text_both_ways(lines: list[str]) -> None:
    """Plain text becomes a document and plain text again without a loss."""
    text = "\n".join(lines)
    assert to_text(to_document(text)) == text


@settings(max_examples=20)
@given(LINES.filter(any))
def test_two_versions(lines: list[str]) -> None:
    """What one version of the API wrote, the other reads as its own kind of text."""
    upstream, text = sandbox(), "\n".join(lines)
    key = make(upstream, version="2", description=text)
    assert fields(upstream, key, version="3")["description"] == document(*lines)
    edit(upstream, key, {"fields": {"description": document(*lines[::-1])}})
    assert fields(upstream, key, version="2")["description"] == "\n".join(lines[::-1])


@pytest.mark.parametrize(
    ("version", "value"),
    [("2", document("a")), ("3", "a"), ("latest", document("a")), ("3", {"type": "text"}), ("2", 1)],
)
def test_other_kind(upstream: JiraSandbox, version: str, value: object) -> None:
    """Version 3 takes documents only, version 2 text only, as description and as comment."""
    key = make(upstream)
    assert set(edit(upstream, key, {"fields": {"description": value}}, version).body["errors"]) == {"description"}
    said = ask(upstream, "POST", f"issue/{key}/comment", {"body": value}, version=version)
    assert (said.status, set(said.body["errors"])) == (400, {"comment"})


# ----------------------------------------------------------------------------------------------------------- deleting


def test_subtasks_first(upstream: JiraSandbox) -> None:
    """An issue with subtasks goes only together with them, and with all that hangs on it."""
    parent = make(upstream)
    child = make(upstream, issuetype={"name": "Sub-task"}, parent={"key": parent})
    ask(upstream, "POST", f"issue/{child}/comment", {"body": document("a")})
    assert fields(upstream, parent)["subtasks"][0]["key"] == child
    assert [ask(upstream, "DELETE", f"issue/{parent}{flag}").status for flag in ("", "?deleteSubtasks=False")] == [
        400,
        400,
    ]
    assert ask(upstream, "DELETE", f"issue/{parent}?deleteSubtasks=true")[::2] == (204, b"")
    assert [ask(upstream, "GET", f"issue/{key}").status for key in (parent, child)] == [404, 404]
    assert upstream.effects["issue.deleted"] == 2
    assert not any(upstream.account.notes.values())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "issue/SHOP-9"),
        ("PUT", "issue/SHOP-9"),
        ("DELETE", "issue/99999"),
        ("GET", "issue/SHOP-9/comment"),
        ("POST", "issue/SHOP-9/comment"),
        ("GET", "issue/SHOP-1/comment/99"),
        ("DELETE", "issue/SHOP-1/worklog/99"),
        ("GET", "issue/SHOP-1/properties/none"),
        ("POST", "issue/SHOP-9/transitions"),
        ("GET", "attachment/99"),
        ("GET", "attachment/content/99"),
        ("DELETE", "issueLink/99"),
        ("GET", "project/NO"),
        ("GET", "issuetype/99"),
        ("GET", "status/Nowhere"),
        ("GET", "user?accountId=nobody"),
        ("GET", "nonsense"),
    ],
)
def test_missing(upstream: JiraSandbox, method: str, path: str) -> None:
    """What is not there is a 404 in Jira's shape."""
    make(upstream)
    said = ask(upstream, method, path, {} if method in {"PUT", "POST"} else None)
    assert (said.status, len(said.body["errorMessages"]), said.body["errors"]) == (404, 1, {})


def test_wrong_method(upstream: JiraSandbox) -> None:
    """A path that is known under another method only is a 405."""
    assert ask(upstream, "PATCH", "issue/SHOP-1").status == 405


# ------------------------------------------------------------------------------------------------------------- links


def strings(node: Any) -> list[tuple[str, str]]:
    """
    Return every string under its member's name.
    """
    pairs = node.items() if isinstance(node, dict) else [("", each) for each in node] if isinstance(node, list) else []
    return [pair for name, each in pairs for pair in ([(name, each)] if isinstance(each, str) else strings(each))]


@pytest.mark.parametrize("version", ["2", "3"])
def test_self_links(upstream: JiraSandbox, version: str) -> None:
    """Every address in an issue is the site's own in the version that was asked, and leads to what carries it."""
    key, other = make(upstream), make(upstream)
    make(upstream, issuetype={"name": "Sub-task"}, parent={"key": key}, assignee={"accountId": "712020:mia"})
    content_type, body = form(("a.txt", b"a"))
    ask(upstream, "POST", f"issue/{key}/attachments", body, content_type=content_type, X_Atlassian_Token="no-check")
    ask(upstream, "POST", f"issue/{key}/comment", {"body": document("a")})
    ask(upstream, "POST", f"issue/{key}/worklog", {"timeSpent": "1h"})
    link = {"type": {"name": "Blocks"}, "inwardIssue": {"key": key}, "outwardIssue": {"key": other}}
    ask(upstream, "POST", "issueLink", link)
    shown = ask(upstream, "GET", f"issue/{key}", version=version).body
    addresses = [(name, text) for name, text in strings(shown) if text.startswith("http")]
    assert {text.partition("/rest/")[0] for name, text in addresses if name in {"self", "content"}} == {BASE}
    kinds = set()
    for address in {text for name, text in addresses if name == "self"}:
        asked, below = urlsplit(address), f"{PREFIX}{version}/"
        assert asked.path.startswith(below)
        if "GET" in route(asked.path.removeprefix(below))[0] and not asked.path.endswith("/comment"):
            said = ask(upstream, "GET", address.partition(below)[2], version=version)
            assert (said.status, said.body["self"]) == (200, address)
            kinds.add(address.partition(below)[2].split("/")[0].partition("?")[0])
    assert kinds == {"attachment", "issue", "issueLink", "issuetype", "project", "status", "user"}
