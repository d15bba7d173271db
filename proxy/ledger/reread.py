"""
What is on record, read again by the process that writes it: an answer, an intent, by the place of its record.

Everything here only reads files, blocks while it does, and may be called from any thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from threading import Lock
from typing import Any

from breakers.call import Caller, Request, Sent
from breakers.store.events import IntentOpened
from proxy.ledger.blobs import Kept, Opening, Payload, commitment
from proxy.ledger.disk import Disk
from proxy.ledger.keyring import KeyRing
from proxy.ledger.layout import LEDGER, epoch_folder, segment_name
from proxy.ledger.parts import Headers, read_head
from proxy.ledger.places import Place, read_place
from proxy.ledger.read import Payloads, Record, record_at
from proxy.ledger.restored import restored
from proxy.ledger.views import opened_from
from proxy.wire import Wire

ENTRY_BYTES_MAX = 65_535
"""Of any entry: a place that says more is none."""

NOT_OURS = (KeyError, TypeError, ValueError, AttributeError)
"""What an entry raises that does not say what its kind says."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """
    What was shown of a write. `body` is None where it is not kept whole: too large, cut, or its key was destroyed.

    `sent` tells whether the write may have left, `call` which one it was.
    """

    status: int
    headers: Headers
    body: bytes | None
    sent: bool = True
    call: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class StoredIntent:
    """
    A write's intent as it is on record.

    `request` is what was judged, None where it does not open; `sent_headers` are those that left, ours among them,
    under a key of ours where `keyed`, with a marker where `marked`. `left_out` tells whether something of the request
    was not kept. `before` is the document of what it touches as it was, None where that is not known.
    """

    opened: IntentOpened
    index: int
    caller: Caller
    door: str
    way: str
    key: str | None
    request: Request | None
    sent_headers: Headers
    left_out: bool
    keyed: bool
    marked: bool
    before: bytes | None
    entry: Mapping[str, Any]
    _commitment: bytes = field(repr=False)
    _opener: bytes | None = field(repr=False)

    def left_as(self, wire: Wire) -> bool:
        """
        Tell whether these bytes are those that left, to the last one; without all of what left, nobody can.
        """
        if self._opener is None:
            return False
        return compare_digest(commitment(self._opener, "wire", Kept(wire.image())), self._commitment)


class Reread:
    """
    Reads records of one state folder by their places, and opens their payloads with the keys of this process.
    """

    def __init__(self, disk: Disk, state: Path, ring: KeyRing) -> None:
        self._disk, self._state, self._ring = disk, state, ring
        self._payloads: Payloads | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"Reread({self._state})"

    def close(self) -> None:
        """
        Close the file of data keys.
        """
        with self._lock:
            if self._payloads is not None:
                self._payloads.close()
            self._payloads = None

    def answer(self, place: str) -> KeptAnswer | None:
        """
        Return the answer that the record at a place holds, or None where it holds none or is not there.
        """
        # A former log may be damaged: what stands there is taken for nothing more than it is.
        with contextlib.suppress(OSError, *NOT_OURS):
            found = self._record(place)
            if found is not None and found.kind in {"call.outcome", "recovery.resolved"}:
                return self._answer(found)
        return None

    def _answer(self, found: Record) -> KeptAnswer | None:
        entry = found.entry
        seen = entry.get("seen", {})
        status = seen.get("st", entry.get("st"))
        if not isinstance(status, int):
            return None
        part = "resp" if seen.get("same") else "seen"
        said, opened = entry.get(part, {}), self._open(found)
        body = opened.get(part)
        whole = body.data if isinstance(body, Kept) and not said.get("cut") and "came" not in said else None
        return KeptAnswer(status, _head(opened, said.get("ct")), whole, entry.get("sent") != Sent.NO, entry["call"])

    def intent(self, place: str) -> StoredIntent:
        """
        Return the intent at a place.

        Raise `LookupError` where there is none, `OSError` where it cannot be read at the moment.
        """
        found = self._record(place)
        if found is None or found.kind != "call.intent":
            raise LookupError(f"no intent stands at {place!r}")
        try:
            return self._intent(found, place)
        except NOT_OURS as error:
            raise LookupError(f"what stands at {place!r} is damaged") from error

    def opened(self, place: str, kinds: frozenset[str]) -> tuple[Mapping[str, Any], dict[str, Payload | Opening]]:
        """
        Return the entry at a place, of one of these kinds, and its payloads.

        Raise `LookupError` where there is none, `OSError` where it cannot be read at the moment.
        """
        found = self._record(place)
        if found is None or found.kind not in kinds:
            raise LookupError(f"nothing of that kind stands at {place!r}")
        try:
            return found.entry, self._open(found)
        except NOT_OURS as error:
            raise LookupError(f"what stands at {place!r} is damaged") from error

    def _intent(self, found: Record, place: str) -> StoredIntent:
        entry, opened = found.entry, self._open(found)
        sealed, before = opened.get("req"), opened.get("before")
        said = restored(sealed.data) if isinstance(sealed, Kept) else None
        idem, door = entry.get("idem"), entry.get("door", {})
        idem = idem if isinstance(idem, dict) else {}
        actor = entry["act"]
        return StoredIntent(
            opened=opened_from(entry, place),
            index=found.index,
            caller=Caller(actor["agent"], actor.get("tok", ""), entry["task"]),
            door=door.get("name", ""),
            way=door.get("by", ""),
            key=said.key if said else None,
            request=said.request if said else None,
            sent_headers=said.sent_headers if said else (),
            left_out=bool(said and said.left_out),
            keyed=bool(idem.get("up")),
            marked=bool(idem.get("marked")),
            before=before.data if isinstance(before, Kept) else None,
            entry=entry,
            _commitment=bytes.fromhex(entry["wire"]["c"]),
            _opener=said.opener if said else None,
        )

    def _record(self, text: str) -> Record | None:
        try:
            place = read_place(text)
            if not place.epoch or place.length > ENTRY_BYTES_MAX:
                return None
            path = epoch_folder(self._state / LEDGER, place.epoch) / segment_name(place.segment)
            found = record_at(self._disk, path, place.index, place.offset, place.length)
        except (FileNotFoundError, ValueError):
            return None
        return found if self._is_there(found, place) else None

    def _is_there(self, found: Record, place: Place) -> bool:
        if found.entry.get("i") != place.index or len(found.body) != place.length:
            return False
        with self._lock:
            return self._opened().origin(found.epoch) == place.origin

    def _open(self, record: Record) -> dict[str, Payload | Opening]:
        # One connection, so one thread at a time.
        with self._lock:
            return self._opened().open(record)

    def _opened(self) -> Payloads:
        if self._payloads is None:
            self._payloads = Payloads(self._disk, self._state, self._ring)
        return self._payloads


def _head(opened: Mapping[str, Payload | Opening], media_type: str | None) -> Headers:
    head = opened.get("head")
    if isinstance(head, Kept):
        return read_head(head.data)
    # What was recorded before headers were kept says its media type at least.
    return (("content-type", media_type),) if media_type else ()
