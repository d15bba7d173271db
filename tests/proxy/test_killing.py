"""Orders to one process: what they do first, what fails, and how others hear of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from breakers.stops import ALL, CANARY, Mode, Stop, Stops
from breakers.store.events import Event
from breakers.store.stopped import UNREADABLE
from proxy.errors import LedgerUnavailable
from tests.breakers.stopping import halted, running
from tests.proxy.stoppable import WRITE, Process, may, pair

HOUR = timedelta(hours=1)


@pytest.fixture
def one() -> Process:
    """
    Give a process whose record begins with everything running.
    """
    return Process()


async def test_here_first(one: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop is in force here before anything is waited for, on record before the store is told, then answered."""
    steps: list[object] = []

    async def changed(stop: Stop) -> None:
        steps.append(("record", may(one)))
        one.paper.stops.append(stop)

    apply = one.store.apply  # type: ignore[union-attr] # it has one

    async def told(event: Event) -> None:
        steps.append(("store", len(one.paper.stops)))
        await apply(event)

    monkeypatch.setattr(one.paper, "changed", changed)
    monkeypatch.setattr(one.store, "apply", told)
    ordering = one.switch.order(ALL, Mode.STOP_WRITES, "ana", "OPS-7")
    assert may(one)
    ordered = await ordering
    assert steps == [("record", False), ("store", 1)]
    assert (ordered.recorded, ordered.shared, ordered.holds, ordered.why) == (True, True, True, "")
    assert (ordered.stop.epoch, ordered.stop.actor, ordered.stop.reason) == (2, "ana", "OPS-7")
    assert one.kinds == ["stop"]


async def test_unwritable_record(one: Process) -> None:
    """A ledger that cannot be written keeps nobody from stopping, which is said; it does keep a resume from being."""
    one.paper.broken = True
    ordered = await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
    assert (ordered.recorded, ordered.shared) == (False, True)
    assert "not on record" in ordered.why
    assert not may(one)
    with pytest.raises(LedgerUnavailable):
        await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7")
    assert not may(one)
    assert (await one.store.stops()).by_scope[ALL].mode is Mode.STOP_WRITES  # type: ignore[union-attr] # it has one


