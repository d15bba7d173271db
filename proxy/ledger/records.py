"""
What each kind of record says: only enums, ids, hashes, commitments and counters in the entry, text only in payloads.

Names that are not ours (an upstream's id, a media type) enter an entry only where they look like one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from breakers import touching
from breakers.call import Call, Caller, Outcome, Request
from breakers.store.protocol import HeldWrite, IntentOpened
from breakers.verdict import Forward, Refuse
from config.catalog import Effect, OperationSpec
from proxy.ledger.about import actor, call_draft, objects_named
from proxy.ledger.blobs import Digest, Kept, Payload, commitment
from proxy.ledger.changed import before_part
from proxy.ledger.document import Extra, LeftOut, request_document, spell
from proxy.ledger.drafts import Draft, Part, present, stamp
from proxy.ledger.keyring import KeyRing
from proxy.wire import Wire

NAMES_MAX = 16
"""Names of odd arguments in an entry; the rest stands in the payload."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/+-]{1,128}")


class Shown(Protocol):
    """
    A whole answer that an agent is shown.
    """

    @property
    def status(self) -> int:
        """
        Return its status.
        """

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """
        Return its headers.
        """

    @property
    def body(self) -> bytes:
        """
        Return its body.
        """


@dataclass(frozen=True, slots=True)
class Delivered:
    """
    What of a read's answer reached the agent: `body` is what was kept of it, `bytes` how many bytes were delivered.
    """

    status: int
    body: bytes | Payload
    bytes: int
    complete: bool

    @property
    def payload(self) -> Payload:
        """
        Return the body as a payload.
        """
        return self.body if isinstance(self.body, (Kept, Digest)) else Kept(self.body)


@dataclass(frozen=True, slots=True)
class Declined:
    """
    A known agent's call that did not pass; `operation` and `request` are None where it was refused before that.

    `named` are the objects that it named, as (type, id).
    """

    call: str
    at: datetime
    api: str
    caller: Caller
    method: str
    operation: OperationSpec | None
    request: Request | None
    refuse: Refuse
    status: int
    policy_version: str
    named: tuple[tuple[str, str], ...] = ()


def _plain(text: str | None) -> str | None:
    # An upstream's words enter an entry only where they look like an id or a media type.
    return text if text is not None and _PLAIN.fullmatch(text) else None


def _essence(media_type: str | None) -> str | None:
    return _plain(media_type.partition(";")[0].strip().lower()) if media_type else None


def _operation(api: str, spec: OperationSpec, request: Request, ring: KeyRing) -> dict[str, object]:
    return {
        "prov": api,
        "op": spec.name,
        "m": request.method,
        "base": request.base,
        "path_t": spec.path,
        "path_h": ring.redact("path", "/" + "/".join(request.segments)),
        "rw": "r" if spec.effect is Effect.READ else "w",
    }


def _known(call: Call, ring: KeyRing) -> dict[str, object]:
    # Names that the operation declares may stand here; other names are an agent's words and stand in the payload.
    odd = present(
        {
            "mistyped": list(call.operation.mistyped[:NAMES_MAX]) or None,
            "undeclared": len(call.operation.undeclared) or None,
            "dropped": len(call.request.dropped) or None,
        }
    )
    named = objects_named(call.api, touching.named(call.operation), ring)
    # URLs in what the agent was shown lead to doors, and URLs on record are the upstream's: this tells them apart.
    door = {"name": call.door, "by": call.way} if call.door else None
    said = _operation(call.api, call.operation.spec, call.request, ring)
    return {**said, "door": door, "odd": odd or None, "res": named or None}


def _judged(go: Forward) -> dict[str, object]:
    moves = None
    if go.amount_micros is not None:
        moves = {"micros": str(go.amount_micros), "currency": go.currency}
    return {
        "pol": {"ver": go.policy_version, "verdict": "forward", "rules": list(go.rules), "reasons": []},
        "moves": moves,
    }


