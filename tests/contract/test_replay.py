"""A store is a view over the ledger: what its events say, in whatever portions, as often as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakers.breaker import State
from breakers.known import Ended, Known
from breakers.known import State as Of
from breakers.stops import ALL, Mode, Stop
from breakers.store.events import (
    BreakerMoved,
    Event,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    KillChanged,
    SuggestionNoted,
)
from breakers.store.protocol import Store
from breakers.suggestion import Stage
from tests.breakers.stopping import halted
from tests.contract.brakes import KEY, breaker, suggestion, turned
from tests.contract.world import (
    World,
    dispatched,
    done,
    made,
    nothing_done,
    opened,
    parked,
    rejected,
    shown,
    standing,
    unknown,
    write,
)

INTENTS = ("01A", "01B", "01C")

STOPS = st.builds(Stop, st.sampled_from(["all", "agent:clerk"]), st.sampled_from(Mode), st.integers(1, 3))
BREAKERS = st.builds(breaker, st.sampled_from(State), st.integers(1, 3), st.sampled_from([KEY, "kill:all"]))


async def test_replay(world: World) -> None:
    """Replaying the ledger leaves the intents without a known outcome in doubt, and what is completed as it ended."""
    store = await world.store(
        events=[
            halted(3),
            opened("01A", key="k:1"),
            opened("01B", key="k:2"),
            opened("01C", key="k:3"),
            opened("01D", key="k:4"),
            opened("01E", key="k:5"),
            IntentEnded("01A", done(1)),
            IntentDelivered("01A", delivered=False),
            IntentEnded("01B", unknown(1)),
            IntentEnded("01C", parked(1)),
            IntentEnded("01D", nothing_done(1)),
            IntentEnded("01X", unknown(1)),
            IntentEnded("01Y", done(1)),
        ]
    )
    assert await shown(store) == [("01B", True, False), ("01C", True, True), ("01E", True, False)]
    assert [await standing(store, f"k:{n}") for n in (1, 4)] == [[("01A", Of.COMPLETED)], []]
    record = await store.earlier("01A")
    assert record is not None
    assert (record.delivered, record.status, record.place) == (False, 200, "log/0#0/1")
    assert (await store.stops()).by_scope[ALL] == halted(3).stop
    assert next(one.opened for one in await store.open_intents()) == opened("01B", key="k:2")


def _events(intent: str) -> st.SearchStrategy[list[Event]]:
    ends = st.sampled_from([done(), rejected(), nothing_done(), unknown(), parked()])
    ended = st.builds(IntentEnded, st.just(intent), ends)
    told = st.builds(IntentDelivered, st.just(intent), st.booleans())
    key = f"k:{intent}"
    return st.lists(st.one_of(ended, told), max_size=4).map(lambda rest: [opened(intent, key=key), *rest])


@st.composite
def ledgers(draw: st.DrawFn) -> list[Event]:
    """
    Draw a ledger: each intent's events in their order, those of different intents in any, and stops between them.
    """
    first, *rest = [draw(_events(intent)) for intent in INTENTS]
    if draw(st.booleans()):
        # One of them carries out a suggestion.
        assert isinstance(first[0], IntentOpened)
        notes = [suggestion(), turned(suggestion(), Stage.APPROVED)]
        first = [*map(SuggestionNoted, notes), replace(first[0], suggestion="01S"), *first[1:]]
    queues = [first, *rest]
    queues.append(draw(st.lists(st.builds(KillChanged, STOPS), max_size=3)))
    queues.append(draw(st.lists(st.builds(BreakerMoved, BREAKERS), max_size=3)))
    told: list[Event] = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        told.append(queue.pop(0))
    return told


async def said(store: Store) -> object:
    """
    Return all that a store says, but for the numbers of its versions.
    """
    known = [(await store.facts(write("01Z", f"k:{intent}"))).known.under for intent in INTENTS]
    earlier = [await store.earlier(intent) for intent in INTENTS]
    brakes = (await store.stops(), await store.breakers(), await store.suggestions())
    return known, earlier, await store.open_intents(), brakes


async def applied(store: Store, events: Sequence[Event]) -> Store:
    """
    Tell a store these events, one by one.
    """
    for event in events:
        await store.apply(event)
    return store


PROPERTY = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(events=ledgers(), cut=st.integers(0, 20))
@PROPERTY
async def test_any_portion(world: World, events: list[Event], cut: int) -> None:
    """Told one by one, at the start, each twice, or once more from the beginning, a ledger says the same."""
    once = await applied(await world.store(), events)
    twice = await applied(await world.store(), [event for event in events for _ in range(2)])
    started = await world.store(events=events)
    resumed = await world.store(events=events[:cut])
    await resumed.start(events)
    expected = await said(once)
    assert await said(twice) == expected
    assert await said(started) == expected
    assert await said(resumed) == expected
    # Versions are counted from where each of them began.
    told = [await store.facts(write()) for store in (once, twice)]
    assert len({frozenset(facts.known.versions) for facts in told}) == 1
    one, other = (replace(facts, known=Known(facts.known.under)) for facts in told)
    assert one == other
    await world.close()


@pytest.mark.parametrize(
    ("end", "state"),
    [(done(), Of.COMPLETED), (rejected(), Of.COMPLETED), (unknown(), Of.UNKNOWN), (parked(), Of.PARKED)],
)
async def test_restart(world: World, end: Ended, state: Of) -> None:
    """A process that starts again says of each write what it said before, and of one in flight that it is in doubt."""
    store = await world.store()
    await made(store, write("01A"), end)
    await dispatched(store, write("01B", "k:2", "f1:2", "e:2"))
    again = await world.store(
        events=[opened("01A"), opened("01B", key="k:2", fingerprint="f1:2", effect="e:2"), IntentEnded("01A", end)]
    )
    assert await standing(again, "k:1") == await standing(store, "k:1") == [("01A", state)]
    assert await standing(again, "k:2") == [("01B", Of.UNKNOWN)]
    assert await again.earlier("01A") == await store.earlier("01A")
