from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.jira.errors import Wrong
from loadtest.upstreams.jira.times import read_span, span
from tests.loadtest.jira_plain import Said, ask, document, fields, form, make, sandbox


@pytest.fixture
def upstream() -> JiraSandbox:
    return sandbox()


# -------------------------------------------------------------------------------------------------------- transitions

MOVES = {"To Do": {"21", "31"}, "In Progress": {"11", "31"}, "Done": {"41"}}
ROADS: dict[str, list[str]] = {"To Do": [], "In Progress": ["21"], "Done": ["31"]}
TARGETS = {"11": "To Do", "21": "In Progress", "31": "Done", "41": "To Do"}


def move(upstream: JiraSandbox, key: str, id_: object, **more: object) -> Said:
    return ask(upstream, "POST", f"issue/{key}/transitions", {"transition": {"id": id_}} | more)


@pytest.mark.parametrize("status", MOVES)
@pytest.mark.parametrize("id_", [*TARGETS, "99"])
def test_moved(upstream: JiraSandbox, status: str, id_: str) -> None:
    """A transition goes where it leads from where it may begin, and is a 400 that changes nothing from elsewhere."""
    key = make(upstream)
    for step in ROADS[status]:
        move(upstream, key, step)
    listed = ask(upstream, "GET", f"issue/{key}/transitions").body["transitions"]
    assert {each["id"] for each in listed} == MOVES[status]
    before = fields(upstream, key)
    assert before["status"]["name"] == status
    said = move(upstream, key, int(id_))
    if id_ in MOVES[status]:
        after = fields(upstream, key)
        assert (said.status, said.body, after["status"]["name"]) == (204, b"", TARGETS[id_])
        assert (after["resolution"] is not None) == (TARGETS[id_] == "Done")
    else:
        assert (said.status, fields(upstream, key)) == (400, before)


def test_moved_with_more(upstream: JiraSandbox) -> None:
    """A transition brings fields and a comment along, and nothing at all if one of them is wrong."""
    key = make(upstream)
    update = {"comment": [{"add": {"body": document("done")}}]}
    assert move(upstream, key, "31", fields={"duedate": "soon"}, update=update).status == 400
    assert upstream.effects == {"issue.created": 1}
    assert move(upstream, key, "31", fields={"duedate": "2026-12-01"}, update=update).status == 204
    assert fields(upstream, key)["duedate"] == "2026-12-01"
    assert upstream.effects == {"issue.created": 1, "issue.transitioned": 1, "comment.created": 1}


@pytest.mark.parametrize("body", [{}, {"transition": {"name": "Done"}}, {"transition": "31"}])
def test_unnamed_move(upstream: JiraSandbox, body: object) -> None:
    """A transition is named by its id and by nothing else."""
    assert ask(upstream, "POST", f"issue/{make(upstream)}/transitions", body).status == 400


# ----------------------------------------------------------------------------------------------------------- comments


def test_comment(upstream: JiraSandbox) -> None:
    """A comment is written, shown, written anew and deleted."""
    key = make(upstream)
    made = ask(upstream, "POST", f"issue/{key}/comment", {"body": document("a")})
    path = f"issue/{key}/comment/{made.body['id']}"
    assert (made.status, ask(upstream, "GET", path).body) == (201, made.body)
    again = ask(upstream, "PUT", path, {"body": document("b")})
    assert (again.status, again.body) == (200, made.body | {"body": document("b")})
    assert ask(upstream, "DELETE", path)[::2] == (204, b"")
    assert ask(upstream, "GET", path).status == 404
    assert upstream.effects.by_object[made.body["id"]] == {
        f"comment.{did}": 1 for did in ("created", "updated", "deleted")
    }


def test_not_its_comment(upstream: JiraSandbox) -> None:
    """A comment is not found under another issue."""
    key, other = make(upstream), make(upstream)
    made = ask(upstream, "POST", f"issue/{key}/comment", {"body": document("a")}).body
    assert ask(upstream, "GET", f"issue/{other}/comment/{made['id']}").status == 404


@settings(max_examples=20)
@given(st.integers(0, 7), st.integers(1, 8), st.booleans())
def test_comment_pages(count: int, size: int, newest: bool) -> None:
    """Pages of any size show every comment once, in the order that was asked."""
    upstream = sandbox()
    key = make(upstream)
    made = [ask(upstream, "POST", f"issue/{key}/comment", {"body": document(str(n))}).body["id"] for n in range(count)]
    found: list[str] = []
    while True:
        query = f"startAt={len(found)}&maxResults={size}&orderBy={'-' if newest else ''}created"
        page = ask(upstream, "GET", f"issue/{key}/comment?{query}").body
        assert (page["startAt"], page["maxResults"], page["total"]) == (len(found), size, count)
        found += [each["id"] for each in page["comments"]]
        if len(found) >= count:
            break
    assert found == (made[::-1] if newest else made)


