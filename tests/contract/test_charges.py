"""What a call takes of the caps above it: held before it is sent, settled at its end, or kept for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from breakers.call import Call
from breakers.known import Ended, State
from breakers.spend import WRITES, Total
from breakers.store.events import ReadSettled
from breakers.store.protocol import Exhausted, Permit, Stale, Store
from tests.breakers.stopping import halted
from tests.contract.charges import DAY_ENDS, MONTH_ENDS, USD, denied, life, month, refusing, spending, sum_of, sums
from tests.contract.world import (
    World,
    dispatched,
    done,
    judged,
    made,
    nothing_done,
    opened,
    parked,
    read,
    reserved,
    shown,
    standing,
    taken,
    unknown,
    versions,
    write,
)

YEARS_S = 1000 * 86_400


def other(intent: str = "01B") -> Call:
    """
    Return a write that has no name in common with the first.
    """
    return write(intent, f"k:{intent}", f"f1:{intent}", f"e:{intent}")


async def test_no_charges(store: Store) -> None:
    """A call without charges leaves no total, and nobody is told anything."""
    await made(store, write(), done())
    await store.settle(await taken(store, read()), None)
    assert (await store.totals(), await store.alerts()) == ((), ())


@pytest.mark.parametrize("asked", [write(), read()], ids=["write", "read"])
async def test_held_at_all_nodes(store: Store, asked: Call) -> None:
    """What is granted is held at every node of its chain, each in its period and measure, and shown with its cap."""
    charges = (life(), month(), month(5_000_000, 9_000_000, measure=USD))
    said = await store.reserve(await judged(store, asked, *charges))
    assert not isinstance(said, Exhausted | Stale)
    assert await store.totals() == (
        Total("agent:clerk", "2026-11", "calls", 0, 1, 100, MONTH_ENDS),
        Total("agent:clerk", "2026-11", USD, 0, 5_000_000, 9_000_000, MONTH_ENDS),
        Total("task:clerk/01T", "life", "calls", 0, 1, 100, DAY_ENDS),
    )
    assert await store.totals("task:clerk/01T") == (Total("task:clerk/01T", "life", "calls", 0, 1, 100, DAY_ENDS),)
    assert await store.totals("task:clerk") == ()


@pytest.mark.parametrize("asked", [other(), read()], ids=["write", "read"])
async def test_all_or_none(store: Store, asked: Call) -> None:
    """Where the team has room and the task has none, nothing is taken anywhere, no name either."""
    await made(store, write(), spending(6, 6), charges=(life(6, 6), month(6, 100, "team:support")))
    go = await judged(store, asked, month(1, 100, "team:support"), life(1, 6), month())
    assert await denied(store, go) == Exhausted(life(1, 6), 6, 0)
    assert await sums(store) == {"task:clerk/01T|life|calls": (6, 0), "team:support|2026-11|calls": (6, 0)}
    assert await store.earlier(asked.id) is None
    assert set((await versions(store, other())).values()) == {0}


async def test_first_without_room(store: Store) -> None:
    """Of several caps without room the first in the order of the charges is named, as it stands."""
    held = await dispatched(store, write(), month(3, 3), life(3, 3))
    await store.settle(held, spending(2, 1))
    await taken(store, read(), month(1, 3), life(2, 3))
    go = await judged(store, other(), life(1, 3), month(1, 3))
    assert await denied(store, go) == Exhausted(life(1, 3), 1, 2)


async def test_up_to_cap(store: Store) -> None:
    """A cap is reached exactly, by what is settled and held together, and not passed by one."""
    await made(store, write(), spending(60), charges=(month(60),))
    await taken(store, read("01R"), month(40))
    assert await denied(store, await judged(store, read("01S"), month(1))) == Exhausted(month(1), 60, 40)
    await taken(store, read("01T"), month(0))


async def test_own_total(store: Store) -> None:
    """Another node, another period and another measure each have a total of their own."""
    await taken(store, read("01R"), month(100))
    for n, charge in enumerate((month(100, measure=WRITES), month(100, period="2026-12"), month(100, node="agent:b"))):
        await taken(store, read(f"02{n}"), charge)
    assert set((await sums(store)).values()) == {(0, 100)}


async def test_larger_cap(store: Store) -> None:
    """Room is asked for under the cap that the call was judged by: a raised one has it, a lowered one has not."""
    await taken(store, read("01R"), month(10, 10))
    await taken(store, read("01S"), month(10, 20))
    assert await denied(store, await judged(store, read("01T"), month(1, 15))) == Exhausted(month(1, 15), 0, 20)
    assert [one.cap for one in await store.totals()] == [15]


async def test_cap_of_nothing(store: Store) -> None:
    """A cap of nothing refuses even what takes nothing of it."""
    go = await judged(store, read(), month(0, 0))
    assert await denied(store, go) == Exhausted(month(0, 0), 0, 0)
    assert await store.totals() == ()


async def test_exact(store: Store) -> None:
    """The largest sums are counted to the last unit."""
    cap = 2**53
    await made(store, write(), spending(cap - 1), charges=(month(cap - 1, cap, measure=USD),))
    assert await sum_of(store, month(measure=USD)) == (cap - 1, 0)
    assert isinstance(await store.reserve(await judged(store, other("01B"), month(2, cap, measure=USD))), Exhausted)
    await made(store, other("01C"), spending(1), charges=(month(1, cap, measure=USD),))
    assert await sum_of(store, month(measure=USD)) == (cap, 0)
    assert isinstance(await store.reserve(await judged(store, other("01D"), month(1, cap, measure=USD))), Exhausted)


async def test_stale_takes_nothing(store: Store) -> None:
    """A verdict on facts that have changed takes nothing of any cap."""
    goes = [await judged(store, write(), month()), await judged(store, read(), month())]
    await store.apply(halted(1))
    assert [await store.reserve(go) for go in goes] == [Stale()] * 2
    assert await store.totals() == ()


# how a write ends, what is settled, what is held then
ENDS = [
    (spending(100, 1), (100, 1), (0, 0)),
    (spending(30, 1), (30, 1), (0, 0)),
    (spending(0, 1), (0, 1), (0, 0)),
    (spending(250, 1), (250, 1), (0, 0)),
    (refusing(0, 1), (0, 1), (0, 0)),
    (refusing(0, 0), (0, 0), (0, 0)),
    # What an end does not say is as much as was held, but for what had no effect.
    (done(), (100, 1), (0, 0)),
    (nothing_done(), (0, 1), (0, 0)),
    (unknown(), (0, 0), (100, 1)),
    (parked(), (0, 0), (100, 1)),
]


@pytest.mark.parametrize(("end", "settled", "held"), ENDS)
async def test_ends(store: Store, end: Ended, settled: tuple[int, int], held: tuple[int, int]) -> None:
    """A write that has ended is settled at what it took, exactly; what nobody knows the end of is held on."""
    charges = (month(100, measure=USD), life())
    await made(store, write(), end, charges=charges)
    assert [await sum_of(store, charge) for charge in charges] == list(zip(settled, held, strict=True))


async def test_truth_wins(store: Store) -> None:
    """What was taken beyond what was held, and beyond the cap, counts, and nothing passes after it."""
    await made(store, write(), spending(130), charges=(month(90),))
    assert await denied(store, await judged(store, other(), month(1))) == Exhausted(month(1), 130, 0)
    assert await denied(store, await judged(store, read(), month(0))) == Exhausted(month(0), 130, 0)


@pytest.mark.parametrize("end", [nothing_done(), refusing(0)])
async def test_let_go(store: Store, end: Ended) -> None:
    """A claim of which nothing was sent gives its charges back, whether or not its end says that it took none."""
    held = await reserved(store, write(), month(100))
    await store.settle(held, end)
    assert await store.totals() == ()
    await reserved(store, other(), month(100))


async def test_read_given_back(store: Store) -> None:
    """A read that was not sent gives back what it held."""
    held = await taken(store, read(), month(100), life())
    await store.settle(held, None)
    assert await store.totals() == ()


async def test_read_settled(store: Store) -> None:
    """A read is settled at what it took; one whose end nobody knows holds on until a record says what it took."""
    await store.settle(await taken(store, read("01R"), month(10)), spending(4))
    held = await taken(store, read("01S"), month(10))
    await store.settle(held, unknown())
    assert await sum_of(store, month()) == (4, 10)
    await store.apply(ReadSettled("01S", (7,)))
    assert await sum_of(store, month()) == (11, 0)


@pytest.mark.parametrize("doubt", [unknown(), parked()])
async def test_doubt_holds_for_ever(world: World, doubt: Ended) -> None:
    """What may have happened holds its charges however old it is, past its period too."""
    store = await world.store()
    await made(store, write(), doubt, charges=(month(100),))
    flying = await dispatched(store, other(), life(100))
    world.clock.pass_by(YEARS_S)
    await made(store, other("01C"), done(), charges=(month(node="agent:b"),))
    assert await sum_of(store, month()) == await sum_of(store, life()) == (0, 100)
    assert isinstance(await store.reserve(await judged(store, read(), month(1))), Exhausted)
    assert await store.dispatch(flying, opened("01B")) is Permit.GRANTED


# what is found out of a doubt, what is settled, what is held then
FOUND = [
    (spending(80, after_s=5), 80, 0),
    (refusing(0, after_s=5), 0, 0),
    (parked(5), 0, 100),
    (unknown(5), 0, 100),
    (done(5), 100, 0),
]


@pytest.mark.parametrize(("found", "settled", "held"), FOUND)
async def test_resolved(store: Store, found: Ended, settled: int, held: int) -> None:
    """What is found out of a write in doubt settles or releases its charges; what is still not known keeps them."""
    await made(store, write(), unknown(), charges=(month(100),))
    assert await store.resolve(opened(), found)
    assert await sum_of(store, month()) == (settled, held)


async def test_resolved_unheard(store: Store) -> None:
    """What is found out of a write that this store never heard of takes its charges with it."""
    event = replace(opened(), charges=(month(100),))
    assert await store.resolve(event, unknown())
    assert await sum_of(store, month()) == (0, 100)
    assert await store.resolve(replace(opened("01B", key="k:2"), charges=(month(9),)), spending(7))
    assert await sum_of(store, month()) == (7, 100)


async def test_answer_settles_doubt(store: Store) -> None:
    """The answer itself settles a write that was put in doubt meanwhile."""
    held = await dispatched(store, write(), month(100))
    assert await store.resolve(replace(opened(), charges=(month(100),)), unknown())
    await store.settle(held, spending(60))
    assert await sum_of(store, month()) == (60, 0)


async def test_stopped_keeps_hold(store: Store) -> None:
    """A write that is stopped at the last moment holds its charges until its end says that nothing was sent."""
    held = await reserved(store, write(), month(100))
    await store.apply(halted(1))
    assert await store.dispatch(held, replace(opened(), charges=(month(100),))) is Permit.STOPPED
    assert await sum_of(store, month()) == (0, 100)
    await store.settle(held, refusing(0))
    assert await store.totals() == ()


async def test_month_rolls_over(store: Store) -> None:
    """A hold of the old month is settled there, and the new month begins with nothing."""
    held = await dispatched(store, write(), month(100))
    new = month(1, period="2026-12", until=datetime(2027, 1, 1, tzinfo=UTC))
    await taken(store, read(), new)
    await store.settle(held, spending(90))
    assert await sums(store) == {"agent:clerk|2026-11|calls": (90, 0), "agent:clerk|2026-12|calls": (0, 1)}


async def test_open_keeps_charges(store: Store) -> None:
    """An open intent is shown with what it was charged with."""
    await dispatched(store, write(), month(), life())
    (open_,) = await store.open_intents()
    said = [(one.node, one.period, one.measure, one.amount, one.until) for one in open_.opened.charges]
    assert said == [
        ("agent:clerk", "2026-11", "calls", 1, MONTH_ENDS),
        ("task:clerk/01T", "life", "calls", 1, DAY_ENDS),
    ]


async def test_doubt_keeps_charges(store: Store) -> None:
    """A write in doubt is shown with its charges too, although nobody marked its dispatch."""
    await store.settle(await reserved(store, write(), month(100)), unknown())
    (open_,) = await store.open_intents()
    assert [one.amount for one in open_.opened.charges] == [100]
    assert await sum_of(store, month()) == (0, 100)


async def test_names_before_caps(store: Store) -> None:
    """A write whose names have moved is judged again, whether or not there was room."""
    go = await judged(store, write("01B"), month(1, 0))
    await reserved(store, write())
    assert await store.reserve(go) == Stale()
    assert await store.alerts() == ()


async def test_charges_and_names(store: Store) -> None:
    """A charged write stands under its names and is open as any other is."""
    held = await dispatched(store, write(), month())
    assert await standing(store) == [("01A", State.DISPATCHED)]
    await store.settle(held, spending(1))
    assert (await standing(store), await shown(store)) == ([("01A", State.COMPLETED)], [])
