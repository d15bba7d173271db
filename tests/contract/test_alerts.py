"""What people are told of a cap: once for each node, period, measure and size of the cap, until it has reached them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakers.spend import Alert, Charge, Notice, alert_id
from breakers.store.events import AlertDelivered, AlertRaised, Event, IntentEnded, ReadHeld
from breakers.store.protocol import Exhausted, Permit, Store
from tests.breakers.world import AT
from tests.contract.charges import denied, life, month, notices, refusing, spending
from tests.contract.world import World, dispatched, judged, opened, read, reserved, taken, unknown, write

ALERTS = (50, 80, 100)
NODE = "agent:clerk"


def watched(amount: int = 1, cap: int = 100) -> Charge:
    """
    Return a charge of which people are told.
    """
    return month(amount, cap, alerts=ALERTS)


async def spend(store: Store, call: str, spent: int, cap: int = 100, held: int | None = None) -> None:
    """
    Settle a read at so much of a cap; it held as much.
    """
    held_ = await taken(store, read(call), watched(spent if held is None else held, cap))
    await store.settle(held_, spending(spent))


# what is settled one after the other of a cap of 100, and at what percentages people are told
CROSSED = [
    ([49], []),
    ([50], [(50, 50)]),
    ([49, 1], [(50, 50)]),
    ([49, 30], [(50, 79)]),
    ([40, 60], [(50, 100), (80, 100), (100, 100)]),
    ([60, 1, 1, 18, 19, 1], [(50, 60), (80, 80), (100, 100)]),
]


@pytest.mark.parametrize(("spent", "told"), CROSSED)
async def test_reached(store: Store, spent: list[int], told: list[tuple[int, int]]) -> None:
    """Every percentage that is reached is told once, with what was settled then, also where one end reaches several."""
    for n, each in enumerate(spent):
        await spend(store, f"01{n}", each)
    assert await notices(store) == [("reached", NODE, percent, 100, settled) for percent, settled in told]


@pytest.mark.parametrize(("cap", "below", "at"), [(3, 1, 2), (1, 0, 1), (7, 3, 4), (2**53, 2**52 - 1, 2**52)])
async def test_reached_in_whole_numbers(store: Store, cap: int, below: int, at: int) -> None:
    """Half of a cap is reached by the smallest whole number that is no less than half."""
    charge = month(0, cap, alerts=(50,))
    await store.settle(await taken(store, read("01A"), replace(charge, amount=below)), spending(below))
    assert await store.alerts() == ()
    await store.settle(await taken(store, read("01B"), replace(charge, amount=1)), spending(at - below))
    assert await notices(store) == [("reached", NODE, 50, cap, at)]


async def test_alert(store: Store) -> None:
    """An alert says of which cap it is and when, under an id that anyone can work out."""
    await spend(store, "01A", 60)
    (alert,) = await store.alerts()
    expected = Alert(Notice.REACHED, NODE, "2026-11", "calls", 50, 100, 60, AT)
    assert replace(alert, at=AT) == expected
    assert alert.id == alert_id(Notice.REACHED, NODE, "2026-11", "calls", 50, 100)


async def test_held_is_not_reached(store: Store) -> None:
    """What is only held, or given back, reaches nothing; what is settled of it does."""
    held = await dispatched(store, write(), watched(100))
    kept = await taken(store, read(), life(100, alerts=ALERTS))
    await store.settle(kept, None)
    await store.settle(held, unknown())
    assert await store.alerts() == ()
    await store.resolve(replace(opened(), charges=(watched(100),)), spending(50, after_s=5))
    assert await notices(store) == [("reached", NODE, 50, 100, 50)]


async def test_settled_twice(store: Store) -> None:
    """An end that is told twice, or whose alert has been delivered, is told nobody again."""
    held = await taken(store, read(), watched(50))
    await store.settle(held, spending(50))
    (alert,) = await store.alerts()
    await store.apply(AlertDelivered(alert.id))
    await store.settle(held, spending(50))
    await spend(store, "01B", 1)
    assert await store.alerts() == ()


async def test_own_alerts(store: Store) -> None:
    """Each cap that one end reaches is told by itself."""
    charges = (watched(60), life(60, alerts=(50,)), month(60, 100, "team:support"))
    await store.settle(await taken(store, read(), *charges), spending(60, 60, 60))
    assert await notices(store) == [("reached", NODE, 50, 100, 60), ("reached", "task:clerk/01T", 50, 100, 60)]


async def test_denied_once(store: Store) -> None:
    """The first that finds no room is told, and the next is not."""
    await spend(store, "01A", 40)
    for n in range(3):
        await denied(store, await judged(store, read(f"02{n}"), watched(61)))
    assert await notices(store) == [("denied", NODE, 0, 100, 40)]
    await denied(store, await judged(store, read("03"), watched(161, 200)))
    assert await notices(store) == [("denied", NODE, 0, 100, 40), ("denied", NODE, 0, 200, 40)]


async def test_denied_at_one_node(store: Store) -> None:
    """Only the cap that is named as the one without room is told of."""
    go = await judged(store, read(), month(1, 5), life(7, 6), month(1, 0, "team:support"))
    await denied(store, go)
    assert [(kind, node) for kind, node, *_ in await notices(store)] == [("denied", "task:clerk/01T")]


# the cap, what is held and what is taken of it, and whether that is told
OVERRUNS = [(100, 40, 41, True), (100, 40, 40, False), (100, 100, 100, False), (100, 40, 10, False), (9, 9, 10, True)]


@pytest.mark.parametrize(("cap", "held", "spent", "told"), OVERRUNS)
async def test_overrun(store: Store, cap: int, held: int, spent: int, told: bool) -> None:
    """That more was taken than had been held is told once."""
    await store.settle(await taken(store, read(), month(held, cap)), spending(spent))
    assert await notices(store) == ([("overrun", NODE, 0, cap, spent)] if told else [])


async def test_over_lowered_cap(store: Store) -> None:
    """That more was taken than a cap that was lowered allows is told when it is judged by."""
    await store.settle(await taken(store, read("01A"), month(60)), spending(60))
    await denied(store, await judged(store, read("01B"), month(1, 50)))
    assert await notices(store) == [("denied", NODE, 0, 50, 60), ("overrun", NODE, 0, 50, 60)]


async def test_overrun_once(store: Store) -> None:
    """Of one cap one overrun is told, however often it happens."""
    for n in range(3):
        await store.settle(await taken(store, read(f"01{n}"), month(1)), spending(2))
    assert await notices(store) == [("overrun", NODE, 0, 100, 2)]


async def test_cap_raised(store: Store) -> None:
    """Under a larger cap what is still reached is not told again, and what is not reached any more may be."""
    await spend(store, "01A", 80)
    assert [percent for _, _, percent, _, _ in await notices(store)] == [50, 80]
    await spend(store, "01B", 1, cap=150)
    assert len(await notices(store)) == 2
    await spend(store, "01C", 39, cap=150)
    assert await notices(store) == [
        *[("reached", NODE, 50, 100, 80), ("reached", NODE, 80, 100, 80)],
        ("reached", NODE, 80, 150, 120),
    ]


async def test_cap_lowered(store: Store) -> None:
    """Under a smaller cap what is reached at once is told at once, and what was told before is not."""
    await spend(store, "01A", 60)
    await denied(store, await judged(store, read("01B"), watched(1, 60)))
    assert await notices(store) == [
        ("denied", NODE, 0, 60, 60),
        ("reached", NODE, 50, 100, 60),
        ("reached", NODE, 80, 60, 60),
        ("reached", NODE, 100, 60, 60),
    ]


async def test_cap_to_and_fro(store: Store) -> None:
    """A cap that goes up and down again tells nothing of one size of it twice."""
    await spend(store, "01A", 50)
    for n in range(3):
        await spend(store, f"02{n}", 0, cap=200)
        await spend(store, f"03{n}", 0, cap=100)
    assert await notices(store) == [("reached", NODE, 50, 100, 50)]


async def test_token_is_silent(store: Store) -> None:
    """Of what a token was narrowed to nobody is told: whoever holds one can make as many as they like."""
    charge = month(60, 100, "token:abc", alerts=ALERTS)
    await store.settle(await taken(store, read("01A"), charge), spending(61))
    assert isinstance(await store.reserve(await judged(store, read("01B"), charge)), Exhausted)
    assert await store.alerts() == ()


async def test_delivered(store: Store) -> None:
    """What was raised is shown until it is delivered, oldest first; a delivery of nothing is none."""
    await spend(store, "01A", 100)
    percents = [one.threshold for one in await store.alerts()]
    assert percents == [50, 80, 100]
    first, *rest = await store.alerts()
    await store.apply(AlertRaised(first))
    assert await store.alerts() == (first, *rest)
    for _ in range(2):
        await store.apply(AlertDelivered(first.id))
        await store.apply(AlertRaised(first))
        await store.apply(AlertDelivered("0" * 32))
    assert await store.alerts() == tuple(rest)


def told(percent: int, kind: Notice = Notice.REACHED, cap: int = 100, settled: int = 60) -> Alert:
    """
    Return an alert as the ledger has it.
    """
    return Alert(kind, NODE, "2026-11", "calls", percent, cap, settled, AT)


def spent_on_record(spent: int, charge: Charge | None = None, call: str = "01A", after_s: int = 0) -> list[Event]:
    """
    Return what the ledger says of a write that took so much; of what cap it says nothing else, as records of old.
    """
    charges = (month(spent, 0) if charge is None else replace(charge, amount=spent),)
    return [replace(opened(call, after_s), charges=charges), IntentEnded(call, spending(spent, after_s=after_s))]


async def test_known_after_restart(world: World) -> None:
    """What is on record as raised is raised no second time, and is shown as long as no delivery is on record."""
    raised: list[Event] = [AlertRaised(told(50)), AlertRaised(told(0, Notice.DENIED))]
    store = await world.store(events=[*spent_on_record(60), *raised, AlertDelivered(told(50).id)])
    assert await store.alerts() == (told(0, Notice.DENIED),)
    await denied(store, await judged(store, read("01B"), watched(41)))
    await spend(store, "01C", 19)
    assert await store.alerts() == (told(0, Notice.DENIED),)
    await spend(store, "01D", 1)
    assert [one[:3] for one in await notices(store)] == [("denied", NODE, 0), ("reached", NODE, 80)]


async def test_denied_before_anything(world: World) -> None:
    """A denial that is on record is told no second time, although nothing was taken of its cap."""
    alert = told(0, Notice.DENIED, settled=0)
    store = await world.store(events=[AlertRaised(alert), AlertDelivered(alert.id)])
    await denied(store, await judged(store, read(), watched(101)))
    assert (await store.alerts(), await store.totals()) == ((), ())


async def test_missed_by_crash(world: World) -> None:
    """What was reached before a crash that came before its record is told as soon as the cap is judged by again."""
    store = await world.store(events=[*spent_on_record(85), AlertRaised(told(50, settled=55))])
    await taken(store, read("01B"), watched(1))
    assert [one[2:] for one in await notices(store)] == [(50, 100, 55), (80, 100, 85)]


async def test_replay_of_old_records(world: World) -> None:
    """A replay of records in which no cap stands raises nothing."""
    assert await (await world.store(events=spent_on_record(500))).alerts() == ()


# what is on record as raised of 85 of a cap of 100, and what the start raises
MISSED: list[tuple[list[Alert], list[int]]] = [
    ([], [50, 80]),
    ([told(50)], [80]),
    ([told(80)], [50]),
    ([told(50), told(80)], []),
    # Of the same spend, under a smaller cap.
    ([told(50, cap=90)], [80]),
]


@pytest.mark.parametrize(("raised", "missed"), MISSED)
async def test_missed_before_start(world: World, raised: list[Alert], missed: list[int]) -> None:
    """What was reached before a crash and is on no record is told by the start, and what is on record is not."""
    known: list[Event] = [event for one in raised for event in (AlertRaised(one), AlertDelivered(one.id))]
    store = await world.store(events=[*spent_on_record(85, watched()), *known])
    assert await notices(store) == sorted(("reached", NODE, percent, 100, 85) for percent in missed)


async def test_missed_by_read(world: World) -> None:
    """What a read reached that has no end on record, and so was taken whole, is told by the start."""
    store = await world.store(events=[ReadHeld("01R", AT, (watched(50),))])
    assert await notices(store) == [("reached", NODE, 50, 100, 50)]


async def test_missed_overrun(world: World) -> None:
    """That a cap was taken beyond itself is told by the start; what is only held reaches nothing."""
    names = {"fingerprint": "f1:2", "key": "k:2", "effect": "e:2"}
    held = replace(opened("01B", 1, **names), charges=(life(6, 6, alerts=ALERTS),))
    store = await world.store(events=[*spent_on_record(101, month()), held])
    assert await notices(store) == [("overrun", NODE, 0, 100, 101)]


@pytest.mark.parametrize("turned", [False, True])
async def test_newest_cap(world: World, turned: bool) -> None:
    """A start judges by the cap of the call that was made last, in whatever order their ends are told, and shows it."""
    one = spent_on_record(60, watched(cap=100), "01A")
    two = spent_on_record(10, watched(cap=1000), "01B", 5)
    store = await world.store(events=[*two, *one] if turned else [*one, *two])
    assert await notices(store) == []
    assert [(total.settled, total.cap) for total in await store.totals()] == [(70, 1000)]


async def test_missed_of_token(world: World) -> None:
    """Nobody is told at a start of what a token was narrowed to."""
    store = await world.store(events=spent_on_record(100, month(node="token:abc", alerts=ALERTS)))
    assert await store.alerts() == ()


async def test_settle_of_replayed(world: World) -> None:
    """What was held before a restart and is found out after it reaches what the cap of today says."""
    store = await world.store(events=[replace(opened(), charges=(month(90, 0),))])
    await taken(store, read("01B"), watched(1))
    await store.resolve(replace(opened(), charges=(month(90, 0),)), spending(90, after_s=5))
    assert [one[2:] for one in await notices(store)] == [(50, 100, 90), (80, 100, 90)]


async def test_lost_claim_tells_nothing(store: Store) -> None:
    """A write that was held and let go reached nothing."""
    held = await reserved(store, write(), watched(100))
    await store.settle(held, refusing(0))
    assert await store.dispatch(held, opened()) is Permit.LOST
    assert await store.alerts() == ()
