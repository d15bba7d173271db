from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.installation import ROOT, environment
from loadtest.upstreams.answer import Answer
from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.wiretap import Seen
from tests.loadtest.github_plain import API, LINKS, REPO, UPLOADS, ask, done, sandbox
from tests.loadtest.plain import SECRET, WAIT_S


@pytest.fixture
def upstream() -> GithubSandbox:
    return sandbox()


def issue(upstream: GithubSandbox, title: str = "Leak", **more: Any) -> int:
    return int(done(upstream, "POST", f"{REPO}/issues", {"title": title, **more})["number"])


# ------------------------------------------------------------------------------------------------------ who gets in


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {SECRET}", 200),
        (f"bearer {SECRET}", 200),
        (f"token {SECRET}", 200),
        ("token wrong", 401),
        (f"Digest {SECRET}", 401),
        (SECRET, 401),
        ("", 401),
    ],
)
def test_credentials(upstream: GithubSandbox, header: str, status: int) -> None:
    """The token gets in under either scheme, and nothing else does."""
    assert ask(upstream, "GET", "/user", Authorization=header).status == status


@pytest.mark.parametrize(("header", "message"), [("token wrong", "Bad credentials"), ("", "Requires authentication")])
def test_refused_shape(upstream: GithubSandbox, header: str, message: str) -> None:
    """A refusal is worded as GitHub words it."""
    said = ask(upstream, "GET", "/user", Authorization=header)
    assert said.body == {"message": message, "documentation_url": "https://docs.github.com/rest", "status": "401"}


def test_no_agent(upstream: GithubSandbox) -> None:
    """A request that does not say what sends it is forbidden."""
    assert ask(upstream, "GET", "/user", User_Agent="").status == 403


# ------------------------------------------------------------------------------------------------------------ refusals

INVALID = [
    ("POST", f"{REPO}/issues", {}, 422),
    ("POST", f"{REPO}/issues", {"title": 1}, 422),
    ("POST", f"{REPO}/issues", {"title": " "}, 422),
    ("POST", f"{REPO}/issues", {"title": "a", "assignees": ["nobody"]}, 422),
    ("POST", f"{REPO}/issues", {"title": "a", "labels": [1]}, 422),
    ("POST", f"{REPO}/issues", ["title"], 400),
    ("POST", f"{REPO}/issues", b"{", 400),
    ("GET", f"{REPO}/issues/7", None, 404),
    ("GET", f"{REPO}/issues/x", None, 404),
    ("GET", "/repos/ada/none", None, 404),
    ("GET", "/repositories/7", None, 404),
    ("GET", "/nothing", None, 404),
    ("DELETE", f"{REPO}/issues/1", None, 404),
    ("POST", f"{REPO}/labels", {"name": "BUG"}, 422),
    ("POST", f"{REPO}/labels", {"name": "a", "color": "#ff0000"}, 422),
    ("DELETE", f"{REPO}/labels/none", None, 404),
    ("POST", f"{REPO}/releases", {"tag_name": ""}, 422),
    ("POST", f"{REPO}/releases", {"tag_name": "v1", "target_commitish": "none"}, 422),
    ("POST", f"{REPO}/actions/workflows/none.yml/dispatches", {"ref": "main"}, 404),
    ("POST", f"{REPO}/actions/workflows/ci.yml/dispatches", {"ref": "none"}, 422),
    ("GET", "/orgs/ada", None, 404),
    ("GET", "/users/nobody", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), INVALID)
def test_invalid(upstream: GithubSandbox, method: str, path: str, body: object, status: int) -> None:
    """What GitHub would not do is refused in GitHub's words, and changes nothing."""
    said = ask(upstream, method, path, body)
    assert (said.status, said.body["status"]) == (status, str(status))
    assert not upstream.effects


def test_field_named(upstream: GithubSandbox) -> None:
    """The refusal of one field names it, its resource and what is wrong with it."""
    said = ask(upstream, "POST", f"{REPO}/labels", {"name": "bug"})
    assert said.body["message"] == "Validation Failed"
    assert said.body["errors"] == [{"resource": "Label", "field": "name", "code": "already_exists"}]


# -------------------------------------------------------------------------------------------------------------- effects


