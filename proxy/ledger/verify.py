"""
Checks that a ledger is what it was: every segment of every epoch, every payload's bytes, every link.

Per segment: each frame's checksum, each batch's root, the seal. Per entry: its index, the links of its task (`tn`
counts, `tp` is the leaf hash of the task's entry before), no member twice. Per payload: length, checksum and hash of
what stands in the blob file, and that nothing else stands between. Across epochs: the former log still has the size and
root that the next one's first record names; what stands behind that was given up and is not judged.

A log cannot show its own truncation at a batch's end, nor a rewriting from its first byte: only a copy of (size, root)
kept elsewhere can. Both are printed for that.

Beside a running process the newest segment counts up to the last COMMIT that was there when its turn came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from proxy.ledger import frames
from proxy.ledger.disk import Disk, is_locked
from proxy.ledger.fold import end_of
from proxy.ledger.layout import LEDGER, blobs_beside, epochs, segments
from proxy.ledger.read import first_record
from proxy.ledger.replay import End, Ending, Replay, Stored
from proxy.ledger.tree import Frontier


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that is not as it was: `torn-tail` or `tampered`, and where.
    """

    finding: str
    epoch: str
    segment: str
    offset: int
    index: int
    why: str


@dataclass(slots=True)
class Stand:
    """
    What an epoch came to.
    """

    epoch: str
    origin: str = ""
    size: int = 0
    root: str = ""
    segments: int = 0
    payloads: int = 0


@dataclass(slots=True)
class Report:
    """
    What was checked and what was found.
    """

    running: bool
    epochs: list[Stand] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """
        Tell whether everything is as it was.
        """
        return not self.findings


def verify(disk: Disk, state: Path) -> Report:
    """
    Check the ledger of a state folder, without its lock and without its keys.
    """
    report = Report(is_locked(state, disk))
    found = epochs(disk, state / LEDGER)
    for number, epoch in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        _Epoch(disk, epoch, report, newest=following is None, named=_named_by(disk, following)).check()
    return report


def _named_by(disk: Disk, epoch: Path | None) -> Mapping[str, Any] | None:
    """
    Return what an epoch's first record says of the former log.
    """
    record = first_record(disk, epoch) if epoch is not None else None
    named = record.entry.get("prev") if record is not None else None
    return named if isinstance(named, dict) and isinstance(named.get("size"), int) else None


