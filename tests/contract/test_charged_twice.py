"""Charges of verbs that are made twice, late, or by many at once: one call takes once, and no cap is passed."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from breakers.call import Call
from breakers.known import Ended
from breakers.spend import Charge
from breakers.store.events import ReadHeld, ReadSettled
from breakers.store.protocol import LEASE_S, Exhausted, HeldRead, HeldWrite, Permit, Store, StoreUnavailable
from breakers.verdict import Forward
from tests.breakers.world import AT
from tests.contract.charges import denied, life, month, refusing, spending, sum_of
from tests.contract.world import (
    BRIEF_S,
    World,
    dispatched,
    judged,
    made,
    opened,
    parked,
    read,
    reserved,
    taken,
    unknown,
    write,
)


def named(intent: str) -> Call:
    """
    Return a write whose names nobody else has.
    """
    return write(intent, f"k:{intent}", f"f1:{intent}", f"e:{intent}")


@pytest.mark.parametrize("asked", [write(), read()], ids=["write", "read"])
async def test_reserve_twice(store: Store, asked: Call) -> None:
    """A call that is reserved ten times holds its charges once, at a cap that has no room for a second one too."""
    go = await judged(store, asked, month(1, 1))
    kinds = {type(await store.reserve(go)) for _ in range(10)}
    assert kinds <= {HeldWrite, HeldRead}
    assert await sum_of(store, month()) == (0, 1)


async def test_reserve_after_end(store: Store) -> None:
    """A call that is reserved again after its end takes nothing more."""
    go = await judged(store, write(), month(1, 1))
    held = await store.reserve(go)
    assert isinstance(held, HeldWrite)
    assert await store.dispatch(held, replace(opened(), charges=(month(1, 1),))) is Permit.GRANTED
    await store.settle(held, spending(1))
    assert await store.reserve(go) == held
    look = await judged(store, read(), life())
    kept = await store.reserve(look)
    assert isinstance(kept, HeldRead)
    await store.settle(kept, spending(1))
    assert await store.reserve(look) == kept
    assert [await sum_of(store, charge) for charge in (month(), life())] == [(1, 0), (1, 0)]


async def test_dispatch_twice(store: Store) -> None:
    """A dispatch mark that is made twice holds nothing more."""
    held = await dispatched(store, write(), month(3))
    assert await store.dispatch(held, replace(opened(), charges=(month(3),))) is Permit.GRANTED
    assert await sum_of(store, month()) == (0, 3)


# what is said first, what is said then, what is settled and held in the end
SECOND = [
    (spending(3), spending(3), (3, 0)),
    (spending(3), spending(9), (3, 0)),
    (spending(3), refusing(0), (3, 0)),
    (spending(3), unknown(), (3, 0)),
    (refusing(0), spending(9), (0, 0)),
    (refusing(0), refusing(1), (0, 0)),
    (unknown(), unknown(), (0, 5)),
    (parked(), unknown(), (0, 5)),
    (unknown(), spending(3), (3, 0)),
    (parked(), refusing(0), (0, 0)),
]


@pytest.mark.parametrize(("first", "then", "expected"), SECOND)
async def test_settle_twice(store: Store, first: Ended, then: Ended, expected: tuple[int, int]) -> None:
    """A write is settled or released once; what is said of it after that changes no total."""
    held = await dispatched(store, write(), month(5))
    await store.settle(held, first)
    await store.settle(held, then)
    assert await sum_of(store, month()) == expected
    await store.resolve(replace(opened(), charges=(month(5),)), first)
    assert await sum_of(store, month()) == expected


@pytest.mark.parametrize(("first", "then", "expected"), [*SECOND[:3], *SECOND[4:6]])
async def test_read_settled_twice(store: Store, first: Ended, then: Ended, expected: tuple[int, int]) -> None:
    """A read is settled or released once."""
    held = await taken(store, read(), month(5))
    await store.settle(held, first)
    await store.settle(held, then)
    await store.settle(held, None)
    await store.apply(ReadSettled("01R", (9,)))
    assert await sum_of(store, month()) == expected


async def test_read_after_release(store: Store) -> None:
    """A read that was given back is not settled, held or replayed any more."""
    held = await taken(store, read(), month(5))
    await store.settle(held, None)
    await store.settle(held, spending(5))
    await store.apply(ReadHeld("01R", AT, (month(5, 0),)))
    assert await store.totals() == ()


async def test_live_read_events(store: Store) -> None:
    """The record of a read that this process carries takes nothing more."""
    held = await taken(store, read(), month(5))
    await store.apply(ReadHeld("01R", AT, (month(5, 0),)))
    assert await sum_of(store, month()) == (0, 5)
    await store.settle(held, spending(2))
    await store.apply(ReadSettled("01R", (2,)))
    assert await sum_of(store, month()) == (2, 0)


async def test_lapsed_claim(world: World) -> None:
    """A claim that is taken over gives its charges back, and whoever had it sends nothing and settles nothing."""
    store = await world.store(BRIEF_S)
    first = await reserved(store, write(), month(60))
    await world.lapse()
    await reserved(store, write("01B", "k:2"), month(70))
    assert await sum_of(store, month()) == (0, 70)
    assert await store.dispatch(first, replace(opened(), charges=(month(60),))) is Permit.LOST
    await store.settle(first, refusing(0))
    assert await sum_of(store, month()) == (0, 70)


async def test_truth_after_loss(world: World) -> None:
    """What a write took whose claim had been taken over counts all the same, once."""
    store = await world.store(BRIEF_S)
    held = await reserved(store, write(), month(60))
    await world.lapse()
    await made(store, write("01B", "k:2"), spending(70), charges=(month(70),))
    await store.settle(held, spending(50, after_s=9))
    await store.settle(held, spending(50, after_s=9))
    assert await sum_of(store, month()) == (120, 0)


async def test_late_claim_keeps_charges(world: World) -> None:
    """A claim whose lease has passed and that is dispatched all the same holds its charges from then on for ever."""
    store = await world.store(BRIEF_S)
    held = await reserved(store, write(), month(60))
    await world.lapse()
    assert await store.dispatch(held, replace(opened(), charges=(month(60),))) is Permit.GRANTED
    await world.lapse()
    assert await sum_of(store, month()) == (0, 60)
    assert isinstance(await store.reserve(await judged(store, named("01B"), month(50))), Exhausted)


async def test_given_up(world: World) -> None:
    """A claim that nobody dispatched is given up a lease after it lapsed, with its charges; what came later is lost."""
    if world.has_own_clock:
        pytest.skip("a server's own clock cannot be moved")
    store = await world.store()
    held = await reserved(store, write(), month(100))
    flying = await dispatched(store, named("01B"), life(100))
    world.clock.pass_by(2 * LEASE_S - 0.001)
    assert await denied(store, await judged(store, named("01C"), month(1))) == Exhausted(month(1), 0, 100)
    world.clock.pass_by(0.001)
    await reserved(store, named("01D"), month(100))
    assert await store.dispatch(held, opened()) is Permit.LOST
    assert await store.dispatch(flying, opened("01B")) is Permit.GRANTED
    assert await sum_of(store, life()) == (0, 100)


async def test_given_up_unasked(world: World) -> None:
    """A claim that is given up is in no total, also where nobody has asked for room since, and is not sent any more."""
    if world.has_own_clock:
        pytest.skip("a server's own clock cannot be moved")
    store = await world.store()
    held = await reserved(store, write(), month(100))
    world.clock.pass_by(2 * LEASE_S)
    assert await store.dispatch(held, opened()) is Permit.LOST
    assert await store.totals() == ()


async def answered(store: Store, go: Forward) -> object:
    """
    Ask until there is an answer: a server on a busy machine may be too slow for hundreds at once.
    """
    while True:
        with contextlib.suppress(StoreUnavailable):
            return await store.reserve(go)


async def race(store: Store, count: int, cap: int, charges: tuple[Charge, ...] = ()) -> list[bool]:
    """
    Reserve so many calls at once, each of one unit of a cap, half of them reads; return which were admitted.
    """
    asked = [named(f"01{n:03}") if n % 2 else read(f"01{n:03}") for n in range(count)]
    goes = [await judged(store, one, month(1, cap), *charges) for one in asked]
    said = await asyncio.gather(*(answered(store, go) for go in goes))
    assert all(isinstance(one, HeldWrite | HeldRead | Exhausted) for one in said)
    return [isinstance(one, HeldWrite | HeldRead) for one in said]


async def test_exactly_the_cap(store: Store) -> None:
    """Of 500 that want one unit each of a cap of 100 at once, exactly 100 are admitted."""
    admitted = await race(store, 500, 100)
    assert (sum(admitted), await sum_of(store, month())) == (100, (0, 100))


async def test_smallest_decides(store: Store) -> None:
    """Of several caps above many at once the smallest admits, and the others hold no more than it let through."""
    admitted = await race(store, 200, 100, (life(1, 40), month(1, 80, "team:support")))
    assert sum(admitted) == 40
    assert {await sum_of(store, one) for one in (month(), life(), month(node="team:support"))} == {(0, 40)}
