"""Answers lost on command, on all three sandboxes: the work is done once, and the client cannot know."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from loadtest.upstreams.faults import Drip, Fault, HangUp, Malformed, Status
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.harness import in_thread
from tests.loadtest.github_plain import REPO, branch, done, sandbox
from tests.loadtest.jira_plain import Clock, make
from tests.loadtest.jira_plain import ask as ask_jira
from tests.loadtest.jira_plain import sandbox as jira
from tests.loadtest.plain import SECRET, WAIT_S, post

# Less than any answer that is lost takes, more than any that is not.
_PATIENCE_S = 0.2


class Write(NamedTuple):
    """
    A sandbox, a write to it, and the effect that it has.
    """

    kind: Callable[..., Sandbox]
    path: str
    body: str
    media: str
    effect: str


FIELDS = {"fields": {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "Card declined"}}
WRITES = {
    "stripe": Write(StripeSandbox, "/v1/customers", "name=A", "application/x-www-form-urlencoded", "customer.created"),
    "github": Write(GithubSandbox, f"{REPO}/issues", '{"title": "Leak"}', "application/json", "issue.created"),
    "jira": Write(JiraSandbox, "/rest/api/3/issue", json.dumps(FIELDS), "application/json", "issue.created"),
}


@pytest.fixture(params=WRITES)
def write(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, Write]]:
    found = WRITES[request.param]
    with in_thread(found.kind(secret=SECRET)) as upstream:
        yield upstream, found


def attempted(upstream: Sandbox, write: Write, patience_s: float = WAIT_S) -> tuple[int, Any] | None:
    """
    Make one write, and return status and body, or None where nothing that can be read comes back.
    """
    where = urlsplit(upstream.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=patience_s)
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": write.media, "User-Agent": "tests"}
    try:
        connection.request("POST", write.path, write.body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (http.client.HTTPException, OSError, ValueError):
        return None
    finally:
        connection.close()


def effects(upstream: Sandbox) -> Any:
    """
    Ask what was done: through its door, so that whatever came before has been worked on.
    """
    where = urlsplit(upstream.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=WAIT_S)
    try:
        connection.request("GET", "/_sandbox/effects")
        return json.loads(connection.getresponse().read())["effects"]
    finally:
        connection.close()


LOST: dict[str, tuple[Fault, int | None, float]] = {
    "500": (Fault(Status(500), applied=True), 500, WAIT_S),
    "hung up": (Fault(HangUp(), applied=True), None, WAIT_S),
    "reset": (Fault(HangUp(reset=True), applied=True), None, WAIT_S),
    "held": (Fault(applied=True, held=True), None, _PATIENCE_S),
    "late": (Fault(applied=True, delay_s=60.0), None, _PATIENCE_S),
    "garbage": (Fault(Malformed("garbage")), None, WAIT_S),
    "not HTTP": (Fault(Malformed("not-http")), None, WAIT_S),
    "cut off": (Fault(Malformed("truncated-body")), None, WAIT_S),
    "dripping for ever": (Fault(Drip(chunk=1, pause_s=0.5, head=True)), None, _PATIENCE_S),
}


@pytest.mark.parametrize("manner", LOST)
def test_lost(write: tuple[Sandbox, Write], manner: str) -> None:
    """Whatever becomes of the answer, the work was done once."""
    upstream, what = write
    fault, status, patience_s = LOST[manner]
    upstream.faults.add(fault)
    said = attempted(upstream, what, patience_s)
    assert (None if said is None else said[0]) == status
    assert effects(upstream) == {what.effect: 1}
    upstream.faults.clear()


@pytest.mark.parametrize("act", [Drip(chunk=400, pause_s=0.001), Drip(chunk=60, pause_s=0.001, head=True)])
def test_dripping(write: tuple[Sandbox, Write], act: Drip) -> None:
    """An answer that drips, with its head or without, is whole in the end."""
    upstream, what = write
    upstream.faults.add(Fault(act))
    dripped, plain = attempted(upstream, what), attempted(upstream, what)
    assert dripped is not None
    assert plain is not None
    assert (dripped[0], dripped[1].keys()) == (plain[0], plain[1].keys())


@pytest.mark.parametrize("fault", [Fault(Status(500)), Fault(HangUp()), Fault(HangUp(reset=True))])
def test_not_done(write: tuple[Sandbox, Write], fault: Fault) -> None:
    """A fault that strikes before the work leaves it undone."""
    upstream, what = write
    upstream.faults.add(fault)
    attempted(upstream, what)
    assert not upstream.effects


# --------------------------------------------------------------------------------------------------------------- knobs


def test_key_forgotten() -> None:
    """After its time a key is forgotten: the same request under it is done again, and not before."""
    clock = Clock()
    with in_thread(StripeSandbox(secret=SECRET, clock=clock)) as upstream:
        bodies = []
        for wait in (0, 86_399, 1, 0):
            clock.now += wait
            bodies.append(post(upstream, "/v1/customers", "name=A", "k1")[2]["id"])
        assert (len(set(bodies[:2])), len(set(bodies[2:])), len(set(bodies))) == (1, 1, 2)
        assert upstream.effects_by_key["k1"] == {"customer.created": 2}


@pytest.mark.parametrize(
    ("kind", "knob"), [(StripeSandbox, "keys_kept_s"), (GithubSandbox, "list_lag_s"), (JiraSandbox, "search_lag_s")]
)
def test_knobs(kind: Callable[..., Sandbox], knob: str) -> None:
    """Its door sets what can be set while it runs, and nothing else."""
    with in_thread(kind(secret=SECRET)) as upstream:
        where = urlsplit(upstream.url)
        for body, status in (({knob: 5}, 200), ({knob: 6, "secret": 1}, 400), ({knob: "x"}, 400)):
            connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=WAIT_S)
            connection.request("POST", "/_sandbox/knobs", json.dumps(body))
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (status, True)
            connection.close()
        assert getattr(upstream, knob) == 5


def test_lists_lag() -> None:
    """A list shows what was made once the lag has passed; what is asked for by its number is there at once."""
    clock = Clock()
    upstream = sandbox(clock=clock)
    upstream.list_lag_s = 30
    done(upstream, "POST", f"{REPO}/issues", {"title": "Leak"})
    done(upstream, "POST", f"{REPO}/issues/1/comments", {"body": "drip"})
    lists = [f"{REPO}/issues", f"{REPO}/issues/1/comments", f"{REPO}/issues/comments"]
    assert [done(upstream, "GET", path) for path in lists] == [[], [], []]
    assert done(upstream, "GET", f"{REPO}/issues/1")["title"] == "Leak"
    clock.now += 30
    assert [len(done(upstream, "GET", path)) for path in lists] == [1, 1, 1]
    upstream.reset()
    assert upstream.world.list_lag_s == 30


# ---------------------------------------------------------------------------------------------------------------- reads


def test_commits() -> None:
    """Commits are listed newest first, of one branch and one path, with the account that made them."""
    clock = Clock()
    upstream = sandbox(clock=clock)
    branch(upstream, "f", "a.txt", "1")
    clock.now += 60
    body = {"message": "second", "content": "Mg==", "branch": "f", "author": {"name": "X", "email": "x@shop.test"}}
    made = done(upstream, "PUT", f"{REPO}/contents/b.txt", body)["commit"]["sha"]

    def listed(query: str) -> list[str]:
        return [each["commit"]["message"] for each in done(upstream, "GET", f"{REPO}/commits{query}")]

    assert listed("?sha=f") == ["second", "change", "Initial commit"]
    assert listed("") == ["Initial commit"]
    assert listed("?sha=f&path=a.txt") == ["change"]
    assert listed("?sha=f&since=2027-01-15T08:01:00Z") == ["second"]
    assert listed("?sha=f&until=2027-01-15T08:00:59Z") == ["change", "Initial commit"]
    newest, older, _ = done(upstream, "GET", f"{REPO}/commits?sha=f")
    assert (newest["sha"], newest["author"], older["author"]["login"]) == (made, None, "ada")


def test_worklog_properties() -> None:
    """What is kept beside a worklog is shown where it is asked for."""
    upstream = jira()
    key = make(upstream)
    body = {"timeSpent": "1h", "properties": [{"key": "a", "value": 1}]}
    made = ask_jira(upstream, "POST", f"issue/{key}/worklog", body).body
    assert "properties" not in made
    listed = ask_jira(upstream, "GET", f"issue/{key}/worklog?expand=properties").body["worklogs"]
    assert [each["properties"] for each in listed] == [[{"key": "a", "value": 1}]]
    one = ask_jira(upstream, "GET", f"issue/{key}/worklog/{made['id']}?expand=properties").body
    assert one["properties"] == [{"key": "a", "value": 1}]
