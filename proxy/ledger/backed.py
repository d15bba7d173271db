"""
Whether a batch's payloads are there: asked of the last one in a log, the only one that a stop can leave without them.

Entries and payloads of a batch become durable at the same time. Where the machine stops in between, either may be
there without the other, and nobody was told of the batch. What stands before it was durable as a whole before the first
byte of it was written, so that a payload that is missing there was taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import orjson

from proxy.ledger import frames
from proxy.ledger.disk import Disk
from proxy.ledger.layout import blobs_beside
from proxy.ledger.replay import Stored


class Backing:
    """
    The payloads beside one segment.
    """

    __slots__ = ("_disk", "_path")

    def __init__(self, disk: Disk, segment: Path) -> None:
        self._disk, self._path = disk, blobs_beside(segment)

    def __repr__(self) -> str:
        return f"Backing({self._path.name})"

    def holds(self, batch: Sequence[Stored]) -> bool:
        """
        Tell whether every payload that a batch points to is in the file, as it was sealed.
        """
        try:
            entries = (orjson.loads(stored.body) for stored in batch)
            return all(self._is_there(place) for entry in entries for place in entry.get("blobs", ()))
        except (ValueError, KeyError, TypeError, AttributeError):
            # An entry that is none is another fault, and told as such by whoever takes it in.
            return True

    def _is_there(self, place: dict[str, object]) -> bool:
        offset, length = int(str(place["o"])), int(str(place["l"]))
        try:
            data = self._disk.read_part(self._path, offset, frames.HEAD_BYTES + length)
        except FileNotFoundError:
            # Its name was durable before the segment's first batch: no stop takes it away, and who does is found out.
            return True
        blob = frames.blob_at(data, 0, length)
        return blob is not None and sha256(blob).hexdigest() == place["h"]
