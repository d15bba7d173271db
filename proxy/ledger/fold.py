"""
An epoch read from its first entry to its last: the tree, the views, and what is wrong, if anything is.

Every segment's entries are hashed and every batch's root compared; payloads are not looked at (`verify` does). A sealed
segment with a snapshot that fits is taken on trust, by its seal: which ones were is said, so that it can be proved
later. The newest segment is looked at in any case, to its last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from proxy.ledger.disk import Disk
from proxy.ledger.frames import MAGIC
from proxy.ledger.kept import Kept
from proxy.ledger.layout import segments
from proxy.ledger.places import spell_place
from proxy.ledger.remembered import SEEN, Remembered
from proxy.ledger.replay import End, Ending, Replay, Stored
from proxy.ledger.snapshot import Snapshot
from proxy.ledger.tree import Frontier
from proxy.ledger.views import Views

PLACED = frozenset(
    {"call.intent", "call.outcome", "recovery.resolved", "kill.changed", "approval.requested", "approval.decided"}
)
"""Kinds whose place is held; spelling it for every entry of a long log would take seconds."""

PAUSED_EVERY = 16
"""Entries, of which one takes some tens of microseconds."""


@dataclass(slots=True)
class Newest:
    """
    The segment that was written last: its bytes, how they end, and how many bytes of payloads its entries point to.
    """

    first: int
    path: Path
    data: bytes
    ending: Ending
    blob_end: int


@dataclass(slots=True)
class Fold:
    """
    What an epoch says up to its end, or up to `damage`, which lies in the segment `damaged`; `trusted` are the segments
    that were not read.
    """

    tree: Frontier = field(default_factory=Frontier)
    views: Views = field(default_factory=Views)
    newest: Newest | None = None
    damage: Ending | None = None
    damaged: Path | None = None
    remembered: Remembered | None = None
    trusted: list[tuple[Path, Snapshot]] = field(default_factory=list)


def read_entry(stored: Stored) -> Mapping[str, Any]:
    """
    Return what a stored entry says.

    Raise `ValueError` where it is no JSON object.
    """
    entry = orjson.loads(stored.body)
    if not isinstance(entry, dict):
        raise ValueError("an entry is not an object")  # noqa: TRY004 whoever reads catches what any bad JSON raises
    return entry


def fold(disk: Disk, epoch: Path, remembered: Remembered | None = None, kept: Kept | None = None) -> Fold:
    """
    Read an epoch; stop at the first damage, having taken in every whole batch before it.

    `remembered` sees every entry as well, for whoever needs the events. What `kept` has a snapshot of is not read.
    """
    result = Fold(remembered=remembered)
    found = segments(disk, epoch)
    for position, (first, path) in enumerate(found):
        newest = position == len(found) - 1
        if first != result.tree.size:
            ending = Ending(End.TAMPERED, 0, result.tree.size, 0, "entries are missing before this segment")
            result.damage, result.damaged = ending, path
            return result
        if not newest and _trusted(disk, first, path, result, kept):
            continue
        segment = fold_on(disk, first, path, result, kept)
        if _is_damage(segment.ending, newest=newest):
            result.damage, result.damaged = segment.ending, path
            return result
        result.newest = segment
    return result


def _trusted(disk: Disk, first: int, path: Path, result: Fold, kept: Kept | None) -> bool:
    """
    Take a sealed segment by its snapshot, unread; False where none fits.
    """
    snapshot = kept.beside(path, first) if kept is not None else None
    if kept is None or snapshot is None or not snapshot.follows(result.tree) or not snapshot.is_sealed(disk, path):
        return False
    if not kept.put(snapshot, result.views, result.remembered):
        return False
    result.tree = snapshot.about.tree
    result.trusted.append((path, snapshot))
    return True


def fold_on(
    disk: Disk, first: int, path: Path, result: Fold, kept: Kept | None, pause: Callable[[], None] | None = None
) -> Newest:
    """
    Take in a segment behind what there is, as far as it is whole; what a snapshot has of it is hashed, not folded.

    `pause` is called every few entries, for whoever shares the processor with others.
    """
    data = disk.read(path)
    begin, blob_end = _begun(kept, first, path, data, result)
    replay = Replay(data, result.tree, begin=begin)
    for batch in replay:
        for stored in batch:
            try:
                entry = read_entry(stored)
                _take(result, first, stored, entry)
                if blobs := entry.get("blobs"):
                    # They stand one behind the other.
                    blob_end = end_of(blobs[-1])
            except (ValueError, KeyError, TypeError):
                # The tree says that these are the bytes that were written; they are no entry of this program.
                why = "an entry does not say what its kind says"
                return Newest(first, path, data, Ending(End.TAMPERED, 0, stored.index, stored.offset, why), 0)
            if pause is not None and not stored.index % PAUSED_EVERY:
                pause()
        result.tree = replay.tree
    return Newest(first, path, data, replay.ending, blob_end)


def _begun(kept: Kept | None, first: int, path: Path, data: bytes, result: Fold) -> tuple[int, int]:
    """
    Take what a segment's own snapshot has of its beginning; return where that ends, in the segment and in its payloads.
    """
    snapshot = kept.beside(path, first) if kept is not None else None
    if kept is None or snapshot is None or not snapshot.follows(result.tree) or not snapshot.begins(data):
        return len(MAGIC), 0
    if not kept.put(snapshot, result.views, result.remembered):
        return len(MAGIC), 0
    result.tree = snapshot.about.tree
    return snapshot.about.end, snapshot.about.blob_end


def _take(result: Fold, first: int, stored: Stored, entry: Mapping[str, Any]) -> None:
    views, kind, place = result.views, entry["k"], ""
    if kind in PLACED:
        place = spell_place(views.origin, first, stored.index, stored.offset, len(stored.body))
    views.see(stored.index, stored.leaf, entry, place)
    if result.remembered is not None and (kind in SEEN or "notice" in entry):
        result.remembered.see(entry, place, views.open[stored.index].opened if kind == "call.intent" else None)


def end_of(place: Mapping[str, Any]) -> int:
    """
    Return where a blob ends, by the place that an entry gives for it.
    """
    return int(place["o"]) + 8 + int(place["l"])


def _is_damage(ending: Ending, *, newest: bool) -> bool:
    # Only the newest segment may lack its seal or end in the middle of a batch.
    return ending.end is End.TAMPERED or (not newest and ending.end is not End.SEALED)
