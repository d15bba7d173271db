r"""
What the segments of a log come to, up to the end of one, in a file beside that: so that a start need not read them.

    snapshot := "BWVIEW1\n" | u32 key | u32 length | about | mac[32] | state | chains | events
    about    := a JSON object, `length` bytes (`About`)
    mac      := HMAC-SHA256(key, "bw/v1/snapshot" 00 all that stands before it)

`key` is a version of the key ring, label `snapshot`. `about` says of what it is a snapshot: the log, the segment, the
root of the tree before it, the size and the peaks of the tree then, how many bytes of the segment that was and their
SHA-256, and the version of the fold; and of each part its length and SHA-256, so that a part need not be read to trust
another. `state` is all that is carried into the next segment; `chains` and `events` are what this segment adds to them.

A snapshot is believed where its seal is ours, the same fold made it, what stands before the segment is what stood there
then, and the segment's own bytes say the same: its SEAL has that size, root and digest, or, in the newest segment, its
first bytes have that digest. Everything else is no snapshot. That costs the time to read the segment, and nothing else:
no record is anywhere but in the log.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from importlib.abc import InspectLoader
from importlib.util import find_spec
from pathlib import Path

import orjson

from proxy.ledger import frames
from proxy.ledger.disk import Disk, write_whole
from proxy.ledger.keyring import SNAPSHOT, KeyRing
from proxy.ledger.layout import snapshot_beside
from proxy.ledger.tree import Frontier

FOLDED_BY = (
    "breakers.baseline",
    "breakers.breaker",
    "breakers.call",
    "breakers.drift",
    "breakers.idempotency",
    "breakers.known",
    "breakers.spend",
    "breakers.stops",
    "breakers.store.bundle",
    "breakers.store.events",
    "breakers.store.members",
    "breakers.store.moves",
    "breakers.suggestion",
    "breakers.task",
    "config.caps",
    "config.money",
    "config.tasks",
    "config.written",
    "proxy.keys",
    "proxy.ledger.charges",
    "proxy.ledger.drafts",
    "proxy.ledger.drifted",
    "proxy.ledger.enveloped",
    "proxy.ledger.eventlines",
    "proxy.ledger.fleet",
    "proxy.ledger.fold",
    "proxy.ledger.frames",
    "proxy.ledger.kept",
    "proxy.ledger.moved",
    "proxy.ledger.noticed",
    "proxy.ledger.parked",
    "proxy.ledger.places",
    "proxy.ledger.remembered",
    "proxy.ledger.replay",
    "proxy.ledger.snapshot",
    "proxy.ledger.spelled",
    "proxy.ledger.stopped",
    "proxy.ledger.tree",
    "proxy.ledger.views",
)
"""The modules that say what follows from a record. Of any other text of theirs a snapshot may say something else."""

MAGIC = b"BWVIEW1\n"
_HEAD = struct.Struct(">8sII")
_MAC_BYTES = 32

ABOUT_BYTES_MAX = 16_384
"""Sixty-four peaks of a tree, and a log's name."""


@dataclass(frozen=True, slots=True)
class About:
    """
    Of what a snapshot is one, and how long its parts are, with their digests.

    `before` is the root of the tree before the segment. The segment's bytes up to `end`, where its SEAL stands or its
    last COMMIT ends, have the digest `sha256`; what its entries point to are `blob_end` bytes of payloads. `said` is
    the time of the last entry.
    """

    fold: str
    origin: str
    first: int
    before: str
    size: int
    peaks: Sequence[str]
    end: int
    sha256: str
    blob_end: int
    said: str
    parts: Sequence[Sequence[int | str]] = ()

    @property
    def tree(self) -> Frontier:
        """
        Return the tree as it was then.
        """
        return Frontier(self.size, tuple(map(bytes.fromhex, self.peaks)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    A snapshot whose seal is ours: what it is of, and the parts as long as nobody looked at them.
    """

    path: Path
    about: About
    start: int

    def part(self, disk: Disk, number: int) -> bytes | None:
        """
        Return a part, or None where it is not what was sealed.
        """
        lengths = [int(length) for length, _ in self.about.parts]
        try:
            found = disk.read_part(self.path, self.start + sum(lengths[:number]), lengths[number])
        except OSError:
            return None
        return found if sha256(found).hexdigest() == self.about.parts[number][1] else None

    def follows(self, tree: Frontier) -> bool:
        """
        Tell whether this tree is the one that was continued here: whoever rewrites a segment changes all behind it.
        """
        return tree.root().hex() == self.about.before

    def is_sealed(self, disk: Disk, segment: Path) -> bool:
        """
        Tell whether the segment ends, right behind what this is a snapshot of, with a SEAL that says the same.

        That the bytes before it are those is not asked.
        """
        seal = frames.seal_frame(self.about.size, self.about.tree.root(), bytes.fromhex(self.about.sha256))
        return disk.read_part(segment, self.about.end, frames.SEAL_BYTES + 1) == seal

    def begins(self, data: bytes) -> bool:
        """
        Tell whether a segment's bytes begin with those that this is a snapshot of, up to a COMMIT that says the same.
        """
        end, commit = self.about.end, frames.commit_frame(self.about.size, self.about.tree.root())
        if data[max(0, end - frames.COMMIT_BYTES) : end] != commit:
            return False
        return sha256(memoryview(data)[:end]).hexdigest() == self.about.sha256


def find(disk: Disk, ring: KeyRing, segment: Path, first: int) -> Snapshot | None:
    """
    Return the snapshot beside a segment, if there is one that is ours and of this fold.
    """
    path = snapshot_beside(segment)
    try:
        if not disk.exists(path):
            return None
        data = disk.read_part(path, 0, _HEAD.size + ABOUT_BYTES_MAX + _MAC_BYTES)
        magic, version, length = _HEAD.unpack_from(data)
        start = _HEAD.size + length + _MAC_BYTES
        sealed, mac = data[: _HEAD.size + length], data[_HEAD.size + length : start]
        if magic != MAGIC or not compare_digest(_mac(ring, version, sealed), mac):
            return None
        found = Snapshot(path, About(**orjson.loads(sealed[_HEAD.size :])), start)
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return None
    return found if fold_version() == found.about.fold != "" and found.about.first == first else None


def write(disk: Disk, ring: KeyRing, segment: Path, about: About, parts: Sequence[bytes]) -> None:
    """
    Put a snapshot beside its segment, durable and whole, or not at all.
    """
    said = {name: getattr(about, name) for name in About.__slots__}
    said["parts"] = [[len(part), sha256(part).hexdigest()] for part in parts]
    spelled = orjson.dumps(said)
    sealed = _HEAD.pack(MAGIC, ring.current, len(spelled)) + spelled
    write_whole(disk, snapshot_beside(segment), b"".join((sealed, _mac(ring, ring.current, sealed), *parts)), 0o600)


def _mac(ring: KeyRing, version: int, sealed: bytes) -> bytes:
    return hmac_digest(ring.key(SNAPSHOT, version), b"bw/v1/snapshot\x00" + sealed, sha256)


@cache
def fold_version() -> str:
    """
    Return the version of the fold: the digest of the text of all that it is made of.

    Nobody has to remember to raise it. Where the text cannot be had it is nobody's, and no snapshot is believed.
    """
    digest = sha256()
    for name in FOLDED_BY:
        found = find_spec(name)
        loader = found.loader if found is not None else None
        text = loader.get_source(name) if isinstance(loader, InspectLoader) else None
        if text is None:
            return ""
        digest.update(name.encode() + b"\x00" + sha256(text.encode()).digest())
    return digest.hexdigest()