def _request_part(request: Request, spec: OperationSpec, extra: Extra, opener: bytes | None = None) -> Part:
    left_out = LeftOut(spec.never_store)
    document = request_document(request, left_out, extra)
    # Whoever has the opener of what was sent, and all of it but one short field, could guess the field.
    if opener is not None and not left_out.found:
        document["wire_opener"] = opener.hex()
    return Part("req", Kept(spell(document)), present({"ct": _essence(request.media_type)}))


def _odd_names(call: Call, sent_headers: tuple[tuple[str, str], ...] = ()) -> Extra:
    operation = call.operation
    return Extra(operation.mistyped, operation.undeclared, call.idempotency_key, sent_headers)


def intent(held: HeldWrite, wire: Wire, ring: KeyRing, opener: bytes) -> Draft:
    """
    Return the record that must be durable before a write's first byte leaves.

    The bytes sent are committed to under `opener`, which is kept in the sealed request unless a field was left out.
    """
    go = held.go
    call, spec = go.call, go.call.operation.spec
    image = Kept(wire.image())
    fields = {
        **_known(call, ring),
        **_judged(go),
        "at": stamp(call.at),
        "cred": wire.credential.ref,
        "idem": ring.redact(f"idem:{call.caller.agent}:{call.api}", call.idempotency_key)
        if call.idempotency_key is not None
        else None,
        "rev": str(spec.reversibility),
        "touches": len(spec.touches) or None,
        "wire": {"c": commitment(opener, "wire", image).hex(), "n": image.length},
    }
    part = _request_part(call.request, spec, _odd_names(call, wire.headers), opener)
    before = before_part(go)
    if spec.touches and before is None:
        fields["before"] = "missing"
    return call_draft("call.intent", call, fields, (part, before) if before else (part,))


def _ended(outcome: Outcome) -> dict[str, object]:
    return {
        "eff": str(outcome.applied),
        "sent": str(outcome.sent),
        "health": str(outcome.health),
        "st": outcome.status,
        "up_ms": outcome.upstream_us // 1000,
        "tries": outcome.attempts,
        "rid": _plain(outcome.request_id),
        "err": {"class": str(outcome.fault)} if outcome.fault is not None else None,
    }


def _answer_part(name: str, call: Call, payload: Payload, media_type: str | None, more: Mapping[str, object]) -> Part:
    """
    Return the part of an answer, without what is never stored.
    """
    if isinstance(payload, Kept):
        without = Kept(LeftOut(call.operation.spec.never_store).text(payload.data))
        if without.data is not payload.data:
            more = {**more, "cut": True}
        payload = without
    return Part(name, payload, present({**more, "ct": _essence(media_type)}))


def _media_type(headers: tuple[tuple[str, str], ...]) -> str | None:
    return next((value for name, value in headers if name.lower() == "content-type"), None)


def write_outcome(call: Call, intent_index: int, outcome: Outcome, shown: Shown, kept_max: int) -> Draft:
    """
    Return the record that must be durable before a write's answer is shown; bodies beyond `kept_max` by their digest.
    """
    fields: dict[str, object] = {**_ended(outcome), "intent": intent_index}
    parts: list[Part] = []
    answered = outcome.status is not None
    if answered:
        body = kept(outcome.body, kept_max)
        parts.append(_answer_part("resp", call, body, _media_type(outcome.headers), _came(outcome)))
    if answered and shown.body == outcome.body:
        fields["seen"] = {"same": True, "st": shown.status}
    else:
        said = {"st": shown.status}
        parts.append(_answer_part("seen", call, kept(shown.body, kept_max), _media_type(shown.headers), said))
    return call_draft("call.outcome", call, fields, tuple(parts))


def kept(body: bytes, kept_max: int) -> Payload:
    """
    Return a body as a payload: itself, or where it is larger than `kept_max` its length and digest.
    """
    return Kept(body) if len(body) <= kept_max else Digest(len(body), sha256(body).digest())


def _came(outcome: Outcome) -> dict[str, object]:
    # What was too large to keep was not kept: the record says how much came.
    return {"came": outcome.body_bytes} if outcome.body_bytes != len(outcome.body) else {}


