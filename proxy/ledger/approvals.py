"""
Suggestions on record.

| record | says |
|---|---|
| `approval.requested` | a write that was parked: why, until when, whose word it needs, and what an approver is shown |
| `approval.decided` | what an approver said: `approved`, `rejected`, or `edited` with what is shown from then on |
| `approval.ended` | how it ended: `executed` as an intent, `expired`, `void` and why |

All of them stand under the call that was parked, whose id is the suggestion's. What an approver is shown is a payload
(`shown`), byte for byte what the digest `dig` is of; the objects before the write are another (`before`), and a
person's words a third (`reason`). Each record is durable before anything follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from breakers import touching
from breakers.suggestion import Stage, Suggested
from breakers.verdict import Suggest
from proxy.ledger.about import call_draft, objects_named, operation_fields
from proxy.ledger.blobs import Kept
from proxy.ledger.changed import before_part
from proxy.ledger.charges import bud
from proxy.ledger.drafts import Draft, Part, present, stamp
from proxy.ledger.keyring import KeyRing
from proxy.ledger.noticed import noticed
from proxy.ledger.parked import EDITED
from proxy.ledger.pen import Pen
from proxy.ledger.records import idem_fields
from proxy.ledger.reread import Reread
from proxy.ledger.writer import Rank

KIND = "suggestion"
"""As what people are told of one."""

SHOWING = frozenset({"approval.requested", "approval.decided"})
"""Records that may hold what an approver is shown."""


@dataclass(frozen=True, slots=True)
class Showing:
    """
    What a suggestion shows: its payload, the objects before the write where they are known, and what `entry` says.
    """

    shown: bytes
    before: bytes | None
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """
    An approver's edit: who made it and why, how many leaves of the request differ, of how many there are in either, and
    how much more it moves, in micro-units (None: not known).
    """

    by: str
    reason: str
    changed: int
    leaves: int
    micros: int | None


class ApprovalRecords:
    """
    The record's verbs for suggestions; `own` are the ids of those that are live in this record at its start.
    """

    def __init__(self, pen: Pen, ring: KeyRing, reread: Reread, known: Iterable[Suggested] = ()) -> None:
        self._pen, self._ring, self._reread = pen, ring, reread
        self.known = {one.id: one for one in known}

    def __repr__(self) -> str:
        return f"ApprovalRecords({len(self.known)} known at the start)"

    async def requested(self, new: Suggested, parked: Suggest, shown: bytes, credential: str) -> Suggested:
        """
        Record a write that was parked, or is again for other reasons; return it with the place of its record.
        """
        draft = _showing("approval.requested", new, parked, shown, credential, self._ring)
        if new.waits:
            draft = replace(draft, fields={**draft.fields, **noticed(KIND, notice_of(new))})
        return replace(new, place=(await self._pen.durable(draft, Rank.WRITE)).place)

    async def edited(self, new: Suggested, parked: Suggest, shown: bytes, credential: str, edit: Edit) -> Suggested:
        """
        Record what an approver has made of one; return it with the place of its record.
        """
        draft = _showing("approval.decided", new, parked, shown, credential, self._ring)
        distance = {"changed": edit.changed, "of": edit.leaves, "micros": _text(edit.micros)}
        said = {"verdict": EDITED, "by": edit.by, "dist": present(distance)}
        draft = replace(draft, fields={**draft.fields, **said}, parts=(*draft.parts, *_words(edit.reason)))
        return replace(new, place=(await self._pen.durable(draft, Rank.WRITE)).place)

    async def decided(self, after: Suggested, verdict: str, by: str, reason: str = "") -> None:
        """
        Record an approver's word.
        """
        said = {"verdict": verdict, "by": by, "dig": after.digest, "ver": after.version}
        await self._pen.durable(_of(after, "approval.decided", said, _words(reason)), Rank.WRITE)

    async def ended(self, after: Suggested, by: str = "", reason: str = "") -> None:
        """
        Record how one ended.
        """
        said = {
            "end": str(after.stage),
            "why": after.why or None,
            "into": after.intent or None if after.stage is Stage.EXECUTED else None,
            "by": by or None,
            "ver": after.version,
            **(noticed(KIND, notice_of(after)) if is_told(after) else {}),
        }
        await self._pen.durable(_of(after, "approval.ended", said, _words(reason)), Rank.END)

    def of(self, id_: str, place: str) -> Showing:
        """
        Return what a suggestion shows, as `at`; the logs of two processes may have one name, and so one place.
        """
        showing = self.at(place)
        if showing.entry.get("call") != id_:
            raise LookupError(f"what stands at {place!r} is another's")
        return showing

    def at(self, place: str) -> Showing:
        """
        Return what a suggestion shows, by the place of its record; it reads files: call it in a thread.

        Raise `LookupError` where none stands there, or it cannot be opened any more.
        """
        entry, opened = self._reread.opened(place, SHOWING)
        shown, before = opened.get("shown"), opened.get("before")
        if isinstance(shown, Kept):
            return Showing(shown.data, before.data if isinstance(before, Kept) else None, entry)
        raise LookupError(f"what stands at {place!r} cannot be opened")


def notice_of(one: Suggested) -> str:
    """
    Return under which id people are told how one stands.
    """
    return f"{one.id}-{one.version}-{one.stage}"


def is_told(after: Suggested) -> bool:
    """
    Tell whether people are told of an end: of one that they were asked about and that came to nothing by itself.
    """
    return after.waits and after.stage in {Stage.EXPIRED, Stage.VOID}


def _showing(kind: str, new: Suggested, parked: Suggest, shown: bytes, credential: str, ring: KeyRing) -> Draft:
    # What is judged anew is another call; the record stands under the one that was parked.
    call = replace(parked.call, id=new.id, at=new.at)
    spec = call.operation.spec
    moves = None
    if parked.amount_micros is not None:
        moves = {"micros": str(parked.amount_micros), "currency": parked.currency}
    before = before_part(parked)
    names = idem_fields(call.names, spec.effect_window_s) if call.names is not None else {}
    fields = {
        **operation_fields(call.api, spec, call.request, ring),
        "at": stamp(new.at),
        "door": {"name": call.door, "by": call.way} if call.door else None,
        "res": objects_named(call.api, touching.named(call.operation), ring) or None,
        "pol": {"ver": parked.policy_version, "verdict": "suggest", "rules": list(parked.rules), "reasons": []},
        "moves": moves,
        "conds": [list(one) for one in parked.conditions] or None,
        "takes": bud(parked.charges),
        "cred": credential,
        "idem": {**names, "f": new.fingerprint, **({"k": new.key} if new.key is not None else {})},
        "rev": str(spec.reversibility),
        "touches": len(spec.touches) or None,
        "causes": sorted({str(park.cause) for park in parked.parked}),
        "ans": list(new.answers),
        "roles": list(new.roles),
        "exp": stamp(new.expires),
        "dig": new.digest,
        "ver": new.version,
        "waits": new.waits or None,
        "shadow": new.shadow or None,
    }
    part = Part("shown", Kept(shown))
    return call_draft(kind, call, fields, (part, before) if before is not None else (part,))


def _of(one: Suggested, kind: str, said: Mapping[str, object], parts: tuple[Part, ...]) -> Draft:
    fields = present({"prov": one.api, "op": one.operation, **said})
    return Draft(kind, one.task, fields, one.id, {"agent": one.agent}, parts=parts)


def _words(text: str) -> tuple[Part, ...]:
    return (Part("reason", Kept(text.encode())),) if text else ()


def _text(micros: int | None) -> str | None:
    return None if micros is None else str(micros)
