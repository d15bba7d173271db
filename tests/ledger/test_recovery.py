"""What a start makes of what a stop left."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
import pytest

from breakers.call import Applied
from breakers.stops import ALL, RUNNING, Mode, Stop, Stops
from breakers.store.memory import MemoryStore
from proxy.errors import LedgerDamaged, StartRefused
from proxy.ledger import records
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from proxy.ledger.fold import fold
from proxy.ledger.frames import Frame, Kind
from proxy.ledger.layout import LEDGER, blobs_beside, segments
from proxy.ledger.read import last_records
from proxy.ledger.replay import End, Replay
from proxy.ledger.tree import Frontier
from proxy.ledger.verify import verify
from tests.ledger.forge import EPOCH, FIRST, change, entries_first, frames_of, rehashed, with_entry, written
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import (
    FOLDER,
    SETTINGS,
    START,
    Answered,
    World,
    commit_now,
    drafts,
    kinds_in,
    outcome,
    small_segments,
    wire,
    write,
)
from tests.ledger.world import call as a_call


def start_on(disk: MemoryDisk, **more: Any) -> Ledger:
    world = World(disk=disk, **more)
    world.clock.move(3600)
    return world.open()


def test_every_truncation() -> None:
    """Cut at any byte, a segment reads as exactly the whole batches before the cut."""
    data = written(3).read(FIRST)
    commits = [frame for frame in frames_of(data) if frame.kind is Kind.COMMIT]
    for cut in range(len(data) + 1):
        replay = Replay(data[:cut], Frontier())
        read = sum(len(batch) for batch in replay)
        whole = [frame for frame in commits if frame.end <= cut]
        assert read == replay.tree.size == (size_at(whole[-1]) if whole else 0), cut
        assert replay.ending.good == (whole[-1].end if whole else min(cut, 8) // 8 * 8), cut
        assert replay.ending.end in {End.OPEN, End.TORN}, cut


def size_at(commit: Any) -> int:
    return int.from_bytes(commit.payload[:8])


def test_restarts_on_truncations() -> None:
    """Cut around every frame's border, a log starts again with the whole batches, what was cut off put aside."""
    whole = written(3)
    data = whole.read(FIRST)
    frames = frames_of(data)
    for cut in sorted(
        {frame.end + offset for frame in frames for offset in (-9, -1, 0, 1) if frame.end + offset <= len(data)}
    ):
        disk = whole.after_kill()
        disk.write(FIRST, data[:cut])
        start_on(disk)
        kept = [frame for frame in frames if frame.kind is Kind.COMMIT and frame.end <= cut]
        new = ["log.recovered", "config.applied"] if kept else ["log.opened", "config.applied", "log.recovered"]
        assert kinds_in(disk)[size_at(kept[-1]) if kept else 0 :] == new, cut
        assert b"".join(disk.tree(EPOCH / "torn").values()) == data[kept[-1].end if kept else 8 : cut], cut
        assert verify(disk, FOLDER).ok, cut


def test_recovered_says_what() -> None:
    """The record of a recovery says how many bytes were cut off and their hash."""
    disk = written(2)
    disk.write(FIRST, disk.read(FIRST) + b"torn")
    assert start_on(disk).recovered.torn_bytes == 4
    record = last_records(disk, FOLDER / "ledger", 2)[0]
    assert (record.kind, record.entry["dropped_bytes"]) == ("log.recovered", 4)
    assert record.entry["sha256"] == sha256(b"torn").hexdigest()


def test_orphan_payloads_are_cut() -> None:
    """Payloads that no entry points to are gone after recovery, and what follows them is where its entry says."""
    disk = written(2)
    path = blobs_beside(FIRST)
    whole = disk.read(path)
    disk.write(path, whole + b"orphan")
    ledger = start_on(disk)
    assert disk.read(path) == whole
    commit_now(ledger, *drafts(9, ledger))
    assert verify(disk, FOLDER).ok


@pytest.mark.parametrize("flip", [0, 9, 300, 700, -1])
def test_damage_refuses(flip: int) -> None:
    """Damage before a later batch refuses to start, changes nothing, and says how to go on."""
    disk = written(4)
    data = bytearray(disk.read(FIRST))
    offset = flip if flip >= 0 else entries_in(data)[-3].offset + 20
    data[offset] ^= 1
    disk.write(FIRST, bytes(data))
    before = disk.tree(EPOCH)
    with pytest.raises(LedgerDamaged, match="the ledger is damaged: entry") as damaged:
        start_on(disk)
    assert damaged.value.finding == "tampered"
    assert "--new-epoch REASON" in damaged.value.hint
    assert disk.tree(EPOCH) == before


