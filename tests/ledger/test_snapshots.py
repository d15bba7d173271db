"""Snapshots beside their segments: which are believed, and that one that is not costs time and no truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from breakers.store.events import IntentDelivered, IntentEnded
from proxy.errors import LedgerDamaged
from proxy.ledger import snapshot as form
from proxy.ledger.book import Ledger
from proxy.ledger.disk import write_whole
from proxy.ledger.drafts import system
from proxy.ledger.keyring import KeyRing, read_ring
from proxy.ledger.layout import segments, snapshot_beside
from proxy.ledger.verify import verify
from tests.ledger.forge import EPOCH, change, entries_first, rehashed, with_entry
from tests.ledger.histories import History, close, history, no_pause, said_by, snapshots_in
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import FOLDER, StillClock, World, commit_now, small_segments

STEPS = [
    ("intent", 0), ("applied", 0), ("key", 1), ("task", 1), ("charged", 0), ("unknown", 0), ("alert", 0),
    ("touching", 0), ("applied", 1), ("read", 0), ("read ended", 1), ("intent", 0), ("stopped", 0), ("token", 0),
    ("applied", 1), ("credential", 2), ("intent", 0), ("refused", 0), ("read", 0), ("alert told", 0),
]  # fmt: skip
"""A bit of everything, over some segments."""

SECOND_EPOCH = FOLDER / "ledger/000002"


def written(*more: tuple[str, int]) -> History:
    """A log of some segments whose snapshots are made, and of one more."""
    made = history([*STEPS, *STEPS, *more])
    made.ledger._state.snapshots.make(no_pause)
    return made


def start(disk: MemoryDisk, **more: Any) -> Ledger:
    """The next process on what the last one left."""
    return World(disk=disk.after_kill(), settings=small_segments(4000), **more).open()


def without(disk: MemoryDisk) -> MemoryDisk:
    """The same disk without its snapshots."""
    found = disk.after_kill()
    for name in snapshots_in(found):
        found.remove(Path(name))
    return found


def known(disk: MemoryDisk) -> tuple[dict[str, Any], int]:
    """What a start knows, and how many segments it has not read for that."""
    ledger = start(disk)
    return said_by(ledger), len(ledger._state.snapshots.unproved)


def sealed(disk: MemoryDisk, epoch: Path = EPOCH) -> list[Path]:
    """The segments that nobody writes to any more."""
    return [path for _, path in segments(disk, epoch)[:-1]]


def test_beside() -> None:
    """Every sealed segment has a snapshot and the newest none, until a clean stop makes one of it."""
    made = written()
    disk = made.world.disk
    assert len(sealed(disk)) > 5
    assert snapshots_in(disk) == [str(snapshot_beside(path)) for path in sealed(disk)]
    close(made.ledger)
    assert snapshots_in(disk) == [str(snapshot_beside(path)) for _, path in segments(disk, EPOCH)]


@contextmanager
def read_whole(disk: MemoryDisk) -> Iterator[list[str]]:
    """The names of the files that are read whole meanwhile."""
    read: list[str] = []
    whole = disk.read

    def reading(path: Path) -> bytes:
        read.append(path.name)
        return whole(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "read", reading)
        patch.setattr(disk, "read_part", lambda path, offset, length: whole(path)[offset : offset + length])
        yield read


@pytest.mark.parametrize("clean", [True, False])
def test_not_read(clean: bool) -> None:
    """A start reads of a sealed segment with a snapshot only the seal, and knows what it knew by reading all."""
    made = written(*([("closed", 0)] if clean else []))
    disk = made.world.disk.after_kill()
    with read_whole(disk) as read:
        ledger = World(disk=disk, settings=small_segments(4000)).open()
    behind = [path.name for path in sealed(disk)]
    assert not set(read) & set(behind)
    assert [path.name for path, _ in ledger._state.snapshots.unproved] == behind
    assert said_by(ledger) == known(without(made.world.disk))[0]


def test_goes_on() -> None:
    """What is written behind snapshots continues the tree, the links and the seal: all of it verifies."""
    made = written(*[pause for _ in range(4) for pause in (("closed", 0), *STEPS, ("snapshots", 0))])
    assert len(made.ledger._state.snapshots.unproved) > 15
    assert verify(made.world.disk, FOLDER).ok


def ring_of(disk: MemoryDisk) -> KeyRing:
    return read_ring(disk, FOLDER / "keyring")


def resealed(disk: MemoryDisk, path: Path, ring: KeyRing | None = None, **said: Any) -> None:
    """Give a snapshot another word about itself, sealed with a key ring, ours where none is given."""
    segment = path.with_suffix(".bwl")
    found = form.find(disk, ring_of(disk), segment, int(segment.stem[4:]))
    assert found is not None
    parts = [found.part(disk, number) or b"" for number in range(3)]
    form.write(disk, ring or ring_of(disk), segment, replace(found.about, **said), parts)


def flipped(at: float, disk: MemoryDisk, path: Path) -> None:
    data = bytearray(disk.read(path))
    data[int(at * (len(data) - 1))] ^= 1
    disk.write(path, bytes(data))


def cut(at: float, disk: MemoryDisk, path: Path) -> None:
    data = disk.read(path)
    disk.write(path, data[: int(at * len(data))])


def of_another(disk: MemoryDisk, path: Path) -> None:
    disk.write(path, disk.read(snapshot_beside(sealed(disk)[4])))


WRONG: dict[str, Callable[[MemoryDisk, Path], None]] = {
    "missing": lambda disk, path: disk.remove(path),
    "empty": lambda disk, path: disk.write(path, b""),
    "of another segment": of_another,
    "a word about another segment": lambda disk, path: resealed(disk, path, first=1),
    "another size": lambda disk, path: resealed(disk, path, size=1),
    "another root": lambda disk, path: resealed(disk, path, peaks=["00" * 32]),
    "another end": lambda disk, path: resealed(disk, path, end=100),
    "another digest": lambda disk, path: resealed(disk, path, sha256="00" * 32),
    "another fold": lambda disk, path: resealed(disk, path, fold="00" * 32),
    "no fold": lambda disk, path: resealed(disk, path, fold=""),
    "another ring": lambda disk, path: resealed(disk, path, KeyRing({1: b"s" * 32}, 1)),
    "a key that is not there": lambda disk, path: resealed(disk, path, KeyRing({7: b"s" * 32}, 7)),
    **{f"cut at {at}": partial(cut, at) for at in (0.001, 0.1, 0.5, 0.9, 0.999)},
    **{f"flipped at {part / 40:.2f}": partial(flipped, part / 40) for part in range(41)},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_unbelieved(wrong: Callable[[MemoryDisk, Path], None]) -> None:
    """What is not, to the last byte, our snapshot of that segment is none: that one segment is read instead."""
    disk = written().world.disk
    right, all_of_them = known(disk)
    wrong(disk, snapshot_beside(sealed(disk)[2]))
    assert known(disk) == (right, all_of_them - 1)


def test_all_missing() -> None:
    """Without any snapshot a start reads everything and knows the same, and they are made anew behind it."""
    disk = written().world.disk
    right, count = known(disk)
    bare = without(disk)
    assert known(bare) == (right, 0)
    ledger = start(bare)
    ledger._state.snapshots.make(no_pause)
    assert known(ledger._disk)[1] >= count  # type: ignore[arg-type] # a disk in memory


def test_older_secret() -> None:
    """A ring whose secret was turned believes what was sealed under the former one."""
    disk = written().world.disk
    right = known(disk)
    said = orjson.loads(disk.read(FOLDER / "keyring"))
    said["secrets"]["2"], said["current"] = said["secrets"]["1"][::-1].lstrip("=") + "=", 2
    disk.write(FOLDER / "keyring", orjson.dumps(said))
    assert known(disk)[1] == right[1]


def test_of_another_log() -> None:
    """A snapshot of another log's segment of the same name is none, though the same key sealed it."""
    made = written(("moved", 0), *STEPS, *STEPS)
    made.ledger._state.snapshots.make(no_pause)
    disk = made.world.disk
    right, count = known(disk)
    assert sealed(disk, SECOND_EPOCH)[0].name == sealed(disk)[0].name
    ours, other = snapshot_beside(sealed(disk, SECOND_EPOCH)[0]), snapshot_beside(sealed(disk)[0])
    disk.write(ours, disk.read(other))
    assert known(disk) == (right, count - 1)


