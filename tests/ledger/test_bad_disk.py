"""A disk that is full, slow or broken: what the road's verbs do, and what stands on it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
import weakref
from dataclasses import replace

import pytest

from proxy.errors import LedgerUnavailable, OutcomeUnrecorded
from proxy.ledger import writer
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import Draft, system
from proxy.ledger.read import last_records
from proxy.ledger.verify import verify
from proxy.ledger.writer import Rank, Stats
from tests.ledger.world import (
    FOLDER,
    SETTINGS,
    Answered,
    World,
    calls_in,
    declined,
    delivered,
    held,
    kinds_in,
    one_write,
    outcome,
    read,
    wire,
    write,
)
from tests.ledger.world import call as a_call

LEDGER = FOLDER / "ledger"


def full(step: str, name: str) -> OSError | None:
    return OSError(errno.ENOSPC, "No space left on device") if step == "append" else None


async def test_full_disk() -> None:
    """On a full disk a write is refused and nothing half is kept; an outcome is written into the reserve's room."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1), wire())
    size, before = ledger.size, world.disk.read(LEDGER / "000001/seg-00000000000000000000.bwl")

    def until_released(step: str, name: str) -> OSError | None:
        if step == "remove" and name == "reserve":
            world.disk.fault = lambda step, name: None
        return full(step, name)

    world.disk.fault = until_released
    world.disk.free = 0
    entry = await ledger.conclude(intent, outcome(), Answered())
    assert (entry.index, str(ledger.state)) == (size, "readonly")
    assert not world.disk.exists(LEDGER / "reserve")
    world.disk.fault = full
    with pytest.raises(LedgerUnavailable):
        await ledger.intend(write(2), wire())
    with pytest.raises(LedgerUnavailable):
        ledger.admit_read()
    assert world.disk.read(LEDGER / "000001/seg-00000000000000000000.bwl").startswith(before)
    # Room again: the reserve is refilled, and everything goes on.
    world.disk.fault, world.disk.free = (lambda step, name: None), 10**12
    world.clock.move(2)
    ledger._writer.look_at_space()
    await one_write(ledger, 3)
    assert world.disk.exists(LEDGER / "reserve")
    await ledger.close("stopped")
    assert verify(world.disk, FOLDER).ok
    assert a_call(2).id not in calls_in(world.disk)


@pytest.mark.parametrize("nth", range(1, 5))
async def test_full_at_any_append(nth: int) -> None:
    """Wherever in a batch the disk fills up, the batch is gone whole and the log is as it was."""
    world = World()
    ledger = world.started()
    await one_write(ledger, 1)
    seen = 0

    def nth_append(step: str, name: str) -> OSError | None:
        nonlocal seen
        seen += step == "append"
        return full(step, name) if seen >= nth else None

    world.disk.fault = nth_append
    told = []
    for number in range(2, 5):
        try:
            await ledger.intend(write(number), wire())
            told.append(a_call(number).id)
        except LedgerUnavailable:
            pass
    assert len(told) == (nth - 1) // 2
    world.disk.fault = lambda step, name: None
    await ledger.close("stopped")
    assert verify(world.disk, FOLDER).ok
    assert [call for call in calls_in(world.disk) if call != a_call(1).id] == told
    assert last_records(world.disk, LEDGER, 1)[0].entry["reason"] == "disk-full"


async def test_full_at_rotation() -> None:
    """A disk that has no room for a new segment refuses writes until it has, and no entry is lost."""
    world = World()
    ledger = world.started()
    await one_write(ledger, 1)
    world.clock.move(SETTINGS.segment.max_age_s)
    world.disk.fault = lambda step, name: OSError(errno.ENOSPC, "full") if step == "create" else None
    with pytest.raises(LedgerUnavailable):
        await ledger.intend(write(2), wire())
    world.disk.fault = lambda step, name: None
    world.clock.move(2)
    ledger._writer.look_at_space()
    await one_write(ledger, 3)
    await ledger.close("stopped")
    assert verify(world.disk, FOLDER).ok
    assert verify(world.disk, FOLDER).epochs[0].segments == 2


