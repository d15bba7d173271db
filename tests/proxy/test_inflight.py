"""Writes belong to the process: deadlines, hang-ups and stops end the waiting for them, never the writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from loadtest.upstreams.faults import Fault
from loadtest.upstreams.stripe import StripeSandbox
from proxy.inflight import InFlight
from tests.proxy.road import SECRET, Road, call_of, first_sentence, marks, road, soon
from tests.proxy.rows import CREATE, EARLY, FORM
from tests.proxy.scripted import scripted
from tests.wire.client import Connection

SHORT = (("Breakwater-Deadline-Ms", "30"),)


@dataclass(frozen=True)
class Stand:
    """A road, and an upstream that keeps the next write until it is told to go on."""

    sandbox: StripeSandbox
    road: Road

    async def held(self) -> Connection:
        """
        Begin a write that the upstream keeps, on a connection of its own.
        """
        self.sandbox.faults.add(Fault(held=True))
        connection = await self.road.connect()
        body = urlencode(CREATE).encode()
        shown = [("Authorization", f"Bearer {self.road.keys['support']}")]
        await connection.send(self.road.head("POST", "/v1/customers", shown, len(body), FORM) + body)
        await soon(self.sandbox.faults.holding.is_set)
        return connection


@pytest_asyncio.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """
    Give a road to a sandbox.
    """
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as running:
        yield Stand(sandbox, running)
        sandbox.faults.clear()


async def test_deadline(stand: Stand) -> None:
    """A caller whose deadline passes gets 424, never 409, and the write goes on to an end recorded as unseen."""
    stand.sandbox.faults.add(Fault(held=True))
    late = await stand.road.ask("POST", "/v1/customers", form=CREATE, headers=SHORT)
    assert marks(late) == (424, "unknown", "unknown", "forward:outcome-unknown")
    assert first_sentence(late.json["error"]["message"]) == EARLY
    assert "still under way" in late.json["error"]["message"]
    assert late.header("Retry-After") is None
    assert (await stand.road.kinds(call_of(late)))[0] == "call.intent"
    assert len(stand.road.rooms.inflight) == 1
    await soon(stand.sandbox.faults.holding.is_set)
    stand.sandbox.faults.release()
    await soon(lambda: not len(stand.road.rooms.inflight))
    intent, delivery, outcome, change = await stand.road.on_record(call_of(late))
    assert change.kind == "change.recorded"
    assert [record.kind for record in (intent, delivery, outcome)] == ["call.intent", "call.delivery", "call.outcome"]
    assert (outcome.entry["eff"], outcome.entry["st"]) == ("applied", 200)
    assert await stand.road.rooms.store.open_intents() == ()
    assert stand.sandbox.account.effects == {"customer.created": 1}


async def test_deadline_of_a_read(stand: Stand) -> None:
    """A read has no deadline but its own time-outs."""
    stand.sandbox.faults.add(Fault(delay_s=0.1))
    assert (await stand.road.ask("GET", "/v1/customers", headers=SHORT)).status == 200


async def test_default_deadline(tmp_path: Path) -> None:
    """Where the call does not say how long its caller waits, the configuration does."""
    waits = {"caller_deadline": "30ms"}
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url, timeouts=waits) as on:
        sandbox.faults.add(Fault(held=True), Fault(delay_s=0.1))
        assert (await on.ask("POST", "/v1/customers", form=CREATE)).status == 424
        await soon(sandbox.faults.holding.is_set)
        sandbox.faults.release()
        patient = await on.ask("POST", "/v1/customers", form=CREATE, headers=(("Breakwater-Deadline-Ms", "5000"),))
        assert patient.status == 200


async def test_caller_leaves(stand: Stand) -> None:
    """A caller that hangs up does not stop its write: it ends, is recorded and settled."""
    connection = await stand.held()
    await connection.end()
    stand.sandbox.faults.release()
    await soon(lambda: stand.sandbox.account.effects["customer.created"])
    await soon(lambda: not len(stand.road.rooms.inflight))
    (outcome,) = [record for record in await stand.road.newest(3) if record.kind == "call.outcome"]
    assert outcome.entry["eff"] == "applied"
    assert await stand.road.rooms.store.open_intents() == ()


async def test_drain(stand: Stand) -> None:
    """A stop waits for the write under way, answers its caller, and closes the log behind its record."""
    connection = await stand.held()
    stopping = asyncio.ensure_future(stand.road.program.shutdown())
    await soon(lambda: stand.road.rooms.stopping)
    assert not stopping.done()
    stand.sandbox.faults.release()
    done = await connection.answer()
    assert done is not None
    assert done.status == 200
    await stopping
    await connection.end()
    written = [record.kind for record in await stand.road.newest(4)]
    assert written == ["call.intent", "call.outcome", "change.recorded", "log.closed"]


async def test_drain_is_bounded(stand: Stand) -> None:
    """A write that outlives the drain is concluded as unknown, told so to its caller, and kept in doubt."""
    connection = await stand.held()
    assert await stand.road.rooms.inflight.drain(0.0) == 1
    answer = await connection.answer()
    assert answer is not None
    assert marks(answer) == (424, "unknown", "unknown", "forward:outcome-unknown")
    await connection.end()
    records = await stand.road.on_record(call_of(answer))
    assert records[1].entry["err"] == {"class": "abandoned"}
    assert records[1].entry["eff"] == "unknown"
    assert [intent.suspended for intent in await stand.road.rooms.store.open_intents()] == [True]


async def test_stop_cuts_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop does not wait for a stalled read: it is cut, and on record as cut before the log is closed."""
    monkeypatch.setattr("proxy.server.GRACE_S", 0.01)
    never = asyncio.Event()
    async with scripted() as upstream, road(tmp_path, upstream.url) as on:
        upstream.then(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 200\r\n\r\n" + b"z" * 100, never)
        connection = await on.connect()
        await connection.send(on.head("GET", "/v1/customers", [("Authorization", f"Bearer {on.keys['support']}")]))
        while b"zzz" not in connection._buffer:
            await connection._more(5)
        async with asyncio.timeout(2):
            await on.program.shutdown()
        await connection.end()
        never.set()
        cut, closed = await on.newest(2)
        assert (cut.kind, closed.kind) == ("call.outcome", "log.closed")
        assert cut.entry["dlv"]["complete"] is False


async def test_drain_nothing() -> None:
    """With nothing under way a stop does not wait."""
    assert await InFlight().drain(60.0) == 0


async def test_failure_is_seen() -> None:
    """Work that fails after its waiter left leaves the set, and no warning."""
    inflight = InFlight()

    async def fails() -> None:
        raise ValueError

    task = inflight.start(fails())
    assert repr(inflight) == "InFlight(1)"
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert repr(inflight) == "InFlight(0)"