@pytest.mark.parametrize("query", ["startAt=-1", "maxResults=x", "maxResults=1.5", "orderBy=size"])
def test_bad_page(upstream: JiraSandbox, query: str) -> None:
    """A page that nobody could cut is refused."""
    assert ask(upstream, "GET", f"issue/{make(upstream)}/comment?{query}").status == 400


# ----------------------------------------------------------------------------------------------------------- worklogs


@given(st.integers(1, 100_000).map(lambda minutes: 60 * minutes))
def test_spans(seconds: int) -> None:
    """A span of work means the same when it is read again."""
    assert read_span(span(seconds)) == seconds


@pytest.mark.parametrize("value", ["", "soon", "1", "1h soon", "0m", "-1h", None, 60])
def test_no_span(value: object) -> None:
    """What is no span of work is refused."""
    with pytest.raises(Wrong):
        read_span(value)


def test_worklog(upstream: JiraSandbox) -> None:
    """Work is logged, changed and deleted, and the issue's time spent is the sum of it."""
    key = make(upstream)
    made = ask(upstream, "POST", f"issue/{key}/worklog", {"timeSpent": "1h 30m", "comment": document("a")})
    ask(upstream, "POST", f"issue/{key}/worklog", {"timeSpentSeconds": 60})
    assert (made.status, made.body["timeSpentSeconds"], fields(upstream, key)["timespent"]) == (201, 5400, 5460)
    path = f"issue/{key}/worklog/{made.body['id']}"
    again = ask(upstream, "PUT", path, {"timeSpent": "2h"})
    assert again.body == made.body | {"timeSpent": "2h", "timeSpentSeconds": 7200}
    assert [ask(upstream, "DELETE", path).status, ask(upstream, "GET", path).status] == [204, 404]
    assert fields(upstream, key)["timetracking"] == {"timeSpent": "1m", "timeSpentSeconds": 60}


@pytest.mark.parametrize(
    "body",
    [{}, {"timeSpent": "soon"}, {"timeSpentSeconds": 0}, {"timeSpent": "1h", "started": "2021-01-17T12:34:00Z"}],
)
def test_bad_worklog(upstream: JiraSandbox, body: object) -> None:
    """Work that took no time, or began at no time, is not logged."""
    key = make(upstream)
    assert ask(upstream, "POST", f"issue/{key}/worklog", body).status == 400
    assert upstream.effects["worklog.created"] == 0


# --------------------------------------------------------------------------------------------------------- attachments


def attach(upstream: JiraSandbox, key: str, *files: tuple[str, bytes], token: str = "no-check", **form_: str) -> Said:
    content_type, body = form(*files, **form_)
    path = f"issue/{key}/attachments"
    return ask(upstream, "POST", path, body, content_type=content_type, X_Atlassian_Token=token)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=3))
def test_attached_bytes(datas: list[bytes]) -> None:
    """Files come back byte for byte."""
    upstream = sandbox()
    key = make(upstream)
    made = attach(upstream, key, *((f"{n}.bin", data) for n, data in enumerate(datas)), boundary="x" * 40)
    assert (made.status, [each["size"] for each in made.body]) == (200, [len(data) for data in datas])
    paths = [f"attachment/content/{each['id']}" for each in made.body]
    assert [ask(upstream, "GET", path + "?redirect=false").body for path in paths] == datas
    said = ask(upstream, "GET", paths[0])
    assert (said.status, said.headers["Location"]) == (303, made.body[0]["content"] + "?redirect=false")


def test_attachment(upstream: JiraSandbox) -> None:
    """An attachment stands on its issue and is gone when it is deleted."""
    key = make(upstream)
    (made,) = attach(upstream, key, ("a.png", b"a")).body
    assert (made["filename"], made["mimeType"]) == ("a.png", "image/png")
    assert fields(upstream, key)["attachment"] == [made]
    shown = ask(upstream, "GET", f"attachment/{made['id']}").body
    assert shown == made | {"id": int(made["id"]), "properties": {}}
    assert ask(upstream, "DELETE", f"attachment/{made['id']}").status == 204
    assert fields(upstream, key)["attachment"] == []
    assert upstream.effects.by_object[made["id"]] == {"attachment.created": 1, "attachment.deleted": 1}