def read_outcome(go: Forward, outcome: Outcome, seen: Delivered, ring: KeyRing) -> Draft:
    """
    Return the one record of a read: its decision, how it ended, what the agent was shown and how much of it.
    """
    call = go.call
    payload = seen.payload
    more: dict[str, object] = {"st": seen.status}
    if isinstance(payload, Kept) and payload.length < seen.bytes:
        # Only its beginning was kept.
        more["came"] = seen.bytes
    parts = (
        _request_part(call.request, call.operation.spec, _odd_names(call)),
        _answer_part("seen", call, payload, _media_type(outcome.headers), more),
    )
    fields = {
        **_known(call, ring),
        **_judged(go),
        **_ended(outcome),
        "intent": None,
        "dlv": {"bytes": seen.bytes, "complete": seen.complete},
    }
    return call_draft("call.outcome", call, fields, parts)


def subject_read(
    call: Call, operation: str, outcome: Outcome, body: bytes, kept_max: int, never_store: tuple[str, ...]
) -> Draft:
    """
    Return the record of a read of ours, under the call that needed it; `body` is what was taken of the answer.

    A digest is taken of what may be stored, or it and the image beside it could confirm a guess of what may not.
    """
    fields = {"prov": call.api, "op": operation, **_ended(outcome)}
    without = LeftOut((*call.operation.spec.never_store, *never_store)).text(body)
    came = outcome.body_bytes if outcome.body_bytes > len(body) else None
    more = {"came": came, "cut": True if without is not body else None, "ct": _essence(_media_type(outcome.headers))}
    return call_draft("call.look", call, fields, (Part("resp", kept(without, kept_max), present(more)),))


def refusal(declined: Declined, ring: KeyRing) -> Draft:
    """
    Return the record of a call that did not pass; where no operation was recognised, nothing of the request is kept.
    """
    refuse, spec, request = declined.refuse, declined.operation, declined.request
    fields: dict[str, object] = {
        "prov": declined.api,
        "m": _plain(declined.method) or "other",
        "at": stamp(declined.at),
        "pol": {
            "ver": declined.policy_version,
            "verdict": "refuse",
            "gate": refuse.gate,
            "reasons": [str(refuse.reason)],
        },
        "st": declined.status,
    }
    parts: tuple[Part, ...] = ()
    if spec is not None and request is not None:
        fields |= _operation(declined.api, spec, request, ring)
        if declined.named:
            fields["res"] = objects_named(declined.api, declined.named, ring)
        extra = Extra(refusal=(("detail", refuse.detail), *refuse.details))
        parts = (_request_part(request, spec, extra),)
    caller = declined.caller
    return Draft("call.decision", caller.task, fields, declined.call, actor(caller), parts=parts)


def answered_early(call: Call, shown: Shown) -> Draft:
    """
    Return the record of what an agent was told of a write before the write had ended.
    """
    part = _answer_part("seen", call, Kept(shown.body), _media_type(shown.headers), {"st": shown.status})
    fields = {"bytes": 0, "complete": False, "early": True, "st": shown.status}
    return call_draft("call.delivery", call, fields, (part,))


def delivery_aborted(call: Call, delivered: int) -> Draft:
    """
    Return the record that says that an answer did not arrive whole.
    """
    return call_draft("call.delivery", call, {"bytes": delivered, "complete": False}, ())


def counted(kind: str, counts: Mapping[str, int], task: str, agent: str | None = None) -> Draft:
    """
    Return the summary of refusals that have no record of their own.
    """
    actor = {"agent": agent} if agent is not None else None
    return Draft(kind, task, {"counts": dict(counts)}, actor=actor)


def recovery_opened(opened: IntentOpened, intent_index: int, origin: str | None = None) -> Draft:
    """
    Return the record that names a write whose outcome is not known; `origin` is the former log where it stood there.
    """
    fields = {
        "intent": intent_index,
        "of": origin,
        "prov": opened.api,
        "op": opened.operation,
        "at": stamp(opened.at),
    }
    return Draft("recovery.opened", opened.task, present(fields), opened.intent, {"agent": opened.agent})