class _Epoch:
    def __init__(
        self, disk: Disk, epoch: Path, report: Report, *, newest: bool, named: Mapping[str, Any] | None
    ) -> None:
        self._disk, self._epoch, self._report, self._newest, self._named = disk, epoch, report, newest, named
        self._tree = Frontier()
        self._chains: dict[str, tuple[int, str | None]] = {}
        self._stand = Stand(epoch.name)
        report.epochs.append(self._stand)

    def check(self) -> None:
        """
        Check the epoch's segments in order, up to the first whose bytes are damaged.
        """
        stop = self._named["size"] if self._named is not None else None
        found = segments(self._disk, self._epoch)
        for position, (first, path) in enumerate(found):
            if stop is not None and self._tree.size >= stop:
                break
            if first != self._tree.size:
                self._find(path, 0, self._tree.size, "entries are missing before this segment")
                break
            if not self._check_segment(path, newest=position == len(found) - 1, stop=stop):
                break
        if not found:
            self._find(self._epoch, 0, 0, "the epoch holds no segment")
        elif not self._report.findings:
            self._check_orphans()
        self._stand.size, self._stand.root = self._tree.size, self._tree.root().hex()
        if self._named is not None:
            self._check_name(self._named)

    def _check_orphans(self) -> None:
        """
        Name payloads whose entries are gone; beside a running writer a new payload file is empty until it has entries.
        """
        for name in self._disk.names(self._epoch):
            path = self._epoch / name
            entries = path.with_suffix(".bwl")
            if path.suffix != ".bwb" or self._disk.exists(entries):
                continue
            # Looked for again after the payloads were seen: a segment that is just begun has both by then.
            if self._disk.read_part(path, 0, 1) and not self._disk.exists(entries):
                self._find(path, 0, self._tree.size, "payloads without their entries")

    def _check_segment(self, path: Path, *, newest: bool, stop: int | None) -> bool:
        data = self._disk.read(path)
        replay = Replay(data, self._tree, stop)
        blobs = _Blobs(self, path)
        for batch in replay:
            for stored in batch:
                entry = self._check_entry(path, stored)
                try:
                    blobs.check(stored.index, entry)
                except (KeyError, TypeError, ValueError):
                    self._find(path, stored.offset, stored.index, "the entry does not say where its payloads are")
        self._tree = replay.tree
        self._stand.segments += 1
        self._stand.payloads += blobs.count
        ending = replay.ending
        if stop is not None and self._tree.size >= stop:
            return True
        whole = ending.end is End.SEALED or (newest and ending.end is End.OPEN)
        if not whole:
            self._report_ending(path, ending, newest=newest)
        elif ending.end is End.SEALED:
            blobs.check_end(self._tree.size)
        return whole

    def _report_ending(self, path: Path, ending: Ending, *, newest: bool) -> None:
        for stored in ending.suspects:
            self._check_entry(path, stored)
        if ending.end is End.TORN and newest and self._newest:
            if not self._report.running:
                self._find(path, ending.offset, ending.index, ending.why, End.TORN)
            return
        why = ending.why or "the segment has no seal, but another follows it"
        self._find(path, ending.offset, ending.index, why)

    def _check_entry(self, path: Path, stored: Stored) -> Mapping[str, Any]:
        try:
            entry = parse_entry(stored.body)
            index, task, number, previous = entry["i"], entry["task"], entry["tn"], entry["tp"]
        except (ValueError, KeyError) as error:
            self._find(path, stored.offset, stored.index, f"the entry cannot be read: {error}")
            return {}
        if index != stored.index:
            self._find(path, stored.offset, stored.index, f"the entry says that it is number {index}")
        if (number, previous) != self._chains.get(task, (0, None)):
            self._find(path, stored.offset, stored.index, "the entry does not follow its task's entry before it")
        self._chains[task] = (number + 1 if isinstance(number, int) else 0, stored.leaf.hex())
        if stored.index == 0:
            self._stand.origin = str(entry.get("origin", ""))
        return entry

    def _check_name(self, named: Mapping[str, Any]) -> None:
        said = (named.get("origin"), named.get("size"), named.get("root"))
        if said != (self._stand.origin, self._stand.size, self._stand.root):
            self._find(self._epoch, 0, self._stand.size, "the next epoch names another size or root of this log")

    def _find(self, path: Path, offset: int, index: int, why: str, finding: End = End.TAMPERED) -> None:
        self._report.findings.append(Finding(str(finding), self._epoch.name, path.name, offset, index, why))

    def found_in_blobs(self, path: Path, offset: int, index: int, why: str) -> None:
        """
        Report a payload.
        """
        self._find(path, offset, index, why)

    def read_blobs(self, path: Path) -> bytes | None:
        """
        Return a blob file's bytes, or None where it is missing.
        """
        return self._disk.read(path) if self._disk.exists(path) else None


class _Blobs:
    """
    One segment's payloads, checked in the order in which entries point to them; read when the first one does.
    """

    def __init__(self, epoch: _Epoch, segment: Path) -> None:
        self._epoch, self._path = epoch, blobs_beside(segment)
        self._data: bytes | None = None
        self._read = self._missing = False
        self._end = self.count = 0

    def _load(self, index: int) -> None:
        if not self._read:
            self._data, self._read = self._epoch.read_blobs(self._path), True
            if self._data is None:
                self._missing = True
                self._epoch.found_in_blobs(self._path, 0, index, "the payloads of this segment are missing")

    def check(self, index: int, entry: Mapping[str, Any]) -> None:
        for place in entry.get("blobs", ()):
            self._load(index)
            self.count += 1
            if self._data is not None:
                self._check_place(index, place, self._data)

    def _check_place(self, index: int, place: Mapping[str, Any], data: bytes) -> None:
        offset = int(place["o"])
        if offset != self._end:
            self._epoch.found_in_blobs(
                self._path, self._end, index, "bytes stand before this payload that are no payload"
            )
        self._end = max(self._end, end_of(place))
        blob = frames.blob_at(data, offset, int(place["l"]))
        if blob is None or sha256(blob).hexdigest() != place["h"]:
            self._epoch.found_in_blobs(self._path, offset, index, f"payload `{place['p']}` is not what was sealed")

    def check_end(self, index: int) -> None:
        """
        Check that a sealed segment's payloads end where the last one that is pointed to does.
        """
        self._load(index)
        if self._data is not None and len(self._data) != self._end and not self._missing:
            self._epoch.found_in_blobs(self._path, self._end, index, "something follows the last payload")


def parse_entry(body: bytes) -> Mapping[str, Any]:
    """
    Return what an entry says.

    Raise `ValueError` where it is not an object, or names a member twice.
    """
    entry = orjson.loads(body)
    if not isinstance(entry, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 whoever reads catches what any bad JSON raises
    # Bytes that come back the same held no member twice; only others are worth the slow way.
    if orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) != body:
        json.loads(body, object_pairs_hook=_once)
    return entry


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a member is named twice")
    return dict(pairs)