@pytest.mark.parametrize(
    ("token", "content_type", "body", "status"),
    [
        ("", None, None, 403),
        ("check", None, None, 403),
        ("no-check", "application/json", b"{}", 415),
        ("no-check", "multipart/form-data; boundary=frontier", b"--frontier--\r\n", 400),
        ("no-check", "multipart/form-data; boundary=frontier", b"--frontier\r\nnonsense", 400),
    ],
)
def test_not_attached(
    upstream: JiraSandbox, token: str, content_type: str | None, body: bytes | None, status: int
) -> None:
    """A form that a browser could have sent, or that is none, attaches nothing."""
    good_type, good_body = form(("a.txt", b"a"))
    said = ask(
        upstream,
        "POST",
        f"issue/{make(upstream)}/attachments",
        good_body if body is None else body,
        content_type=content_type or good_type,
        X_Atlassian_Token=token,
    )
    assert said.status == status
    assert upstream.effects["attachment.created"] == 0


def test_coded_filename(upstream: JiraSandbox) -> None:
    """A file's name beyond ASCII is read in the coding that HTTP has for it."""
    body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''r%C3%A4k.txt\r\n\r\na\r\n--b--\r\n"
    path = f"issue/{make(upstream)}/attachments"
    said = ask(
        upstream, "POST", path, body, content_type="multipart/form-data; boundary=b", X_Atlassian_Token="no-check"
    )
    assert said.body[0]["filename"] == "räk.txt"


# --------------------------------------------------------------------------------------------------- links, properties


def test_link(upstream: JiraSandbox) -> None:
    """A link shows at each end the other one, and goes with either."""
    first, second = make(upstream), make(upstream)
    body = {
        "type": {"name": "Blocks"},
        "inwardIssue": {"key": first},
        "outwardIssue": {"key": second},
        "comment": {"body": document("see")},
    }
    assert ask(upstream, "POST", "issueLink", body)[::2] == (201, b"")
    (shown,) = fields(upstream, first)["issuelinks"]
    assert (shown["outwardIssue"]["key"], "inwardIssue" in shown) == (second, False)
    assert fields(upstream, second)["issuelinks"][0]["inwardIssue"]["key"] == first
    assert fields(upstream, first)["comment"]["total"] == 1
    whole = ask(upstream, "GET", f"issueLink/{shown['id']}").body
    assert (whole["inwardIssue"]["key"], whole["outwardIssue"]["key"]) == (first, second)
    ask(upstream, "DELETE", f"issue/{second}")
    assert (fields(upstream, first)["issuelinks"], ask(upstream, "GET", f"issueLink/{shown['id']}").status) == ([], 404)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"type": {"name": "Nonsense"}}, 404),
        ({"outwardIssue": {"key": "SHOP-9"}}, 404),
        ({"outwardIssue": None}, 404),
        ({"comment": {"body": ""}}, 400),
    ],
)
def test_no_link(upstream: JiraSandbox, changed: dict[str, Any], status: int) -> None:
    """A link of an unknown kind, to nowhere, or with a comment that says nothing is not made."""
    key, other = make(upstream), make(upstream)
    body = {"type": {"name": "Blocks"}, "inwardIssue": {"key": key}, "outwardIssue": {"key": other}} | changed
    assert ask(upstream, "POST", "issueLink", body).status == status
    assert upstream.effects == {"issue.created": 2}


@pytest.mark.parametrize("value", [{"id": "1"}, [1], "text", 0, None, False])
def test_property(upstream: JiraSandbox, value: object) -> None:
    """A property is set, set again, listed, shown and removed, whatever JSON it is."""
    key = make(upstream)
    path = f"issue/{key}/properties/breakwater_call"
    assert [ask(upstream, "PUT", path, each)[::2] for each in ({}, value) if each is not None] == (
        [(201, b""), (200, b"")] if value is not None else [(201, b"")]
    )
    if value is None:
        ask(upstream, "PUT", path, b"null")
    assert ask(upstream, "GET", path).body == {"key": "breakwater_call", "value": value}
    assert [each["key"] for each in ask(upstream, "GET", f"issue/{key}/properties").body["keys"]] == ["breakwater_call"]
    assert [ask(upstream, "DELETE", path).status, ask(upstream, "DELETE", path).status] == [204, 404]
    assert upstream.effects.by_object[f"{key}/breakwater_call"] == {"property.set": 2, "property.deleted": 1}
