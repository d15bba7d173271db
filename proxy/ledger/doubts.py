"""
Writes in doubt, on record: that one is, what looking for it has shown, and how it was resolved.

| record | says |
|---|---|
| `recovery.opened` | nobody knows how this write ended; once, whether a start found that or the running process |
| `recovery.probed` | one attempt to find out: by which way, what was found, and the evidence |
| `recovery.resolved` | how it ended, by what was found or a person said, or that a person must say (`parked`) |

A write stays in doubt until a `recovery.resolved` says `completed`. Each is durable before the verb returns, because
what follows from it (an answer to a repeat, a name that is free again) must not be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from breakers.call import Applied, Call
from breakers.known import State
from breakers.store.events import IntentOpened
from proxy.ledger.blobs import Kept
from proxy.ledger.changed import Changed
from proxy.ledger.changed import change as change_draft
from proxy.ledger.charges import bud, spent
from proxy.ledger.document import LeftOut
from proxy.ledger.drafts import Draft, Part, present, stamp
from proxy.ledger.keyring import KeyRing
from proxy.ledger.parts import Headers, answer_part, head_part, kept, media_type_of
from proxy.ledger.pen import Pen
from proxy.ledger.places import read_place
from proxy.ledger.records import idem_fields
from proxy.ledger.tail import Written
from proxy.ledger.views import OpenWrite
from proxy.ledger.writer import Rank

EVIDENCE_BYTES_MAX = 256 * 1024
"""Of one attempt: a page of a list and more; what is larger is on record by its digest."""

_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}")

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Probed:
    """
    One attempt to find out how a write ended: by which `way`, what was `found` (none, one, many, failed), and of how
    many candidates. `evidence` is what it saw, as JSON.
    """

    way: str
    found: str
    count: int = 0
    evidence: bytes = b""


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    How a write in doubt ended (`completed`), or that a person must say (`parked`): `by` whom (reconciler, operator),
    and `why`, in a word.

    With `keeps` its answer stands under its key: `status`, `headers` and `body` are the answer as it was put together
    again, as far as it was. `incident` names what must not have happened; `reason` is an operator's words; `spent` is
    what it took of each of its charges, where it is `completed`.
    """

    applied: Applied
    state: State
    by: str
    why: str
    keeps: bool = False
    status: int | None = None
    headers: Headers = ()
    body: bytes | None = None
    incident: str | None = None
    reason: str = ""
    spent: tuple[int, ...] = ()


def opened_draft(write: OpenWrite, *, carried: bool = False) -> Draft:
    """
    Return the record that names a write whose outcome is not known.

    Where it is `carried` into a new log, it stands there for the intent: it says as well under what that can be found
    again, what it touches, and whether a person is to decide.
    """
    opened = write.opened
    fields: dict[str, object] = {
        "intent": write.index,
        "of": write.origin,
        "prov": opened.api,
        "op": opened.operation,
        "at": stamp(opened.at),
    }
    if carried:
        touching: Mapping[str, Any] = write.touching or {}
        fields |= {
            "idem": idem_fields(opened.names, opened.window_s) if opened.names is not None else None,
            "place": opened.place or None,
            "parked": write.parked or None,
            "bud": bud(opened.charges),
            "touches": touching.get("touches"),
            "res": touching.get("res"),
        }
    return _draft("recovery.opened", opened, fields)


def _draft(kind: str, opened: IntentOpened, fields: Mapping[str, object], parts: tuple[Part, ...] = ()) -> Draft:
    return Draft(kind, opened.task, present(fields), opened.intent, {"agent": opened.agent}, parts=parts)


