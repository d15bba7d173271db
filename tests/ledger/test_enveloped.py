"""What a start tells of tasks, revoked tokens and alerts, and from when on it does not any more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from breakers.spend import Alert, Notice
from breakers.store.events import AlertDelivered, AlertRaised, Event, TaskClosed, TaskOpened, TokenRevoked
from breakers.task import Above, Closed, Task
from config.caps import Caps
from config.money import Money
from proxy.ledger.alerted import Alerted
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from proxy.ledger.enveloped import Enveloped
from proxy.ledger.read import last_records
from proxy.ledger.tasks import TaskRecords
from proxy.ledger.verify import verify
from tests.ledger.test_recovery import damage_behind
from tests.ledger.world import FOLDER, START, World, commit_now

DAY_S = 86_400.0
HOUR = timedelta(hours=1)

CAPS = Caps(moved=(Money.parse("200 USD"), Money.parse("9.5 EUR")), paid=(Money.parse("0.02 USD"),), calls=6, writes=2)

TASK = Task(
    "clerk/01T",
    "clerk",
    START,
    START + HOUR,
    CAPS.model_copy(update={"alert": (10, 90)}),
    record="ticket:7",
    trace="a" * 32,
    model="model-7",
    prompt="v3",
    above=(Above("clerk/01A", CAPS, START + HOUR), Above("clerk/019", Caps(), START + 2 * HOUR)),
)

ALERT = Alert(Notice.REACHED, "agent:clerk", "2026-11", "moved:USD", 50, 100, 51, START)


def tasks(ledger: Ledger) -> TaskRecords:
    return TaskRecords(ledger._pen)


def events(world: World, **more: Any) -> list[Event]:
    """What the next start tells, which is what is read anew."""
    again = World(disk=world.disk.after_kill(), clock=world.clock, remembered_s=world.remembered_s).open(**more)
    at_start = list(again.recovered.events)[1:]
    assert at_start == again.events()[1:]
    return at_start


async def test_task() -> None:
    """A task is told as it was opened, to the last cap, and with its end once it has one."""
    world = World()
    ledger = world.started()
    await tasks(ledger).opened(TASK)
    assert events(world) == [TaskOpened(TASK)]
    await tasks(ledger).closed(TASK, Closed.DONE)
    await tasks(ledger).closed(TASK, Closed.EXPIRED)
    opened, closed = events(world)
    assert opened == TaskOpened(TASK)
    assert isinstance(closed, TaskClosed)
    assert (closed.task, closed.why) == (TASK.id, Closed.DONE)
    await ledger.close("stopped")
    assert verify(world.disk, FOLDER).ok


async def test_uncapped_task() -> None:
    """A task without anything but its time is told as that."""
    world = World()
    ledger = world.started()
    bare = Task("clerk/01B", "clerk", START, START + HOUR, Caps())
    await tasks(ledger).opened(bare)
    await ledger.close("stopped")
    assert events(world) == [TaskOpened(bare)]


async def test_over() -> None:
    """A day after its time a task is told no more, and no revocation either, whatever comes after them."""
    world = World()
    ledger = world.started()
    long = replace(TASK, id="clerk/01L", expires_at=START + timedelta(hours=24))
    late = replace(TASK, id="clerk/01Z", opened_at=START + 25 * HOUR, expires_at=START + 26 * HOUR)
    for task in (long, TASK):
        await tasks(ledger).opened(task)
    await tasks(ledger).revoked("tid1", START + HOUR)
    world.clock.move(25 * 3600 + 1)
    await tasks(ledger).revoked("tid2", START + 26 * HOUR)
    await tasks(ledger).opened(late)
    await ledger.close("stopped")
    assert events(world) == [TaskOpened(long), TaskOpened(late), TokenRevoked("tid2", START + 26 * HOUR)]


async def test_closed_elsewhere() -> None:
    """The end of a task of which another ledger has the opening is told by itself, for as long as that may be open."""
    world = World()
    ledger = world.started()
    await tasks(ledger).closed(TASK, Closed.DONE)
    await tasks(ledger).closed(TASK, Closed.EXPIRED)
    (closed,) = events(world)
    assert isinstance(closed, TaskClosed)
    assert (closed.task, closed.why) == (TASK.id, Closed.DONE)
    world.clock.move(2 * DAY_S + 1)
    await tasks(ledger).revoked("tid1", START + 72 * HOUR)
    assert events(world) == [TokenRevoked("tid1", START + 72 * HOUR)]
    await ledger.close("stopped")


async def test_tokens() -> None:
    """A revocation is told; that a token was made is nothing that a store must know."""
    world = World()
    ledger = world.started()
    await tasks(ledger).minted("tid1", TASK, ("m=POST",))
    await tasks(ledger).revoked("tid1", START + HOUR)
    await ledger.close("stopped")
    assert events(world) == [TokenRevoked("tid1", START + HOUR)]


async def test_alerts() -> None:
    """An alert is told as raised, and as delivered once everyone was told."""
    world = World()
    ledger = world.started()
    await Alerted(ledger._pen).raised(ALERT)
    await Alerted(ledger._pen).told("of another")
    assert events(world) == [AlertRaised(ALERT)]
    await Alerted(ledger._pen).told(ALERT.id)
    assert events(world) == [AlertRaised(ALERT), AlertDelivered(ALERT.id)]
    await ledger.close("stopped")
    world.clock.move(31 * DAY_S)
    assert events(world) == []


async def test_undelivered_alert() -> None:
    """An alert that nobody was told of, as far as this ledger says, is told as long as the bound reaches back to it."""
    world = World()
    ledger = world.started()
    await Alerted(ledger._pen).raised(ALERT)
    await ledger.close("stopped")
    world.clock.move(29 * DAY_S)
    assert events(world) == [AlertRaised(ALERT)]
    world.clock.move(2 * DAY_S)
    assert events(world) == []


async def test_old_alert() -> None:
    """An alert that others were told of is not carried on for ever, although a fold remembers all."""
    world = World()
    ledger = world.started()
    await Alerted(ledger._pen).raised(ALERT)
    world.clock.move(72 * DAY_S)
    late = replace(ALERT, threshold=80, at=START + timedelta(days=72))
    await Alerted(ledger._pen).raised(late)
    await ledger.close("stopped")
    fold = Enveloped(datetime(2000, 1, 1, tzinfo=UTC))
    for record in last_records(world.disk, FOLDER / "ledger", 10):
        assert not list(fold.see(record.entry))
    assert list(fold.alerts) == [late.id]


async def test_new_log() -> None:
    """A new log forgets no task, no revocation and no alert of the former one."""
    world = World()
    ledger = world.started()
    await tasks(ledger).opened(TASK)
    await tasks(ledger).revoked("tid1", START + HOUR)
    await Alerted(ledger._pen).raised(ALERT)
    await ledger.close("stopped")
    before = events(world)
    assert len(before) == 3
    assert events(world, new_epoch="moved") == before


@pytest.mark.parametrize("behind", [False, True])
async def test_lost(behind: bool) -> None:
    """Where a part of a log is lost, a closing may be: a task of it is over, wherever its opening stands."""
    world = World()
    ledger = world.started()
    if not behind:
        await tasks(ledger).opened(TASK)
    size = ledger.size + 1
    commit_now(ledger, system("test.damaged"))
    if behind:
        await tasks(ledger).opened(TASK)
    ledger._writer.stop()
    # What ends before a later COMMIT is damage, and no end that a crash tore.
    commit_now(ledger, system("test.behind"))
    world = World(disk=damage_behind(world, size))
    opened, closed = events(world, new_epoch="damaged")
    assert opened == TaskOpened(TASK)
    assert isinstance(closed, TaskClosed)
    assert (closed.task, closed.why) == (TASK.id, Closed.ORPHANED)


async def test_clock_of_alert() -> None:
    """The moment of an alert is that of its crossing, not that of its record."""
    world = World()
    ledger = world.started()
    early = replace(ALERT, at=datetime(2026, 11, 20, tzinfo=UTC))
    await Alerted(ledger._pen).raised(early)
    await asyncio.to_thread(ledger.events)
    await ledger.close("stopped")
    assert events(world) == [AlertRaised(early)]
