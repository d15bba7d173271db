"""The admin door: health and metrics for anyone, everything else for whoever has the operator's token."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.book import Ledger
from proxy.ledger.writer import State
from tests.breakers.stopping import halted, running
from tests.proxy.road import SECRET, Road, call_of, marks, road, soon
from tests.proxy.rows import CREATE, SENDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
CLOSED = (
    ("GET", "/v1/status"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/abcdefgh"),
    ("GET", "/v1/nothing"),
    ("GET", "/"),
    ("GET", "/livez/"),
    ("GET", "/livez/../v1/status"),
    ("GET", "//v1/status"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(sandbox: StripeSandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road with its admin door.
    """
    async with road(tmp_path_factory.mktemp("control"), sandbox.url) as running:
        yield running


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_open(path: str, on: Road) -> None:
    """Health and metrics need no token, and mind no wrong one."""
    for token in ("", "wrong"):
        assert (await on.admin("GET", path, token=token)).status == 200


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_closed(method: str, path: str, on: Road) -> None:
    """Without the operator's token everything else is 401, in the same words, whether it exists or not."""
    real = (on.state / "admin.token").read_text().strip()
    wrong = ("", "wrong", real[:-1], real + "x", real.upper(), on.keys["support"], f"{real}\x80")
    said = {(answer.status, answer.body) for answer in [await on.admin(method, path, token=token) for token in wrong]}
    assert {status for status, _ in said} == {401}
    assert len(said) == 1


async def test_in_basic(on: Road) -> None:
    """The token is taken as Bearer and in no other way, the query least of all."""
    token = (on.state / "admin.token").read_text().strip()
    for headers in ([("Authorization", f"Basic {token}")], [("Breakwater-Key", token)], []):
        answer = await on.ask_admin(on.head("GET", f"/v1/status?token={token}", headers))
        assert answer.status == 401


async def test_is_no_agents_key(on: Road) -> None:
    """The operator's token opens no agent's door, and an agent's door knows no admin path."""
    token = (on.state / "admin.token").read_text().strip()
    no = await on.ask("GET", "/v1/customers", key="", headers=(("Authorization", f"Bearer {token}"),))
    assert (no.status, no.reason) == (401, "key-unknown")
    for path in ("/livez", "/readyz", "/metrics", "/v1/status", "/v1/keys"):
        assert (await on.ask("GET", path)).reason == "operation-unknown"


async def test_token_file(on: Road) -> None:
    """The token is one line that only its owner can read, and its folder's secrets are no one else's either."""
    assert re.fullmatch(r"[a-z2-7]{52}", (on.state / "admin.token").read_text())
    assert (on.state / "admin.token").stat().st_mode & 0o777 == 0o600


async def test_unknown(on: Road) -> None:
    """With the token, a path or a method that is not there is said in JSON, with a hint."""
    for method, path, status in (("GET", "/v1/nothing", 404), ("POST", "/v1/status", 405)):
        answer = await on.admin(method, path)
        assert answer.status == status
        assert set(answer.json) == {"error", "hint"}


async def test_status(on: Road, sandbox: StripeSandbox) -> None:
    """Status tells of doors, store, ledger, kill state, writes in flight and writes in doubt, and of no secret."""
    sandbox.faults.add(Fault(HangUp(), times=SENDS))
    lost = await on.ask("POST", "/v1/customers", form={"name": "lost"})
    assert marks(lost)[2] == "unknown"
    answer = await on.admin("GET", "/v1/status")
    state: dict[str, Any] = answer.json
    assert (state["ready"], state["why"]) == (True, [])
    assert state["doors"] == on.rooms.addresses
    assert state["agents"] == ["platform", "support"]
    assert state["policy"] == on.rooms.policy.version
    assert state["store"] == {"kind": "memory", "fault": None, "open_intents": 1}
    assert state["ledger"]["state"] == "ready"
    assert state["ledger"]["origin"] == "breakwater.invalid/local/0/1"
    assert state["ledger"]["entries"] == on.rooms.ledger.size
    assert (state["kill"]["mode"], state["kill"]["epoch"], state["kill"]["scopes"]) == ("run", 1, [])
    assert (state["kill"]["confirmed"], state["kill"]["process"]["in_flight"]) == (False, [])
    assert state["in_flight"] == 0
    (doubt,) = state["in_doubt"]
    assert doubt == {
        "intent": call_of(lost),
        "api": "stripe",
        "operation": "customers.create",
        "agent": "support",
        "task": "support/2026-11-21",
        "at": "2026-11-21T12:00:00+00:00",
    }
    for word in (SECRET, on.keys["support"]):
        assert word.encode() not in answer.raw


