"""Every verb of a store, with all that it can touch."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from breakers.breaker import Delta, State
from breakers.stops import ALL
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    BreakerMoved,
    IntentDelivered,
    IntentEnded,
    ReadHeld,
    ReadSettled,
    SuggestionNoted,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
)
from breakers.store.fleet import FleetStore
from breakers.store.protocol import Exhausted, HeldRead, Permit
from breakers.suggestion import Stage
from breakers.task import Closed, Task
from config.caps import Caps
from tests.breakers.stopping import halted, running
from tests.breakers.world import AT
from tests.contract.brakes import (
    KEY,
    NOW,
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
    wished,
    wishing,
)
from tests.contract.charges import MONTH_ENDS, life, month, spending, sums
from tests.contract.world import (
    BRIEF_S,
    dispatched,
    done,
    judged,
    made,
    nothing_done,
    opened,
    read,
    reserved,
    taken,
    unknown,
    write,
)


async def every_verb(store: FleetStore) -> None:
    """
    Make every verb, with all that it can touch.
    """
    await store.apply(running(1))
    await reserved(store, write("01A"))
    await asyncio.sleep(1.5 * BRIEF_S)
    held = await dispatched(store, write("01B", "k:2"))
    await store.settle(held, unknown(), b"sealed")
    await store.resolve(opened("01B", key="k:2"), done())
    await store.delivered("01B", reached=False)
    await made(store, write("01C", "k:3"), nothing_done(), b"sealed")
    for event in (opened("01D"), IntentEnded("01D", unknown()), IntentDelivered("01D", delivered=True)):
        await store.apply(event)
    await every_charge(store)
    await every_brake(store)
    assert await store.answer("01B") == b"sealed"
    assert await store.wait("01B", 1) == await store.earlier("01B")
    assert len(await store.open_intents()) == 1
    assert (await store.stops()).by_scope[ALL] == running(1).stop
    assert await store.fault() is None


async def every_charge(store: FleetStore) -> None:
    """
    Make every verb that knows of charges, tasks and tokens.
    """
    charges = (month(1, 2, alerts=(50,)), life())
    await reserved(store, write("02A", "k:4"), *charges)
    await asyncio.sleep(1.5 * BRIEF_S)
    await made(store, write("02B", "k:4"), spending(1, 0), b"sealed", charges=charges)
    await store.settle(await taken(store, read("02R"), *charges), None)
    await store.settle(await taken(store, read("02S"), *charges), spending(1, 1))
    assert isinstance(await store.reserve(await judged(store, read("02T"), *charges)), Exhausted)
    task = Task("clerk/01T", "clerk", AT, MONTH_ENDS, Caps())
    for event in (
        *(ReadHeld("02U", AT, charges), ReadSettled("02U", (1, 1)), ReadHeld("02V", AT, charges)),
        *(TaskOpened(task), TaskClosed(task.id, AT, Closed.DONE), TokenRevoked("abc", MONTH_ENDS)),
    ):
        await store.apply(event)
    for alert in await store.alerts():
        await store.apply(AlertRaised(alert))
        await store.apply(AlertDelivered(alert.id))
    assert await sums(store) == {"agent:clerk|2026-11|calls": (4, 0), "task:clerk/01T|life|calls": (3, 0)}
    assert (await store.alerts(), await store.tasks()) == ((), ())
    assert (await store.envelope(task.id, ("abc",))).revoked


async def every_brake(store: FleetStore) -> None:
    """
    Make every verb that keeps writes back.
    """
    await breaks(store, breaker(), breaker(State.PASSING, key="task:1"))
    one = await approved(store)
    lapsed = await wished(store, granted(one, write("03A", "k:5")), probe())
    await asyncio.sleep(1.5 * BRIEF_S)
    held = await wished(store, write("03B", "k:5"), place())
    assert await store.dispatch(lapsed, opened("03A", key="k:5")) is Permit.LOST
    assert await store.dispatch(held, opened("03B", key="k:5")) is Permit.GRANTED
    await store.settle(held, done())
    assert await probing(store) is None
    carried = await wished(store, granted(one, write("03C", "k:6")), probe())
    await store.settle(carried, replace(nothing_done(), place=""))
    assert isinstance(await store.reserve(await wishing(store, read("03R"), probe())), HeldRead)
    await made(store, granted(one, write("03D", "k:7")), done())
    assert (await store.suggest(suggestion("01T"))).id == "01T"
    for event in (SuggestionNoted(one), BreakerMoved(breaker(State.BLOCKED, 4)), halted(5, scope="agent:helper")):
        await store.apply(event)
    assert (await counted(store, Delta(KEY, 4, NOW, ok=1))).ok == 1
    assert (await stage(store), len(await store.suggestions())) == (Stage.EXECUTED, 2)
    store._returns["03R"] = await wishing(store, read("03R"), probe())
    await store.facts(write("03E", "k:8"))
