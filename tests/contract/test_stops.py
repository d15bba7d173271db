"""What every store promises of the stop: the newest record of a scope counts, and what it bars does not leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.call import Call
from breakers.stops import Mode, Stop
from breakers.store.events import KillChanged, opened_by
from breakers.store.protocol import HeldRead, HeldWrite, Permit, Stale, Store
from tests.breakers.world import AT
from tests.contract.brakes import approved, granted, suggestion
from tests.contract.world import (
    BRIEF_S,
    World,
    dispatched,
    judged,
    nothing_done,
    opened,
    read,
    reserved,
    shown,
    write,
)

HALT = KillChanged(Stop("all", Mode.STOP_WRITES, 2, "ann", "a drill", AT))


async def mode(store: Store, *scopes: str) -> Mode:
    """
    Return what a store says of a call in these scopes.
    """
    return (await store.stops()).binding(("all", *scopes), AT).mode_at(AT)


async def test_runs_at_first(store: Store) -> None:
    """Where the ledger says nothing of a stop, a store that has started lets writes pass, and says so as facts."""
    assert await mode(store) is Mode.RUN
    assert (await store.facts(write())).stops.binding((), AT).mode is Mode.RUN


async def test_record_kept_whole(store: Store) -> None:
    """Each scope has its own record, with everything that it says."""
    until = AT + timedelta(hours=1)
    other = Stop("agent:clerk", Mode.RUN, 7, "bob", "a line\nand „another“", AT, until, Mode.STOP_ALL, aborts=True)
    for stop in (HALT.stop, other):
        await store.apply(KillChanged(stop))
    known = (await store.stops()).by_scope
    assert (known["all"], known["agent:clerk"]) == (HALT.stop, other)


# the records that come in this order, and the mode of the scope then
ORDERS = [
    ([(Mode.STOP_WRITES, 2), (Mode.RUN, 1)], Mode.STOP_WRITES),
    ([(Mode.RUN, 3), (Mode.STOP_ALL, 2)], Mode.RUN),
    ([(Mode.SUGGEST, 2), (Mode.STOP_WRITES, 2)], Mode.STOP_WRITES),
    ([(Mode.STOP_ALL, 2), (Mode.SUGGEST, 2)], Mode.STOP_ALL),
    ([(Mode.STOP_ALL, 2), (Mode.RUN, 2), (Mode.RUN, 3)], Mode.RUN),
]


async def test_newest_counts(store: Store) -> None:
    """An older record never undoes a newer one, and of two with one epoch the stricter holds."""
    for number, (orders, said) in enumerate(ORDERS):
        scope = f"agent:{number}"
        assert await mode(store, scope) is Mode.RUN
        for one, epoch in orders:
            await store.apply(KillChanged(Stop(scope, one, epoch)))
        assert await mode(store, scope) is said, orders
        asked = replace(write(), caller=replace(write().caller, agent=str(number)))
        assert (await store.facts(asked)).stops.binding((scope,), AT).mode is said, orders


@pytest.mark.parametrize("asked", [write(), read()], ids=["write", "read"])
async def test_change_is_stale(store: Store, asked: Call) -> None:
    """What was judged before a stop changed is judged again; a record that changes nothing leaves it."""
    await store.apply(HALT)
    go = await judged(store, asked)
    await store.apply(HALT)
    await store.apply(KillChanged(Stop("all", Mode.RUN, 1)))
    assert await store.reserve(go) == (HeldWrite(go) if asked.operation.writes else HeldRead(go))
    go = await judged(store, replace(asked, id="01B", names=None))
    await store.apply(KillChanged(Stop("task:other", Mode.STOP_WRITES, 1)))
    assert await store.reserve(go) == Stale()


# the scope that is stopped, and whether the first write leaves
SCOPES = [
    ("all", False),
    ("api:shop", False),
    ("agent:clerk", False),
    ("task:task-1", False),
    ("op:refunds.create", False),
    ("op:shop:refunds.create", False),
    ("api:forge", True),
    ("agent:helper", True),
    ("task:task-2", True),
    ("op:charges.create", True),
    ("op:forge:refunds.create", True),
]


async def test_barred_before_first_byte(store: Store) -> None:
    """What a scope stops does not leave, although it was reserved before, and its intent is open; all others do."""
    for number, (scope, leaves) in enumerate(SCOPES):
        asked = write(f"01{number:02}", f"k:{number}", f"f1:{number}", f"e:{number}")
        held = await reserved(store, asked)
        await store.apply(KillChanged(Stop(scope, Mode.STOP_WRITES, 2)))
        said = await store.dispatch(held, opened_by(asked, "log/0#0/1"))
        assert said is (Permit.GRANTED if leaves else Permit.STOPPED), scope
        assert (asked.id, False, False) in await shown(store)
        await store.apply(KillChanged(Stop(scope, Mode.RUN, 3)))


async def test_barred_again(store: Store) -> None:
    """A re-send asks as the first did, and a stop that is lifted lets it pass."""
    held = await dispatched(store, write())
    await store.apply(HALT)
    assert await store.dispatch(held, opened()) is Permit.STOPPED
    await store.apply(KillChanged(replace(HALT.stop, mode=Mode.RUN, epoch=3)))
    assert await store.dispatch(held, opened()) is Permit.GRANTED
    await store.settle(held, nothing_done())
    assert await store.dispatch(held, opened()) is Permit.LOST


# the stops, what the grant answers, whether the write leaves
GRANTS = [
    ({"all": Mode.SUGGEST}, (), False),
    ({"all": Mode.SUGGEST}, ("kill:all",), True),
    ({"all": Mode.SUGGEST}, ("kill:agent:clerk", "tier:suggest"), False),
    ({"all": Mode.RUN, "agent:clerk": Mode.SUGGEST}, ("kill:agent:clerk",), True),
    ({"agent:clerk": Mode.SUGGEST, "api:shop": Mode.SUGGEST}, ("kill:agent:clerk",), False),
    ({"agent:clerk": Mode.SUGGEST, "api:shop": Mode.SUGGEST}, ("kill:agent:clerk", "kill:api:shop"), True),
    ({"agent:helper": Mode.SUGGEST}, (), True),
    ({"agent:clerk": Mode.SUGGEST, "api:shop": Mode.STOP_WRITES}, ("kill:agent:clerk", "kill:api:shop"), False),
    ({"all": Mode.STOP_ALL}, ("kill:all",), False),
]


async def test_grant_answers(store: Store) -> None:
    """Where writes are only parked, what an approver let through each of those scopes leaves; never through a stop."""
    for number, (stops, answers, leaves) in enumerate(GRANTS):
        asked = write(f"01{number:02}", f"k:{number}", f"f1:{number}", f"e:{number}")
        asked = granted(await approved(store, suggestion(f"01S{number}", by=asked, answers=answers)), asked)
        held = await reserved(store, asked)
        for scope, one in stops.items():
            await store.apply(KillChanged(Stop(scope, one, 2 * number + 2)))
        said = await store.dispatch(held, opened_by(asked, "log/0#0/1"))
        assert said is (Permit.GRANTED if leaves else Permit.STOPPED), (stops, answers)
        for scope in stops:
            await store.apply(KillChanged(Stop(scope, Mode.RUN, 2 * number + 3)))


async def test_lifted_for_a_while(world: World) -> None:
    """A stop that was lifted until a moment bars again from that moment, without anyone's word."""
    store = await world.store()
    held = await reserved(store, write())
    later, brief = (world.clock.at + timedelta(seconds=s) for s in (3600, BRIEF_S))
    await store.apply(KillChanged(Stop("all", Mode.RUN, 2, until=later, back=Mode.STOP_WRITES)))
    assert await store.dispatch(held, opened()) is Permit.GRANTED
    await store.apply(KillChanged(Stop("all", Mode.RUN, 3, until=brief, back=Mode.STOP_WRITES)))
    await world.lapse()
    assert await store.dispatch(held, opened()) is Permit.STOPPED


async def test_told_at_start(world: World) -> None:
    """A store that starts again is stopped as its ledger says, in whatever order that tells of it."""
    stops = [Stop("all", Mode.RUN, 3), Stop("agent:clerk", Mode.STOP_WRITES, 2), Stop("all", Mode.STOP_ALL, 2)]
    store = await world.store(events=[KillChanged(stop) for stop in stops])
    assert (await mode(store), await mode(store, "agent:clerk")) == (Mode.RUN, Mode.STOP_WRITES)