def test_damage_of_a_worker() -> None:
    """A damaged log of a further worker says whose a new one is to follow: else the first worker would begin one."""
    world = World()
    world.open()
    second = replace(world, folder=FOLDER / "workers/2")
    commit_now(second.open(), system("test.one"))
    segment = second.folder / LEDGER / "000001" / FIRST.name
    disk = world.disk.after_kill()
    disk.write(segment, disk.read(segment).replace(b"log.opened", b"log.opemed"))
    with pytest.raises(LedgerDamaged) as damaged:
        replace(second, disk=disk).open()
    assert "`breakwater serve --new-epoch REASON --new-epoch-of 2`" in damaged.value.hint


def entries_in(data: bytes | bytearray) -> list[Frame]:
    return [frame for frame in frames_of(bytes(data)) if frame.kind is Kind.ENTRY]


def test_cut_segment_refuses() -> None:
    """A segment that lost its end although another follows it refuses to start."""
    disk = written(8, segment_bytes=6000)
    (_, first), *_ = segments(disk, EPOCH)
    disk.write(first, disk.read(first)[:-1])
    with pytest.raises(LedgerDamaged):
        start_on(disk)


def test_lost_payloads_refuse() -> None:
    """A newest payload file that lacks what entries point to refuses to start."""
    disk = written(2)
    disk.write(blobs_beside(FIRST), disk.read(blobs_beside(FIRST))[:-1])
    with pytest.raises(LedgerDamaged, match="lacks payloads"):
        start_on(disk)


def test_rubbish_entry_refuses() -> None:
    """An entry that is not what its kind says refuses to start, whatever its roots say."""
    disk = written(2)

    def reword(parts: list[Frame]) -> list[Frame]:
        at = entries_first(parts)[2]
        return [*parts[:at], with_entry(parts[at], act=None), *parts[at + 1 :]]

    change(disk, FIRST, reword, rehashed)
    with pytest.raises(LedgerDamaged, match="does not say what its kind says"):
        start_on(disk)


def test_no_kill_record() -> None:
    """A log without a kill record starts with writes stopped; an empty folder with writes running."""
    disk = written(1)
    assert World().open().recovered.stops == RUNNING
    change(disk, FIRST, lambda parts: [parts[0], *parts[2:]], rehashed)
    stops = start_on(disk).recovered.stops
    assert stops.binding((), START).mode is Mode.STOP_WRITES
    assert RUNNING.joined(stops) == stops


def intents(world: World, ends: list[Applied | None]) -> MemoryDisk:
    """Open intents 1..n and end each as `ends` says: applied, unknown, or not at all."""
    ledger = world.open()
    for number, applied in enumerate(ends, 1):
        (where,) = commit_now(ledger, records.intent(write(number), wire(), ledger.ring, b"r" * 32))
        if applied is not None:
            commit_now(ledger, records.write_outcome(a_call(number), where.index, outcome(applied), Answered(), 1024))
    disk: MemoryDisk = world.disk.after_kill()
    return disk


async def test_open_intents() -> None:
    """Intents without an outcome, and those whose outcome is unknown, are in doubt after a start; others are not."""
    disk = intents(World(), [Applied.APPLIED, None, Applied.UNKNOWN, Applied.NOT_APPLIED])
    recovered = start_on(disk).recovered
    assert [opened.intent for opened in recovered.open_intents] == [a_call(2).id, a_call(3).id]
    opened = recovered.open_intents[0]
    assert (opened.api, opened.operation, opened.agent) == ("stripe", "refunds.create", "support_refund_agent")
    assert (opened.at, opened.task) == (START, "support_refund_agent/2026-11-21")
    store = MemoryStore(lambda: START)
    await store.start(recovered.events)
    doubts = [(one.opened.intent, one.suspended, one.parked) for one in await store.open_intents()]
    assert doubts == [(a_call(2).id, True, False), (a_call(3).id, True, False)]


