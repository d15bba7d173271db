"""What a process that is killed leaves held in a shared Redis for calls not on its record, and who undoes that."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from breakers.known import State
from breakers.store.events import Event, ReadHeld, ReadSettled
from breakers.store.protocol import StoreUnavailable
from tests.breakers.world import AT
from tests.contract.charges import life, month, spending, sum_of
from tests.contract.replicas import Replica
from tests.contract.world import BRIEF_S, Clock, read, reserved, standing, taken, unknown, write
from tests.redis_server import RedisServer

TEN = month(10, 0)


async def test_undone_at_start(replica: Replica) -> None:
    """A start undoes what its own replica holds and has not on record; what is on record, or another's, stays."""
    gone, other = await replica(replica="one"), await replica(replica="two")
    await taken(other, read("02R"), month(7))
    for call in ("01R", "01S", "01T"):
        await taken(gone, read(call), month(10), life(1))
    await reserved(gone, write("01A"), month(20))
    told: list[Event] = [ReadHeld("01S", AT, (TEN, life(1, 0))), ReadHeld("01T", AT, (TEN, life(1, 0)))]
    told.append(ReadSettled("01T", (4, 1)))
    for name, sums in (("three", (0, 57)), ("", (0, 57)), ("one", (14, 7)), ("one", (14, 7))):
        begun = await replica(told if name == "one" else (), replica=name)
        assert await sum_of(begun, month()) == sums, name
    assert await sum_of(other, life()) == (2, 0)
    # Nobody sends it, and its names are held until its lease passes, all the same.
    assert await standing(other) == [("01A", State.CLAIMED)]


async def test_live_is_not_undone(replica: Replica, fresh_redis: RedisServer) -> None:
    """A replay in the middle of its life undoes nothing of what a process has under way."""
    store = await replica(replica="one")
    held = await taken(store, read("01R"), month(10))
    await reserved(store, write("01A"), month(20))
    await store.start((), replica="one")
    assert await sum_of(store, month()) == (0, 30)
    fresh_redis.flush()
    await store.start((), replica="one")
    await taken(store, read("01S"), month(1))
    await store.settle(held, spending(10))
    assert await sum_of(store, month()) == (10, 1)


async def test_undone_later(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails half-way has undone some of it, and the next one undoes the rest."""
    gone, begun = await replica(replica="one"), await replica(replica="one")
    for n in range(4):
        await taken(gone, read(f"0{n}R"), month(10))
    begun._started, run, undone = False, begun._link.run, 0

    async def cut(*told: object, **how: object) -> object:
        nonlocal undone
        undone += told[0] == "bill"
        if undone > 2:
            raise StoreUnavailable("it went away")
        return await run(*told, **how)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(begun._link, "run", cut)
        with pytest.raises(StoreUnavailable):
            await begun.start((), replica="one")
    assert await sum_of(gone, month()) == (0, 20)
    await begun.start((), replica="one")
    assert await sum_of(gone, month()) == (0, 0)


async def test_lapsed_read(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read whose replica is away counts as taken when it lapses, until that replica tells what its record says."""
    monkeypatch.setattr("breakers.store.charged.READ_HELD_S", BRIEF_S)
    gone, other = await replica(replica="one"), await replica(replica="two")
    for call in ("01R", "01S", "01T"):
        await taken(gone, read(call), month(10))
    mine = [await taken(other, read(f"02{x}"), month(10)) for x in "RST"]
    await asyncio.sleep(1.5 * BRIEF_S)
    assert await sum_of(other, month()) == (60, 0)
    # Long as it took, its end counts, whatever it is.
    for held, end in zip(mine, (spending(3), None, unknown()), strict=True):
        await other.settle(held, end)
    assert await sum_of(other, month()) == (30 + 3 + 10, 0)
    told: list[Event] = [ReadHeld("01S", AT, (TEN,)), ReadHeld("01T", AT, (TEN,)), ReadSettled("01T", (4,))]
    for _ in range(2):
        await replica(told, replica="one")
        assert await sum_of(other, month()) == (10 + 4 + 13, 0)
    assert await other._shared.ask("ZCARD", "lapsing") == 0


async def test_lapsed_is_forgotten(replica: Replica, fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted when it lapsed is listed for its replica as long as it is kept, and no longer."""
    monkeypatch.setattr("breakers.store.charged.READ_HELD_S", BRIEF_S)
    clock = Clock()
    store = await replica(replica="one", now=clock.now)
    await taken(store, read("01R"), month(10))
    await taken(store, read("01S"), month(10, until=None))
    await asyncio.sleep(1.5 * BRIEF_S)
    assert await sum_of(store, month()) == (20, 0)
    due = {call: float(await store._shared.ask("ZSCORE", "lapsing", call)) for call in ("01R", "01S")}
    kept = int(await store._shared.ask("PTTL", "hold:01R"))
    with contextlib.closing(fresh_redis.operator()) as operator:
        seconds, micros = operator.time()
    assert kept > 0
    assert due["01R"] - seconds * 1000 - micros / 1000 == pytest.approx(kept + 1000, abs=500)
    assert due["01S"] == float("inf")
    await store._shared.ask("DEL", "hold:01R")
    await store._shared.ask("ZADD", "lapsing", "1", "01R")
    assert await sum_of(store, month()) == (20, 0)
    assert await store._shared.ask("ZRANGE", "lapsing", "0", "-1") == [b"01S"]
