"""A write that took effect and whose change is not on record: the next start says so, once, wherever that begins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from breakers.call import Applied
from breakers.store.protocol import HeldWrite
from config.catalog import After, Before, ObjectSpec, Touch
from proxy.ledger import records
from proxy.ledger.book import Ledger
from proxy.ledger.changed import Changed
from proxy.ledger.drafts import system
from proxy.ledger.read import last_records
from proxy.ledger.verify import verify
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.test_recovery import damage_behind
from tests.ledger.world import FOLDER, Answered, World, commit_now, outcome, wire, write
from tests.ledger.world import call as a_call

CHARGE = Touch(ObjectSpec("charge", "charges.retrieve", ("charge",)), (), Before.WANTED, After.READ)
CHANGED = Changed((("charge", "ch_1", "update"),), b'{"charge":{}}', b"[]", b"[]")


def touching(number: int) -> HeldWrite:
    """A write that touches a charge."""
    held = write(number)
    call = held.go.call
    spec = replace(call.operation.spec, touches=(CHARGE,))
    return HeldWrite(replace(held.go, call=replace(call, operation=replace(call.operation, spec=spec))))


async def written(ledger: Ledger, number: int, applied: Applied = Applied.APPLIED, *, told: bool = False) -> None:
    """Write, and have the change on record or not."""
    intent = await ledger.intend(touching(number), wire())
    entry = await ledger.conclude(intent, outcome(applied), Answered())
    if told:
        ledger.change_recorded(intent, entry, CHANGED)


def changes(disk: Any) -> list[dict[str, Any]]:
    """The records of changes of the newest epoch, each as what it says beside its envelope."""
    found = (record.entry for record in last_records(disk, FOLDER / "ledger", 99) if record.kind == "change.recorded")
    return [{name: entry.get(name) for name in ("call", "note", "of", "intent", "act")} for entry in found]


async def restarted(disk: MemoryDisk, new_epoch: str | None = None) -> MemoryDisk:
    """Start on a disk, say what an earlier process left, and lose the machine."""
    world = World(disk=disk)
    ledger = world.open(new_epoch=new_epoch)
    ledger.start(asyncio.get_running_loop())
    await ledger.recovery_opened()
    disk = world.disk.after_power_loss()
    await ledger.close("stopped")
    return disk


async def test_said_once() -> None:
    """Only what took effect and has no change on record is named, by the next start and by none after it."""
    world = World()
    ledger = world.started()
    await written(ledger, 1)
    await written(ledger, 2, told=True)
    await written(ledger, 3, Applied.NOT_APPLIED)
    await written(ledger, 4, Applied.UNKNOWN)
    await ledger.close("stopped")
    disk = await restarted(world.disk)
    owed = [one for one in changes(disk) if one["note"] == "interrupted"]
    assert [one["call"] for one in owed] == [a_call(1).id]
    assert changes(await restarted(disk)) == changes(disk)


@pytest.mark.parametrize("damaged", [False, True])
async def test_new_epoch(*, damaged: bool) -> None:
    """A new log names those of the former one, also from what can be read behind damage, and its own starts do not."""
    world = World()
    ledger = world.started()
    size = ledger.size + 1
    commit_now(ledger, system("test.damaged"))
    await written(ledger, 1)
    await written(ledger, 2, told=True)
    await ledger.close("stopped")
    disk = damage_behind(world, size) if damaged else world.disk
    disk = await restarted(disk, "the disk was replaced")
    (owed,) = changes(disk)
    assert (owed["call"], owed["note"], owed["of"]) == (a_call(1).id, "interrupted", "breakwater.invalid/local/0/1")
    assert changes(await restarted(disk)) == [owed]
    assert changes(await restarted(disk, "again")) == []
    assert verify(disk, FOLDER).ok


async def test_over() -> None:
    """An intent that is too large for an entry still says what it touches, and where the image before stands."""
    world = World()
    ledger = world.open()
    draft = records.intent(touching(1), wire(), ledger.ring, b"r" * 32)
    fields: Any = draft.fields
    fields["pol"]["rules"].extend(["x" * 100] * 200)
    commit_now(ledger, draft)
    (record,) = last_records(world.disk, FOLDER / "ledger", 1)
    assert record.entry["over"] is True
    assert (record.entry["touches"], record.entry["before"]) == (1, "missing")
    assert len(orjson.dumps(record.entry)) < 16_384