async def test_recovery_is_named_once() -> None:
    """Each intent in doubt gets one record that says so, over any number of starts, with an outcome or without."""
    disk = intents(World(), [None, Applied.UNKNOWN, None])
    for _ in range(3):
        world = World(disk=disk)
        ledger = world.started()
        await ledger.recovery_opened()
        disk = world.disk.after_kill()
        ledger._writer.stop()
    named = [record.entry for record in last_records(disk, FOLDER / "ledger", 99) if record.kind == "recovery.opened"]
    assert [(entry["call"], entry["intent"]) for entry in named] == [
        (a_call(n).id, at) for n, at in ((1, 2), (2, 3), (3, 5))
    ]


def test_links_continue() -> None:
    """A task's links go on over restarts and rotations."""
    world = World(settings=small_segments(3000))
    for number in range(6):
        ledger = world.open()
        commit_now(ledger, *drafts(number + 1, ledger))
        world = World(disk=world.disk.after_kill(), settings=world.settings)
        world.clock.move(number + 1)
    assert len(segments(world.disk, EPOCH)) > 2
    assert verify(world.disk, FOLDER).ok
    assert fold(world.disk, EPOCH).views.chains["support_refund_agent/2026-11-21"][0] == 12


def test_rotates_by_age() -> None:
    """A segment is sealed at the first batch after its age has passed, and an empty one never."""
    world = World()
    ledger = world.open()
    for _ in range(3):
        world.clock.move(SETTINGS.segment.max_age_s)
        commit_now(ledger, *drafts(world.randomness.count, ledger))
    assert len(segments(world.disk, EPOCH)) == 4
    assert verify(world.disk, FOLDER).ok


def test_clock_back() -> None:
    """Where the clock steps back an hour, times still grow and one record says how far it went."""
    world = World()
    ledger = world.open()
    world.clock.move(10)
    commit_now(ledger, system("test.one"))
    world.clock.move(-3600)
    commit_now(ledger, system("test.two"))
    world.clock.move(1)
    commit_now(ledger, system("test.three"))
    entries = [record.entry for record in last_records(world.disk, FOLDER / "ledger", 99)]
    assert [entry["k"] for entry in entries][2:] == ["test.one", "log.clock", "test.two", "test.three"]
    assert entries[3]["jump_ms"] == -3_600_000
    stamps = [entry["ts"] for entry in entries]
    assert stamps == sorted(set(stamps))


def test_over() -> None:
    """An entry beyond the cap keeps its names and commitments, and says that it is over."""
    world = World()
    ledger = world.open()
    held = write(1)
    draft = records.intent(held, wire(), ledger.ring, b"r" * 32)
    fields: Any = draft.fields
    fields["pol"]["rules"].extend(["x" * 100] * 200)
    commit_now(ledger, draft)
    (record,) = last_records(world.disk, FOLDER / "ledger", 1)
    assert record.entry["over"] is True
    assert "pol" not in record.entry
    assert {"call", "op", "prov", "act", "at", "req", "wire", "blobs"} <= record.entry.keys()
    assert len(orjson.dumps(record.entry)) < 16_384
    assert verify(world.disk, FOLDER).ok
    assert [opened.intent for opened in start_on(world.disk.after_kill()).recovered.open_intents] == [a_call(1).id]


# ------------------------------------------------------------------------------------------------------- a new epoch


def damaged(disk: MemoryDisk) -> MemoryDisk:
    """Flip a byte of the second batch's COMMIT: two batches verify, two stand behind the damage."""
    data = bytearray(disk.read(FIRST))
    commit = [frame for frame in frames_of(bytes(data)) if frame.kind is Kind.COMMIT][1]
    data[commit.offset + 12] ^= 1
    disk.write(FIRST, bytes(data))
    return disk


def test_new_epoch() -> None:
    """A new epoch names the former log, keeps its files as they are, and verifies with them."""
    disk = damaged(written(4))
    before = disk.tree(EPOCH)
    assert not verify(disk, FOLDER).ok
    ledger = World(disk=disk).open(new_epoch="node 3 was replaced")
    assert disk.tree(EPOCH) == before
    first = last_records(disk, FOLDER / "ledger", 99)[0].entry
    assert first["prev"]["reason"] == "node 3 was replaced"
    assert (first["prev"]["origin"], first["prev"]["size"]) == ("breakwater.invalid/local/0/1", 2)
    assert ledger.origin == "breakwater.invalid/local/0/2"
    assert first["prev"]["lost_bytes"] > 0
    (stop,) = ledger.recovered.stops.by_scope.values()
    assert (stop.scope, stop.mode, stop.epoch) == (ALL, Mode.STOP_WRITES, 2 + first["prev"]["lost_bytes"])
    report = verify(disk, FOLDER)
    assert report.ok
    assert [(stand.epoch, stand.size) for stand in report.epochs] == [("000001", 2), ("000002", ledger.size)]
    assert start_on(disk.after_kill()).origin == ledger.origin


