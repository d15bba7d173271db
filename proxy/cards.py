"""
The card that an approver reads: who asks, for what, what it would change, what it moves and what is left of its caps,
what may be undone, why it waits, for whose word, and until when.

`shown` in it is, byte for byte, what the word is bound to; everything else is made from that, or says how things stand
at this moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from breakers.call import Operation
from breakers.known import Earlier
from breakers.spend import Charge, Total
from breakers.suggestion import LIVE, Stage, Suggested
from config.operators import APPROVER
from proxy.binding import WHY
from proxy.foretold import foretold
from proxy.images import parse_image, spell_text
from proxy.ledger.approvals import Showing
from proxy.ledger.charges import charges_of
from proxy.ledger.drafts import present, stamp
from proxy.queued import queue_of
from proxy.suggesting import KeptBack

Card = dict[str, Any]


def row(one: Suggested) -> Card:
    """
    Return what a list says of a suggestion.
    """
    return present(
        {
            "suggestion": one.id,
            "state": str(one.stage),
            "queue": queue_of(one),
            "agent": one.agent,
            "task": one.task,
            "api": one.api,
            "operation": one.operation,
            "asked": stamp(one.at),
            "expires": stamp(one.expires),
            "roles": list(needed(one.roles)),
            "reasons": list(one.answers),
            "by": one.by or None,
            "why": one.why or None,
            "intent": one.intent or None,
        }
    )


def needed(roles: Iterable[str]) -> tuple[str, ...]:
    """
    Return the roles that an approver must hold: those that are named, and the plain one where none is.
    """
    named = tuple(sorted(set(roles) - {APPROVER}))
    return named or (APPROVER,)


def card(
    one: Suggested,
    showing: Showing,
    operation: Operation | None,
    totals: Sequence[Total] = (),
    kept: KeptBack | None = None,
    made: Earlier | None = None,
) -> Card:
    """
    Return all that an approver is shown; `operation` is what the request is, where it is one of this API still, `made`
    what it was carried out as.
    """
    said, entry = json.loads(showing.shown), showing.entry
    before = _images(showing.before)
    told = None if operation is None else foretold(operation, before)
    return {
        **row(one),
        "digest": one.digest,
        "labels": entry.get("lab", {}),
        "caller": said["caller"],
        "target": said["target"],
        "credential": said["credential"],
        "policy": said["policy"],
        "effect": said["operation"]["effect"],
        "risk": said["operation"]["risk"],
        "moves": said["moves"],
        "takes": [_taken(charge, totals) for charge in _charges(entry)],
        "asked_for": said["reasons"],
        "request": said["request"],
        "recognised": operation is not None,
        "would": None if told is None else asdict(told),
        "before": {kind: None if held is None else json.loads(spell_text(held)) for kind, held in before.items()},
        "before_digests": said["before"],
        "edit": entry.get("dist"),
        "edited_by": entry.get("by") if entry.get("verdict") == "edited" else None,
        "because": WHY.get(one.why),
        "kept_back": None if kept is None else {"reason": kept.reason, "detail": kept.detail},
        "made": None if made is None else {"state": str(made.state), "applied": made.applied, "status": made.status},
        "can_be_made": "left_out" not in said["request"] and one.stage in LIVE - {Stage.EXECUTING},
        "shown": showing.shown.decode(),
    }


def _images(document: bytes | None) -> Mapping[str, object]:
    if document is None:
        return {}
    try:
        held = parse_image(document)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _charges(entry: Mapping[str, Any]) -> tuple[Charge, ...]:
    return charges_of({"bud": entry["takes"]}) if entry.get("takes") else ()


def _taken(charge: Charge, totals: Sequence[Total]) -> dict[str, object]:
    """
    Return what a write would take of a cap, and what is left of that now.
    """
    key = (charge.node, charge.period, charge.measure)
    total = next((one for one in totals if (one.node, one.period, one.measure) == key), None)
    taken = 0 if total is None else total.settled + total.held
    return {
        "node": charge.node,
        "period": charge.period,
        "measure": charge.measure,
        "amount": str(charge.amount),
        "cap": str(charge.cap) if charge.cap else None,
        "left": str(max(0, charge.cap - taken)) if charge.cap else None,
    }
