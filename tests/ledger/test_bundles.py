"""Bundles have one property: a store that is told in bundles knows what one knows that is told each event by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakers.known import Ended, Names, State
from breakers.spend import Charge
from breakers.store.bundle import Bundle, Bundled, heading_of, parted
from breakers.store.events import Event, IntentDelivered, IntentEnded, IntentOpened, ReadHeld, ReadSettled
from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from proxy.ledger.eventlines import not_past, read_told, spell_told
from tests.ledger.histories import HISTORIES, history
from tests.ledger.test_snapshots_always import LONG_S
from tests.ledger.world import START

DAY = timedelta(days=1)

RETENTION = Retention(7 * 86_400.0, 20 * 86_400.0)


def opened(number: int, key: int = 0, effect: int = 0, charged: int = 0) -> IntentOpened:
    """A write of a number, which says when it was made; names and charges are drawn from few."""
    names = Names((f"f1:{number % 5}",), f"k:{key}" if key else None, f"e:{effect}" if effect else None)
    until = START + timedelta(days=charged)
    month = Charge("agent:a", f"p{charged}", "moved:USD", 5 + number, 20 * charged + number, until, (50,))
    charges = (month, Charge("task:a/1", "life", "calls", 1))[: min(charged, 2)]
    at = START - timedelta(hours=number)
    return IntentOpened(f"I{number}", "shop", "pay", "a", "a/1", at, names, 60, f"log/1#0/{number}/0/9", charges)


def completed(at: datetime, *, applied: bool | None = True, keeps: bool = True, spent: tuple[int, ...] = ()) -> Ended:
    return Ended(State.COMPLETED, at, applied, keeps, 200, "log/1#0/1/1/1", delivered=True, spent=spent)


ENDS = st.builds(
    lambda days, applied, keeps: completed(START - days * DAY, applied=applied, keeps=keeps),
    st.sampled_from([0, 1, 6, 8, 19, 28, 90]),
    st.sampled_from([True, True, True, False, None]),
    st.sampled_from([True, True, False]),
)

DOUBTS = st.builds(Ended, st.sampled_from([State.UNKNOWN, State.PARKED]), st.just(START - DAY))

WRITES = st.builds(opened, st.integers(0, 8), st.integers(0, 2), st.integers(0, 2), st.integers(0, 3))


def _told(write: IntentOpened, ended: Ended) -> list[Event]:
    took = (3, 1)[: len(write.charges)] if ended.keeps else ()
    return [write, IntentEnded(write.intent, replace(ended, spent=took))]


TOLD: st.SearchStrategy[list[Event]] = st.one_of(
    st.builds(_told, WRITES, ENDS),
    st.builds(_told, WRITES, ENDS),
    st.builds(_told, WRITES, ENDS),
    st.builds(lambda write, doubt: [write, IntentEnded(write.intent, doubt)], WRITES, DOUBTS),
    st.builds(lambda write, ended: [IntentEnded(write.intent, ended)], WRITES, ENDS),
    st.builds(lambda write, reached: [IntentDelivered(write.intent, reached)], WRITES, st.booleans()),
    st.builds(lambda write: [ReadHeld(f"R{write.intent}", write.at, write.charges)], WRITES),
    st.builds(
        lambda write: [
            ReadHeld(f"R{write.intent}", write.at, write.charges),
            ReadSettled(f"R{write.intent}", (2, 1)[: len(write.charges)]),
        ],
        WRITES,
    ),
)

SEGMENTS = st.lists(st.lists(TOLD, max_size=8).map(lambda told: [event for some in told for event in some]), max_size=4)


@dataclass
class InBundles(Bundled):
    """What was told of segments, as their snapshots have it."""

    told: Sequence[Event | Bundle]

    def __iter__(self) -> Iterator[Event]:
        for one in self.told:
            yield from one if isinstance(one, Bundle) else (one,)

    def bundled(self) -> Iterator[Event | Bundle]:
        return iter(self.told)


async def known_by(store: MemoryStore, asked: Iterable[IntentOpened]) -> dict[str, Any]:
    """All that a store knows: of every write, of every name, of every total, and what it would tell people."""
    asked = list(asked)
    at = store._now()
    by_name = {
        name: [one for one in store._known(Names((name,)), at).under.get(name, ())]
        for write in asked
        if write.names is not None
        for name in write.names.held
    }
    budgets = store._budgets
    return {
        "names": by_name,
        "intents": {write.intent: await store.earlier(write.intent) for write in asked},
        "open": await store.open_intents(),
        "totals": await store.totals(),
        "caps": {key: (tally.until, tally.alerts, tally.warns_at) for key, tally in budgets._totals.items()},
        "calls": budgets.calls,
        "before": budgets._before,
        "alerts": {(alert.id, alert.settled) for alert in await store.alerts()},
    }


def started(events: Iterable[Event], retention: Retention = RETENTION) -> MemoryStore:
    store = MemoryStore(lambda: START, retention)
    asyncio.run(store.start(events))
    return store


def writes_of(events: Iterable[Event]) -> list[IntentOpened]:
    return [event for event in events if isinstance(event, IntentOpened)]


@settings(max_examples=300)
@given(SEGMENTS, st.sampled_from([1, 40, 400]), st.lists(WRITES, max_size=2), st.lists(TOLD, max_size=2))
def test_same_store(
    segments: list[list[Event]], since: int, doubted: list[IntentOpened], more: list[list[Event]]
) -> None:
    """Whatever is told, in bundles or not, a store knows the same of it, and of what it is told afterwards."""
    bound = START - since * DAY
    plain = list(not_past([event for events in segments for event in events], bound))
    told = [one for events in segments for one in not_past(read_told(spell_told(events)), bound)]
    asked = [*writes_of(event for events in segments for event in events), *doubted, *map(opened, range(9))]
    stores = started([*plain, *doubted]), started(InBundles([*told, *doubted]))

    async def compared() -> None:
        for event in (event for some in more for event in some):
            for store in stores:
                await store.apply(event)
        by_itself, bundled = [await known_by(store, asked) for store in stores]
        assert bundled == by_itself
        for store in stores:
            await store.start(plain)
        assert await known_by(stores[1], asked) == await known_by(stores[0], asked)

    asyncio.run(compared())
