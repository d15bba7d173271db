"""What a store is told of the writes that came before: each kind of end, how long, and from which logs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from breakers.call import Applied, Fault, Sent
from breakers.known import Ended, Names
from breakers.store.events import Event, IntentDelivered, IntentEnded, IntentOpened, KillChanged
from breakers.store.memory import MemoryStore
from proxy.ledger import records
from proxy.ledger.book import Ledger
from proxy.ledger.doubts import Resolved
from proxy.ledger.drafts import system
from proxy.ledger.places import read_place
from proxy.ledger.remembered import UNCONFIRMED
from tests.breakers.stopping import running
from tests.ledger.forge import FIRST, frames_of
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.test_doubts import ABSENT, FOUND, PARKED
from tests.ledger.test_recovery import damage_behind
from tests.ledger.world import (
    START,
    Answered,
    World,
    commit_now,
    delivered,
    outcome,
    read,
    small_segments,
    wire,
    write,
)
from tests.ledger.world import call as a_call

DAY_S = 86_400


def names(number: int) -> Names:
    """Names that no other write has."""
    return Names((f"f1:{number}",), f"k:{number}", f"e:{number}")


async def intended(ledger: Ledger, number: int) -> Any:
    return await ledger.intend(write(number, names=names(number)), wire())


async def ended(ledger: Ledger, number: int, applied: Applied = Applied.APPLIED, **more: Any) -> str:
    """Write, and return where its outcome stands."""
    intent = await intended(ledger, number)
    entry = await ledger.conclude(intent, replace(outcome(applied), **more), Answered())
    return entry.place


def next_start(world: World, **more: Any) -> Ledger:
    """The next process, after this one was killed."""
    after = World(disk=world.disk.after_kill(), clock=world.clock, settings=world.settings)
    return replace(after, **more).open() if "new_epoch" not in more else after.open(new_epoch=more["new_epoch"])


def told(ledger: Ledger) -> dict[str, list[Event]]:
    """The events of each intent, in order; those that a start has read and those that are read anew are the same."""
    at_start, anew = list(ledger.recovered.events), ledger.events()
    stops = [event.stop for event in at_start if isinstance(event, KillChanged)]
    assert stops == list(ledger.recovered.stops.by_scope.values())
    assert sorted(map(repr, at_start)) == sorted(map(repr, anew))
    return by_intent(at_start)


def by_intent(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if isinstance(event, IntentOpened | IntentEnded | IntentDelivered):
            found.setdefault(event.intent, []).append(event)
    return found


def states(ledger: Ledger) -> dict[int, list[Any]]:
    """For each write by its number: how it ended, whether its answer is kept and was delivered."""
    said: dict[int, list[Any]] = {}
    for intent, events in told(ledger).items():
        number = int(intent.removeprefix("CALL"))
        if isinstance(events[0], IntentEnded):
            assert (len(events), events[0].ended.keeps) == (1, False)
            said[number] = ["free"]
            continue
        assert isinstance(events[0], IntentOpened)
        assert events[0].names == names(number)
        for event in events[1:]:
            match event:
                case IntentEnded(_, Ended(state, _, applied, keeps, status, _, reached)):
                    said.setdefault(number, []).append((str(state), applied, keeps, status, reached))
                case IntentDelivered(_, reached):
                    said.setdefault(number, []).append(reached)
                case _:
                    pytest.fail(f"told twice: {event}")
        said.setdefault(number, [])
    return said


@pytest.mark.parametrize(
    ("applied", "more", "state"),
    [
        (Applied.APPLIED, {}, [("completed", True, True, 200, True)]),
        (Applied.APPLIED, {"fault": Fault.TRUNCATED}, [("completed", True, True, 200, True)]),
        (Applied.NOT_APPLIED, {"status": 402}, [("completed", False, True, 402, True)]),
        (Applied.NOT_APPLIED, {"status": 429}, ["free"]),
        (Applied.NOT_APPLIED, {"status": None, "sent": Sent.NO, "fault": Fault.CONNECT}, ["free"]),
        (Applied.UNKNOWN, {"status": 500}, [("unknown", None, False, 500, True)]),
        (Applied.UNKNOWN, {"status": None, "fault": Fault.RESET}, [("unknown", None, False, None, True)]),
    ],
)
async def test_outcomes(applied: Applied, more: dict[str, Any], state: list[Any]) -> None:
    """A write that has ended is told as that, and of one whose names are free again only the end."""
    world = World()
    ledger = world.started()
    place = await ended(ledger, 1, applied, **more)
    await ledger.close("stopped")
    again = world.open()
    events = told(again).get(a_call(1).id, [])
    assert states(world_again(world)) == {1: state}
    if state != ["free"]:
        assert isinstance(events[1], IntentEnded)
        assert events[1].ended.place == place
        assert events[1].ended.at >= START


def world_again(world: World) -> Ledger:
    """The same folder, opened by one more process."""
    return World(disk=world.disk.after_kill()).open()


async def test_opened() -> None:
    """A write without an outcome is opened and not ended: a store that begins has it in doubt."""
    world = World()
    ledger = world.started()
    intent = await intended(ledger, 1)
    assert told(next_start(world)) == {a_call(1).id: [intent.opened]}
    store = MemoryStore(lambda: START)
    await store.start(next_start(world).recovered.events)
    (open_,) = await store.open_intents()
    assert (open_.opened, open_.suspended) == (intent.opened, True)
    await ledger.close("stopped")


async def test_running() -> None:
    """Read anew beside the running process, the events say what is durable by then."""
    world = World(settings=small_segments(3000))
    ledger = world.started()
    assert ledger.events() == [running(1)]
    for number in range(1, 9):
        await ended(ledger, number)
    flying = await intended(ledger, 9)
    found = by_intent(await asyncio.to_thread(ledger.events))
    assert len(found) == 9
    assert found[a_call(9).id] == [flying.opened]
    await ledger.close("stopped")


@pytest.mark.parametrize(
    ("resolved", "state"),
    [
        ((), [("unknown", None, False, 200, True)]),
        ((FOUND,), [("completed", True, True, 201, False)]),
        ((ABSENT,), ["free"]),
        ((PARKED,), [("parked", None, False, None, False)]),
        ((PARKED, FOUND), [("completed", True, True, 201, False)]),
        ((replace(FOUND, applied=Applied.NOT_APPLIED, status=404),), [("completed", False, True, 404, False)]),
    ],
)
@pytest.mark.parametrize("new_epoch", [None, "moved"])
async def test_doubts(resolved: tuple[Resolved, ...], state: list[Any], new_epoch: str | None) -> None:
    """A doubt is told as it stands: unknown, parked, or as it was resolved, its answer never having arrived."""
    world = World()
    ledger = world.started()
    opened = (await ledger.intend(write(1, names=names(1)), wire())).opened
    await ledger.conclude(await intended(ledger, 2), outcome(Applied.UNKNOWN), Answered())
    (first, second) = opened, by_intent(ledger.events())[a_call(2).id][0]
    assert isinstance(second, IntentOpened)
    await ledger.doubt_opened(first)
    for one in resolved:
        await ledger.doubt_resolved(second, one)
    await ledger.close("stopped")
    again = World(disk=world.disk.after_kill()).open(new_epoch=new_epoch)
    assert states(again) == {1: [("unknown", None, False, None, False)], 2: state}


@pytest.mark.parametrize(
    ("missed", "reached"),
    [
        ([], [("completed", True, True, 200, True)]),
        (["early"], [("completed", True, True, 200, False)]),
        (["aborted"], [("completed", True, True, 200, True), False]),
        (["aborted", "delivered"], [("completed", True, True, 200, True), False, True]),
    ],
)
async def test_delivery(missed: list[str], reached: list[Any]) -> None:
    """Whether an answer reached its caller is told: early, aborted, or at last by a repeat."""
    world = World()
    ledger = world.started()
    intent = await intended(ledger, 1)
    if "early" in missed:
        await ledger.answered_early(a_call(1), Answered(409))
    await ledger.conclude(intent, outcome(), Answered())
    if "aborted" in missed:
        ledger.delivery_aborted(a_call(1), 0)
    if "delivered" in missed:
        ledger.delivered(a_call(2), a_call(1).id)
    await ledger.read_done(read(3), outcome(), delivered())
    ledger.delivery_aborted(read(3).go.call, 0)
    await ledger.close("stopped")
    assert states(world_again(world)) == {1: reached}


async def test_repeats_tell_nothing() -> None:
    """A repeat is no intent: neither that it was one nor that its answer broke off changes what is known."""
    world = World()
    ledger = world.started()
    await ended(ledger, 1)
    earlier = await known(ledger, a_call(1).id)
    ledger.repeated(a_call(2), earlier, "replay", 200)
    await ledger.close("stopped")
    assert states(world_again(world)) == {1: [("completed", True, True, 200, True)]}


async def known(ledger: Ledger, intent: str) -> Any:
    """What a store knows of an intent once it was told."""
    store = MemoryStore(lambda: START)
    await store.start(ledger.events())
    return await store.earlier(intent)


@pytest.mark.parametrize("how", ["clean", "killed", "killed twice"])
async def test_unclean_stops(how: str) -> None:
    """After a stop that was not clean the last answers count as missed, and those long before it do not."""
    world = World()
    ledger = world.started()
    await ended(ledger, 1)
    world.clock.move(UNCONFIRMED.total_seconds() + 1)
    await ended(ledger, 2)
    world.clock.move(UNCONFIRMED.total_seconds() - 1)
    await ended(ledger, 3)
    if how == "clean":
        await ledger.close("stopped")
    again = next_start(world)
    if how == "killed twice":
        world = replace(world, disk=again._disk)
        again = next_start(world)
    arrived, missed = [("completed", True, True, 200, True)], [("completed", True, True, 200, True), False]
    assert states(again) == {1: arrived, 2: missed, 3: missed} if how != "clean" else {1: arrived}
    if how == "clean":
        assert states(next_start(world)) == {1: arrived, 2: arrived, 3: arrived}


async def test_retention() -> None:
    """What ended before the bound is told no more, whenever it was resolved late and whatever is in doubt still is."""
    world = World(remembered_s=2.5 * DAY_S)
    ledger = world.started()
    await ended(ledger, 1)
    old = [await intended(ledger, number) for number in (2, 3)]
    world.clock.move(DAY_S)
    await ended(ledger, 4)
    await ledger.doubt_resolved(old[0].opened, FOUND)
    world.clock.move(2 * DAY_S)
    await ledger.close("stopped")
    again = replace(world, disk=world.disk.after_kill()).open()
    assert sorted(states(again)) == [2, 3, 4]
    world.clock.move(DAY_S)
    again = replace(world, disk=world.disk.after_kill()).open()
    assert sorted(states(again)) == [3]


async def test_former_logs() -> None:
    """A new log forgets no key: all that is remembered of the former ones is told with it, each in its place."""
    world, places = World(), []
    for number in range(1, 4):
        ledger = world.open(new_epoch=f"move {number}" if number > 1 else None)
        ledger.start(asyncio.get_running_loop())
        places.append(await ended(ledger, number))
        await ledger.close("stopped")
    again = world.open()
    found = told(again)
    assert [
        event.ended.place for events in found.values() for event in events if isinstance(event, IntentEnded)
    ] == places
    assert [read_place(place).epoch for place in places] == [1, 2, 3]
    assert all(again.answer_at(place) is not None for place in places)


async def test_long_gone_logs() -> None:
    """A log whose follower began before the bound is not read, and a doubt of it is known from that follower."""
    world = World()
    ledger = world.started()
    await ended(ledger, 1)
    opened = (await intended(ledger, 2)).opened
    world = World(disk=world.disk.after_kill(), clock=world.clock)
    ledger = world.open(new_epoch="moved")
    ledger.start(asyncio.get_running_loop())
    world.clock.move(DAY_S)
    await ended(ledger, 3)
    await ledger.close("stopped")
    former = FIRST
    world.disk.write(former, b"gone")
    again = replace(world, remembered_s=DAY_S / 2).open()
    found = told(again)
    assert sorted(found) == [a_call(2).id, a_call(3).id]
    assert found[opened.intent][0] == opened


@pytest.mark.parametrize("kind", ["flipped", "behind", "torn", "cut"])
async def test_damaged_former_log(kind: str) -> None:
    """Of a damaged former log all that can be read is told, before the damage and behind it."""
    world = World()
    ledger = world.started()
    await ended(ledger, 1)
    size = ledger.size + 1
    commit_now(ledger, system("test.damaged"))
    await ended(ledger, 2)
    await intended(ledger, 3)
    ledger._writer.stop()
    behind = {"flipped": size, "behind": size + 1}.get(kind)
    disk: MemoryDisk = damage_behind(world, behind) if behind else world.disk.after_kill()
    data = disk.read(FIRST)
    if kind == "torn":
        # An intent that never was durable: nothing was sent.
        disk.write(FIRST, data[:-1])
    if kind == "cut":
        at = frames_of(data)[3].offset
        disk.write(FIRST, data[:at] + b"\x00" * 40 + data[at + 40 :])
    again = World(disk=disk).open(new_epoch="the disk was replaced")
    done = ("completed", True, True, 200, True)
    assert {number: said[:1] for number, said in states(again).items()} == {
        "flipped": {1: [done], 2: [done], 3: [("unknown", None, False, None, False)]},
        "behind": {1: [done], 2: [done], 3: [("unknown", None, False, None, False)]},
        "torn": {1: [done], 2: [done]},
        "cut": {2: [done], 3: [("unknown", None, False, None, False)]},
    }[kind]


def test_without_names() -> None:
    """What was written before writes had names is told without any."""
    world = World()
    ledger = world.open()
    (written,) = commit_now(ledger, records.intent(write(1, idempotency_key="k"), wire(), ledger.ring, b"r" * 32))
    old = records.intent(write(2), wire(), ledger.ring, b"r" * 32)
    fields: Any = old.fields
    fields["idem"] = "h1:1:abc"
    (older,) = commit_now(ledger, old)
    opened = [events[0] for events in told(next_start(world)).values()]
    assert [(one.names, one.place) for one in opened if isinstance(one, IntentOpened)] == [
        (None, written.place),
        (None, older.place),
    ]


def test_no_entry_of_ours() -> None:
    """An intent that does not say what an intent says is damage to a start, and nothing to whoever reads anew."""
    world = World()
    ledger = world.open()
    commit_now(ledger, records.intent(write(1, names=names(1)), wire(), ledger.ring, b"r" * 32))
    commit_now(ledger, system("call.intent", call=7), system("call.delivery"), system("recovery.resolved", call="x"))
    assert by_intent(ledger.events()).keys() == {a_call(1).id}
