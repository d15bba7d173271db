"""
What an approver's word is bound to: one document, put together from a call as it was judged, byte for byte what is
shown. Right before the write is sent it is put together again, from what the record holds and what is true then; where
a byte is another one, nobody has approved that.

It says who asks (agent, task, the key or token that was shown, what that was narrowed to), what exactly is sent and to
whom (the canonical request, the operation, the upstream's origin, the version of the credential), under which version
of the policy, what it moves, the digests of the objects that it touches as they were, and why it was parked until when.
A nonce makes each of them one of its kind, and keeps a digest that stands in clear from confirming a guess.

A request that held what is never stored is shown without that, and cannot be put together again: it can only be
rejected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from breakers.call import Call, Caller, Operation, Request
from breakers.caveats import Caveat
from breakers.effectkey import effect_key
from breakers.facts import Image
from breakers.known import Names
from breakers.suggestion import Park, Suggested
from breakers.verdict import Forward, Suggest
from config.catalog import Effect, Touch
from proxy.account import Account
from proxy.classify import type_arguments
from proxy.errors import Refused
from proxy.ledger.approvals import Showing
from proxy.ledger.document import Extra, LeftOut, request_document, spell
from proxy.ledger.drafts import read_stamp, stamp
from proxy.ledger.restored import restored
from proxy.naming import Namer

NONCE_BYTES = 16

VERSION = 1

MISSING = "missing"
"""What is shown of an object that could not be read."""

UNSEEN = "unseen"
"""Where what was seen when a write was shown cannot be seen at the moment."""

UNSHOWN = "unshown"
"""Where something can be seen that nobody could see when the write was shown."""

WHY: Mapping[str, str] = {
    "caller": "who asks is not who asked",
    "target": "the API answers elsewhere now",
    "credential": "the credential was changed since",
    "policy": "the configuration was changed since",
    "request": "the request is not what was shown",
    "operation": "the request is another operation now",
    "moves": "what it moves is not what was shown",
    "before": "what it touches was changed since it was shown, perhaps by another write that was approved",
}
"""Why a word is good no more, by the member that is another one."""


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What an approver is shown beside the call itself: of which suggestion, why it was parked, until when.
    """

    suggestion: str
    nonce: str
    reasons: tuple[Mapping[str, object], ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """
    A parked write put together from its record, and under which `policy` and `credential` it was shown; `left_out`
    names what of its request was never stored.
    """

    call: Call
    offer: Offer
    policy: str
    credential: str
    left_out: tuple[str, ...] = ()


def reasons_of(parks: tuple[Park, ...]) -> tuple[Mapping[str, object], ...]:
    """
    Return how the reasons to park a write are shown.
    """
    return tuple(
        {
            "id": park.id,
            "cause": str(park.cause),
            "about": park.about,
            "detail": park.detail,
            "by": park.by,
            "within": park.within_s,
            "waits": park.waits,
        }
        for park in parks
    )


def bound(judged: Suggest | Forward, account: Account, credential: str, offer: Offer) -> bytes:
    """
    Return the document: what is shown of a write as it was judged.
    """
    call, spec = judged.call, judged.call.operation.spec
    extra = Extra(call.operation.mistyped, call.operation.undeclared, call.idempotency_key)
    moves = None
    if judged.amount_micros is not None:
        moves = {"micros": str(judged.amount_micros), "currency": judged.currency}
    document = {
        "v": VERSION,
        "suggestion": offer.suggestion,
        "nonce": offer.nonce,
        "caller": _caller(call.caller),
        "target": {
            "api": call.api,
            "origin": str(account.origins[call.request.base]),
            "socket": account.sockets.get(call.request.base),
        },
        "credential": credential,
        "policy": judged.policy_version,
        "operation": {"name": spec.name, "effect": str(spec.effect), "risk": str(spec.reversibility)},
        "request": request_document(call.request, LeftOut(spec.never_store), extra),
        "duplicate": call.duplicate,
        "moves": moves,
        "before": images_shown(judged.facts.images),
        "reasons": [dict(reason) for reason in offer.reasons],
        "expires": stamp(offer.expires),
    }
    return spell(document, in_order=True)


def images_shown(images: Mapping[Touch, Image]) -> dict[str, object]:
    """
    Return what the document says of the objects before the write, by type.
    """
    return {
        touch.object.type: _image(image) for touch, image in sorted(images.items(), key=lambda one: one[0].object.type)
    }


def _image(image: Image) -> object:
    if image.missing is not None:
        return MISSING
    return "absent" if image.data is None else sha256(image.data).hexdigest()


def _caller(caller: Caller) -> dict[str, object]:
    return {
        "agent": caller.agent,
        "key": caller.key_id,
        "task": caller.task,
        "named": caller.named,
        "tokens": list(caller.tokens),
        "caveats": [[f"{one.key}={one.value}", one.id] for one in caller.caveats],
    }


def digest_of(shown: bytes) -> str:
    """
    Return the digest that an approver's word names.
    """
    return sha256(shown).hexdigest()


def _differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return next((name for name in now if was.get(name) != now[name]), "request")


def policy_shown(shown: bytes) -> str:
    """
    Return under which version of the policy something was shown; nothing where it is no document.
    """
    try:
        return str(orjson.loads(shown)["policy"])
    except (ValueError, KeyError, TypeError):
        return ""


def unlike(shown: bytes, go: Forward, account: Account, offer: Offer) -> str | None:
    """
    Return in what a write as it was judged just now is not what was approved, or None where nothing differs.

    `UNSEEN` where that cannot be told: what was seen then could not be read now. `UNSHOWN` where it is the other way
    round: what was parked while nothing was read was shown without what it touches or moves.
    """
    now, grant = bound(go, account, account.current().ref, offer), go.call.grant
    if now == shown:
        return None if grant is not None and digest_of(now) == grant.digest else "digest"
    try:
        was, said = orjson.loads(shown), images_shown(go.facts.images)
        if any(image == MISSING != was["before"].get(kind) for kind, image in said.items()):
            return UNSEEN
        is_moving = was["moves"] is None and go.amount_micros is not None
        why = _differing(was, orjson.loads(now))
        return UNSHOWN if why in {"moves", "before"} and (is_moving or said.keys() - was["before"].keys()) else why
    except (ValueError, KeyError, TypeError, AttributeError):
        return "request"


def rebuilt(showing: Showing, suggested: Suggested, account: Account, namer: Namer) -> Rebuilt:
    """
    Return the write that a suggestion shows, as a call.

    Its names are those of the call that was parked, whatever an approver has edited: so its agent, repeating it, finds
    what was made of it. What it does, and what is not done twice, is the edited one's.
    Raise `LookupError` where it is no document of ours, or no write of this API any more.
    """
    try:
        return _rebuilt(json.loads(showing.shown), showing, suggested, account, namer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LookupError(f"what suggestion {suggested.id} shows cannot be read") from error


def _rebuilt(
    said: Mapping[str, Any], showing: Showing, suggested: Suggested, account: Account, namer: Namer
) -> Rebuilt:
    held = restored(spell(said["request"], in_order=True))
    call = Call(
        id=suggested.id,
        at=suggested.at,
        api=said["target"]["api"],
        caller=_read_caller(said["caller"]),
        operation=retyped(held.request, account),
        request=held.request,
        idempotency_key=held.key,
        door=showing.entry.get("door", {}).get("name", ""),
        way=showing.entry.get("door", {}).get("by", ""),
        duplicate=said["duplicate"],
    )
    names = Names((suggested.fingerprint,), suggested.key, None)
    effect = None if effect_key(call.operation) is None else named_effect(call, namer)
    offer = Offer(said["suggestion"], said["nonce"], tuple(said["reasons"]), read_stamp(said["expires"]))
    call = replace(call, names=replace(names, effect=effect))
    return Rebuilt(call, offer, said["policy"], said["credential"], held.left_out)


def named_effect(call: Call, namer: Namer) -> str | None:
    """
    Return under which name a call's effect is found.
    """
    names = namer.names(call)
    return None if names is None else names.effect


def retyped(request: Request, account: Account) -> Operation:
    """
    Return the write that a request is, with its arguments.

    Raise `LookupError` where it is no operation of this API, or a read by now: nothing that judges a read is asked what
    judges a write.
    """
    match = account.catalog.match(request.base, request.method, request.segments)
    if match is None:
        raise LookupError("no operation of this API has this method and path")
    if match.spec.effect is Effect.READ:
        raise LookupError("this operation is a read by now")
    try:
        return type_arguments(match, request.query, request.body, account.dialect.style)
    except Refused as no:
        raise LookupError(no.detail) from None


def _read_caller(said: Mapping[str, Any]) -> Caller:
    return Caller(
        said["agent"],
        said["key"],
        said["task"],
        said["named"],
        tokens=tuple(said["tokens"]),
        caveats=tuple(_caveat(text, id_) for text, id_ in said["caveats"]),
    )


def _caveat(text: str, id_: str) -> Caveat:
    key, _, value = text.partition("=")
    return Caveat(key, value, id_)