async def test_little_room() -> None:
    """Below the floor writes and reads are refused before the disk is full; what has begun is still recorded."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1), wire())
    world.disk.free = SETTINGS.disk.min_free_bytes - 1
    world.clock.move(2)
    ledger._writer.look_at_space()
    with pytest.raises(LedgerUnavailable):
        await ledger.intend(write(2), wire())
    with pytest.raises(LedgerUnavailable):
        await ledger.decline(declined(3))
    await ledger.conclude(intent, outcome(), Answered())
    await ledger.close("stopped")
    assert kinds_in(world.disk)[-2:] == ["call.outcome", "log.closed"]


async def test_serve_unlogged() -> None:
    """Where the configuration says so, reads go on without a record while nothing can be written, and are counted."""
    unlogged = SETTINGS.on_unavailable.model_copy(update={"reads": "serve_unlogged"})
    world = World(settings=SETTINGS.model_copy(update={"on_unavailable": unlogged}))
    ledger = world.started()
    world.disk.free = 0
    world.clock.move(2)
    ledger._writer.look_at_space()
    ledger.admit_read()
    await ledger.read_done(read(1), outcome(), delivered())
    assert ledger.stats.lost == 1
    await ledger.close("stopped")
    assert a_call(1).id not in calls_in(world.disk)


@pytest.mark.parametrize("step", ["sync", "append"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS])
async def test_failed_disk_poisons(step: str, code: int) -> None:
    """A sync that fails, or a write that fails for more than want of room, ends everything; nothing is asked again."""
    await poisoned_by(step, code)


async def test_full_at_sync_poisons() -> None:
    """A sync that says that the disk is full is a sync that failed: nobody knows what it kept."""
    await poisoned_by("sync", errno.ENOSPC)


async def test_full_at_seal_poisons() -> None:
    """So does one that comes while a segment is sealed: its file is never written to again."""
    await poisoned_by("sync", errno.ENOSPC, later_s=SETTINGS.segment.max_age_s)


async def poisoned_by(step: str, code: int, later_s: int = 0) -> None:
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1), wire())
    world.clock.move(later_s)
    told: list[str] = []
    ledger.on_poisoned = lambda: told.append(str(ledger.state))
    world.disk.fault = lambda at, name: OSError(code, "it failed") if at == step else None
    with pytest.raises(OutcomeUnrecorded):
        await ledger.conclude(intent, outcome(), Answered())
    assert told == ["poisoned"]
    assert isinstance(ledger.fault, OSError)
    world.disk.fault = lambda at, name: None
    world.disk.steps.clear()
    for verb in (ledger.intend(write(2), wire()), ledger.decline(declined(3)), ledger.access.key_minted("a", "k", "d")):
        with pytest.raises(LedgerUnavailable):
            await verb
    await ledger.close("poisoned")
    assert world.disk.steps == []
    # The next start writes what it can verify into a new file, and keeps the write in doubt.
    again = World(disk=world.disk.after_power_loss()).open()
    assert [opened.intent for opened in again.recovered.open_intents] == [a_call(1).id]


async def test_slow_disk_sheds() -> None:
    """While the disk does not keep up, reads are shed first, writes at twice the queue, and ends never."""
    world = World(settings=SETTINGS.model_copy(update={"max_pending": 4}))
    ledger = world.started()
    begun = await ledger.intend(write(1), wire())
    gate = threading.Event()

    def wait(step: str, name: str) -> None:
        if step == "sync":
            gate.wait(30)

    world.disk.fault = wait
    waiting = [asyncio.ensure_future(ledger.intend(write(number), wire())) for number in range(2, 6)]
    await settle(ledger, 4)
    with pytest.raises(LedgerUnavailable):
        ledger.admit_read()
    waiting += [asyncio.ensure_future(ledger.intend(write(number), wire())) for number in range(6, 10)]
    await settle(ledger, 8)
    with pytest.raises(LedgerUnavailable):
        await ledger.intend(write(10), wire())
    end = asyncio.ensure_future(ledger.conclude(begun, outcome(), Answered()))
    await settle(ledger, 9)
    gate.set()
    await asyncio.gather(*waiting, end)
    # Whoever waited hears of it a moment before the queue is called shorter.
    await settle(ledger, 0)
    assert ledger.stats.shed == 2
    ledger.admit_read()
    await ledger.close("stopped")


async def settle(ledger: Ledger, pending: int) -> None:
    while ledger.pending != pending:  # noqa: ASYNC110 the thread tells nobody when it takes a batch
        await asyncio.sleep(0)


@pytest.mark.parametrize("roomy", [False, True])
async def test_old_queue_sheds(roomy: bool) -> None:
    """A crowded queue whose oldest record is too old sheds like one that is too long; one slow sync does not."""
    world = World(settings=SETTINGS.model_copy(update={"max_pending": 4096 if roomy else 8}))
    ledger = world.started()
    gate, held = threading.Event(), threading.Event()

    def wait(step: str, name: str) -> None:
        if step == "sync":
            held.set()
            gate.wait(30)

    world.disk.fault = wait
    first = asyncio.ensure_future(ledger.intend(write(1), wire()))
    await asyncio.to_thread(held.wait, 30)
    second = asyncio.ensure_future(ledger.intend(write(2), wire()))
    await settle(ledger, 2)
    ledger.admit_read()
    world.clock.move(0.3)
    with contextlib.nullcontext() if roomy else pytest.raises(LedgerUnavailable):
        ledger.admit_read()
    third = asyncio.ensure_future(ledger.intend(write(3), wire()))
    await settle(ledger, 3)
    gate.set()
    await asyncio.gather(first, second, third)
    await ledger.close("stopped")


async def test_unwritable_record() -> None:
    """A record that leaves the profile of entries is refused to its caller alone."""
    world = World()
    ledger = world.started()
    with pytest.raises(LedgerUnavailable, match="cannot be put on record"):
        await ledger.access.key_minted("a", "k\ud800", "d")
    with pytest.raises(LedgerUnavailable, match="too long a name"):
        await ledger.intend(write(1, task="x" * 5000), wire())
    await one_write(ledger, 2)
    await ledger.close("stopped")
    assert verify(world.disk, FOLDER).ok


async def test_unwritable_read() -> None:
    """A read that cannot be put on record is counted as lost and told of, and those of its batch are on record."""
    world, told = World(), list[Exception]()
    ledger = world.started()
    ledger.stats.on_undrafted = told.append
    for number, task in enumerate(("", "x" * 5000, "")):
        await ledger.read_done(read(number, task=task), outcome(), delivered())
    await one_write(ledger, 4)
    await ledger.close("stopped")
    assert ledger.stats.lost == 1
    assert [str(error) for error in told] == ["a task, a call or an agent has too long a name"]
    assert verify(world.disk, FOLDER).ok
    assert calls_in(world.disk) == [f"CALL{number:022d}" for number in (0, 2, 4, 4)]


async def test_counted_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the writer counts is counted in the loop's thread, whoever finds it out: no count is lost to another."""
    counting: dict[str, set[int]] = {}

    class Watched(Stats):
        def __setattr__(self, name: str, value: object) -> None:
            counting.setdefault(name, set()).add(threading.get_ident())
            super().__setattr__(name, value)

    monkeypatch.setattr(writer, "Stats", Watched)
    world = World()
    ledger = world.started()
    await ledger.read_done(read(1, task="x" * 5000), outcome(), delivered())
    await one_write(ledger, 2)
    world.disk.fault, world.disk.free = full, 0
    with pytest.raises(LedgerUnavailable):
        await ledger.intend(write(3), wire())
    world.disk.fault = lambda step, name: None
    await ledger.close("stopped")
    assert (ledger.stats.entries, ledger.stats.lost) == (3, 2)
    here = {threading.get_ident()}
    assert (counting["entries"], counting["lost"]) == (here, here)