def test_twice(upstream: GithubSandbox) -> None:
    """The same write sent again is done again, and the counters show it."""
    assert [issue(upstream), issue(upstream)] == [1, 2]
    assert upstream.effects == {"issue.created": 2}
    assert upstream.effects.by_object == {f"issue:ada/engine/{number}": {"issue.created": 1} for number in (1, 2)}


def test_reset(upstream: GithubSandbox) -> None:
    """A reset forgets what was done, and nothing that was there at first."""
    issue(upstream)
    upstream.add_repo("ada/more")
    upstream.reset()
    assert (upstream.effects, upstream.effects.by_object) == ({}, {})
    assert [ask(upstream, "GET", path).status for path in (REPO, "/repos/ada/more", f"{REPO}/issues/1")] == [
        200,
        404,
        404,
    ]
    assert issue(upstream) == 1


# --------------------------------------------------------------------------------------------------------------- issues


def test_issue_lives(upstream: GithubSandbox) -> None:
    """An issue is changed where it is told to, closed with a reason, and opened again."""
    number = issue(upstream, body="wet", labels=["bug", "new"], assignees=["Grace"])
    path = f"{REPO}/issues/{number}"
    closed = done(upstream, "PATCH", path, {"state": "closed", "state_reason": "not_planned"})
    assert (closed["title"], closed["body"], closed["state_reason"]) == ("Leak", "wet", "not_planned")
    assert closed["closed_by"]["login"] == "ada"
    again = done(upstream, "PATCH", path, {"state": "open", "body": None, "labels": []})
    assert (again["closed_at"], again["body"], again["labels"], again["state_reason"]) == (None, None, [], "reopened")
    assert again["assignee"]["login"] == "grace"


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [4, 3, 1]),
        ("?state=all", [4, 3, 2, 1]),
        ("?state=closed", [2]),
        ("?state=nonsense", [4, 3, 1]),
        ("?labels=BUG", [3, 1]),
        ("?labels=bug,question", [3]),
        ("?direction=asc", [1, 3, 4]),
        ("?sort=comments", [1, 4, 3]),
        ("?assignee=grace", [4]),
        ("?assignee=none", [3, 1]),
        ("?creator=grace", []),
        ("?since=2030-01-01T00:00:00Z", []),
    ],
)
def test_listed(upstream: GithubSandbox, query: str, numbers: list[int]) -> None:
    """A list holds what its query says, newest first unless told otherwise."""
    issue(upstream, labels=["bug"])
    done(upstream, "PATCH", f"{REPO}/issues/{issue(upstream)}", {"state": "closed"})
    issue(upstream, labels=["question", "bug"])
    issue(upstream, assignees=["grace"])
    done(upstream, "POST", f"{REPO}/issues/1/comments", {"body": "drip"})
    assert [each["number"] for each in done(upstream, "GET", f"{REPO}/issues{query}")] == numbers


LABELLED = [
    ("POST", "", ["b", "C"], ["a", "b", "C"]),
    ("POST", "", {"labels": ["A"]}, ["a"]),
    ("POST", "", {"labels": [{"name": "b"}]}, ["a", "b"]),
    ("PUT", "", ["b"], ["b"]),
    ("PUT", "", {"labels": []}, []),
    ("DELETE", "/A", None, []),
]


@pytest.mark.parametrize(("method", "below", "body", "left"), LABELLED)
def test_labels(upstream: GithubSandbox, method: str, below: str, body: object, left: list[str]) -> None:
    """Labels are added, replaced and taken off by name in any case, from an object or a plain array."""
    number = issue(upstream, labels=["a"])
    answered = done(upstream, method, f"{REPO}/issues/{number}/labels{below}", body)
    assert [each["name"] for each in answered] == left
    assert [each["name"] for each in done(upstream, "GET", f"{REPO}/issues/{number}/labels")] == left


def test_label_renamed(upstream: GithubSandbox) -> None:
    """A label that is renamed is renamed wherever it is worn, and its address is encoded."""
    number = issue(upstream, labels=["a/b c"])
    worn = done(upstream, "GET", f"{REPO}/issues/{number}")["labels"][0]
    assert worn["url"] == f"{API}{REPO}/labels/a%2Fb%20c"
    done(upstream, "PATCH", worn["url"].removeprefix(API), {"new_name": "d"})
    assert done(upstream, "GET", f"{REPO}/issues/{number}")["labels"][0]["name"] == "d"
    done(upstream, "DELETE", f"{REPO}/labels/D")
    assert done(upstream, "GET", f"{REPO}/issues/{number}")["labels"] == []


