"""One process's breakers and suggestions: what is bounded, and what comes back when nobody says anything any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from breakers.breaker import Delta, State
from breakers.store.events import SuggestionNoted
from breakers.store.memory import MemoryStore
from breakers.store.moves import GIVEN_UP
from breakers.store.protocol import ALIVE_S, LEASE_S, REMEMBERED_S
from breakers.suggestion import Stage
from tests.contract.brakes import (
    KEY,
    approved,
    breaker,
    breaks,
    counted,
    granted,
    place,
    probe,
    probing,
    stage,
    suggestion,
    turned,
    wished,
)
from tests.contract.world import Clock, reserved, write

DAY_S = 86_400


def store_of() -> tuple[MemoryStore, Clock]:
    """
    Return a store of one process and the clock that it goes by.
    """
    clock = Clock()
    return MemoryStore(clock.now), clock


async def test_given_up_claim() -> None:
    """A write that nobody dispatched in time gives back its permit and its grant, whoever writes next."""
    store, clock = store_of()
    await breaks(store, breaker())
    await wished(store, granted(await approved(store)), probe())
    clock.pass_by(LEASE_S + GIVEN_UP.total_seconds() - 1)
    await reserved(store, write("01B", "k:2", "f1:2", "e:2"))
    assert (await probing(store), await stage(store)) == ("01A", Stage.EXECUTING)
    clock.pass_by(1)
    await reserved(store, write("01C", "k:3", "f1:3", "e:3"))
    assert (await probing(store), await stage(store)) == (None, Stage.APPROVED)


async def test_silent_process() -> None:
    """A process that has not counted for a while is not alive, and one is always there."""
    store, clock = store_of()
    assert (await counted(store, Delta(KEY, 0, 0), by="one")).alive == 1
    clock.pass_by(ALIVE_S - 0.001)
    assert (await counted(store, Delta(KEY, 0, 0), by="two")).alive == 2
    clock.pass_by(0.001)
    assert (await counted(store, Delta(KEY, 0, 0), by="two")).alive == 1


async def test_windows_forgotten() -> None:
    """What is counted once of many breakers is dropped when it is old, a few at each report, and none stays behind."""
    store, clock = store_of()
    for number in range(200):
        bucket = int(clock.at.timestamp()) // 10
        await counted(store, Delta(f"task:{number}", 0, bucket, fail=1, over_s=600))
        clock.pass_by(10)
    assert len(store._gauges._windows) <= 62
    clock.pass_by(600)
    for _ in range(20):
        await counted(store, Delta(KEY, 0, int(clock.at.timestamp()) // 10, ok=1))
    assert list(store._gauges._windows) == [KEY]


async def test_buckets_forgotten() -> None:
    """A window of one breaker holds no more buckets than count."""
    store, clock = store_of()
    for _ in range(100):
        await counted(store, Delta(KEY, 0, int(clock.at.timestamp()) // 10, fail=1))
        clock.pass_by(10)
    assert len(store._gauges._windows[KEY].buckets) == 30


async def test_permits_forgotten() -> None:
    """A permit that is over leaves nothing behind beside the record."""
    store, _ = store_of()
    record = breaker()
    await breaks(store, record)
    for number in range(20):
        held = await wished(store, write(f"01{number:02}", f"k:{number}", f"f1:{number}", None), probe(gen=record.gen))
        (seen,) = await store.breakers()
        record = breaker(gen=record.gen + 1)
        assert await store.move(seen, record)
        assert held.go.call.id not in store._gauges._held
    assert not store._gauges._held


async def test_suggestions_forgotten() -> None:
    """What has ended is forgotten after a day, a few at each change, with its names; what lives is not."""
    store, clock = store_of()
    live = await store.suggest(suggestion("01L", by=write("01A", "k:l", "f1:l")))
    for number in range(50):
        one = suggestion(f"01S{number:02}", by=write("01A", f"k:{number}", f"f1:{number}"))
        await store.suggest(one)
        await store.turn(one, replace(turned(one, Stage.REJECTED), changed_at=clock.at))
        clock.pass_by(60)
    clock.pass_by(DAY_S)
    for number in range(50):
        fresh = suggestion(f"01T{number:02}", by=write("01A", "k:t", "f1:t"))
        await store.suggest(fresh)
        await store.turn(fresh, turned(fresh, Stage.VOID, why="a test"))
        clock.pass_by(DAY_S)
    assert len(store._parked) <= 3
    assert len(store._parked._by_name) <= 4
    assert len(store._parked._ended) <= 3
    assert await store.suggestion("01L") == live
    await store.apply(SuggestionNoted(replace(live, stage=Stage.EXPIRED, version=9, changed_at=clock.at)))
    assert await stage(store, "01L") is Stage.EXPIRED


async def test_place_is_kept() -> None:
    """A place in a ramp is not given back: the next one passes when its time comes, at most ten seconds later."""
    store, clock = store_of()
    await breaks(store, breaker(State.RAMPING))
    await wished(store, write(), place())
    clock.pass_by(LEASE_S + REMEMBERED_S)
    await wished(store, write("01B", "k:2", "f1:2", "e:2"), place())
    (seen,) = await store.breakers()
    assert seen.next_at == clock.at + timedelta(seconds=10)
