"""What is on record of repeats of a write, and of answers that came early, broken off, or at last."""

from __future__ import annotations

from breakers import touching
from breakers.call import Call
from breakers.known import Earlier
from proxy.ledger.about import call_draft, objects_named, operation_fields
from proxy.ledger.blobs import Kept
from proxy.ledger.drafts import Draft, stamp
from proxy.ledger.keyring import KeyRing
from proxy.ledger.parts import Shown, answer_part, media_type_of


def repeated(call: Call, earlier: Earlier, how: str, status: int, ring: KeyRing) -> Draft:
    """
    Return the record of a call that was answered from an earlier one: nothing of it was sent, and nothing is kept.
    """
    fields = {
        **operation_fields(call.api, call.operation.spec, call.request, ring),
        "at": stamp(call.at),
        "pol": {"verdict": "repeat"},
        "par": earlier.intent,
        "how": how,
        "st": status,
        "res": objects_named(call.api, touching.named(call.operation), ring) or None,
    }
    return call_draft("call.decision", call, fields, ())


def answered_early(call: Call, shown: Shown) -> Draft:
    """
    Return the record of what an agent was told of a write before the write had ended.
    """
    never_store = call.operation.spec.never_store
    part = answer_part("seen", never_store, Kept(shown.body), media_type_of(shown.headers), {"st": shown.status})
    fields = {"bytes": 0, "complete": False, "early": True, "st": shown.status, "rw": _rw(call)}
    return call_draft("call.delivery", call, fields, (part,))


def delivery_aborted(call: Call, delivered: int) -> Draft:
    """
    Return the record that says that an answer did not arrive whole.
    """
    return call_draft("call.delivery", call, {"bytes": delivered, "complete": False, "rw": _rw(call)}, ())


def delivered(call: Call, intent: str) -> Draft:
    """
    Return the record that says that the answer of an intent, which its own caller missed, has reached this one.
    """
    return call_draft("call.delivery", call, {"complete": True, "par": intent, "rw": _rw(call)}, ())


def _rw(call: Call) -> str:
    return "w" if call.operation.writes else "r"