class Doubts:
    """
    Records what becomes of writes in doubt; those that the log left open are known by their places from `found`.
    """

    def __init__(self, pen: Pen, origin: str, found: Mapping[int | str, OpenWrite], kept_max: int) -> None:
        self._pen, self._origin, self._kept_max = pen, origin, kept_max
        self._found = {write.opened.intent: write for write in found.values()}
        self._named = {write.opened.intent for write in found.values() if write.named}

    def __repr__(self) -> str:
        return f"Doubts({len(self._named)} named)"

    async def opened(self, opened: IntentOpened) -> None:
        """
        Record that a write is in doubt; once, however often it is said.
        """
        if opened.intent in self._named:
            return
        self._named.add(opened.intent)
        try:
            await self._pen.durable(opened_draft(self._write(opened)), Rank.END)
        except BaseException:
            self._named.discard(opened.intent)
            raise

    async def adopted(self, opened: IntentOpened, replica: str) -> None:
        """
        Record that a write is in doubt whose intent stands in the log of a replica that is gone; a person decides.
        """
        if opened.intent in self._named:
            return
        try:
            place = read_place(opened.place)
            index, log = place.index, place.origin
        except ValueError:
            index, log = 0, opened.intent
        # Several replicas may have logs of one name, and nobody here can read there.
        write = OpenWrite(replace(opened, place=""), index, f"{log}@{replica}", named=True, parked=True)
        await self._pen.durable(opened_draft(write, carried=True), Rank.END)
        self._found[opened.intent] = write
        self._named.add(opened.intent)

    async def probed(self, opened: IntentOpened, probed: Probed, never_store: tuple[str, ...]) -> None:
        """
        Record an attempt to find out.
        """
        fields = {"way": _word(probed.way), "found": _word(probed.found), "n": probed.count}
        without = LeftOut(never_store).text(probed.evidence)
        more = {"cut": True} if without is not probed.evidence else {}
        parts = (Part("evidence", kept(without, EVIDENCE_BYTES_MAX), more),) if probed.evidence else ()
        draft = _draft("recovery.probed", opened, {**self._where(opened), **fields}, parts)
        await self._pen.durable(draft, Rank.END)

    async def resolved(self, opened: IntentOpened, resolved: Resolved, never_store: tuple[str, ...]) -> Written:
        """
        Record how a write in doubt ended, or that a person must say; return where that stands.
        """
        fields = {
            **self._where(opened),
            "eff": str(resolved.applied),
            "state": str(resolved.state),
            "by": _word(resolved.by),
            "why": _word(resolved.why),
            "keeps": resolved.keeps,
            "st": resolved.status,
            "incident": _word(resolved.incident) if resolved.incident is not None else None,
            "spent": spent(resolved.spent),
        }
        parts = self._answer(resolved, never_store)
        if resolved.reason:
            parts += (Part("reason", Kept(resolved.reason.encode())),)
        written = await self._pen.durable(_draft("recovery.resolved", opened, fields, parts), Rank.END)
        if resolved.state is State.COMPLETED:
            self._named.discard(opened.intent)
        return written

    def changed(self, call: Call, opened: IntentOpened, resolved: str, change: Changed, ring: KeyRing) -> Draft:
        """
        Return the record of what a write changed whose resolution stands at the place `resolved`.
        """
        write = self._write(opened)
        return change_draft(call, write.index, resolved, change, ring, write.origin)

    def _answer(self, resolved: Resolved, never_store: tuple[str, ...]) -> tuple[Part, ...]:
        if resolved.status is None or resolved.body is None:
            return ()
        media_type = media_type_of(resolved.headers) or JSON_TYPE
        body = kept(resolved.body, self._kept_max)
        seen = answer_part("seen", never_store, body, media_type, {"st": resolved.status})
        return head_part(resolved.headers), seen

    def _write(self, opened: IntentOpened) -> OpenWrite:
        """
        Return an intent with where it stands: by what the log said at the start, else by its own place.
        """
        if (found := self._found.get(opened.intent)) is not None:
            return found
        place = read_place(opened.place)
        return OpenWrite(opened, place.index, place.origin if place.origin != self._origin else None)

    def _where(self, opened: IntentOpened) -> dict[str, object]:
        write = self._write(opened)
        return {"intent": write.index, "of": write.origin}


def _word(text: str) -> str:
    # An entry holds no free text: who would put some here finds out in a test.
    if not _WORD.fullmatch(text):
        raise ValueError(f"this is no word of a record: {text!r}")
    return text