def test_comment_lives(upstream: GithubSandbox) -> None:
    """A comment is counted at its issue, changed, and gone for good."""
    number = issue(upstream)
    id_ = done(upstream, "POST", f"{REPO}/issues/{number}/comments", {"body": "a"})["id"]
    assert done(upstream, "GET", f"{REPO}/issues/{number}")["comments"] == 1
    assert done(upstream, "PATCH", f"{REPO}/issues/comments/{id_}", {"body": "b"})["body"] == "b"
    done(upstream, "DELETE", f"{REPO}/issues/comments/{id_}")
    statuses = [ask(upstream, method, f"{REPO}/issues/comments/{id_}").status for method in ("GET", "DELETE")]
    assert (statuses, done(upstream, "GET", f"{REPO}/issues/{number}")["comments"]) == ([404, 404], 0)
    assert upstream.effects.by_object[f"comment:ada/engine/{id_}"].total() == 3


# ---------------------------------------------------------------------------------------------------------------- pages


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.integers(1, 5), st.booleans())
def test_pages_complete(count: int, size: int, by_id: bool) -> None:
    """Pages of any size, walked along `next` or back along `prev`, show every issue once and in order."""
    upstream = sandbox(by_id=by_id)
    numbers = [issue(upstream) for _ in range(count)][::-1]
    first, cut = f"{REPO}/issues?per_page={size}&state=open", [numbers[n : n + size] for n in range(0, count, size)]
    pages = walked(upstream, first, "next")
    assert [numbers for numbers, _ in pages] == (cut or [[]])
    if len(cut) > 1:
        last = pages[0][1]["last"].removeprefix(LINKS)
        assert [numbers for numbers, _ in walked(upstream, last, "prev")] == cut[::-1]
        assert walked(upstream, pages[-1][1]["first"].removeprefix(LINKS), "none")[0][0] == cut[0]
        assert last.startswith("/repositories/" if by_id else REPO)


def walked(upstream: GithubSandbox, path: str, rel: str) -> list[tuple[list[int], dict[str, str]]]:
    pages = []
    while path:
        said = ask(upstream, "GET", path)
        links = {
            part.split('rel="')[1].rstrip('"'): part.strip(" <").split(">")[0]
            for part in said.headers.get("Link", "").split(",")
            if part
        }
        pages.append(([each["number"] for each in said.body], links))
        path = links.get(rel, "").removeprefix(LINKS)
    return pages


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 30), ("?per_page=0", 1), ("?per_page=1000", 100), ("?per_page=x&page=x", 30), ("?page=9", 0)],
)
def test_page_bounds(upstream: GithubSandbox, query: str, count: int) -> None:
    """A page is as large as GitHub lets it be, whatever is asked for."""
    for _ in range(101):
        issue(upstream)
    assert len(done(upstream, "GET", f"{REPO}/issues{query}")) == count


# ------------------------------------------------------------------------------------------------------------ addresses


def test_addresses(upstream: GithubSandbox) -> None:
    """Bodies name the API, uploads and pages by their own origins, and `Location` the one for links."""
    made = ask(upstream, "POST", f"{REPO}/issues", {"title": "a"})
    assert made.headers["Location"] == f"{LINKS}{REPO}/issues/1"
    assert made.body["url"] == f"{API}{REPO}/issues/1"
    assert made.body["labels_url"] == f"{API}{REPO}/issues/1/labels{{/name}}"
    assert made.body["html_url"] == "https://github.com/ada/engine/issues/1"
    assert done(upstream, "GET", REPO)["issues_url"] == f"{API}{REPO}/issues{{/number}}"
    release = done(upstream, "POST", f"{REPO}/releases", {"tag_name": "v1"})
    assert release["upload_url"] == f"{UPLOADS}{REPO}/releases/{release['id']}/assets{{?name,label}}"


