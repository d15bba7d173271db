"""
What each kind of record says: only enums, ids, hashes, commitments and counters in the entry, text only in payloads.

Names that are not ours (an upstream's id, a media type) enter an entry only where they look like one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from breakers import touching
from breakers.call import Call, Caller, Outcome, Request
from breakers.known import Names
from breakers.noun import noun
from breakers.store.protocol import HeldRead, HeldWrite
from breakers.verdict import Forward, Refuse
from config.catalog import OperationSpec
from proxy.ledger.about import actor, call_draft, labels, objects_named, operation_fields
from proxy.ledger.blobs import Digest, Kept, Payload, commitment
from proxy.ledger.changed import before_part
from proxy.ledger.charges import bud, spent
from proxy.ledger.document import Extra, LeftOut, request_document, spell_kept
from proxy.ledger.drafts import Draft, Part, present, stamp
from proxy.ledger.keyring import KeyRing
from proxy.ledger.parts import Shown, answer_part, came, essence, head_part, kept, media_type_of, plain
from proxy.wire import Wire

NAMES_MAX = 16
"""Names of odd arguments in an entry; the rest stands in the payload."""


@noun
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


@noun
class Declined:
    """
    A known agent's call that did not pass; `operation` and `request` are None where it was refused before that.

    `named` are the objects that it named, as (type, id); `par` is the intent that it was refused for the sake of.
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
    par: str | None = None


def _known(call: Call, ring: KeyRing) -> dict[str, object]:
    named = objects_named(call.api, touching.named(call.operation), ring)
    # URLs in what the agent was shown lead to doors, and URLs on record are the upstream's: this tells them apart.
    door = {"name": call.door, "by": call.way} if call.door else None
    said = operation_fields(call.api, call.operation.spec, call.request, ring)
    return {**said, "door": door, "odd": _odd(call), "res": named or None}


def _odd(call: Call) -> dict[str, object] | None:
    mistyped, undeclared, dropped = call.operation.mistyped, call.operation.undeclared, call.request.dropped
    if not (mistyped or undeclared or dropped):
        return None
    # Names that the operation declares may stand here; other names are an agent's words and stand in the payload.
    counted = {"undeclared": len(undeclared) or None, "dropped": len(dropped) or None}
    return present({"mistyped": list(mistyped[:NAMES_MAX]) or None, **counted})


def _judged(go: Forward) -> dict[str, object]:
    moves = None
    if go.amount_micros is not None:
        moves = {"micros": str(go.amount_micros), "currency": go.currency}
    judged: dict[str, object] = {"ver": go.policy_version, "verdict": "forward", "rules": list(go.rules), "reasons": []}
    if go.flags:
        judged["flags"] = list(go.flags)
    return {"pol": judged, "moves": moves, "conds": [list(one) for one in go.conditions] or None}


def _request_part(request: Request, spec: OperationSpec, extra: Extra, opener: bytes | None = None) -> Part:
    left_out = LeftOut(spec.never_store)
    document = request_document(request, left_out, extra)
    # Whoever has the opener of what was sent, and all of it but one short field, could guess the field.
    if opener is not None and not left_out.found:
        document["wire_opener"] = opener.hex()
    kind = essence(request.media_type)
    return Part("req", Kept(spell_kept(document)), {"ct": kind} if kind is not None else {})


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
        "bud": bud(go.charges),
        "cred": wire.credential.ref,
        "idem": idem_fields(call.names, spec.effect_window_s, wire) if call.names is not None else None,
        "rev": str(spec.reversibility),
        "sug": call.grant.suggestion if call.grant is not None else None,
        "touches": len(spec.touches) or None,
        "wire": {"c": commitment(opener, "wire", image).hex(), "n": image.length},
    }
    part = _request_part(call.request, spec, _odd_names(call, wire.headers), opener)
    before = before_part(go)
    if spec.touches and before is None:
        fields["before"] = "missing"
    return call_draft("call.intent", call, fields, (part, before) if before else (part,))


def idem_fields(names: Names, window_s: int, wire: Wire | None = None) -> dict[str, object]:
    """
    Return under what a write can be found again, and whether it left under a key of ours and marked.
    """
    sent = {"up": wire.keyed or None, "marked": wire.marked or None} if wire is not None else {}
    return present({"f": names.fingerprint, "k": names.key, "e": names.effect, "w": window_s or None, **sent})