def test_older_snapshot_of_segment() -> None:
    """A snapshot of the beginning of a segment serves while that goes on: what follows it is replayed."""
    made = history([("intent", 0), ("task", 0), ("closed", 0), ("applied", 0), ("key", 1)])
    disk = made.world.disk
    (name,) = snapshots_in(disk)
    assert len(segments(disk, EPOCH)) == 1
    right = said_by(start(without(disk)))
    ledger = start(disk)
    assert said_by(ledger) == right
    # It is the snapshot that says it, and not what stands before: forged there, a start knows what is forged.
    found = form.find(disk, ring_of(disk), Path(name).with_suffix(".bwl"), 0)
    assert found is not None
    parts = [found.part(disk, number) or b"" for number in range(3)]
    parts[0] = parts[0].replace(b"refunds.create", b"refunds.forged")
    form.write(disk, ring_of(disk), Path(name).with_suffix(".bwl"), found.about, parts)
    assert "refunds.forged" in repr(list(start(disk).recovered.events))


# ------------------------------------------------------------------------------------------------ damage behind them


def test_damage_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage behind a snapshot is no start's to see: it is found right behind it, by the next start, and by verify."""
    disk = written().world.disk
    path = sealed(disk)[3]
    data = bytearray(disk.read(path))
    data[200] ^= 1
    disk.write(path, bytes(data))
    with pytest.raises(LedgerDamaged) as today:
        start(without(disk))
    ledger = start(disk)
    snapshots, found = ledger._state.snapshots, ledger._disk
    with pytest.raises(LedgerDamaged) as proved:
        snapshots.prove(no_pause)
    assert str(proved.value) == str(today.value)
    assert path.name in str(proved.value)
    assert not found.exists(snapshot_beside(path))
    with pytest.raises(LedgerDamaged) as next_time:
        start(found)  # type: ignore[arg-type] # a disk in memory
    assert str(next_time.value) == str(today.value)
    (finding, *_) = verify(disk, FOLDER).findings
    assert (finding.finding, finding.segment) == ("tampered", path.name)