@pytest.mark.parametrize(
    ("method", "by_id", "status", "where"),
    [
        ("GET", False, 301, "/repos/ada/motor/issues?per_page=1"),
        ("GET", True, 301, "/repositories/{id}/issues?per_page=1"),
        ("POST", False, 307, "/repos/ada/motor/issues?per_page=1"),
    ],
)
def test_renamed(method: str, by_id: bool, status: int, where: str) -> None:
    """A repository's older name leads to it by an absolute address, and nothing is done on the way."""
    upstream = sandbox(by_id=by_id)
    id_ = done(upstream, "GET", REPO)["id"]
    upstream.rename("ada/engine", "motor")
    said = ask(upstream, method, f"{REPO}/issues?per_page=1", {"title": "a"})
    assert (said.status, said.headers["Location"]) == (status, LINKS + where.format(id=id_))
    assert not upstream.effects
    followed = ask(upstream, method, said.headers["Location"].removeprefix(LINKS), {"title": "a"})
    assert followed.status == (200 if method == "GET" else 201)


def test_name_taken_over(upstream: GithubSandbox) -> None:
    """A new repository under an older name is found by it."""
    upstream.rename("ada/engine", "motor")
    upstream.add_repo("ada/engine")
    assert done(upstream, "GET", REPO)["name"] == "engine"


# -------------------------------------------------------------------------------------------------------------- headers


def test_unchanged(upstream: GithubSandbox) -> None:
    """An answer that the client has is not sent again, until it changes."""
    number = issue(upstream)
    path = f"{REPO}/issues/{number}"
    tag = ask(upstream, "GET", path).headers["ETag"]
    again = ask(upstream, "GET", path, If_None_Match=f'"other", {tag}')
    assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", tag)
    done(upstream, "PATCH", path, {"title": "other"})
    assert ask(upstream, "GET", path, If_None_Match=tag).status == 200


def test_rate(upstream: GithubSandbox) -> None:
    """Every request counts against the rate limit but the one that asks for it."""
    before = done(upstream, "GET", "/rate_limit")["rate"]
    headers = ask(upstream, "GET", "/user").headers
    after = done(upstream, "GET", "/rate_limit")["rate"]
    assert before["remaining"] - 1 == after["remaining"] == int(headers["X-RateLimit-Remaining"])
    assert headers["X-RateLimit-Reset"] == str(after["reset"])
    assert "X-GitHub-Request-Id" in headers


@pytest.mark.parametrize(("version", "status"), [("2022-11-28", 204), ("2026-03-10", 200)])
def test_dispatched(upstream: GithubSandbox, version: str, status: int) -> None:
    """A workflow is dispatched once a request, and answers with its run from the version that does."""
    path = f"{REPO}/actions/workflows/ci.yml/dispatches"
    assert ask(upstream, "POST", path, {"ref": "main"}, X_GitHub_Api_Version=version).status == status
    assert upstream.effects == {"workflow.dispatched": 1}


# --------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(("applied", "count"), [(False, 0), (True, 1)])
def test_fails_on_command(upstream: GithubSandbox, applied: bool, count: int) -> None:
    """A failure on command is worded as GitHub's own, before the work or after it."""
    seen = Seen(
        "POST",
        f"{REPO}/issues",
        ((b"User-Agent", b"t"), (b"Authorization", f"token {SECRET}".encode())),
        b'{"title":"a"}',
    )
    fault = Fault(Status(503, "busy", retry_after_s=1), applied=applied)
    answer: Answer = asyncio.run(upstream.answer(seen, fault))
    body = {"message": "busy", "documentation_url": "https://docs.github.com/rest", "status": "503"}
    assert (answer.status, json.loads(answer.body), answer.headers) == (503, body, {"Retry-After": "1"})
    assert upstream.effects.total() == count


def test_as_process(tmp_path: Path) -> None:
    """As a process it prints its address, works there, shows its counters, and ends cleanly on SIGTERM."""
    with subprocess.Popen(
        [sys.executable, "-m", "loadtest.upstreams.github", "--base-url", API, "--repo", "ada/other"],
        env=environment(tmp_path, {"GITHUB_SECRET": SECRET}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            made = sent(url, "POST", "/repos/ada/other/issues", {"title": "a"})
            assert made["url"] == f"{API}/repos/ada/other/issues/1"
            counted = sent(url, "GET", "/_sandbox/effects")
            by_object = {"issue:ada/other/1": {"issue.created": 1}}
            assert counted == {"effects": {"issue.created": 1}, "by_object": by_object}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


def sent(url: str, method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": f"token {SECRET}", "User-Agent": "tests"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=WAIT_S) as answer:
        return json.load(answer)
