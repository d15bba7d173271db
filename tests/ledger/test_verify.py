"""What `verify` finds, and what it names."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.ledger import frames
from proxy.ledger.frames import Frame, Kind
from proxy.ledger.layout import blobs_beside, segments
from proxy.ledger.read import read_segment
from proxy.ledger.verify import parse_entry, verify
from tests.ledger.forge import EPOCH, FIRST, change, entries_first, frames_of, joined, rehashed, with_entry, written
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import FOLDER, World, commit_now, drafts, small_segments

FLIPS = 2000


def found(disk: MemoryDisk) -> list[tuple[str, int]]:
    return [(finding.finding, finding.index) for finding in verify(disk, FOLDER).findings]


def whys(disk: MemoryDisk) -> str:
    return " | ".join(finding.why for finding in verify(disk, FOLDER).findings)


def owners(disk: MemoryDisk, segment: Path) -> dict[tuple[str, int], int]:
    """Map every byte of a segment and of its blobs to the entry that a finding there must name."""
    data, index, names = disk.read(segment), -1, {}
    size = read_first(segment)
    for offset in range(len(frames.MAGIC)):
        names[segment.name, offset] = size
    for frame in frames_of(data):
        index = size
        size += frame.kind is Kind.ENTRY
        for offset in range(frame.offset, frame.end):
            names[segment.name, offset] = index
    blobs = blobs_beside(segment)
    for record in read_segment(data, segment, read_first(segment)):
        for place in record.entry.get("blobs", ()):
            for offset in range(place["o"], place["o"] + 8 + place["l"]):
                names[blobs.name, offset] = record.index
    assert len(names) == len(data) + len(disk.read(blobs))
    return names


def read_first(segment: Path) -> int:
    return int(segment.stem.removeprefix("seg-"))


def test_flipped_bytes() -> None:
    """Each of 2,000 flipped bytes of a sealed segment and its payloads is found, and its entry named."""
    disk = written(8, segment_bytes=6000)
    (_, sealed), *rest = segments(disk, EPOCH)
    assert rest
    assert verify(disk, FOLDER).ok
    names = owners(disk, sealed)
    places, chosen = list(names), random.Random(20261121)
    for _ in range(FLIPS):
        name, offset = chosen.choice(places)
        path = EPOCH / name
        before = disk.read(path)
        flipped = bytearray(before)
        flipped[offset] ^= chosen.randrange(1, 256)
        disk.write(path, bytes(flipped))
        first = verify(disk, FOLDER).findings[0]
        assert (first.finding, first.segment, first.index) == ("tampered", name, names[name, offset]), offset
        disk.write(path, before)
    assert verify(disk, FOLDER).ok


def swap(parts: list[Frame]) -> list[Frame]:
    one, two = entries_first(parts)[3:5]
    parts[one], parts[two] = parts[two], parts[one]
    return parts


def double(parts: list[Frame]) -> list[Frame]:
    at = entries_first(parts)[3]
    return [*parts[: at + 1], *parts[at:]]


def delete(parts: list[Frame]) -> list[Frame]:
    at = entries_first(parts)[3]
    return [*parts[:at], *parts[at + 1 :]]


def move(parts: list[Frame]) -> list[Frame]:
    at = entries_first(parts)[3]
    return [*parts[:at], with_entry(parts[at], task="another/2026-11-21"), *parts[at + 1 :]]


def reword(parts: list[Frame]) -> list[Frame]:
    at = entries_first(parts)[3]
    return [*parts[:at], with_entry(parts[at], st=200), *parts[at + 1 :]]


@pytest.mark.parametrize("how", [swap, double, delete, move, reword])
def test_rearranged(how: Callable[[list[Frame]], list[Frame]]) -> None:
    """An entry that was swapped, doubled, deleted, moved or reworded under right checksums is found."""
    disk = written()
    change(disk, FIRST, how, joined)
    assert {finding for finding, _ in found(disk)} == {"tampered"}
    assert "root is not that of its entries" in whys(disk)


@pytest.mark.parametrize("how", [swap, double, delete, move])
def test_rearranged_and_rehashed(how: Callable[[list[Frame]], list[Frame]]) -> None:
    """A rearrangement under roots computed anew is still found by the links of tasks and the entries' own numbers."""
    disk = written()
    change(disk, FIRST, how, rehashed)
    assert {finding for finding, _ in found(disk)} == {"tampered"}
    assert "does not follow its task" in whys(disk)


def test_renumbered() -> None:
    """An entry that says another number than its own is found, whatever the roots say."""
    disk = written()
    change(
        disk,
        FIRST,
        lambda parts: [with_entry(f, i=90) if n == len(parts) - 2 else f for n, f in enumerate(parts)],
        rehashed,
    )
    assert whys(disk) == "the entry says that it is number 90"


def test_other_seal() -> None:
    """A seal with another digest of the segment is found, although its own checksum is right."""
    disk = written(8, segment_bytes=6000)

    def reseal(parts: list[Frame]) -> list[Frame]:
        seal = parts[-1]
        assert seal.kind is Kind.SEAL
        return [*parts[:-1], seal._replace(payload=seal.payload[:-1] + bytes([seal.payload[-1] ^ 1]))]

    change(disk, FIRST, reseal, joined)
    assert whys(disk) == "the seal is not that of the segment"


