"""Totals are a view over the ledger: what its events say, in whatever portions, whatever died in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakers.known import Ended, State
from breakers.spend import Charge, amounts
from breakers.store.events import Event, IntentEnded, IntentOpened, ReadHeld, ReadSettled
from breakers.store.protocol import REMEMBERED_S, Exhausted
from tests.breakers.world import AT
from tests.contract.charges import MONTH_ENDS, Sums, life, month, refusing, spending, sum_of, sums
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
    taken,
    unknown,
    write,
)

# On record stands what was taken, and not by which cap it was judged.
CHARGES = (month(10, 0), life(3, 0))
CHARGES_LIVE = (month(10), life(3))


def charged(intent: str, charges: tuple[Charge, ...] = CHARGES, at_s: float = 0) -> IntentOpened:
    """
    Return what the ledger says when a charged write is durable.
    """
    return replace(opened(intent, key=f"k:{intent}"), charges=charges, at=AT + timedelta(seconds=at_s))


def held_read(call: str = "01R", charges: tuple[Charge, ...] = CHARGES, at_s: float = 0) -> ReadHeld:
    """
    Return what the ledger says of a charged read before it is sent.
    """
    return ReadHeld(call, AT + timedelta(seconds=at_s), charges)


# what the ledger says, and what is settled and held then of the first charge
TOLD: list[tuple[list[Event], tuple[int, int]]] = [
    ([charged("01A")], (0, 10)),
    ([charged("01A"), IntentEnded("01A", spending(4, 3))], (4, 0)),
    ([charged("01A"), IntentEnded("01A", refusing(0, 1))], (0, 0)),
    ([charged("01A"), IntentEnded("01A", done())], (10, 0)),
    ([charged("01A"), IntentEnded("01A", nothing_done())], (10, 0)),
    ([charged("01A"), IntentEnded("01A", unknown())], (0, 10)),
    ([charged("01A"), IntentEnded("01A", parked())], (0, 10)),
    ([charged("01A"), IntentEnded("01A", unknown()), IntentEnded("01A", spending(7, 1, after_s=9))], (7, 0)),
    ([held_read()], (10, 0)),
    ([held_read(), ReadSettled("01R", (2, 3))], (2, 0)),
    ([held_read(), ReadSettled("01R", (0, 0))], (0, 0)),
    ([held_read(), ReadSettled("01R", (40, 3))], (40, 0)),
    ([ReadSettled("01X", (2, 3)), IntentEnded("01Y", spending(2, 3))], (0, 0)),
]


@pytest.mark.parametrize(("events", "expected"), TOLD)
async def test_replay(world: World, events: list[Event], expected: tuple[int, int]) -> None:
    """A write without an end holds what it may have taken, a read without one has taken it all."""
    assert await sum_of(await world.store(events=events), month()) == expected


@pytest.mark.parametrize(("events", "expected"), TOLD)
async def test_long_after(world: World, events: list[Event], expected: tuple[int, int]) -> None:
    """What was taken counts for its period, also of what is not remembered for anything else any more."""
    world.clock.pass_by(2 * REMEMBERED_S)
    assert await sum_of(await world.store(events=events), month()) == expected


async def test_cap_binds_replayed(world: World) -> None:
    """What was replayed takes room as what was lived through does."""
    store = await world.store(events=[charged("01A"), IntentEnded("01A", spending(70, 1)), charged("01B"), held_read()])
    assert isinstance(await store.reserve(await judged(store, read("02R"), month(11))), Exhausted)
    await taken(store, read("02S"), month(10))
    assert await sum_of(store, month()) == (80, 20)


async def test_over_periods(world: World) -> None:
    """Of a period that was over more than forty days ago nothing is brought back but what is still held."""
    world.clock.pass_by((MONTH_ENDS - AT).total_seconds() + 40 * 86_400)
    open_ = charged("01B", (month(10, 0, "agent:b"), life(3, 0, "task:b/01T")))
    told: list[Event] = [charged("01A"), IntentEnded("01A", spending(4, 3)), held_read(), open_]
    assert await sums(await world.store(events=told)) == {
        "agent:b|2026-11|calls": (0, 10),
        "task:b/01T|life|calls": (0, 3),
    }


async def test_clock_set_back(world: World) -> None:
    """A period that was over weeks ago is remembered: a clock that is set back finds what was taken of it."""
    store = await world.store()
    await made(store, write(), spending(70), charges=(month(70),))
    world.clock.pass_by((MONTH_ENDS - AT).total_seconds() + 39 * 86_400)
    await made(store, write("01B", "k:2", "f1:2", "e:2"), spending(1), charges=(month(1, node="agent:b"),))
    assert await sum_of(store, month()) == (70, 0)


# ------------------------------------------------------------------------------------------------------- in portions

_ENDS = st.sampled_from([spending(4, 3), refusing(0, 1), done(), nothing_done(), unknown(), parked()])


def _of_write(intent: str) -> st.SearchStrategy[list[Event]]:
    ends = st.lists(st.builds(IntentEnded, st.just(intent), _ENDS), max_size=3)
    return ends.map(lambda ends: [charged(intent), *ends])


def _of_read(call: str) -> st.SearchStrategy[list[Event]]:
    spent = st.tuples(st.integers(0, 20), st.integers(0, 3))
    # One call has one end.
    ends = st.lists(st.builds(ReadSettled, st.just(call), spent), max_size=1)
    return ends.map(lambda ends: [held_read(call), *ends])


@st.composite
def ledgers(draw: st.DrawFn) -> list[Event]:
    """
    Draw a ledger: each call's events in their order, those of different calls in any.
    """
    queues = [
        *(draw(_of_write(intent)) for intent in ("01A", "01B")),
        *(draw(_of_read(call)) for call in ("01R", "01S")),
    ]
    told: list[Event] = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        told.append(queue.pop(0))
    return told


def recomputed(events: Sequence[Event]) -> Sums:
    """
    Return what the totals must be, from the events alone.
    """
    charges: dict[str, tuple[Charge, ...]] = {}
    spent: dict[str, tuple[int, ...] | None] = {}
    for event in events:
        match event:
            case IntentOpened():
                charges[event.intent], spent[event.intent] = event.charges, None
            case ReadHeld():
                charges[event.call], spent[event.call] = event.charges, amounts(event.charges)
            case ReadSettled():
                spent[event.call] = event.spent
            case IntentEnded(intent, ended) if ended.state is State.COMPLETED and spent[intent] is None:
                spent[intent] = ended.spent or amounts(charges[intent])
    totals: Sums = {}
    for call, every in charges.items():
        for n, one in enumerate(every):
            settled, held = totals.get(one.key, (0, 0))
            took = spent[call]
            totals[one.key] = (settled, held + one.amount) if took is None else (settled + took[n], held)
    return {key: total for key, total in totals.items() if total != (0, 0)}


@given(events=ledgers(), cut=st.integers(0, 12))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_portion(world: World, events: list[Event], cut: int) -> None:
    """Told one by one, at the start, each twice, or once more from the beginning, a ledger makes the same totals."""
    once, twice = await world.store(), await world.store()
    for event in events:
        await once.apply(event)
        await twice.apply(event)
        await twice.apply(event)
    started = await world.store(events=events)
    resumed = await world.store(events=events[:cut])
    await resumed.start(events)
    for store in (once, twice, started, resumed):
        assert await sums(store) == recomputed(events)
    await world.close()


# ------------------------------------------------------------------------------------------------------ after a crash


# how a write ends before the process dies, if it does
CRASHES: list[Ended | None] = [None, spending(4, 3), refusing(0, 1), unknown(), parked()]


@pytest.mark.parametrize("end", CRASHES)
async def test_restart(world: World, end: Ended | None) -> None:
    """A process that starts again has the totals of the one before, whose claims and reads of no record are gone."""
    store = await world.store()
    held = await dispatched(store, write("01A", "k:01A"), month(10), life(3))
    if end is not None:
        await store.settle(held, end)
    before = await sums(store)
    await reserved(store, write("01B", "k:2", "f1:2", "e:2"), month(10), life(3))
    await taken(store, read("01R"), month(10), life(3))
    again = await world.store(events=[charged("01A"), *([] if end is None else [IntentEnded("01A", end)])])
    assert await sums(again) == before


async def test_told_again(world: World) -> None:
    """A ledger that is replayed into the store that lived through it changes no total, also long afterwards."""
    store = await world.store()
    await made(store, write("01A", "k:01A"), refusing(0, 1), charges=CHARGES_LIVE)
    await made(store, write("01B", "k:01B", "f1:2", "e:2"), spending(4, 3), charges=CHARGES_LIVE)
    await store.settle(await taken(store, read(), *CHARGES_LIVE), spending(2, 3))
    before = await sums(store)
    events: list[Event] = [
        charged("01A"),
        IntentEnded("01A", refusing(0, 1)),
        charged("01B"),
        IntentEnded("01B", spending(4, 3)),
        held_read(),
        ReadSettled("01R", (2, 3)),
    ]
    for number, seconds in enumerate((0.0, 2 * REMEMBERED_S, REMEMBERED_S, 12 * 3600.0)):
        world.clock.pass_by(seconds)
        # Something else is done, so that what may be forgotten is.
        for n in range(4):
            other = write(f"1{number}{n}", "k:9", "f1:9", "e:9")
            await made(store, other, refusing(1), charges=(month(1, node="agent:b"),))
        for event in events:
            await store.apply(event)
        found = await sums(store)
        assert {key: found[key] for key in before} == before
