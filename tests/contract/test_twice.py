"""Every verb that changes something, made twice or by many: a lost answer, a race, a claim that was held too long."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from breakers.known import Ended, State
from breakers.store.protocol import HeldWrite, Permit, Stale, Store
from tests.breakers.stopping import halted
from tests.contract.world import (
    BRIEF_S,
    World,
    dispatched,
    done,
    judged,
    made,
    nothing_done,
    opened,
    parked,
    rejected,
    reserved,
    shown,
    standing,
    unknown,
    versions,
    write,
)


async def seen(store: Store) -> object:
    """
    Return everything that a store says of the first write.
    """
    known = (await store.facts(write("01Z"))).known
    # The server's clock runs, so that a lease is read to within the time that it took to ask.
    under = {name: [replace(one, until=None) for one in records] for name, records in known.under.items()}
    record = await store.earlier("01A")
    earlier = None if record is None else replace(record, until=None)
    return known.versions, under, earlier, await store.open_intents(), await store.stops()


async def test_reserve_twice(store: Store) -> None:
    """A write reserved twice holds its names once, also where writes were stopped in between."""
    go = await judged(store, write())
    assert await store.reserve(go) == HeldWrite(go)
    before = await seen(store)
    assert await store.reserve(go) == HeldWrite(go)
    assert await seen(store) == before
    await store.apply(halted(1))
    assert await store.reserve(go) == HeldWrite(go)


async def test_dispatch_twice(store: Store) -> None:
    """A dispatch mark made twice is one, and grants twice."""
    held = await reserved(store, write())
    assert await store.dispatch(held, opened()) is Permit.GRANTED
    before = await seen(store)
    assert await store.dispatch(held, opened()) is Permit.GRANTED
    assert await seen(store) == before


@pytest.mark.parametrize("end", [done(), rejected(), nothing_done(), unknown(), parked()])
async def test_settle_twice(store: Store, end: Ended) -> None:
    """A write settled twice has ended once."""
    held = await dispatched(store, write())
    await store.settle(held, end)
    before = await seen(store)
    await store.settle(held, end)
    assert await seen(store) == before


@pytest.mark.parametrize("end", [done(3), rejected(3), nothing_done(3), unknown(3), parked(3)])
async def test_resolve_twice(store: Store, end: Ended) -> None:
    """What was found out once is found out when it is said again."""
    await made(store, write(), unknown())
    assert await store.resolve(opened(), end)
    before = await seen(store)
    assert await store.resolve(opened(), end)
    assert await seen(store) == before


async def test_delivered_twice(store: Store) -> None:
    """A delivery noted twice moves no name twice."""
    await made(store, write(), done())
    await store.delivered("01A", reached=False)
    before = await seen(store)
    await store.delivered("01A", reached=False)
    assert await seen(store) == before


async def test_freed_after_reuse(store: Store) -> None:
    """The end of a write that did nothing, said again, takes nothing from whoever has its names by then."""
    held = await dispatched(store, write())
    await store.settle(held, nothing_done())
    await dispatched(store, write("01B"))
    await store.settle(held, nothing_done())
    await store.resolve(opened(), nothing_done())
    assert await standing(store) == [("01B", State.DISPATCHED)]


async def test_one_of_fifty(store: Store) -> None:
    """Of fifty that want one name at once, one has it, and the others judge again."""
    goes = [await judged(store, write(f"01{n:02}", f"k:{n}", f"f1:{n}", "e:1")) for n in range(50)]
    said = await asyncio.gather(*(store.reserve(go) for go in goes))
    assert [type(one) for one in said].count(HeldWrite) == 1
    assert said.count(Stale()) == 49


async def test_fifty_names(store: Store) -> None:
    """Fifty that want nothing of each other's all have it."""
    goes = [await judged(store, write(f"01{n:02}", f"k:{n}", f"f1:{n}", f"e:{n}")) for n in range(50)]
    said = await asyncio.gather(*(store.reserve(go) for go in goes))
    assert {type(one) for one in said} == {HeldWrite}


async def test_lapsed_claim(world: World) -> None:
    """A claim whose lease has passed is taken over, and whoever had it sends nothing and settles nothing."""
    store = await world.store(BRIEF_S)
    first = await reserved(store, write())
    await world.lapse()
    facts = await store.facts(write("01B", "k:2"))
    (lapsed,) = facts.known.under["f1:1"]
    assert lapsed.until is not None
    assert lapsed.until <= facts.at
    second = await reserved(store, write("01B", "k:2"))
    assert await standing(store, "k:1") == []
    assert await store.earlier("01A") is None
    assert await store.dispatch(first, opened()) is Permit.LOST
    await store.settle(first, nothing_done())
    assert await store.dispatch(second, opened("01B", key="k:2")) is Permit.GRANTED
    assert await standing(store, "f1:1") == [("01B", State.DISPATCHED)]


async def test_late_claim(world: World) -> None:
    """A claim whose lease has passed and that nobody took over may still be sent, and is then safe from others."""
    store = await world.store(BRIEF_S)
    held = await reserved(store, write())
    await world.lapse()
    go = await judged(store, write("01B"))
    assert await store.dispatch(held, opened()) is Permit.GRANTED
    assert await store.reserve(go) == Stale()
    await world.lapse()
    await reserved(store, write("01C"))
    assert await shown(store) == [("01A", False, False)]
    assert ("01A", State.DISPATCHED) in await standing(store)


async def test_claim_is_held(world: World) -> None:
    """A claim whose lease runs is not taken over by a verdict on facts in which it stands."""
    store = await world.store()
    first = await reserved(store, write())
    await reserved(store, write("01B"))
    assert await store.dispatch(first, opened()) is Permit.GRANTED
    assert len(await standing(store)) == 2


@pytest.mark.parametrize(
    ("end", "stands"),
    [(done(9), True), (unknown(9), True), (nothing_done(9), False)],
    ids=["done", "unknown", "nothing"],
)
async def test_end_after_loss(world: World, end: Ended, stands: bool) -> None:
    """However a write ends whose claim was taken over, that is known of it, beside whoever holds its names now."""
    store = await world.store(BRIEF_S)
    held = await reserved(store, write())
    await world.lapse()
    await dispatched(store, write("01B"))
    assert await store.earlier("01A") is None
    await store.settle(held, end)
    record = await store.earlier("01A")
    assert record is not None
    assert (record.state, record.applied) == (end.state, end.applied)
    known = await standing(store)
    assert ("01B", State.DISPATCHED) in known
    assert (("01A", end.state) in known) is stands


async def test_end_stays(store: Store) -> None:
    """What has ended stays as it ended, whatever its holder says later, and moves no name of whoever came after it."""
    held = await dispatched(store, write())
    await store.settle(held, nothing_done())
    other = await store.resolve(opened("01B"), done(1))
    assert other
    assert await standing(store) == [("01B", State.COMPLETED)]
    before = await versions(store)
    await store.settle(held, done(9))
    assert await versions(store) == before