def seal_of(disk: MemoryDisk, path: Path) -> None:
    data = bytearray(disk.read(path))
    data[-1] ^= 1
    disk.write(path, bytes(data))


def rewritten(disk: MemoryDisk, path: Path) -> None:
    def other(parts: list[Any]) -> list[Any]:
        at = entries_first(parts)[0]
        parts[at] = with_entry(parts[at], text="another")
        return parts

    before = sealed(disk)[sealed(disk).index(path) - 1]
    found = form.find(disk, ring_of(disk), before, int(before.stem[4:]))
    tree = found.about.tree if found is not None else None
    change(disk, path, other, partial(rehashed, tree=tree))


def rewritten_alone(disk: MemoryDisk, path: Path) -> None:
    rewritten(disk, path)
    disk.remove(snapshot_beside(path))


SEEN_AT_ONCE: dict[str, Callable[[MemoryDisk, Path], None]] = {
    "gone": lambda disk, path: disk.remove(path),
    "cut": lambda disk, path: disk.write(path, disk.read(path)[:-1]),
    "longer": lambda disk, path: disk.write(path, disk.read(path) + b"\x00"),
    "another seal": seal_of,
    "written anew": rewritten,
    "written anew, its snapshot gone": rewritten_alone,
}


@pytest.mark.parametrize("how", SEEN_AT_ONCE.values(), ids=SEEN_AT_ONCE)
def test_seen_at_once(how: Callable[[MemoryDisk, Path], None]) -> None:
    """A segment that is missing, cut, longer or sealed otherwise refuses the start, in the words of reading all."""
    disk = written().world.disk
    how(disk, sealed(disk)[3])
    with pytest.raises(LedgerDamaged) as by_snapshots:
        start(disk)
    with pytest.raises(LedgerDamaged) as today:
        start(without(disk))
    assert str(by_snapshots.value) == str(today.value)


