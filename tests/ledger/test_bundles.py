"""Bundles have one property: a store that is told in bundles knows what one knows that is told each event by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
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
from proxy.ledger.eventlines import EVENTS_A_LINE, not_past, read_told, spell_told
from proxy.ledger.remembered import Remembered
from proxy.ledger.snapshots import _Lines
from tests.ledger.histories import HISTORIES, history
from tests.ledger.test_snapshots_always import LONG_S
from tests.ledger.world import START

DAY = timedelta(days=1)

SEEDS = 800
"""Of histories that are drawn: as many as find each part of the rule that is left out."""

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


class Drawn:
    """What may be told of few writes, with few names, drawn evenly: to meet often is what is asked of them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def many(self, at_most: int) -> list[Event]:
        return [event for _ in range(self._random.randint(0, at_most)) for event in self._some()]

    def segments(self) -> list[list[Event]]:
        return [self.many(6) for _ in range(self._random.randint(1, 4))]

    def since(self) -> datetime:
        return START - self._random.choice([1, 10, 40, 400, 400]) * DAY

    def write(self) -> IntentOpened:
        number, key, effect, charged = map(self._random.randint, (0, 0, 0, 0), (8, 2, 2, 3))
        return opened(number, key, effect, charged)

    def _some(self) -> list[Event]:
        write, pick = self.write(), self._random.choice
        match self._random.randint(0, 9):
            case 0:
                doubt = Ended(pick([State.UNKNOWN, State.PARKED]), START - DAY)
                return [write, IntentEnded(write.intent, doubt)]
            case 1:
                return [IntentEnded(write.intent, self._end())]
            case 2:
                return [IntentDelivered(write.intent, pick([True, False]))]
            case 3:
                held = ReadHeld(f"R{write.intent}", write.at, write.charges)
                settled = ReadSettled(held.call, (2, 1)[: len(held.charges)])
                return [held, settled] if pick([True, False]) else [held]
            case _:
                return _told(write, self._end())

    def _end(self) -> Ended:
        pick = self._random.choice
        at = START - pick([0, 1, 6, 8, 19, 28, 90]) * DAY
        return completed(at, applied=pick([True, True, True, False, None]), keeps=pick([True, True, False]))


def _told(write: IntentOpened, ended: Ended) -> list[Event]:
    took = (3, 1)[: len(write.charges)] if ended.keeps else ()
    return [write, IntentEnded(write.intent, replace(ended, spent=took))]


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
        name: store._known(Names((name,)), at).under.get(name, ())
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


def but_until(known: dict[str, Any]) -> dict[str, Any]:
    """The same, but for when periods end: each charged call of a history says something else of the same month."""
    totals = [replace(total, until=None) for total in known["totals"]]
    return {**known, "totals": totals, "caps": {key: said[1:] for key, said in known["caps"].items()}}


def started(events: Iterable[Event], retention: Retention = RETENTION) -> MemoryStore:
    store = MemoryStore(lambda: START, retention)
    asyncio.run(store.start(events))
    return store


def writes_of(events: Iterable[Event]) -> list[IntentOpened]:
    return [event for event in events if isinstance(event, IntentOpened)]