def test_new_epoch_holds_the_former() -> None:
    """What a new epoch named of the former log cannot change any more."""
    disk = damaged(written(4))
    World(disk=disk).open(new_epoch="because")
    change_first = bytearray(disk.read(FIRST))
    change_first[60] ^= 1
    disk.write(FIRST, bytes(change_first))
    assert "names another size or root" in verify(disk, FOLDER).findings[-1].why


def keyed(ledger: Ledger) -> None:
    commit_now(ledger, system("key.minted", agent="a", kid="k1", hash="h1"))
    commit_now(ledger, system("key.minted", agent="b", kid="k2", hash="h2"))
    commit_now(ledger, system("kill.changed", scope="all", mode="run", epoch=5))


def damage_behind(world: World, size: int) -> MemoryDisk:
    """Flip the COMMIT behind `size` entries of a ledger whose process died."""
    disk: MemoryDisk = world.disk.after_kill()
    data = bytearray(disk.read(FIRST))
    (commit,) = [f for f in frames_of(bytes(data)) if f.kind is Kind.COMMIT and f.payload[:8] == size.to_bytes(8)]
    data[commit.end - 1] ^= 1
    disk.write(FIRST, bytes(data))
    return disk


def test_new_epoch_believes_what_narrows() -> None:
    """From behind damage a stop and an intent are believed, a resume is not, and no key of that log is valid."""
    world = World()
    ledger = world.open()
    keyed(ledger)
    size = ledger.size + 1
    commit_now(ledger, system("test.damaged"))
    commit_now(ledger, system("key.revoked", kid="k1"))
    commit_now(ledger, system("key.minted", agent="thief", kid="k3", hash="h3"))
    commit_now(ledger, system("kill.changed", scope="all", mode="stop-writes", epoch=6))
    commit_now(ledger, system("kill.changed", scope="all", mode="run", epoch=7))
    commit_now(ledger, records.intent(write(7), wire(), ledger.ring, b"r" * 32))
    disk = damage_behind(world, size)
    recovered = World(disk=disk).open(new_epoch="because").recovered
    assert [(key.kid, key.revoked) for key in recovered.keys] == [("k1", True)]
    stop = recovered.stops.by_scope[ALL]
    assert stop.mode is Mode.STOP_WRITES
    assert stop.epoch > 7
    assert [opened.intent for opened in recovered.open_intents] == [a_call(7).id]
    # And it stays so over the next starts, doubts of the first log in a third included.
    again = World(disk=disk.after_kill())
    assert again.open().recovered.open_intents == recovered.open_intents
    third = World(disk=again.disk.after_kill()).open(new_epoch="again")
    assert third.recovered.open_intents == recovered.open_intents
    assert third.recovered.stops.by_scope[ALL] == replace(stop, epoch=stop.epoch + 1)


def test_new_epoch_of_nothing() -> None:
    """Without a ledger there is nothing to follow; with one that cannot be read at all there is."""
    with pytest.raises(StartRefused, match="there is no ledger"):
        World().open(new_epoch="because")
    disk = written(2)
    disk.write(FIRST, disk.read(FIRST).replace(b"BWSEG01", b"BWSEG99"))
    with pytest.raises(LedgerDamaged):
        start_on(disk)
    ledger = World(disk=disk).open(new_epoch="because")
    lost = len(disk.read(FIRST))
    (stop,) = ledger.recovered.stops.by_scope.values()
    assert (stop.scope, stop.mode, stop.epoch) == (ALL, Mode.STOP_WRITES, 1 + lost)
    assert verify(disk, FOLDER).epochs[0].size == 0


def test_keys_survive_an_epoch_without_damage() -> None:
    """Where the former log is whole, its agent keys are taken over, those that were revoked as such."""
    world = World()
    ledger = world.open()
    keyed(ledger)
    commit_now(ledger, system("key.revoked", kid="k1"))
    recovered = World(disk=world.disk.after_kill()).open(new_epoch="moved").recovered
    assert [(key.kid, key.agent, key.revoked) for key in recovered.keys] == [("k1", "a", True), ("k2", "b", False)]
    assert recovered.stops == Stops({ALL: Stop(ALL, Mode.RUN, 6)})
