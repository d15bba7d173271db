"""Ten thousand changes of what was approved, each of any one byte of it: none is what the approver's word is for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from yarl import URL

from breakers.call import Call, Caller, Form, Json, Multipart, Opaque, Operation, Part, Request
from breakers.caveats import Caveat
from breakers.facts import Facts, Image
from breakers.suggestion import Cause, Grant, Park
from breakers.verdict import Forward
from config.catalog import (
    NO_ARGUMENTS,
    After,
    Before,
    Content,
    Effect,
    ObjectSpec,
    OperationSpec,
    Reversibility,
    Touch,
)
from proxy.account import Account
from proxy.binding import Offer, bound, digest_of, reasons_of, unlike

MUTATIONS = 10_000

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
IMAGE = b'{"id":"ch_1","amount":5000,"refunded":false,"metadata":{"order":"6735"}}'
TOUCH = Touch(ObjectSpec("charge", "charges.retrieve", ("charge",)), (), Before.WANTED, After.READ)
SPEC = OperationSpec(
    api="stripe",
    name="refunds.create",
    method="POST",
    path="/v1/refunds",
    base="api",
    effect=Effect.IRREVERSIBLE,
    contents={"application/json": Content.JSON},
    arguments=NO_ARGUMENTS,
    reversibility=Reversibility.IRREVERSIBLE,
)
BODIES = (
    Json({"charge": "ch_1", "amount": 500, "flags": [True, None, 1.5], "metadata": {"order": "6735"}}),
    Form((("charge", "ch_1"), ("amount", "500"), ("metadata[order]", "6735"))),
    Multipart((Part("purpose", None, None, b"evidence"), Part("file", "a.png", "image/png", b"\x89PNG\x00\xff"))),
    Opaque(b"\x00\x01 any bytes \xff"),
)


@dataclass(frozen=True)
class _Held:
    ref: str


@dataclass(frozen=True)
class _Account:
    """What of an account the document is made from."""

    origin: str = "https://api.stripe.com"
    socket: str = ""
    ref: str = "stripe@1"

    @property
    def origins(self) -> dict[str, URL]:
        return {"api": URL(self.origin), "files": URL("https://files.stripe.com")}

    @property
    def sockets(self) -> dict[str, str]:
        return {"api": self.socket} if self.socket else {}

    def current(self) -> _Held:
        return _Held(self.ref)


@dataclass(frozen=True)
class Shown:
    """What was approved: the write as it was judged, the account, what else was shown."""

    go: Forward
    account: _Account
    offer: Offer

    def document(self) -> bytes:
        return bound(self.go, cast("Account", self.account), self.account.ref, self.offer)

    def is_refused(self, shown: bytes) -> bool:
        return unlike(shown, self.go, cast("Account", self.account), self.offer) is not None

    def at(self, **more: Any) -> Shown:
        """
        Return it with another call.
        """
        return replace(self, go=replace(self.go, call=replace(self.go.call, **more)))

    def asking(self, **more: Any) -> Shown:
        """
        Return it with another request.
        """
        return self.at(request=replace(self.go.call.request, **more))


def approved(number: int) -> Shown:
    caveats = (Caveat("t", "support/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB", "a1"), Caveat("p", "stripe", "b2"))
    caller = Caller("support", "kid1", "support/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB", True, None, ("a1", "b2"), caveats)
    request = Request(
        "api",
        "POST",
        ("v1", "refunds"),
        (("expand", "charge"),),
        (("accept", "*/*"), ("stripe-version", "2026-01-01")),
        "application/json",
        BODIES[number % len(BODIES)],
        redirecting=(("stripe-account", "acct_1"),),
    )
    call = Call("CALL", NOW, "stripe", caller, Operation(SPEC, {}), request, idempotency_key="k-1")
    park = Park(Cause.APPROVAL, "refunds.create", "Over 20 USD.", "finance", 900.0, waits=True)
    offer = Offer("01M7YZMHG07MJF2RT9FSN56HC5", "00" * 16, reasons_of((park,)), NOW + timedelta(minutes=15))
    facts = Facts(NOW, 1, images={TOUCH: Image(IMAGE, NOW)})
    shown = Shown(Forward(call, facts, "policy-1", ("refunds.create",), 5_000_000, "USD"), _Account(), offer)
    grant = Grant(offer.suggestion, digest_of(shown.document()), frozenset({park.id}), "ana")
    return shown.at(grant=grant)


def other_text(text: str, draw: random.Random) -> str:
    """
    Return a text that differs in one character.
    """
    at, letter = draw.randrange(len(text) + 1), draw.choice("abcXYZ019-_. \u202e")
    kept = draw.choice(
        (text[:at] + letter + text[at:], text[:at] + letter + text[at + 1 :], text[:at] + text[at + 1 :])
    )
    return kept if kept != text else text + letter


def other_bytes(data: bytes, draw: random.Random) -> bytes:
    """
    Return bytes that differ in one.
    """
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ draw.randrange(1, 256)]) + data[at + 1 :]


def other_body(body: object, draw: random.Random) -> object:
    match body:
        case Json(value):
            name = draw.choice(sorted(cast("dict[str, object]", value)))
            held = cast("dict[str, object]", value)
            changed: dict[str, Any] = {
                "amount": draw.choice([501, 500.0, "500", None, True]),
                "flags": [True, None],
                "metadata": {},
            }
            return Json({**held, name: changed.get(name, other_text("ch_1", draw))})
        case Form(pairs):
            at = draw.randrange(len(pairs))
            return Form((*pairs[:at], (pairs[at][0], other_text(pairs[at][1], draw)), *pairs[at + 1 :]))
        case Multipart((field, file)):
            return Multipart((field, replace(file, data=other_bytes(file.data, draw))))
        case Opaque(data):
            return Opaque(other_bytes(data, draw))
        case _:
            raise AssertionError(body)


def _caller(shown: Shown, draw: random.Random) -> Shown:
    caller, name = shown.go.call.caller, draw.choice(("agent", "key_id", "task", "named", "tokens", "caveats"))
    match name:
        case "named":
            return shown.at(caller=replace(caller, named=False))
        case "tokens":
            return shown.at(caller=replace(caller, tokens=caller.tokens[: draw.randrange(2)]))
        case "caveats":
            return shown.at(caller=replace(caller, caveats=caller.caveats[: draw.randrange(2)]))
        case _:
            other: Any = {name: other_text(getattr(caller, name), draw)}
            return shown.at(caller=replace(caller, **other))


def _target(shown: Shown, draw: random.Random) -> Shown:
    request, name = shown.go.call.request, draw.choice(("segments", "query", "method", "base", "api", "redirecting"))
    match name:
        case "segments":
            return shown.asking(segments=(*request.segments[:-1], other_text(request.segments[-1], draw)))
        case "query" | "redirecting":
            ((key, value),) = getattr(request, name)
            return shown.asking(**{name: ((key, other_text(value, draw)),)})
        case "method":
            return shown.asking(method=draw.choice(("PUT", "PATCH", "DELETE")))
        case "base":
            return shown.asking(base="files")
        case _:
            return shown.at(api=other_text("stripe", draw))


def _account(shown: Shown, draw: random.Random) -> Shown:
    origins = ("https://api.stripe.com:444", "http://api.stripe.com", "https://api.stripe.co", "https://10.0.0.1")
    changed = draw.choice(({"origin": draw.choice(origins)}, {"socket": "/run/other.sock"}))
    return replace(shown, account=replace(shown.account, **changed))


def _before(shown: Shown, draw: random.Random) -> Shown:
    image = draw.choice((Image(other_bytes(IMAGE, draw), NOW), Image(None, NOW), Image(at=NOW, missing="gone")))
    return replace(shown, go=replace(shown.go, facts=replace(shown.go.facts, images={TOUCH: image})))


def _headers(shown: Shown, draw: random.Random) -> Shown:
    first, (name, value) = shown.go.call.request.headers
    return shown.asking(headers=(first, (name, other_text(value, draw))))


def _moves(shown: Shown, draw: random.Random) -> Shown:
    amount, currency = draw.choice(((5_000_001, "USD"), (None, None), (5_000_000, "EUR"), (-5_000_000, "USD")))
    return replace(shown, go=replace(shown.go, amount_micros=amount, currency=currency))


def _digest(shown: Shown, draw: random.Random) -> Shown:
    grant = shown.go.call.grant
    assert grant is not None
    digits = bytearray(grant.digest.encode())
    at = draw.randrange(len(digits))
    digits[at] = ord(draw.choice("0123456789abcdef".replace(chr(digits[at]), "")))
    return shown.at(grant=replace(grant, digest=digits.decode()))


# One way to change each thing that a word is bound to.
WAYS: dict[str, Callable[[Shown, random.Random], Shown]] = {
    "body": lambda shown, draw: shown.asking(body=other_body(shown.go.call.request.body, draw)),
    "target": _target,
    "headers": _headers,
    "key": lambda shown, draw: shown.at(idempotency_key=draw.choice((None, other_text("k-1", draw)))),
    "repeat meant": lambda shown, _: shown.at(duplicate=True),
    "caller": _caller,
    "account": _account,
    "credential": lambda shown, draw: replace(
        shown, account=replace(shown.account, ref=other_text(shown.account.ref, draw))
    ),
    "policy": lambda shown, draw: replace(
        shown, go=replace(shown.go, policy_version=other_text(shown.go.policy_version, draw))
    ),
    "before": _before,
    "moves": _moves,
    "digest": _digest,
    "nonce": lambda shown, draw: replace(shown, offer=replace(shown.offer, nonce=other_text("00" * 16, draw))),
    "suggestion": lambda shown, draw: replace(
        shown, offer=replace(shown.offer, suggestion=other_text(shown.offer.suggestion, draw))
    ),
    "expires": lambda shown, draw: replace(
        shown, offer=replace(shown.offer, expires=NOW + timedelta(seconds=draw.randrange(1, 899)))
    ),
    "reasons": lambda shown, _: replace(shown, offer=replace(shown.offer, reasons=())),
}


def test_never() -> None:
    """Whatever one thing differs between what was approved and what would be sent, it is not sent."""
    draw, counted = random.Random(6), Counter[str]()
    originals = [approved(number) for number in range(len(BODIES))]
    documents = [shown.document() for shown in originals]
    assert not any(shown.is_refused(document) for shown, document in zip(originals, documents, strict=True))
    names = sorted(WAYS)
    for number in range(MUTATIONS):
        which, name = number % len(BODIES), names[number % len(names)]
        changed = WAYS[name](originals[which], draw)
        assert changed != originals[which], name
        assert changed.is_refused(documents[which]), (name, changed)
        counted[name] += 1
    assert min(counted.values()) > MUTATIONS // len(WAYS) // 2


def test_stored_bytes() -> None:
    """A document of which any byte is another one has another digest than the one that was approved."""
    draw = random.Random(7)
    for number in range(len(BODIES)):
        shown, grant = approved(number), approved(number).go.call.grant
        document = shown.document()
        assert grant is not None
        for _ in range(500):
            assert digest_of(other_bytes(document, draw)) != grant.digest
