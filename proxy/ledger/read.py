"""
Reading a ledger beside the process that writes it: entries with their places, and their payloads opened.

Nothing here takes the lock or changes a file. An entry is read once the COMMIT behind it is there; whether the log is
what it was is not asked here (`verify` does).
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from proxy.errors import StartRefused
from proxy.ledger import frames
from proxy.ledger.blobs import Bound, Opening, Payload, unseal
from proxy.ledger.datakeys import DataKeys
from proxy.ledger.disk import Disk
from proxy.ledger.frames import Kind
from proxy.ledger.keyring import KeyRing, read_ring
from proxy.ledger.layout import DATA_KEYS, KEY_RING, LEDGER, blobs_beside, epochs, home_of, segment_name, segments

PIECE_BYTES = 8 << 20
"""What is read at once of a file whose size nobody asks for."""

BEGINNING_BYTES = 64 << 10
"""A log's first batch, which names it, is far smaller; one that is not is read with all of its segment."""


@dataclass(frozen=True, slots=True)
class Record:
    """
    An entry and where it stands.
    """

    segment: Path
    index: int
    offset: int
    entry: Mapping[str, Any]
    body: bytes = b""

    @property
    def kind(self) -> str:
        """
        Return what kind of record it is.
        """
        return str(self.entry["k"])

    @property
    def epoch(self) -> Path:
        """
        Return the folder of its log.
        """
        return self.segment.parent


def ledger_in(disk: Disk, state: Path) -> Path:
    """
    Return the ledger of a state folder.

    Raise `StartRefused` where there is none.
    """
    ledger = state / LEDGER
    if not epochs(disk, ledger):
        raise StartRefused(f"there is no ledger in {state}", "name the state folder with --dir, or start `serve` once")
    return ledger


def read_segment(
    data: bytes, path: Path, first: int, offset: int = len(frames.MAGIC), *, before: int = 0
) -> Iterator[Record]:
    """
    Yield the entries of a segment's whole batches, from the one with index `first`, whose frame is at `offset`.

    `before` is how much of the file stands before `data`.
    """
    pending: list[tuple[int, bytes]] = []
    index = first
    while isinstance(found := frames.frame_at(data, offset), frames.Frame):
        offset = found.end
        if found.kind is Kind.ENTRY:
            pending.append((found.offset, found.payload))
        elif found.kind is Kind.COMMIT:
            for place, body in pending:
                yield Record(path, index, before + place, _entry(body), body)
                index += 1
            pending.clear()


def read_from(disk: Disk, path: Path, index: int, offset: int) -> Iterator[Record]:
    """
    Yield the entries of a segment's whole batches as `read_segment` does; of the file, what stands before is not read.
    """
    pieces: list[bytes] = []
    end = offset
    while not pieces or len(pieces[-1]) == PIECE_BYTES:
        pieces.append(disk.read_part(path, end, PIECE_BYTES))
        end += len(pieces[-1])
    return read_segment(b"".join(pieces), path, index, 0, before=offset)


def record_at(disk: Disk, path: Path, index: int, offset: int, length: int) -> Record:
    """
    Return the one entry of so many bytes whose frame is at `offset` of a segment; `unreadable` where there is none.
    """
    raw = disk.read_part(path, offset, frames.HEAD_BYTES + 1 + length)
    found = frames.frame_at(raw, 0)
    body = found.payload if isinstance(found, frames.Frame) else b""
    return Record(path, index, offset, _entry(body), body)


def _entry(body: bytes) -> Mapping[str, Any]:
    try:
        entry = orjson.loads(body)
        if {"k", "ts", "task"} <= entry.keys():
            return dict(entry)
    except (ValueError, AttributeError):
        pass
    # Whether that may be so is `verify`'s to say; whoever only looks sees that something stands here.
    return {"k": "unreadable", "ts": "", "task": ""}


def find_call(disk: Disk, ledger: Path, call: str) -> list[Record]:
    """
    Return the records of a call, oldest first.
    """
    needle = b'"call":' + orjson.dumps(call)
    found: list[Record] = []
    for epoch in epochs(disk, ledger):
        for first, path in segments(disk, epoch):
            data = disk.read(path)
            if needle in data:
                found += [record for record in read_segment(data, path, first) if record.entry.get("call") == call]
    return found


def last_records(disk: Disk, ledger: Path, count: int) -> list[Record]:
    """
    Return the newest records of the newest log, oldest first.
    """
    found: deque[Record] = deque()
    for first, path in reversed(segments(disk, epochs(disk, ledger)[-1])):
        newest = deque(read_segment(disk.read(path), path, first), maxlen=max(0, count - len(found)))
        found.extendleft(reversed(newest))
        if len(found) >= count:
            break
    return list(found)


def first_record(disk: Disk, epoch: Path) -> Record | None:
    """
    Return the record that names a log, or None where it cannot be read.
    """
    for first, path in segments(disk, epoch)[:1]:
        beginning = disk.read_part(path, 0, BEGINNING_BYTES)
        return next(read_segment(beginning, path, first), None) or next(
            read_segment(disk.read(path), path, first), None
        )
    return None


class Payloads:
    """
    Opens the payloads of a state folder's records, with the key ring that is there or a given one.
    """

    def __init__(self, disk: Disk, state: Path, ring: KeyRing | None = None) -> None:
        self._disk, self._state = disk, state
        self._ring = ring or read_ring(disk, home_of(state, disk) / KEY_RING)
        self._keys: DataKeys | None = None
        if disk.exists(state / DATA_KEYS):
            self._keys = DataKeys(disk.database(state / DATA_KEYS, read_only=True), disk, self._ring)
        self._origins: dict[Path, str] = {}

    def __repr__(self) -> str:
        return f"Payloads({self._state})"

    def close(self) -> None:
        """
        Close the file of data keys.
        """
        if self._keys is not None:
            self._keys.close()

    def open(self, record: Record) -> dict[str, Payload | Opening]:
        """
        Return a record's payloads by their part, or why they do not open.
        """
        return {str(place["p"]): self._open(record, place) for place in record.entry.get("blobs", ())}

    def _open(self, record: Record, place: Mapping[str, Any]) -> Payload | Opening:
        path = blobs_beside(record.epoch / segment_name(int(place["s"])))
        if not self._disk.exists(path):
            return Opening.MISSING
        part, length = str(place["p"]), int(place["l"])
        raw = self._disk.read_part(path, int(place["o"]), frames.HEAD_BYTES + length)
        blob = frames.blob_at(raw, 0, length)
        if blob is None:
            return Opening.BAD
        task, said = str(record.entry["task"]), record.entry[part]
        try:
            key = self._keys.open(str(place["d"]), task) if self._keys is not None else None
        except (OSError, sqlite3.Error):
            key = None
        if key is None:
            return Opening.ERASED
        bound = Bound(self.origin(record.epoch), task, str(record.entry.get("call", "")), part)
        return unseal(key, blob, bound, bytes.fromhex(said["c"]), int(said["n"]), digest=bool(said.get("digest")))

    def origin(self, epoch: Path) -> str:
        """
        Return the name of an epoch's log; none where it cannot be read.
        """
        if epoch not in self._origins:
            named = first_record(self._disk, epoch)
            self._origins[epoch] = str(named.entry.get("origin", "")) if named is not None else ""
        return self._origins[epoch]
