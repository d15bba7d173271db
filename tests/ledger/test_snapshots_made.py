"""Making snapshots: off the road, from files alone, cut short anywhere, on a full disk, in the time there is."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event as Flag
from threading import Thread

import orjson
import pytest

from proxy.errors import LedgerDamaged
from proxy.ledger.book import Ledger
from proxy.ledger.layout import segments, snapshot_beside
from proxy.ledger.snapshots import SHARE, SLICE_S, STOP_WITHIN_S, _Pace
from proxy.ledger.verify import verify
from proxy.ledger.writer import State as WriterState
from tests.ledger.forge import EPOCH
from tests.ledger.histories import History, close, history, no_pause, said_by, snapshots_in
from tests.ledger.memory_disk import MemoryDisk, Stopped
from tests.ledger.test_snapshots import STEPS, known, read_whole, sealed, start, without
from tests.ledger.world import FOLDER, StillClock, World, kinds_in, one_write, small_segments

NEW = ".bws.new"


def unmade() -> History:
    """A log of some segments of which no snapshot is made."""
    return history([*STEPS, *STEPS])


def cut_short(made: History, at: int, do: Callable[[History], None]) -> MemoryDisk | None:
    """The disk of a program that ended after so many steps of this; None where it came to its end."""
    disk = made.world.disk
    disk.stop_at = len(disk.steps) + at
    try:
        do(made)
    except Stopped:
        return disk  # type: ignore[no-any-return] # the world's disk is any
    return None


def make(made: History) -> None:
    made.ledger._state.snapshots.make(no_pause)


def stop(made: History) -> None:
    made.ledger._state.snapshots.close(whole=True)


@pytest.mark.parametrize("do", [make, stop])
@pytest.mark.parametrize("power", [False, True])
def test_cut_short(do: Callable[[History], None], power: bool) -> None:
    """Wherever making snapshots is cut short, the next start knows the same, and goes on making them."""
    right = said_by(start(without(history(STEPS).world.disk)))
    cuts = 0
    while (disk := cut_short(history(STEPS), cuts, do)) is not None:
        cuts += 1
        left = disk.after_power_loss() if power else disk.after_kill()
        half = [name for name in left.tree() if name.endswith(NEW)]
        ledger = start(left)
        assert said_by(ledger) == right
        if cuts % 7 == 0:
            ledger._state.snapshots.make(no_pause)
            assert known(ledger._disk)[1] >= len(sealed(left))  # type: ignore[arg-type] # a disk in memory
        assert len(half) <= 1
    # Several steps of each of some.
    assert cuts >= 15


def test_by_the_segment() -> None:
    """What a seal costs is its segment: of those before it nothing is read but a snapshot and what is carried."""
    made = unmade()
    make(made)
    made.take("an hour", 0)
    made.take("other", 5)
    with read_whole(made.world.disk) as read:
        make(made)
    assert read == [sealed(made.world.disk)[-1].name]


def test_full_disk() -> None:
    """Where there is no room for a snapshot there is none: nothing else fails, and it is made later."""
    made = unmade()
    disk = made.world.disk
    disk.fault = lambda step, name: OSError(errno.ENOSPC, "No space left on device") if NEW in name else None
    with pytest.raises(OSError, match="No space"):
        make(made)
    assert snapshots_in(disk) == []
    made.take("intent", 0)
    made.ledger._state.snapshots.close(whole=True)
    disk.fault = lambda step, name: None
    make(made)
    assert len(snapshots_in(disk)) == len(sealed(disk))


def test_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that would take too long leaves the rest to the next start."""
    made, ticks = unmade(), iter(range(10**6))
    monkeypatch.setattr(made.world.clock, "monotonic", lambda: next(ticks) * STOP_WITHIN_S / 3)
    made.ledger._state.snapshots.close(whole=True)
    assert 0 < len(snapshots_in(made.world.disk)) < len(sealed(made.world.disk))
    assert said_by(start(made.world.disk)) == said_by(start(without(made.world.disk)))