def test_newest_is_read() -> None:
    """The newest segment is looked at to its last byte, snapshot or not: damage in it refuses the start."""
    made = written(("closed", 0))
    disk = made.world.disk
    close(made.ledger)
    path = segments(disk, EPOCH)[-1][1]
    assert str(snapshot_beside(path)) in snapshots_in(disk)
    for at in range(8, len(disk.read(path)), 97):
        found = disk.after_kill()
        data = bytearray(found.read(path))
        data[at] ^= 1
        found.write(path, bytes(data))
        assert _said(found) == _said(without(found))


def _said(disk: MemoryDisk) -> object:
    """What a start knows, or why there is none."""
    try:
        return known(disk)[0]
    except LedgerDamaged as damaged:
        return str(damaged)


def test_proved() -> None:
    """What a start took on trust is proved by its bytes, all of it, once."""
    ledger = start(written().world.disk)
    pauses: list[int] = []
    ledger._state.snapshots.prove(lambda: pauses.append(1))
    assert len(pauses) > 5
    assert ledger._state.snapshots.unproved == []


# --------------------------------------------------------------------------------------------------- what they carry


def test_several_logs() -> None:
    """Former logs are told by their snapshots too, and what one log left over is in those of the next."""
    steps = [*STEPS, ("moved", 0), *STEPS, ("killed", 0), *STEPS, ("moved", 0), *STEPS, ("snapshots", 0), *STEPS]
    disk = history(steps).world.disk
    former = [path for epoch in (EPOCH, SECOND_EPOCH) for path in sealed(disk, epoch)]
    assert len(former) > 5
    right = said_by(start(without(disk)))
    assert said_by(start(disk)) == right
    for path in former:
        # The snapshots of a former log say what it said, even where it cannot be read any more.
        data = bytearray(disk.read(path))
        data[100] ^= 1
        disk.write(path, bytes(data))
    assert said_by(start(disk)) == right


def test_missed_answers() -> None:
    """Answers of the last seconds before a crash count as missed, also where the snapshot stands between them."""
    made = history([*[step for _ in range(6) for step in (("intent", 0), ("applied", 0))], ("snapshots", 0)])
    disk = made.world.disk
    assert len(snapshots_in(disk)) == 2
    events = list(start(disk).recovered.events)
    ended = {event.intent for event in events if isinstance(event, IntentEnded)}
    assert {event.intent for event in events if isinstance(event, IntentDelivered) and not event.delivered} == ended
    assert len(ended) == 6


def test_memory_grows() -> None:
    """Snapshots hold what any later bound may ask for: a program that is told to remember longer does."""
    made = history([*STEPS, ("an hour", 0), *STEPS, ("snapshots", 0)], remembered_s=60.0)
    disk, clock = made.world.disk, StillClock(made.world.clock.at)
    short, long = (start(disk, clock=clock, remembered_s=s) for s in (60.0, 86_400.0))
    assert len(list(short.recovered.events)) < len(list(long.recovered.events))
    assert said_by(start(disk, clock=clock)) == said_by(start(without(disk), clock=clock))


def test_read_anew() -> None:
    """A store that lost what it knew is told from snapshots what a start was told, and what followed."""
    made = written()
    ledger = start(made.world.disk)
    for number in range(40):
        commit_now(ledger, system("key.minted", agent="a", kid=f"more{number}", hash="h" * 64))
    ledger._state.snapshots.make(no_pause)
    at_start = list(ledger.recovered.events)
    assert sorted(map(repr, ledger.events())) == sorted(map(repr, at_start))


def test_other_content() -> None:
    """A file that is none of ours beside a segment is left alone by whoever reads, and replaced by whoever makes."""
    disk = written().world.disk
    path = snapshot_beside(sealed(disk)[1])
    write_whole(disk, path, b"BWVIEW1\n" + b"\xff" * 40, 0o600)
    right, count = known(disk)
    ledger = start(disk)
    ledger._state.snapshots.make(no_pause)
    assert known(ledger._disk)[1] >= count + 1  # type: ignore[arg-type] # a disk in memory
    assert right == known(without(disk))[0]
