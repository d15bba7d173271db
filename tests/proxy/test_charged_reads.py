"""Reads under caps on the whole road: on record before they are sent, and settled at their end, whatever cuts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from loadtest.upstreams.faults import Fault
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import LedgerUnavailable
from proxy.reading import Reading
from proxy.stream import stream_through
from tests.crash.record import read_log
from tests.proxy.road import SECRET, marks, road, soon
from tests.proxy.scripted import HANG_UP, answer, scripted
from tests.proxy.spending import TASK, begin_read, capped, read_one, sums


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


# ------------------------------------------------------------------------------------------------- a read that is cut


async def test_read_held_before(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """While a read is under way its record says that it is held, and so does the store."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 2}})) as on:
        sandbox.faults.add(Fault(held=True, method="GET"))
        reading = asyncio.create_task(read_one(on))
        await soon(sandbox.faults.holding.is_set)
        assert [entry["k"] for entry in read_log(on.state).entries if "call" in entry] == ["call.held"]
        (total,) = await on.rooms.store.totals()
        assert (total.settled, total.held) == (0, 1)
        sandbox.faults.release()
        assert (await reading).status == 200
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}


@asynccontextmanager
async def cuttable(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """
    Give the tasks of reads, each of which can be cancelled as a stop does.
    """
    reads: list[asyncio.Task[Any]] = []

    async def cut(*what: Any) -> Any:
        reads.append(asyncio.create_task(stream_through(*what)))
        return await reads[-1]

    with monkeypatch.context() as patch:
        patch.setattr("proxy.pipeline.stream_through", cut)
        yield reads


@dataclass
class Gap:
    """A step of a read that stands still until it is told to go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def before(self, verb: Any) -> Any:
        """Return the verb behind this gap."""

        async def waits(*what: Any) -> Any:
            self.reached.set()
            await self.goes_on.wait()
            return await verb(*what)

        return waits


BOTH = ["call.held", "call.outcome"]

# Where a read is cut: the room, its verb, what was sent by then and what it took.
CUTS = {
    "recorded": ("ledger.charged_reads", "held", 0, 0),
    "sent": ("forward", "read", 0, 0),
    "answered": ("ledger.charged_reads", "ended", 1, 1),
}


@pytest.mark.parametrize("gap", CUTS)
async def test_cut(gap: str, tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is cut between two steps has its end on record, and took nothing unless it had left."""
    path, verb, sent, took = CUTS[gap]
    async with (
        road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 2}})) as on,
        cuttable(monkeypatch) as reads,
    ):
        room, stop = attrgetter(path)(on.rooms), Gap()
        monkeypatch.setattr(room, verb, stop.before(getattr(room, verb)))
        connection = await begin_read(on)
        await stop.reached.wait()
        reads[0].cancel()
        await asyncio.wait(reads)
        stop.goes_on.set()
        await connection.end()
        assert await sums(on) == ({f"{TASK}|calls": (took, 0)} if took else {})
        assert [entry["k"] for entry in read_log(on.state).entries if "call" in entry] == BOTH
        assert len(sandbox.wiretap.requests) == sent


async def test_cut_upstream(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is cut while the upstream has it was a call, and costs what it may have."""
    said = capped(sandbox.url, prices={"*": {"call": "0.01 USD"}}, caps={"task": {"calls": 2, "paid": "1 USD"}})
    async with road(tmp_path, sandbox.url, **said) as on, cuttable(monkeypatch) as reads:
        sandbox.faults.add(Fault(held=True, method="GET"))
        connection = await begin_read(on)
        await soon(sandbox.faults.holding.is_set)
        reads[0].cancel()
        await asyncio.wait(reads)
        await connection.end()
        sandbox.faults.clear()
        assert await sums(on) == {f"{TASK}|calls": (1, 0), f"{TASK}|paid:USD": (10_000, 0)}
        (_, end) = [entry for entry in read_log(on.state).entries if "call" in entry]
        assert (end["sent"], end["err"]) == ("yes", {"class": "abandoned"})


async def test_hung_up(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A read whose caller hangs up meanwhile was a call, and its end is on record."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 2}})) as on:
        sandbox.faults.add(Fault(held=True, method="GET"))
        connection = await begin_read(on)
        await soon(sandbox.faults.holding.is_set)
        await connection.end()
        sandbox.faults.clear()
        await soon(lambda: any(entry["k"] == "call.outcome" for entry in read_log(on.state).entries))
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}


async def test_end_not_recorded(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read whose end cannot be recorded is taken whole, as the next start will take it."""

    async def full(*_: object) -> None:
        raise LedgerUnavailable("the disk is full")

    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 2}})) as on:
        monkeypatch.setattr(on.rooms.ledger.charged_reads, "ended", full)
        assert (await read_one(on)).reason == "ledger-unavailable"
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}


