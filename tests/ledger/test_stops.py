"""A stop at every step that touches the disk: what stands there afterwards, whether the process died or the machine."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from breakers.stops import Mode
from breakers.store.events import KillChanged
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from proxy.ledger.layout import epochs
from proxy.ledger.verify import verify
from tests.ledger.memory_disk import MemoryDisk, Stopped
from tests.ledger.world import FOLDER, World, calls_in, close_now, commit_now, drafts, kinds_in, small_segments

ROUNDS_MAX = 400
"""More steps than any scenario here takes."""


@dataclass
class Told:
    """What a caller was told: the calls of every batch that was begun, and of those that are durable."""

    begun: list[list[str]] = field(default_factory=list)
    durable: list[list[str]] = field(default_factory=list)


def write_batches(world: World, told: Told, count: int = 4) -> Ledger:
    ledger = world.open()
    for number in range(count):
        # The clock moves, so that the scenario that rotates by age rotates.
        world.clock.move(10)
        batch = drafts(len(told.begun) + 1, ledger)
        calls = [draft.call or "" for draft in batch]
        told.begun.append(calls)
        commit_now(ledger, *batch)
        told.durable.append(calls)
        assert ledger.size > number
    return ledger


def first_start(world: World, told: Told) -> None:
    write_batches(world, told, 0)


def batches(world: World, told: Told) -> None:
    write_batches(world, told)


def rotation(world: World, told: Told) -> None:
    world.settings = small_segments(2000)
    write_batches(world, told)


def closing(world: World, told: Told) -> None:
    """A clean stop: its last word, and beside the log that this is durable; and the start behind it."""
    close_now(write_batches(world, told, 2))
    world.disk, steps, stop_at = world.disk.after_kill(), world.disk.steps, world.disk.stop_at
    world.disk.steps, world.disk.stop_at = steps, stop_at
    write_batches(world, told, 1)


def recovery(world: World, told: Told) -> None:
    """The process died in the middle of a batch; the next one starts, and writes."""
    write_batches(world, told, 2)
    path = FOLDER / "ledger/000001/seg-00000000000000000000.bwl"
    torn = world.disk.after_kill()
    torn.write(path, torn.read(path) + b"\x00\x00\x01\x00half of a frame")
    steps, stop_at = world.disk.steps, world.disk.stop_at
    world.disk = torn
    torn.steps, torn.stop_at = steps, stop_at
    write_batches(world, told, 1)


def new_epoch(world: World, told: Told) -> None:
    """An operator begins a new log."""
    write_batches(world, Told(), 2)
    world.disk, steps, stop_at = world.disk.after_kill(), world.disk.steps, world.disk.stop_at
    world.disk.steps, world.disk.stop_at = steps, stop_at
    world.open(new_epoch="the disk was replaced")


def run_until(scenario: Callable[[World, Told], None], step: int) -> tuple[World, Told, bool]:
    world, told = World(), Told()
    world.disk.stop_at = step
    try:
        scenario(world, told)
    except Stopped:
        return world, told, True
    return world, told, False


@pytest.mark.parametrize("scenario", [first_start, batches, rotation, closing, recovery, new_epoch])
@pytest.mark.parametrize("died", ["process", "machine"])
def test_stop_anywhere(scenario: Callable[[World, Told], None], died: str) -> None:
    """After a stop at any step the next start is clean: what was told is there, no batch is there in part."""
    for step in range(ROUNDS_MAX):
        world, told, stopped = run_until(scenario, step)
        survivor = world.disk.after_kill() if died == "process" else world.disk.after_power_loss()
        where = f"step {step}: {world.disk.steps[-1]}"
        check_survivor(survivor, told, where)
        if not stopped:
            break
    else:
        pytest.fail("the scenario never ended")
    assert step > 5


@pytest.mark.parametrize("scenario", [batches, rotation, closing, recovery])
def test_named_is_durable(scenario: Callable[[World, Told], None]) -> None:
    """Wherever a process died, what a new epoch names of its log outlives a power loss, and the log is as it was."""
    for step in range(ROUNDS_MAX):
        world, _, stopped = run_until(scenario, step)
        disk = world.disk.after_kill()
        if epochs(disk, FOLDER / "ledger"):
            former = FOLDER / "ledger/000001"
            before = files(disk, former)
            World(disk=disk).open(new_epoch="the disk was replaced")
            lost = disk.after_power_loss()
            assert files(disk, former) == before, step
            assert verify(lost, FOLDER).ok, step
        if not stopped:
            break


def files(disk: MemoryDisk, folder: Path) -> dict[str, bytes]:
    """What stands in a folder, without what was not finished there."""
    return {path: content for path, content in disk.tree(folder).items() if not path.endswith(".new")}


def test_named_after_a_failed_sync() -> None:
    """What a sync could not write is written again before a new epoch names it: to ask once more would not."""
    world = World()
    ledger = world.open()
    commit_now(ledger, *drafts(1, ledger))
    world.disk.fault = lambda step, name: OSError(errno.EIO, "it failed") if step == "sync" else None
    with pytest.raises(OSError, match="a sync failed"):
        commit_now(ledger, system("test.unsure"))
    disk = world.disk.after_kill()
    World(disk=disk).open(new_epoch="the disk was replaced")
    assert verify(disk, FOLDER).epochs[0].size == 5
    assert verify(disk.after_power_loss(), FOLDER).ok


def check_survivor(disk: MemoryDisk, told: Told, where: str) -> None:
    before = verify(disk, FOLDER)
    assert {finding.finding for finding in before.findings} <= {"torn-tail"}, where
    world = World(disk=disk)
    world.clock.move(1000)
    ledger = world.open()
    # A first start that was cut short is finished: writes may pass, and nothing is missing.
    (changed, *_) = ledger.recovered.events
    assert isinstance(changed, KillChanged), where
    assert changed.stop.mode is Mode.RUN, where
    assert len(disk.read(FOLDER / "admin.token")) == 52, where
    assert len(disk.read(FOLDER / "replica")) == 16, where
    assert verify(disk, FOLDER).ok, where
    if len(epochs(disk, FOLDER / "ledger")) == 1:
        there = calls_in(disk)
        assert all(set(batch) <= set(there) for batch in told.durable), where
        assert all(set(batch) <= set(there) or not set(batch) & set(there) for batch in told.begun), where
        assert len(there) == len(set(there)), where
    # And it can be written on, whatever the one that was stopped had left in memory.
    commit_now(ledger, system("test.later"))
    assert verify(disk, FOLDER).ok, where
    lost = disk.after_power_loss()
    assert verify(lost, FOLDER).ok, where
    assert kinds_in(lost)[-1] == "test.later", where


def test_power_loss_loses_the_untold() -> None:
    """The harness is not blind: what was written and not synced is gone after a power loss, and there after a kill."""
    world, _, stopped = run_until(batches, len(_steps(batches)) - 1)
    assert stopped
    path = FOLDER / "ledger/000001/seg-00000000000000000000.bwl"
    assert len(world.disk.after_power_loss().read(path)) < len(world.disk.after_kill().read(path))


def _steps(scenario: Callable[[World, Told], None]) -> list[str]:
    return list(run_until(scenario, ROUNDS_MAX)[0].disk.steps)


def test_order_of_a_batch() -> None:
    """A batch's data key is durable before its payloads, its payloads before its entries."""
    world, told = World(), Told()
    write_batches(world, told, 0)
    world = World(disk=world.disk.after_kill())
    ledger = world.open()
    world.disk.steps.clear()
    commit_now(ledger, *drafts(1, ledger))
    kinds = [step.split()[0] for step in world.disk.steps]
    # key, payloads, entries: each durable before the next is written
    assert kinds == ["commit", "append", "sync", "append", "sync"]


def test_order_of_a_first_start() -> None:
    """A first start makes lock, key ring, data keys, log, token and name, each durable before the next."""
    world = World()
    world.open()
    steps = [step for step in world.disk.steps if step.split()[0] in {"lock", "rename", "commit", "sync_folder"}]
    assert steps == [
        "sync_folder ",
        "lock lock",
        "sync_folder state",
        "rename keyring.new keyring",
        "sync_folder state",
        "commit ",
        "sync_folder state",
        "sync_folder state",
        "sync_folder 000001.new",
        "rename 000001.new 000001",
        "sync_folder ledger",
        "rename admin.token.new admin.token",
        "sync_folder state",
        "rename replica.new replica",
        "sync_folder state",
    ]
