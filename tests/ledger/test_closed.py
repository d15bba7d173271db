"""What a start makes of a log that says that it was closed: whether it believes that, and what it writes again."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.ledger.drafts import system
from proxy.ledger.layout import LEDGER
from proxy.ledger.read import last_records
from proxy.ledger.space import LOOK_EVERY_S
from proxy.ledger.verify import verify
from tests.ledger.forge import EPOCH, FIRST, written
from tests.ledger.test_recovery import start_on
from tests.ledger.test_remembered import ended, next_start, states
from tests.ledger.world import FOLDER, World, calls_in, close_now, commit_now, kinds_in, one_write
from tests.ledger.world import call as a_call


def test_new_file_after_an_unclean_stop() -> None:
    """After an unclean stop the log continues in a file of its own; after a clean one in the same."""
    disk = written(2)
    inode = disk._find(FIRST)
    ledger = start_on(disk)
    assert disk._find(FIRST) is not inode
    close_now(ledger)
    disk = disk.after_kill()
    inode = disk._find(FIRST)
    close_now(start_on(disk))
    assert disk._find(FIRST) is inode
    assert kinds_in(disk)[-3:] == ["log.closed", "config.applied", "log.closed"]


@pytest.mark.parametrize("said", ["nothing", "of an earlier stop"])
def test_closed_is_not_believed_alone(said: str) -> None:
    """A log that only says itself that it was closed continues in a file of its own: its last word may be in memory."""
    disk = written(2)
    close_now(start_on(disk))
    if said == "nothing":
        disk.remove(EPOCH / "closed")
    else:
        disk = disk.after_kill()
        commit_now(start_on(disk), system("log.closed", reason="test"))
    disk = disk.after_kill()
    inode = disk._find(FIRST)
    start_on(disk)
    assert disk._find(FIRST) is not inode
    assert kinds_in(disk)[-3:] == ["log.closed", "log.recovered", "config.applied"]


@pytest.mark.parametrize(("nth", "kinds"), [(1, ["call.delivery"]), (2, ["call.delivery", "log.closed"])])
async def test_failed_close(nth: int, kinds: list[str]) -> None:
    """Where a sync of a stop fails, the next start writes again what only memory has: no power loss leaves a hole."""
    world, seen = World(), 0
    ledger = world.started()
    await one_write(ledger, 1)

    def nth_sync(step: str, name: str) -> OSError | None:
        nonlocal seen
        seen += step == "sync"
        return OSError(errno.EIO, "it failed") if seen == nth and step == "sync" else None

    ledger.delivery_aborted(a_call(1), 17)
    world.disk.fault = nth_sync
    await ledger.close("stopped")
    assert str(ledger.state) == "poisoned"
    assert kinds_in(world.disk)[-2:] == (["call.outcome", *kinds])[-2:]
    world.disk.fault = lambda step, name: None
    again = World(disk=world.disk).started()
    await one_write(again, 2)
    assert kinds_in(world.disk)[4 + len(kinds) :][:2] == ["log.recovered", "config.applied"]
    lost = world.disk.after_power_loss()
    assert verify(lost, FOLDER).ok
    assert calls_in(lost).count(a_call(2).id) == 2
    await again.close("stopped")


def test_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be read what was said beside a log, the stop is taken for one that was not clean, and no more."""
    disk = written(2)
    close_now(start_on(disk))
    disk = disk.after_kill()
    read = disk.read

    def unreadable(path: Path) -> bytes:
        if path.name == "closed":
            raise OSError(errno.EIO, "it failed")
        return read(path)

    monkeypatch.setattr(disk, "read", unreadable)
    close_now(start_on(disk))
    assert kinds_in(disk)[-3:] == ["log.recovered", "config.applied", "log.closed"]


def full_for(appends: int) -> Callable[[str, str], OSError | None]:
    """
    Return what makes a disk full for so many appends.
    """
    seen = 0

    def full(step: str, name: str) -> OSError | None:
        nonlocal seen
        seen += step == "append"
        return OSError(errno.ENOSPC, "No space left on device") if step == "append" and seen <= appends else None

    return full


async def test_full_for_a_moment() -> None:
    """That an answer was missed is put on record with the reserve, where the disk is full: a clean stop keeps it."""
    world = World()
    ledger = world.started()
    await ended(ledger, 1)
    world.disk.fault = full_for(1)
    ledger.delivery_aborted(a_call(1), 17)
    while ledger.pending:  # noqa: ASYNC110 nobody waits for what is only noted
        await asyncio.sleep(0.01)
    assert (ledger.state, ledger.stats.lost) == ("readonly", 0)
    world.clock.move(LOOK_EVERY_S)
    ledger._writer.look_at_space()
    await ledger.close("stopped")
    assert last_records(world.disk, FOLDER / LEDGER, 1)[0].entry["reason"] == "stopped"
    assert states(next_start(world)) == {1: [("completed", True, True, 200, True), False]}


async def test_full_at_close() -> None:
    """Where the disk is full as a log is closed, that an answer was missed may be lost: the last ones count as such."""
    world = World()
    ledger = world.started()
    await ended(ledger, 1)
    ledger.delivery_aborted(a_call(1), 17)
    world.disk.fault = full_for(2)
    await ledger.close("stopped")
    last = last_records(world.disk, FOLDER / LEDGER, 1)[0]
    assert (last.kind, last.entry["reason"], ledger.stats.lost) == ("log.closed", "disk-full", 1)
    again = next_start(world)
    assert "log.recovered" not in kinds_in(again._disk)
    assert states(again) == {1: [("completed", True, True, 200, True), False]}
