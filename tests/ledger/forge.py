"""Segments taken apart and put together again, as somebody with the files and this format in hand would."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from proxy.ledger import frames
from proxy.ledger.frames import Frame, Kind
from proxy.ledger.tree import Frontier, leaf_hash
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import FOLDER, World, commit_now, drafts, small_segments

EPOCH = FOLDER / "ledger/000001"
FIRST = EPOCH / "seg-00000000000000000000.bwl"


def written(count: int = 6, *, segment_bytes: int = 10**6) -> MemoryDisk:
    """A disk with a ledger of some batches, whose process died."""
    world = World(settings=small_segments(segment_bytes))
    ledger = world.open()
    for number in range(count):
        commit_now(ledger, *drafts(number + 1, ledger))
    disk: MemoryDisk = world.disk.after_kill()
    return disk


def frames_of(data: bytes) -> list[Frame]:
    found, offset = [], len(frames.MAGIC)
    while isinstance(frame := frames.frame_at(data, offset), Frame):
        found.append(frame)
        offset = frame.end
    assert offset == len(data)
    return found


def joined(parts: Sequence[Frame]) -> bytes:
    """The frames as they are, their checksums right, whatever the tree says."""
    return frames.MAGIC + b"".join(frames.frame(frame.kind, frame.payload) for frame in parts)


def rehashed(parts: Sequence[Frame], tree: Frontier | None = None) -> bytes:
    """The frames with every root and seal computed anew: what only a copy of the root elsewhere could tell."""
    tree, data = tree or Frontier(), frames.MAGIC
    for frame in parts:
        if frame.kind is Kind.ENTRY:
            tree.append(leaf_hash(frame.payload))
            data += frames.frame(frame.kind, frame.payload)
        elif frame.kind is Kind.COMMIT:
            data += frames.commit_frame(tree.size, tree.root())
        else:
            data += frames.seal_frame(tree.size, tree.root(), hashlib.sha256(data).digest())
    return data


def change(
    disk: MemoryDisk, path: Path, how: Callable[[list[Frame]], list[Frame]], spell: Callable[..., bytes]
) -> None:
    disk.write(path, spell(how(frames_of(disk.read(path)))))


def entries_first(parts: list[Frame]) -> list[int]:
    """The positions of the entries among a segment's frames."""
    return [position for position, frame in enumerate(parts) if frame.kind is Kind.ENTRY]


def with_entry(frame: Frame, **changed: object) -> Frame:
    entry = {**orjson.loads(frame.payload), **changed}
    payload = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
    return Frame(frame.kind, payload, frame.offset, frame.end)