async def test_not_held(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that cannot be recorded before it is sent is not sent, and takes nothing."""

    async def full(*_: object) -> None:
        raise LedgerUnavailable("the disk is full")

    withdrawn: list[object] = []
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 1}})) as on:
        with monkeypatch.context() as patch:
            patch.setattr(on.rooms.ledger.charged_reads, "held", full)
            patch.setattr("breakers.looping.Looping.withdraw", lambda _, seen: withdrawn.append(seen))
            refused = await read_one(on)
            assert marks(refused)[:3] == (503, "denied", "no")
        assert sandbox.wiretap.requests == []
        # The loop guard had counted it.
        assert len(withdrawn) == 1
        assert await sums(on) == {}
        assert (await read_one(on)).status == 200


# What nobody foresaw: where, what a read took by then, and its records.
ODD = {
    "held": ("proxy.ledger.reads.ChargedReads.held", 0, []),
    "counted": ("proxy.ownread.read_took", 1, BOTH),
    "ended": ("proxy.ledger.reads.ChargedReads.ended", 1, BOTH[:1]),
}


@pytest.mark.parametrize("where", ODD)
async def test_odd_fault(where: str, tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails on a read's way, nothing of it stays held: it is given back, or taken whole once it has left."""
    verb, took, records = ODD[where]

    def failing(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    async def failing_later(*_: object) -> None:
        failing()

    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 2}})) as on:
        on.foreseen = False
        monkeypatch.setattr(verb, failing if where == "counted" else failing_later)
        refused = await read_one(on)
        assert marks(refused)[:3] == (500, "unknown" if took else "denied", "unknown" if took else "no")
        assert await sums(on) == ({f"{TASK}|calls": (took, 0)} if took else {})
        assert [entry["k"] for entry in read_log(on.state).entries if "call" in entry] == records


# ------------------------------------------------------------------------------------------- what an answer says

TOKENS = {"metered": [{"answer": "/usage/tokens", "each": "15 USD", "per": 1_000_000, "at_most": 4096}]}


@pytest.mark.parametrize(
    ("sent", "paid"),
    [
        (answer(200, b'{"usage": {"tokens": 1000}}'), 15_000),
        (answer(200, b'{"usage": {}}'), 61_440),
        (answer(400, b'{"usage": {"tokens": 1000}}'), 0),
        # What is streamed is not read into.
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\na,b", 61_440),
    ],
)
async def test_metered(sent: bytes, paid: int, tmp_path: Path) -> None:
    """What a read costs by what its answer counts is taken where the answer is read whole, else what was held."""
    async with scripted() as upstream:
        said = capped(upstream.url, prices={"*": TOKENS}, caps={"task": {"paid": "0.10 USD", "calls": 9}})
        async with road(tmp_path, upstream.url, **said) as on:
            upstream.then(sent)
            await read_one(on)
            expected = {f"{TASK}|calls": (1, 0)} | ({f"{TASK}|paid:USD": (paid, 0)} if paid else {})
            assert await sums(on) == expected


@pytest.mark.parametrize("how", ["caller leaves", "upstream breaks"])
async def test_stream_broken(how: str, tmp_path: Path) -> None:
    """A streamed read that breaks on either side was a call, and has its end on record."""
    more = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 400\r\n\r\n"
    async with (
        scripted() as upstream,
        road(tmp_path, upstream.url, **capped(upstream.url, caps={"task": {"calls": 9}})) as on,
    ):
        upstream.then(head + b"z" * 200, more, *([HANG_UP] if how == "upstream breaks" else [b"b" * 100]))
        connection = await begin_read(on)
        assert await connection._more(5)
        if how == "caller leaves":
            await connection.end()
        more.set()
        await soon(lambda: any(entry["k"] == "call.outcome" for entry in read_log(on.state).entries))
        await connection.end()
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}
        assert read_log(on.state).entries[-1]["dlv"]["complete"] is False


async def test_stream_end_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A streamed read whose end nobody could put together is taken whole, and has an end on record all the same."""

    async def failing(_: Reading) -> None:
        raise RuntimeError("nobody foresaw this")

    async with (
        scripted() as upstream,
        road(tmp_path, upstream.url, **capped(upstream.url, caps={"task": {"calls": 9}})) as on,
    ):
        on.foreseen = False
        upstream.then(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\na,b")
        monkeypatch.setattr(Reading, "close", failing)
        connection = await begin_read(on)
        await soon(lambda: any(entry["k"] == "call.outcome" for entry in read_log(on.state).entries))
        await connection.end()
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}
        assert read_log(on.state).entries[-1]["err"] == {"class": "abandoned"}