def bundle_of(*writes: tuple[IntentOpened, Ended]) -> Bundle:
    (bundle,) = read_told(spell_told([event for write in writes for event in _told(*write)]))
    assert isinstance(bundle, Bundle)
    return bundle


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS // 4))
def test_same_store(first: int) -> None:
    """Whatever is told, in bundles or not, a store knows the same of it, and of what it is told afterwards."""
    for seed in range(first, first + SEEDS // 4):
        drawn = Drawn(seed)
        asyncio.run(compared(drawn.segments(), drawn.since(), [drawn.write()][: seed % 2], drawn.many(2)))


async def compared(
    segments: list[list[Event]], bound: datetime, doubted: list[IntentOpened], more: list[Event]
) -> None:
    """Tell it to two stores, in bundles to one of them, and compare what they know."""
    plain = list(InBundles(list(not_past((event for events in segments for event in events), bound))))
    told = [one for events in segments for one in not_past(read_told(spell_told(events)), bound)]
    asked = [*writes_of(event for events in segments for event in events), *doubted, *map(opened, range(9))]
    stores = [MemoryStore(lambda: START, RETENTION) for _ in range(2)]
    for store, of in zip(stores, ([*plain, *doubted], InBundles([*told, *doubted])), strict=True):
        await store.start(of)
    for event in more:
        for store in stores:
            await store.apply(event)
    assert await known_by(stores[1], asked) == await known_by(stores[0], asked)
    for store, of in zip(stores, (plain, InBundles(told)), strict=True):
        await store.start(of)
    assert await known_by(stores[1], asked) == await known_by(stores[0], asked)


@settings(max_examples=20)
@given(HISTORIES, st.integers(0, 3))
def test_same_history(steps: list[tuple[str, int]], days: int) -> None:
    """After any history a store that takes what snapshots bundle knows the same as one that is told event by event."""
    # With one at the end of which a snapshot is sure to have a bundle.
    made = history([*steps, ("charged", 0), ("applied", 0), ("closed", 0)], remembered_s=LONG_S)
    world = replace(made.world, disk=made.world.disk.after_kill())
    now = world.clock.now() + days * DAY
    ledger = world.open()
    told = list(ledger.recovered.events.bundled()) if isinstance(ledger.recovered.events, Bundled) else []
    stores = [MemoryStore(lambda: now, RETENTION) for _ in range(2)]

    async def both() -> None:
        events = list(InBundles(told))
        for store, of in zip(stores, (InBundles(told), events), strict=True):
            await store.start(of)
        assert stores[0]._past or not days
        one, other = [await known_by(store, writes_of(events)) for store in stores]
        assert but_until(one) == but_until(other)

    asyncio.run(both())


def test_unread() -> None:
    """What is put away is read when it is asked for, by its id or by a name, and nothing else is."""
    rows: list[bytes] = []

    def reading(row: bytes) -> tuple[IntentOpened, Ended]:
        rows.append(row)
        return bundle.read(row)

    ended = completed(START - DAY)
    bundle = bundle_of(*((opened(number, key=number), ended) for number in range(1, 5)))
    store = started(InBundles([replace(bundle, read=reading)]))
    assert len(bundle.rows) == 4
    assert not rows
    assert len(store._past) == 4
    found = asyncio.run(store.earlier("I3"))
    under = store._known(Names(("f1:new",), "k:1"), START).under
    # As before an upgrade: what a write says was spelled otherwise then.
    before = store._known(Names(("f2:4", "f1:4")), START).under
    assert found is not None
    assert (found.state, found.key, [one.intent for one in under["k:1"]]) == (State.COMPLETED, "k:3", ["I1"])
    assert [one.intent for one in before["f1:4"]] == ["I4"]
    assert rows == [bundle.rows[2], bundle.rows[0], bundle.rows[3]]
    assert len(store._past) == 1


def test_over() -> None:
    """What is over at a start is neither read nor kept, but what it took of caps that last longer is counted."""
    over = bundle_of((opened(1, charged=2), completed(START - RETENTION.whole)))
    kept = bundle_of((opened(2), completed(START - DAY)))
    store = started(InBundles([kept, replace(over, read=lambda _: pytest.fail("it is read"))]))
    (month, life) = asyncio.run(store.totals())
    assert (list(store._past.intents), month.settled, life.settled) == (["I2"], 3, 1)
    assert store._past._by_name.keys() == set(kept.heading.names)


def test_forgotten() -> None:
    """What was put away is forgotten when its time is over, a few at each write, whether it was read or not."""
    now = [START]
    store = MemoryStore(lambda: now[0], RETENTION)
    asyncio.run(store.start(InBundles([bundle_of(*((opened(one), completed(START - DAY)) for one in range(5)))])))
    asyncio.run(store.earlier("I3"))
    store._sweep(START)
    assert len(store._past) + len(store._standing) == 5
    now[0] += RETENTION.whole
    assert asyncio.run(store.earlier("I4")) is None
    for _ in range(2):
        store._sweep(now[0])
    assert (len(store._past), store._standing, store._names.entries, len(store._later)) == (0, {}, {}, 0)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([opened(1)], id="no end"),
        pytest.param(_told(opened(1), completed(START, applied=False, keeps=False)), id="its names are free"),
        pytest.param(_told(replace(opened(1), suggestion="s1"), completed(START)), id="of a suggestion"),
        pytest.param([opened(1), IntentEnded("I1", Ended(State.UNKNOWN, START))], id="in doubt"),
        pytest.param([*_told(opened(1), completed(START)), IntentDelivered("I1", delivered=False)], id="more is said"),
    ],
)
def test_alone(told: list[Event]) -> None:
    """What has more to it than its names and what it took is told by itself."""
    assert parted(told) == ([], told)


def test_heading() -> None:
    """A heading says what writes took together, of each total by the newest cap, whoever stands first."""
    older, newer = opened(3, charged=2), opened(1, charged=2)
    for writes in ([older, newer], [newer, older]):
        heading = heading_of([(one, completed(START, spent=(4, 1))) for one in writes])
        assert [(one.charge.cap, one.took, one.at) for one in heading.spent] == [
            (41, 8, newer.at),
            (0, 2, writes[0].at),
        ]
        assert heading.charged == ("I1", newer.at)


def test_cut() -> None:
    """A line does not end between a write and its end: they are told together all the same."""
    remembered = Remembered(START)
    remembered.told.append(IntentDelivered("I0", delivered=True))
    for number in range(1, EVENTS_A_LINE):
        write = replace(opened(number), names=Names((f"f1:{number}",)))
        remembered.told += _told(write, completed(START))
    told = list(read_told(b"".join(_Lines(remembered, lambda: None).rest())))
    bundles = [one for one in told if isinstance(one, Bundle)]
    assert [one for one in told if not isinstance(one, Bundle)] == [IntentDelivered("I0", delivered=True)]
    assert sum(len(one.heading.intents) for one in bundles) == EVENTS_A_LINE - 1
    assert len(bundles) == 2
