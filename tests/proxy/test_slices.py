"""Slices of a cap of calls: reads that wait for nobody, counts that still add up, whoever crashes or asks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from breakers.store.protocol import Stale, StoreUnavailable
from loadtest.upstreams.faults import Fault
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import LedgerUnavailable
from proxy.slices import KEPT_S, REFUSED_S, ROOM_MIN, SHARE, SLICE_MAX
from tests.crash.record import read_log
from tests.crash.totals import spent_on_record
from tests.proxy.road import SECRET, Road, marks, road, soon
from tests.proxy.spending import EXHAUSTED, TASK, begin_read, capped, quiet, read_one, sums, write_one

CALLS = f"{TASK}|calls"
WIDE = 4 * SLICE_MAX + ROOM_MIN
"""Room for whole slices, also once one of them is spent."""


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


def caps(sandbox: StripeSandbox, calls: int, **more: Any) -> dict[str, Any]:
    """
    Return a road whose agent's task may make so many calls.
    """
    return capped(sandbox.url, caps={"task": {"calls": calls}, **more})


async def leased(on: Road) -> None:
    """
    Make the read behind which a slice is leased, and wait until it is in hand.
    """
    assert (await read_one(on)).status == 200
    await soon(lambda: len(on.rooms.slices._by_id) == 1)
    await quiet(on)


def kinds(on: Road) -> list[str]:
    """
    Return what the record says of reads and leases, in order.
    """
    kept = {"call.held", "call.outcome", "lease.taken", "lease.ended"}
    return [entry["k"] for entry in read_log(on.state).entries if entry["k"] in kept]


async def give_back(on: Road) -> None:
    """
    Let the time of what is in hand pass, and wait until it is given back.
    """
    on.clock.move(KEPT_S)
    on.rooms.slices.tick()
    await soon(lambda: not on.rooms.slices._by_id)


async def test_asks_nobody(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that takes one of a slice asks no store for it, is not on record before, and names its lease after."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        (total,) = await on.rooms.store.totals()
        assert (total.settled, total.held) == (1, SLICE_MAX)
        asked: list[object] = []
        reserve = on.rooms.store.reserve

        async def seen(go: Any) -> Any:
            asked.append(go.charges)
            return await reserve(go)

        monkeypatch.setattr(on.rooms.store, "reserve", seen)
        assert (await read_one(on)).status == 200
        assert asked == [()]
        await quiet(on)
        assert sorted(kinds(on)) == ["call.held", "call.outcome", "call.outcome", "lease.taken"]
        (lease,) = on.rooms.slices._by_id
        assert read_log(on.state).entries[-1]["lease"] == lease


async def test_given_back(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What nobody took of a slice is given back when its time is over, and the record and the store say the same."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        for _ in range(3):
            await read_one(on)
        await give_back(on)
        assert await sums(on) == {CALLS: (4, 0)}
        assert kinds(on)[-1] == "lease.ended"


async def test_given_back_at_stop(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A clean stop gives back what is in hand."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        await read_one(on)
        await on.program.shutdown()
        assert spent_on_record(read_log(on.state).entries) == {CALLS: (2, 0)}


async def test_crash_takes_whole(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What a process had in hand when it was killed counts as taken, for the record and for the next start."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        await read_one(on)
        await quiet(on)
        on.rooms.slices._in_hand.clear()
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        assert await sums(on) == {CALLS: (1 + SLICE_MAX, 0)}


@pytest.mark.parametrize(
    ("calls", "why"),
    [(6, "a cap of six is asked for one by one"), (ROOM_MIN, "the first read left less than the room")],
)
async def test_little_room(tmp_path: Path, sandbox: StripeSandbox, calls: int, why: str) -> None:
    """Where a cap has little room nothing is leased, so that the last call that it has room for is found."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, calls)) as on:
        await read_one(on)
        await quiet(on)
        assert "lease.taken" not in kinds(on), why
        for _ in range(min(calls, 8) - 1):
            assert (await read_one(on)).status == 200
        if calls == 6:
            assert marks(await read_one(on)) == EXHAUSTED