async def test_slow_disk(one: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that does not answer keeps the others from hearing of a stop for a moment only."""

    async def never(_: Stop) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(one.paper, "changed", never)
    monkeypatch.setattr("proxy.killing.RECORD_WITHIN_S", 0.0)
    ordered = await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
    assert (ordered.recorded, ordered.shared) == (False, True)
    assert "does not answer" in ordered.why
    await one.switch.drain(0.0)


async def test_scoped(one: Process) -> None:
    """A stop of one agent is nothing to another, and letting everything run does not lift it."""
    await one.switch.order("agent:clerk", Mode.STOP_WRITES, "ana")
    other = replace(WRITE, caller=replace(WRITE.caller, agent="other", task="other/1"))
    assert (may(one), may(one, other)) == (False, True)
    await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
    await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7")
    assert (may(one), may(one, other)) == (False, True)


@pytest.mark.parametrize("at_once", [1000])
async def test_flips(at_once: int, one: Process) -> None:
    """Of a thousand flips one after another the last one wins, everywhere, and all of them are on record."""
    for number in range(at_once):
        mode = Mode.RUN if number % 2 else Mode.STOP_WRITES
        await one.switch.order(ALL, mode, "ana", "OPS-7")
    assert [stop.epoch for stop in one.paper.stops] == list(range(2, at_once + 2))
    assert may(one)
    assert one.store is not None
    assert (await one.store.stops()).by_scope[ALL] == one.switch.stops.by_scope[ALL] == one.paper.stops[-1]


@pytest.mark.parametrize("first", ["resume", "stop"])
async def test_at_once(first: str) -> None:
    """Of two operators who flip at the same moment in two processes the stricter wins in both; both are on record."""
    here, there, _ = pair()
    await here.switch.order(ALL, Mode.STOP_WRITES, "ana")
    await there.switch.poll()
    orders = [here.switch.order(ALL, Mode.RUN, "ana", "OPS-7"), there.switch.order(ALL, Mode.STOP_ALL, "ben")]
    done = {one.stop.actor: one for one in await asyncio.gather(*(orders if first == "resume" else orders[::-1]))}
    assert done["ana"].stop.epoch == done["ben"].stop.epoch
    for process in (here, there):
        await process.switch.poll()
        assert process.switch.here.mode(ALL) is Mode.STOP_ALL
    assert done["ben"].holds
    assert [stop.actor for stop in here.paper.stops + there.paper.stops] == ["ana", "ana", "ben"]


async def test_overtaken() -> None:
    """A stop under an epoch that another process has used since is ordered anew: it is the later one."""
    here, there, store = pair()
    for mode in (Mode.STOP_WRITES, Mode.RUN, Mode.STOP_WRITES, Mode.RUN):
        await there.switch.order(ALL, mode, "ben", "OPS-7")
    ordered = await here.switch.order(ALL, Mode.STOP_WRITES, "ana")
    assert ordered.stop.epoch > there.paper.stops[-1].epoch
    assert (await store.stops()).by_scope[ALL].actor == "ana"
    assert not may(here)


async def test_ends_with_run(one: Process) -> None:
    """A lifted stop that a concurrent one has overtaken does not hold, and is told to nobody as if it did."""
    await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
    changed = one.paper.changed

    async def overtaken(stop: Stop) -> None:
        await changed(stop)
        if stop.mode is Mode.RUN:
            await one.switch.order(ALL, Mode.STOP_ALL, "ben")

    one.paper.changed = overtaken  # type: ignore[method-assign] # for this test
    lifted = await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7")
    assert not lifted.holds
    assert one.switch.here.mode(ALL) is Mode.STOP_ALL
    assert [fields["by"] for _, _, fields in one.heard.said] == ["ana", "ben"]


async def test_propagates() -> None:
    """What one process orders is in force in the other with its next look, which says how long that took."""
    here, there, _ = pair()
    await there.switch.poll()
    await here.switch.order(ALL, Mode.STOP_WRITES, "ana", "OPS-7")
    assert may(there)
    there.clock.move(0.5)
    await there.switch.poll()
    assert not may(there)
    (learned, after_s), *_ = there.applied
    assert (learned.actor, learned.reason, after_s) == ("ana", "OPS-7", 0.5)
    assert there.kinds == []


async def test_older_is_ignored() -> None:
    """A record that arrives late undoes nothing that is newer."""
    here, _, _ = pair()
    await here.switch.poll()
    for stop in (halted(7).stop, running(6).stop, halted(7, Mode.SUGGEST).stop):
        here.switch._learn(Stops({ALL: stop}))
    assert here.switch.stops.by_scope[ALL] == halted(7).stop


async def test_store_forgets() -> None:
    """A store that lost all that it knew lifts no stop: it is told again, by whoever knows."""
    here, there, store = pair()
    await here.switch.order(ALL, Mode.STOP_WRITES, "ana")
    await here.switch.order("agent:clerk", Mode.STOP_ALL, "ana")
    await there.switch.poll()
    store.flush()
    assert (may(here), may(there)) == (False, False)
    fresh = Process(clock=here.clock, store=store)
    await there.switch.poll()
    await fresh.switch.poll()
    assert fresh.switch.here.mode("agent:clerk") is Mode.STOP_ALL
    assert not may(fresh)


async def test_away_at_the_order() -> None:
    """A store that cannot be asked keeps nobody from stopping; it is told as soon as it answers."""
    here, there, store = pair()
    await here.switch.poll()
    await there.switch.poll()
    store.away = True
    ordered = await here.switch.order(ALL, Mode.STOP_WRITES, "ana")
    assert (ordered.recorded, ordered.shared) == (True, False)
    assert "was not told yet" in ordered.why
    assert not may(here)
    store.away = False
    await here.switch.poll()
    await there.switch.poll()
    assert not may(there)


async def test_shared_since() -> None:
    """Since when the store has a stop is counted from when it was there, and anew once the store was away."""
    here, _, store = pair()
    await here.switch.order(ALL, Mode.STOP_WRITES, "ana")
    assert await here.switch.poll()
    here.clock.move(60.0)
    store.away = True
    assert not await here.switch.poll()
    store.away = False
    assert here.switch.shared == {}
    assert await here.switch.poll()
    assert here.switch.shared == {ALL: (2, here.clock.monotonic())}


async def test_shared_not_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ordered while the store is told of something else is not there by that."""
    here, _, store = pair()
    await here.switch.poll()
    store.flush()
    apply, disk = store.apply, asyncio.Event()

    async def meanwhile(event: Event) -> None:
        monkeypatch.setattr(store, "apply", apply)
        monkeypatch.setattr(here.paper, "changed", lambda _: disk.wait())
        orders.append(asyncio.create_task(here.switch.order(ALL, Mode.STOP_WRITES, "ana")))
        await asyncio.sleep(0)
        await apply(event)

    orders: list[asyncio.Task[object]] = []
    monkeypatch.setattr(store, "apply", meanwhile)
    assert await here.switch.poll()
    assert not may(here)
    assert here.switch.shared[ALL][0] == 1
    disk.set()
    await orders[0]


async def test_unreadable() -> None:
    """What the store says and nobody can read stops writes, is told to people, and is left to an order."""
    here, _, store = pair()
    await here.switch.poll()
    store._stops = Stops(MappingProxyType({ALL: Stop(ALL, Mode.STOP_WRITES, 1, reason=UNREADABLE)}))
    await here.switch.poll()
    await here.switch.poll()
    assert not may(here)
    assert here.kinds == ["stop-unreadable"]
    assert (await store.stops()).by_scope[ALL].reason == UNREADABLE
    lifted = await here.switch.order(ALL, Mode.RUN, "ana", "OPS-7")
    assert lifted.holds
    assert may(here)


async def test_missing_record() -> None:
    """A log without a record of everything begins stopped, whatever a store says that was never told."""
    begins = Stops(MappingProxyType({ALL: Stop(ALL, Mode.STOP_WRITES, 1)}))
    one = Process(begins=begins)
    assert one.store is not None
    assert one.switch.here.over(await one.store.stops()).by_scope[ALL].mode is Mode.STOP_WRITES
    assert not may(one)


async def test_drill_is_nothing(one: Process) -> None:
    """A stop of the canary goes all the way, keeps nobody from anything, and is announced to nobody."""
    ordered = await one.switch.order(CANARY, Mode.STOP_WRITES, "ana", "a drill")
    assert (ordered.recorded, ordered.shared) == (True, True)
    assert may(one)
    assert one.kinds == []
    assert one.applied[-1][0].scope == CANARY


@pytest.mark.parametrize("by", ["ana", "auto", "signal"])
async def test_comes_back(by: str, one: Process) -> None:
    """What is stopped while the glass is broken, by whomever, is not less than the stop that comes back after it."""
    await one.switch.order(ALL, Mode.STOP_ALL, "ana", "OPS-7")
    await one.switch.order(ALL, Mode.RUN, "ana+ben", "OPS-7", until=one.clock.now() + HOUR, back=Mode.STOP_ALL)
    match by:
        case "auto":
            one.switch.auto(ALL, "duplicate", "a write was made twice")
        case "signal":
            one.switch.signalled()
        case _:
            await one.switch.order(ALL, Mode.SUGGEST, by, "OPS-8")
    await one.switch.drain(1.0)
    assert not may(one)
    one.clock.move(3600.0)
    assert one.switch.here.mode(ALL) is Mode.STOP_ALL
    assert one.switch.stops.binding((), one.clock.now()).mode_at(one.clock.now()) is Mode.STOP_ALL


def test_says_what_it_is(one: Process) -> None:
    """In one line it says what is in force, under which epoch, and whether it hears of the others."""
    assert repr(one.switch) == "KillSwitch(InForce(run, epoch=1, file=None), fresh=True)"