async def test_status_moves(on: Road, sandbox: StripeSandbox) -> None:
    """Status follows what is so now: a write under way, and writes that are stopped."""
    sandbox.faults.add(Fault(held=True))
    asking = asyncio.ensure_future(on.ask("POST", "/v1/customers", form=CREATE))
    await soon(sandbox.faults.holding.is_set)
    assert (await on.admin("GET", "/v1/status")).json["in_flight"] == 1
    sandbox.faults.release()
    assert (await asking).status == 200
    await soon(lambda: len(on.rooms.pending) == 0 == on.rooms.ledger.pending)
    await on.rooms.store.apply(halted(5))
    stopped = (await on.admin("GET", "/v1/status")).json["kill"]
    assert (stopped["mode"], stopped["epoch"], stopped["confirmed"]) == ("stop-writes", 5, True)
    await on.rooms.store.apply(running(6))


async def test_readiness(on: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stops, or whose ledger takes nothing, gets no traffic and says why, and lives."""
    on.rooms.stopping = True
    answer = await on.admin("GET", "/readyz")
    assert (answer.status, answer.json) == (503, {"ready": False, "why": ["stopping"]})
    assert (await on.admin("GET", "/livez")).status == 200
    on.rooms.stopping = False
    for state in (State.READONLY, State.POISONED):
        with monkeypatch.context() as patch:
            # Only said to be so: what is recorded behind the road meanwhile is not lost.
            patch.setattr(Ledger, "state", state)
            answer = await on.admin("GET", "/readyz")
            assert (answer.status, answer.json["why"]) == (503, [f"ledger {state}"])
            assert not (await on.admin("GET", "/v1/status")).json["ready"]
    assert (await on.admin("GET", "/readyz")).json == {"ready": True, "why": []}


def documented() -> dict[str, tuple[str, set[str]]]:
    """
    Return the metrics that are promised: their kind and labels.
    """
    text = (ROOT / "docs" / "METRICS.md").read_text()
    rows = re.findall(r"^\| `(breakwater_\w+)` \| (\w+) \|([^|]*)\|", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


async def test_exposition(on: Road) -> None:
    """What is scraped are the documented metrics, of their kinds, under their labels, and nothing else."""
    await on.ask("GET", "/v1/customers")
    await on.ask("GET", "/v1/nothing")
    text = (await on.admin("GET", "/metrics", token="")).body.decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    # What a parent counts is beside what each of its workers does.
    promised = {name: what for name, what in documented().items() if not name.startswith("breakwater_worker")}
    assert {name: kind for name, kind in kinds.items() if not name.endswith("_created")} == {
        name: kind for name, (kind, _) in promised.items()
    }
    for name, labels in re.findall(r"^(breakwater_\w+)\{([^}]*)\}", text, re.MULTILINE):
        family = re.sub(r"_(bucket|sum|count|created)$", "", name)
        family = family if family in promised else f"{family}_total"
        assert set(re.findall(r"(\w+)=", labels)) <= promised[family][1] | {"le"}, name
    # Agents are as many as the configuration names; their tasks have no bound.
    for word in ("cus_", "/v1", on.keys["support"], "support/"):
        assert word not in text
