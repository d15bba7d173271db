"""Orders that cross: nothing but a resume of that very record makes less of a stop, in whatever order they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from breakers.stops import ALL, CANARY, RUNNING, Mode, Stop, Stops
from breakers.store.events import KillChanged
from proxy.errors import StartRefused
from tests.proxy.stoppable import Process, may, pair

HOUR = timedelta(hours=1)


async def glass(one: Process) -> None:
    """Stop everything, and let it run for an hour."""
    await one.switch.order(ALL, Mode.STOP_ALL, "ana")
    await one.switch.order(ALL, Mode.RUN, "ana+ben", "OPS-7", until=one.clock.now() + HOUR, back=Mode.STOP_ALL)
    assert may(one)


async def test_glass_and_stop() -> None:
    """What is stopped while the glass is broken is told to people as a stop, and so is what comes back after it."""
    one = Process()
    await glass(one)
    await one.switch.order(ALL, Mode.SUGGEST, "eve")
    one.switch.auto(ALL, "clock", "it jumped")
    one.clock.move(3600)
    assert one.switch.here.mode(ALL) is Mode.STOP_ALL
    assert one.kinds == ["stop", "break-glass", "stop", "break-glass"]
    await one.switch.drain(1.0)


async def test_over_is_on_record() -> None:
    """That what was lifted for a time is over is on record, so that no clock that was set back begins it anew."""
    one = Process()
    await glass(one)
    one.clock.move(3600)
    assert not may(one)
    await one.switch.drain(1.0)
    clock = one.clock
    clock.at -= 2 * HOUR
    begins = RUNNING
    for stop in (*one.paper.stops, *one.paper.heard):
        begins = begins.changed(stop)
    assert not may(Process(clock=clock, begins=begins))


async def test_lifts_what_was_seen() -> None:
    """Whoever lifts a record does not lift what was ordered since, here or in another process, known here or not."""
    here, there, store = pair()
    seen = (await here.switch.order(ALL, Mode.STOP_WRITES, "ana")).stop.epoch
    await there.switch.poll()
    # Under an epoch that is lower than the one that is used here next.
    await here.switch.order("api:shop", Mode.SUGGEST, "ana")
    await there.switch.order(ALL, Mode.STOP_ALL, "ben")
    with pytest.raises(StartRefused, match="stopped anew, by ben"):
        await here.switch.order(ALL, Mode.RUN, "ana", "OPS-7", over=seen)
    assert not any(stop.mode is Mode.RUN for stop in here.paper.stops)
    assert (await store.stops()).by_scope[ALL].mode is Mode.STOP_ALL
    assert here.switch.here.mode(ALL) is Mode.STOP_ALL


async def test_overtaken_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process stops while a resume is being recorded stays stopped, also under the lower epoch."""
    here, there, store = pair()
    seen = (await here.switch.order(ALL, Mode.STOP_WRITES, "ana")).stop.epoch
    await there.switch.poll()
    await here.switch.order("api:shop", Mode.SUGGEST, "ana")
    changed = here.paper.changed

    async def meanwhile(stop: Stop) -> None:
        await changed(stop)
        if stop.mode is Mode.RUN:
            await there.switch.order(ALL, Mode.STOP_ALL, "ben")

    monkeypatch.setattr(here.paper, "changed", meanwhile)
    lifted = await here.switch.order(ALL, Mode.RUN, "ana", "OPS-7", over=seen)
    assert there.paper.stops[-1].epoch < lifted.stop.epoch
    assert not lifted.holds
    await there.switch.poll()
    for process in (here, there):
        assert process.switch.here.mode(ALL) is Mode.STOP_ALL
    assert (await store.stops()).by_scope[ALL].actor == "ben"
    # The next start of either begins so.
    assert max(here.paper.stops, key=lambda stop: stop.epoch).mode is Mode.STOP_ALL


Orders = Callable[[Process], Awaitable[object]]


async def _ordered(here: Process) -> None:
    await here.switch.order(ALL, Mode.SUGGEST, "eve")


async def _by_itself(here: Process) -> None:
    here.switch.auto(ALL, "clock", "it jumped")
    await here.switch.drain(1.0)


@pytest.mark.parametrize("order", [_ordered, _by_itself])
async def test_never_less_than_others(order: Orders) -> None:
    """An order that stops makes nothing less of what another process stopped, and this one has not heard of."""
    here, there, store = pair()
    await here.switch.poll()
    await there.switch.order(ALL, Mode.STOP_WRITES, "ben", "OPS-8")
    # As where this process was away, and had something of its own to order.
    for _ in range(3):
        here.switch.here.next_epoch()
    await order(here)
    await there.switch.poll()
    for process in (here, there):
        assert process.switch.here.mode(ALL) is Mode.STOP_WRITES
    assert (await store.stops()).by_scope[ALL].actor == "ben"


async def test_learned_is_kept() -> None:
    """What another process ordered is on record here, too: alone, and with a store that lost it, this one begins so."""
    here, there, store = pair()
    await there.switch.poll()
    stopped = (await here.switch.order("agent:clerk", Mode.STOP_ALL, "ana", "OPS-7")).stop
    await here.switch.order(CANARY, Mode.STOP_WRITES, "ana")
    await there.switch.poll()
    await there.switch.poll()
    await there.switch.drain(1.0)
    assert there.paper.stops == []
    assert there.paper.heard == [stopped]
    store.flush()
    again = Process(clock=here.clock, store=store, begins=Stops({**RUNNING.by_scope, "agent:clerk": stopped}))
    await again.switch.poll()
    assert not may(again)


async def test_told_is_not_less() -> None:
    """A store that still has an older stop of another scope is not taken for one that was overtaken."""
    here, _, store = pair()
    await here.switch.poll()
    await here.switch.order(ALL, Mode.STOP_ALL, "ana")
    lifted = await here.switch.order(ALL, Mode.SUGGEST, "ana", "OPS-7")
    assert lifted.holds
    await store.apply(KillChanged(Stop("api:shop", Mode.STOP_ALL, 90)))
    assert (await here.switch.order(ALL, Mode.STOP_WRITES, "ana")).stop.actor == "ana"