async def test_many_at_once(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """However many ask at once, what was made is what was counted, and never more than the cap."""
    calls = ROOM_MIN + 60
    async with road(tmp_path, sandbox.url, **caps(sandbox, calls)) as on:
        await leased(on)
        answers = [200]
        for _ in range(6):
            some = await asyncio.gather(*(read_one(on) for _ in range(50)))
            answers += [answer.status for answer in some]
            on.clock.move(REFUSED_S)
            on.rooms.slices.tick()
        await give_back(on) if on.rooms.slices._by_id else None
        made = answers.count(200)
        assert set(answers) == {200, 403}
        assert made == len(sandbox.wiretap.requests) <= calls
        assert await sums(on) == {CALLS: (made, 0)}
        assert "lease.taken" in kinds(on)


async def test_never_sent(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that took one and never left gives it back."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        (one,) = on.rooms.slices._by_id.values()

        def full() -> None:
            raise LedgerUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(on.rooms.ledger, "admit_read", full)
            assert (await read_one(on)).status == 503
        assert one.taken == 0
        await give_back(on)
        assert await sums(on) == {CALLS: (1, 0)}


async def test_hung_up(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A read that took one and whose caller hangs up meanwhile was a call."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        (one,) = on.rooms.slices._by_id.values()
        sandbox.faults.add(Fault(held=True, method="GET"))
        connection = await begin_read(on)
        await soon(sandbox.faults.holding.is_set)
        await connection.end()
        sandbox.faults.clear()
        await soon(lambda: kinds(on).count("call.outcome") == 2)
        assert one.taken == 1


@pytest.mark.parametrize("failing", ["leased", "given_back"])
async def test_not_recorded(
    failing: str, tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that cannot be recorded is not taken from; one whose end cannot be recorded is taken whole."""

    async def full(*_: object) -> None:
        raise LedgerUnavailable("the disk is full")

    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        monkeypatch.setattr(on.rooms.ledger.charged_reads, failing, full)
        assert (await read_one(on)).status == 200
        if failing == "leased":
            await quiet(on)
            assert not on.rooms.slices._by_id
            assert await sums(on) == {CALLS: (1, 0)}
        else:
            await soon(lambda: len(on.rooms.slices._by_id) == 1)
            await give_back(on)
            assert await sums(on) == {CALLS: (1 + SLICE_MAX, 0)}


async def test_spent_while_away(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store cannot be asked, reads spend the slice in hand and nothing more."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("Redis cannot be reached")

    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        (one,) = on.rooms.slices._by_id.values()
        one.taken = one.size - 2
        reserve = on.rooms.store.reserve

        async def free(go: Any) -> Any:
            return await (reserve(go) if not go.charges else away())

        monkeypatch.setattr(on.rooms.store, "reserve", free)
        monkeypatch.setattr(on.rooms.store, "totals", away)
        assert [(await read_one(on)).status for _ in range(4)] == [200, 200, 503, 503]


async def test_only_counts(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A write, and a read that has a price under a cap, are asked for by themselves although a slice is in hand."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        (one,) = on.rooms.slices._by_id.values()
        assert (await write_one(on)).status == 200
        assert one.taken == 0
    said = capped(sandbox.url, prices={"*": {"call": "0.01 USD"}}, caps={"task": {"calls": WIDE, "paid": "9 USD"}})
    async with road(tmp_path / "priced", sandbox.url, **said) as on:
        assert (await read_one(on)).status == 200
        await quiet(on)
        assert not on.rooms.slices._in_hand


async def test_stale_is_judged_again(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What a read takes of a slice is given back where what it was judged by has moved."""
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        await leased(on)
        (one,) = on.rooms.slices._by_id.values()

        async def moved(_: object) -> Stale:
            return Stale()

        (key,) = on.rooms.slices._in_hand
        assert await on.rooms.slices.reserve(replace(one.held.go, charges=key), moved) == Stale()
        assert one.taken == 0


async def test_shared_out(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice is the smaller the more processes share the cap, and those that nobody hears of do not count."""
    there = [SimpleNamespace(live=lives) for lives in (True, True, True, False)]
    async with road(tmp_path, sandbox.url, **caps(sandbox, WIDE)) as on:
        monkeypatch.setattr(on.rooms.store, "members", lambda: there, raising=False)
        await leased(on)
        (one,) = on.rooms.slices._by_id.values()
        assert one.size == (WIDE - 1) // (SHARE * 3)
