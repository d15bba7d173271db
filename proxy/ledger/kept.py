"""
What stands in a snapshot: the views, what is remembered, and the events of one segment; put there, and taken out again.

A part is JSON. `state` is carried into the next segment, so it is there whole, and as small as what is open. `chains`
and `events` only ever grow: each snapshot has those of its own segment, in lines, and who reads all of a log puts them
together. Events are those of a fold that remembers for ever; who remembers less leaves out what is past.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

import orjson

from proxy.ledger.disk import Disk
from proxy.ledger.drafts import read_stamp
from proxy.ledger.enveloped import Enveloped
from proxy.ledger.eventlines import not_past, read_told
from proxy.ledger.keyring import KeyRing
from proxy.ledger.remembered import Remembered
from proxy.ledger.snapshot import About, Snapshot, find, fold_version, write
from proxy.ledger.spelled import Fields, fields_of
from proxy.ledger.tree import Frontier
from proxy.ledger.views import Views

STATE, CHAINS, EVENTS = range(3)


@cache
def _views() -> Fields:
    return fields_of(Views, frozenset({"chains"}))


@cache
def _remembered() -> Fields:
    return fields_of(Remembered, frozenset({"since", "told", "enveloped"}))


@cache
def _enveloped() -> Fields:
    return fields_of(Enveloped, frozenset({"since"}))


class Kept:
    """
    The snapshots of one state folder.
    """

    def __init__(self, disk: Disk, ring: KeyRing) -> None:
        self._disk, self._ring = disk, ring

    def __repr__(self) -> str:
        return f"Kept(fold {fold_version()[:16]})"

    def beside(self, segment: Path, first: int) -> Snapshot | None:
        """
        Return the snapshot beside a segment, if there is one that is ours; whether it is of this segment is not asked.
        """
        return find(self._disk, self._ring, segment, first)

    def put_state(self, snapshot: Snapshot, views: Views, remembered: Remembered | None) -> bool:
        """
        Put what is carried into the next segment into `views` and `remembered`; False where it cannot be had.
        """
        part = snapshot.part(self._disk, STATE)
        if part is None:
            return False
        of_views, of_remembered, of_enveloped = orjson.loads(part)
        _views().put(views, of_views)
        if remembered is not None:
            _remembered().put(remembered, of_remembered)
            _enveloped().put(remembered.enveloped, of_enveloped)
        return True

    def put(self, snapshot: Snapshot, views: Views, remembered: Remembered | None) -> bool:
        """
        Put all that a snapshot says into `views` and `remembered`, which are as they were before its segment.

        False where some of it cannot be had; then nothing is changed.
        """
        chains, events = snapshot.part(self._disk, CHAINS), self._events(snapshot, remembered)
        if chains is None or events is None or not self.put_state(snapshot, views, remembered):
            return False
        views.chains.update((task, (count, bytes.fromhex(leaf))) for task, count, leaf in orjson.loads(chains))
        if remembered is not None:
            remembered.told += not_past(read_told(events), remembered.since)
        return True

    def tell(self, segment: Path, first: int, remembered: Remembered) -> str | None:
        """
        Let `remembered` see all of a sealed segment by its snapshot; return the log's name, or None where none fits.
        """
        found = self.beside(segment, first)
        if found is None or not found.is_sealed(self._disk, segment) or not self.put(found, Views(), remembered):
            return None
        return found.about.origin

    def write(self, segment: Path, about: About, views: Views, remembered: Remembered, events: Iterable[bytes]) -> None:
        """
        Put a snapshot beside a segment: what was folded up to its end, and of it alone the chains and the events.
        """
        state = [
            _views().spell(views), _remembered().spell(remembered), _enveloped().spell(remembered.enveloped),
        ]  # fmt: skip
        chains = [[task, count, leaf.hex()] for task, (count, leaf) in views.chains.items()]
        write(self._disk, self._ring, segment, about, (orjson.dumps(state), orjson.dumps(chains), b"".join(events)))

    def _events(self, snapshot: Snapshot, remembered: Remembered | None) -> bytes | None:
        if remembered is None or read_stamp(snapshot.about.said) < remembered.since:
            # Whatever was told there is past.
            return b""
        return snapshot.part(self._disk, EVENTS)


def about_segment(views: Views, before: bytes, tree: Frontier, first: int, data: memoryview, blob_end: int) -> About:
    """
    Return of what a snapshot is one that is made after these bytes of a segment, before which the tree had that root.
    """
    peaks = [peak.hex() for peak in tree.peaks]
    digest = sha256(data).hexdigest()
    of = (fold_version(), views.origin, first, before.hex())
    return About(*of, tree.size, peaks, len(data), digest, blob_end, views.last_said)