def _ended(outcome: Outcome) -> dict[str, object]:
    return {
        "eff": str(outcome.applied),
        "sent": str(outcome.sent),
        "health": str(outcome.health),
        "st": outcome.status,
        "up_ms": outcome.upstream_us // 1000,
        "tries": outcome.attempts,
        "rid": plain(outcome.request_id),
        "err": {"class": str(outcome.fault)} if outcome.fault is not None else None,
    }


def read_held(go: Forward, ring: KeyRing) -> Draft:
    """
    Return the record that must be durable before a read leaves that is charged to a cap: what it may take.
    """
    call = go.call
    said = operation_fields(call.api, call.operation.spec, call.request, ring)
    fields = {**said, "pol": _judged(go)["pol"], "at": stamp(call.at), "bud": bud(go.charges)}
    return call_draft("call.held", call, fields, ())


def write_outcome(
    call: Call, intent_index: int, outcome: Outcome, shown: Shown, kept_max: int, took: tuple[int, ...] = ()
) -> Draft:
    """
    Return the record that must be durable before a write's answer is shown; bodies beyond `kept_max` by their digest.

    `took` is what it took of its charges, where that is known.
    """
    fields: dict[str, object] = {**_ended(outcome), "intent": intent_index, "spent": spent(took)}
    never_store, parts = call.operation.spec.never_store, [head_part(shown.headers)]
    answered = outcome.status is not None
    if answered:
        body = kept(outcome.body, kept_max)
        parts.append(answer_part("resp", never_store, body, media_type_of(outcome.headers), came(outcome)))
    if answered and shown.body == outcome.body:
        fields["seen"] = {"same": True, "st": shown.status}
    else:
        said = {"st": shown.status}
        body = kept(shown.body, kept_max)
        parts.append(answer_part("seen", never_store, body, media_type_of(shown.headers), said))
    return call_draft("call.outcome", call, fields, tuple(parts))


def read_outcome(held: HeldRead, outcome: Outcome, seen: Delivered, ring: KeyRing, took: tuple[int, ...] = ()) -> Draft:
    """
    Return the record of a read that has ended: its decision, how it ended, what the agent was shown and how much of it.

    `took` is what it took of its charges, where that was not leased before.
    """
    go, call = held.go, held.go.call
    payload = seen.payload
    more: dict[str, object] = {"st": seen.status}
    if isinstance(payload, Kept) and payload.length < seen.bytes:
        # Only its beginning was kept.
        more["came"] = seen.bytes
    parts = (
        _request_part(call.request, call.operation.spec, _odd_names(call)),
        answer_part("seen", call.operation.spec.never_store, payload, media_type_of(outcome.headers), more),
    )
    fields = {
        **_known(call, ring),
        **_judged(go),
        **_ended(outcome),
        "intent": None,
        "spent": spent(took),
        "lease": held.lease or None,
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
    more = {
        "came": outcome.body_bytes if outcome.body_bytes > len(body) else None,
        "cut": True if without is not body else None,
        "ct": essence(media_type_of(outcome.headers)),
    }
    return call_draft("call.look", call, fields, (Part("resp", kept(without, kept_max), present(more)),))


def refusal(declined: Declined, ring: KeyRing) -> Draft:
    """
    Return the record of a call that did not pass; where no operation was recognised, nothing of the request is kept.
    """
    refuse, spec, request = declined.refuse, declined.operation, declined.request
    fields: dict[str, object] = {
        "prov": declined.api,
        "m": plain(declined.method) or "other",
        "at": stamp(declined.at),
        "pol": {
            "ver": declined.policy_version,
            "verdict": "refuse",
            "gate": refuse.gate,
            "reasons": [str(refuse.reason)],
        },
        "st": declined.status,
    }
    if declined.par is not None:
        fields["par"] = declined.par
    if (under := labels(declined.caller.opened)) is not None:
        fields["lab"] = under
    parts: tuple[Part, ...] = ()
    if spec is not None and request is not None:
        fields |= operation_fields(declined.api, spec, request, ring)
        if declined.named:
            fields["res"] = objects_named(declined.api, declined.named, ring)
        extra = Extra(refusal=(("detail", refuse.detail), *refuse.details))
        parts = (_request_part(request, spec, extra),)
    caller = declined.caller
    return Draft("call.decision", caller.task, fields, declined.call, actor(caller), parts=parts)


def counted(kind: str, counts: Mapping[str, int], task: str, agent: str | None = None) -> Draft:
    """
    Return the summary of refusals that have no record of their own.
    """
    actor = {"agent": agent} if agent is not None else None
    return Draft(kind, task, {"counts": dict(counts)}, actor=actor)