async def test_drafting_ends_early() -> None:
    """Whoever waits for a record is told that it is on none, whatever its drafting raises."""
    ledger = World().started()

    def ended() -> Draft:
        raise StopIteration

    async with asyncio.timeout(30):
        with pytest.raises(LedgerUnavailable, match="cannot be put on record"):
            await ledger._writer.submit(ended, Rank.WRITE)
    await ledger.close("stopped")


async def test_broken_drafting() -> None:
    """Where the thread breaks while it drafts, all whose records it had taken are told that they are on none."""
    world, ended = World(), asyncio.Event()
    ledger = world.started()
    ledger.on_poisoned = ended.set

    def broken() -> Draft:
        raise SystemExit

    waiting = [ledger._writer.submit(record, Rank.END) for record in (system("a"), broken, system("b"))]
    async with asyncio.timeout(30):
        told = await asyncio.gather(*waiting, return_exceptions=True)
        await ended.wait()
    assert [type(error) for error in told] == [LedgerUnavailable] * 3
    assert (str(ledger.state), ledger.pending, type(ledger.fault)) == ("poisoned", 0, SystemExit)
    await ledger.close("stopped")


async def test_drafted_from() -> None:
    """What a record was drafted from is let go of with it: the credential of a call that ended stays nowhere."""
    world, sent = World(), replace(wire(), credential=held())
    ledger = world.started()
    credential = weakref.ref(sent.credential)
    await ledger.intend(write(1), sent)
    del sent
    assert credential() is None
    await ledger.close("stopped")