def test_between_blobs() -> None:
    """Bytes between two payloads are found, although every payload is where its entry says."""
    disk = written()

    def shift(parts: list[Frame]) -> list[Frame]:
        at = entries_first(parts)[-1]
        (place,) = orjson.loads(parts[at].payload)["blobs"]
        path = blobs_beside(FIRST)
        data = disk.read(path)
        disk.write(path, data[: place["o"]] + b"smuggled" + data[place["o"] :])
        return [*parts[:at], with_entry(parts[at], blobs=[{**place, "o": place["o"] + 8}]), *parts[at + 1 :]]

    change(disk, FIRST, shift, rehashed)
    assert whys(disk) == "bytes stand before this payload that are no payload"


def test_torn_tail() -> None:
    """A segment cut at any byte is torn or a whole number of batches, and says so; a running process's is neither."""
    disk = written(3)
    data = disk.read(FIRST)
    ends = {frame.end for frame in frames_of(data) if frame.kind is Kind.COMMIT} | {len(frames.MAGIC)}
    for cut in range(len(data)):
        disk.write(FIRST, data[:cut])
        assert [finding for finding, _ in found(disk)] == ([] if cut in ends else ["torn-tail"]), cut
    disk.lock(FOLDER / "lock")
    assert verify(disk, FOLDER).ok


def test_cut_in_the_middle() -> None:
    """A segment that is cut although another follows it is tampered, and so is one that is missing or has no seal."""
    disk = written(12, segment_bytes=4000)
    (_, first), (start, second), *later = segments(disk, EPOCH)
    assert later
    data = disk.read(first)
    for cut in (0, 3, len(data) // 2, frames_of(data)[-1].offset):
        disk.write(first, data[:cut])
        assert {finding for finding, _ in found(disk)} == {"tampered"}, cut
    disk.write(first, data)
    disk.remove(second)
    assert found(disk) == [("tampered", start)]
    disk.remove(first)
    assert found(disk)[0] == ("tampered", 0)


def test_behind_the_seal() -> None:
    """Bytes behind a seal are found, in the segment and in its payloads."""
    disk = written(8, segment_bytes=6000)
    _, first = segments(disk, EPOCH)[0]
    for path in (first, blobs_beside(first)):
        before = disk.read(path)
        disk.write(path, before + b"\x00")
        assert {finding for finding, _ in found(disk)} == {"tampered"}
        disk.write(path, before)


def test_blobs_swapped() -> None:
    """Two payloads of one length that changed places are found, both of them."""
    disk = written(4)
    path = blobs_beside(FIRST)
    places = [place for record in read_segment(disk.read(FIRST), FIRST, 0) for place in record.entry.get("blobs", ())]
    one, two = [place for place in places if place["l"] == places[0]["l"]][:2]
    data = bytearray(disk.read(path))
    sizes = one["l"] + 8
    data[one["o"] : one["o"] + sizes], data[two["o"] : two["o"] + sizes] = (
        data[two["o"] : two["o"] + sizes],
        data[one["o"] : one["o"] + sizes],
    )
    disk.write(path, bytes(data))
    assert len(found(disk)) == 2


def test_blobs_missing() -> None:
    """A payload file that is gone is one finding; the entries are still whole."""
    disk = written(4)
    disk.remove(blobs_beside(FIRST))
    report = verify(disk, FOLDER)
    assert [finding.why for finding in report.findings] == ["the payloads of this segment are missing"]
    assert report.epochs[0].size == 10


def test_orphan_blob() -> None:
    """A payload that no entry points to, left by a stop between the two, is no finding."""
    disk = written(4)
    path = blobs_beside(FIRST)
    disk.write(path, disk.read(path) + b"\x00\x00\x00\x04half")
    assert verify(disk, FOLDER).ok


def test_beside_a_writer() -> None:
    """Beside a running process, what it has not committed yet is no finding, and what was damaged is."""
    world = World(settings=small_segments(6000))
    ledger = world.open()
    for number in range(8):
        commit_now(ledger, *drafts(number + 1, ledger))
        report = verify(world.disk, FOLDER)
        assert report.running
        assert report.ok
        assert report.epochs[0].size == ledger.size
        assert report.epochs[0].root == ledger._state.log.tree.root().hex()


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}', b"[]", b"7", b"{", b""])
def test_no_entry(body: Any) -> None:
    """An entry that names a member twice, or is no object, is refused."""
    with pytest.raises(ValueError, match=r".*"):
        parse_entry(body)


def test_forged_rubbish() -> None:
    """Entries that are rubbish under right roots are findings and never a crash."""
    disk = written()

    def rubbish(parts: list[Frame]) -> list[Frame]:
        at = entries_first(parts)[3]
        odd = [
            with_entry(parts[at], blobs=[{"p": "req"}]),
            with_entry(parts[at], blobs=[{"p": "req", "o": -5, "l": 3, "h": "", "s": 0}]),
            with_entry(parts[at], tn="one", tp=7, task=5),
            type(parts[at])(Kind.ENTRY, b"[]", 0, 0),
            type(parts[at])(Kind.ENTRY, b"\xff", 0, 0),
        ]
        return [*parts[:at], *odd, *parts[at + 1 :]]

    change(disk, FIRST, rubbish, rehashed)
    assert len(found(disk)) >= 5