def test_unforeseen_at_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that cannot be made at a stop, whatever the reason, keeps nobody from giving the folder back."""
    made = unmade()
    monkeypatch.setattr("proxy.ledger.kept.Kept.write", lambda *_: orjson.dumps(2**64))
    close(made.ledger)
    assert isinstance(made.ledger._state.snapshots.fault, TypeError)
    assert snapshots_in(made.world.disk) == []
    start(made.world.disk)


def test_damaged_segment() -> None:
    """Of a segment that is not what was written no snapshot is made, nor of any behind it."""
    made = unmade()
    disk = made.world.disk
    path = sealed(disk)[2]
    data = bytearray(disk.read(path))
    data[300] ^= 1
    disk.write(path, bytes(data))
    with pytest.raises(LedgerDamaged, match=path.name):
        make(made)
    assert snapshots_in(disk) == [str(snapshot_beside(one)) for one in sealed(disk)[:2]]
    # A clean stop says nothing of it; the next start does.
    close(made.ledger)
    with pytest.raises(LedgerDamaged, match=path.name):
        start(disk)


# ------------------------------------------------------------------------------------------------------ in a thread


async def busy(world: World, writes: int = 12) -> Ledger:
    """A running ledger that has sealed some segments."""
    ledger = world.started()
    for number in range(writes):
        await one_write(ledger, number)
    return ledger


async def idle(ledger: Ledger) -> None:
    """Return when nothing is left to be made or proved."""
    snapshots = ledger._state.snapshots
    while (thread := snapshots._thread) is not None:
        await asyncio.to_thread(thread.join)
    assert snapshots.fault is None


async def test_running() -> None:
    """A running ledger makes the snapshot of each segment that is sealed, and at its end that of the last."""
    world = World(settings=small_segments(4000))
    ledger = await busy(world)
    await idle(ledger)
    assert len(sealed(world.disk)) > 2
    assert snapshots_in(world.disk) == [str(snapshot_beside(path)) for path in sealed(world.disk)]
    await ledger.close("stopped")
    assert snapshots_in(world.disk) == [str(snapshot_beside(path)) for _, path in segments(world.disk, EPOCH)]
    assert said_by(start(world.disk)) == said_by(start(without(world.disk)))
    assert verify(world.disk, FOLDER).ok


async def test_made_up_for() -> None:
    """What is missing when a process starts is made beside it, without a segment being sealed."""
    world = World(settings=small_segments(4000))
    await (await busy(world)).close("stopped")
    world = replace(world, disk=without(world.disk))
    ledger = world.started()
    await idle(ledger)
    assert snapshots_in(world.disk) == [str(snapshot_beside(path)) for path in sealed(world.disk)]
    await ledger.close("stopped")


async def test_ends_process() -> None:
    """What a start took on trust and does not hold ends the process as a fault of the disk does; it starts no more."""
    world = World(settings=small_segments(4000))
    await (await busy(world)).close("stopped")
    path = sealed(world.disk)[1]
    data = bytearray(world.disk.read(path))
    data[100] ^= 1
    world.disk.write(path, bytes(data))
    world = replace(world, disk=world.disk.after_kill())
    ledger, ended = world.open(), asyncio.Event()
    ledger.on_poisoned = ended.set
    ledger.start(asyncio.get_running_loop())
    await asyncio.wait_for(ended.wait(), 5)
    assert ledger.state is WriterState.POISONED
    assert isinstance(ledger.fault, LedgerDamaged)
    assert path.name in str(ledger.fault)
    await ledger.close("stopped")
    with pytest.raises(LedgerDamaged, match=path.name):
        start(world.disk)


async def test_nothing_made_in_the_end() -> None:
    """A ledger that cannot say that it is closed makes no snapshot of its end."""
    world = World(settings=small_segments(4000))
    ledger = await busy(world)
    await idle(ledger)
    before = snapshots_in(world.disk)
    ledger._writer.state = WriterState.POISONED
    await ledger.close("stopped")
    assert snapshots_in(world.disk) == before
    assert kinds_in(world.disk)[-1] != "log.closed"


async def test_little_room() -> None:
    """While the disk has little room left none is made: what there is belongs to the record."""
    world = World(settings=small_segments(4000))
    world.disk.free = 10**6
    ledger = world.started()
    ledger._writer.state = WriterState.READONLY
    for number in range(9):
        await ledger.access.key_revoked(f"{number}" * 400)
        await idle(ledger)
    assert len(sealed(world.disk)) > 0
    assert snapshots_in(world.disk) == []
    await ledger.close("stopped")
    assert snapshots_in(world.disk) == []


async def test_disk_that_does_not_answer() -> None:
    """A disk that does not answer while a snapshot is made ends nothing: it is asked again at the next seal."""
    world = World(settings=small_segments(4000))
    world.disk.fault = lambda step, name: OSError(errno.EIO, "Input/output error") if NEW in name else None
    ledger = await busy(world)
    await idle(ledger)
    assert (ledger.state, snapshots_in(world.disk)) == (WriterState.READY, [])
    world.disk.fault = lambda step, name: None
    for number in range(6):
        await one_write(ledger, 900 + number)
    await idle(ledger)
    assert len(snapshots_in(world.disk)) == len(sealed(world.disk))
    await ledger.close("stopped")


class NoThread(Thread):
    """One that the machine has no room for."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


async def test_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had when a segment is sealed the log goes on, and the next seal makes up for it."""
    world = World(settings=small_segments(4000))
    ledger = world.started()
    await idle(ledger)
    with monkeypatch.context() as patch:
        patch.setattr("proxy.ledger.snapshots.Thread", NoThread)
        for number in range(9):
            await one_write(ledger, number)
    assert len(sealed(world.disk)) > 1
    assert (ledger.state, snapshots_in(world.disk)) == (WriterState.READY, [])
    for number in range(6):
        await one_write(ledger, 900 + number)
    await idle(ledger)
    assert len(snapshots_in(world.disk)) == len(sealed(world.disk))
    await ledger.close("stopped")


@dataclass
class Worked(StillClock):
    """A clock of a thread that works a little at each step."""

    worked: float = 0.0

    def thread_cpu(self) -> float:
        return self.worked


class Waits(Flag):
    """A flag that is never set and remembers for how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return self.is_set()


def test_pace() -> None:
    """The thread works at most a slice and a step at once, and no more than its share of the time."""
    clock, ending = Worked(), Waits()
    pace, longest, since = _Pace(clock, ending), 0.0, 0.0
    for _ in range(10_000):
        clock.worked += SLICE_S / 7
        before = len(ending.waited)
        pace()
        if len(ending.waited) > before:
            longest, since = max(longest, clock.worked - since), clock.worked
    assert longest < SLICE_S * 8 / 7
    assert clock.worked / (clock.worked + sum(ending.waited)) <= SHARE * 1.01
    ending.set()
    with pytest.raises(TimeoutError):
        pace()
