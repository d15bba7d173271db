"""
The ten stages, in order, as a table of calls: what each is answered, and what is on record of it.

`{charge}` in a row is a charge of 50 USD of its own. A row without a kind of record was refused before it had an agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loadtest.upstreams.faults import Fault, HangUp, Malformed, Status
from tests.proxy.road import Headers

NOTHING = "Nothing was sent to Stripe."
SENT = "The request WAS sent to Stripe."
EARLY = "The request may have been sent to Stripe; we do not know yet if it took effect."
DOUBT = "The request WAS sent to Stripe; we do not know if it took effect."

UNKNOWN_KEY = "bwk_aaaaaaaa_" + "b" * 52
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Row:
    """One call: where it ends, with what status, under which decision, with what on record."""

    name: str
    method: str
    target: str
    status: int
    decision: str
    kinds: tuple[str, ...] = ("call.decision",)
    form: Mapping[str, object] | None = None
    headers: Headers = ()
    key: str | None = None
    body: bytes = b""
    media: str | None = None
    faults: tuple[Fault, ...] = ()
    outcome: str = "denied"
    dispatched: str = "no"
    sentence: str = NOTHING
    retry_after: str | None = None
    stopped: bool = False
    effects: Mapping[str, int] = field(default_factory=dict)
    sends: int = 1


SENDS = 3
"""How often a call leaves at most: once, and twice again."""

EDGE = ()
WRITTEN = ("call.intent", "call.outcome")
CHANGED = (*WRITTEN, "change.recorded")
TASK = (("Breakwater-Task", "t1"),)
LISTED_ACCOUNT = (("Stripe-Account", "acct_listed"),)


def row(name: str, request: str, answered: str, **more: Any) -> Row:
    """
    Return a row of `METHOD TARGET` and `STATUS gate:reason`.
    """
    (method, target), (status, decision) = request.split(" ", 1), answered.split(" ", 1)
    return Row(name, method, target, int(status), decision, **more)


REFUSED = (
    # 1, inbound: the head has one meaning
    row("target", "GET /v1//customers", "400 inbound:target-malformed", kinds=EDGE),
    row("dot segment", "GET /v1/customers/..", "400 inbound:target-malformed", kinds=EDGE),
    row("query twice", "GET /v1/customers?limit=1&limit=2", "400 classify:query-malformed"),
    row("method", "OPTIONS /v1/customers", "405 inbound:method-not-allowed", kinds=EDGE),
    row(
        "expectation",
        "POST /v1/customers",
        "417 inbound:expectation-failed",
        kinds=EDGE,
        headers=(("Expect", "cookies"),),
    ),
    row(
        "deadline",
        "POST /v1/customers",
        "400 inbound:head-malformed",
        kinds=EDGE,
        headers=(("Breakwater-Deadline-Ms", "soon"),),
    ),
    row(
        "key of idempotency",
        "POST /v1/customers",
        "400 inbound:idempotency-key-malformed",
        kinds=EDGE,
        headers=(("Idempotency-Key", "a b"),),
    ),
    row(
        "large head",
        "GET /v1/customers",
        "431 inbound:head-too-large",
        kinds=EDGE,
        headers=tuple((f"X-{n}", "a") for n in range(127)),
    ),
    # 2, identify: one known key; nothing else about the request matters yet
    row("no key", "POST /v1/nothing", "401 identify:key-missing", kinds=EDGE, key="", headers=TASK),
    row(
        "unknown key",
        "POST /v1/nothing",
        "401 identify:key-unknown",
        kinds=EDGE,
        key="",
        headers=(("Authorization", f"Bearer {UNKNOWN_KEY}"),),
    ),
    row(
        "vendor's key",
        "POST /v1/customers",
        "401 identify:key-unknown",
        kinds=EDGE,
        key="",
        headers=(("Authorization", "Bearer not-one-of-ours"),),
    ),
    row(
        "two keys",
        "POST /v1/customers",
        "400 identify:keys-conflict",
        kinds=EDGE,
        headers=(("Breakwater-Key", UNKNOWN_KEY),),
    ),
    row("task", "POST /v1/nothing", "403 identify:task-unknown", headers=TASK),
    # 3, classify: a known operation with typed arguments; what it may do comes later
    row("operation", "POST /v1/nothing", "403 classify:operation-unknown", body=b"x", media="text/plain"),
    row("other method", "PUT /v1/customers", "403 classify:operation-unknown"),
    row("media type", "POST /v1/customers", "415 classify:media-type-unsupported", body=b"{}", media=JSON),
    row("no media type", "POST /v1/customers", "415 classify:media-type-unsupported", body=b"name=a"),
    row("body of a read", "GET /v1/customers", "400 classify:body-malformed", body=b"name=a", media=FORM),
    row("field twice", "POST /v1/customers", "400 classify:body-malformed", body=b"name=a&name=b", media=FORM),
    row("member twice", "POST /v2/core/accounts", "400 classify:body-malformed", body=b'{"a":1,"a":2}', media=JSON),
    row("undeclared", "POST /v1/refunds", "400 classify:argument-undeclared", form={"charge": "ch_1", "amuont": 1}),
    # 4, decide: stop, then the list, then limits
    row("stopped", "POST /v1/payouts", "403 kill:killed", stopped=True),
    row("not listed", "POST /v1/payouts", "403 allowlist:not-allowed", form={"amount": 1, "currency": "usd"}),
    row("read not listed", "GET /v1/refunds", "403 allowlist:not-allowed"),
    row("denied", "DELETE /v1/customers/cus_1", "403 allowlist:not-allowed"),
    row(
        "another's account",
        "POST /v1/refunds",
        "403 allowlist:not-allowed",
        form={"charge": "{charge}", "amount": 999_999},
        headers=LISTED_ACCOUNT,
    ),
    row("only", "POST /v1/products", "403 allowlist:not-allowed", form={"name": "gold"}),
    row("only, absent", "POST /v1/products", "403 allowlist:not-allowed", form={"url": "a"}),
    row(
        "above the limit",
        "POST /v1/payment_intents",
        "403 limits:limit-exceeded",
        form={"amount": 10_001, "currency": "usd"},
    ),
    row(
        "below the limit",
        "POST /v1/payment_intents",
        "403 limits:limit-exceeded",
        form={"amount": 49, "currency": "usd"},
    ),
    row(
        "another currency",
        "POST /v1/payment_intents",
        "403 limits:limit-exceeded",
        form={"amount": 100, "currency": "eur"},
    ),
    row(
        "no amount",
        "POST /v1/payment_intents",
        "403 limits:amount-unbounded",
        form={"currency": "usd"},
    ),
    row(
        "no number",
        "POST /v1/payment_intents",
        "400 duplicates:argument-mistyped",
        form={"amount": "1e2", "currency": "usd"},
    ),
    row(
        "empty amount",
        "POST /v1/payment_intents",
        "400 duplicates:argument-mistyped",
        form={"amount": "", "currency": "usd"},
    ),
    row("two subjects", "POST /v1/refunds", "403 limits:amount-unbounded", form={"charge": "a", "payment_intent": "b"}),
)

FORWARDED = (
    row("read", "GET /v1/charges/{charge}", "200 forward:allowed", kinds=("call.outcome",)),
    row("read of nothing", "GET /v1/charges/ch_none", "404 forward:allowed", kinds=("call.outcome",)),
    row("head", "HEAD /v1/charges/{charge}", "404 forward:allowed", kinds=("call.outcome",)),
    row("read while stopped", "GET /v1/charges/{charge}", "200 forward:allowed", kinds=("call.outcome",), stopped=True),
    row(
        "write",
        "POST /v1/customers",
        "200 forward:allowed",
        kinds=CHANGED,
        form={"name": "written"},
        effects={"customer.created": 1},
    ),
    row(
        "lower bound",
        "POST /v1/payment_intents",
        "200 forward:allowed",
        kinds=CHANGED,
        form={"amount": 50, "currency": "usd"},
        effects={"payment_intent.created": 1},
    ),
    row(
        "upper bound",
        "POST /v1/payment_intents",
        "200 forward:allowed",
        kinds=CHANGED,
        form={"amount": 10_000, "currency": "USD"},
        effects={"payment_intent.created": 1},
    ),
    row(
        "refund",
        "POST /v1/refunds",
        "200 forward:allowed",
        kinds=("call.look", *WRITTEN, "call.look", "change.recorded"),
        form={"charge": "{charge}", "amount": 1200},
        effects={"refund.created": 1},
    ),
    row(
        "refused by the vendor",
        "POST /v1/payment_intents",
        "400 forward:allowed",
        kinds=WRITTEN,
        form={"amount": 100, "currency": "usd", "payment_method": "pm_none"},
    ),
    row(
        "declined",
        "POST /v1/payment_intents",
        "402 forward:allowed",
        kinds=WRITTEN,
        form={"amount": 100, "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa_chargeDeclined"},
        effects={"payment_intent.created": 1, "charge.failed": 1},
    ),
    row(
        "throttled",
        "POST /v1/customers",
        "429 forward:allowed",
        kinds=WRITTEN,
        form={"name": "throttled"},
        faults=(Fault(Status(429, retry_after_s=3)),),
        retry_after="3",
    ),
    row(
        "not implemented",
        "POST /v1/customers",
        "501 forward:allowed",
        kinds=WRITTEN,
        form={"name": "not implemented"},
        faults=(Fault(Status(501)),),
    ),
    row(
        "moved",
        "POST /v1/customers",
        "307 forward:allowed",
        kinds=WRITTEN,
        form={"name": "moved"},
        faults=(Fault(Status(307)),),
    ),
    row(
        "a read's 500",
        "GET /v1/customers",
        "500 forward:allowed",
        kinds=("call.outcome",),
        faults=(Fault(Status(500), times=SENDS),),
        sends=SENDS,
    ),
)

CREATE = {"name": "a"}


def lost(name: str, fault: Fault, **more: Any) -> Row:
    """
    Return a write whose outcome nobody knows, however often it is sent under its key.
    """
    said = {"outcome": "unknown", "dispatched": "unknown", "sentence": DOUBT, "kinds": WRITTEN, "sends": SENDS}
    said |= {"form": {"name": name}, "faults": (replace(fault, method="POST", times=SENDS),)}
    return row(name, "POST /v1/customers", "424 forward:outcome-unknown", **(said | more))


def broken(name: str, answered: str, fault: Fault, sends: int = 1) -> Row:
    """
    Return a read that brought no whole answer.
    """
    said = {"outcome": "executed", "dispatched": "yes", "sentence": SENT, "kinds": ("call.outcome",), "sends": sends}
    return row(name, "GET /v1/customers", answered, faults=(replace(fault, times=sends),), **said)


APPLIED = {"customer.created": 1}
BROKEN = (
    lost("500 before the work", Fault(Status(500))),
    lost("500 after the work", Fault(Status(500), applied=True), effects=APPLIED),
    lost("502", Fault(Status(502))),
    lost("503", Fault(Status(503, retry_after_s=1))),
    lost("504", Fault(Status(504))),
    lost("408", Fault(Status(408))),
    lost("key in use", Fault(Status(409, kind="idempotency_error", code="idempotency_key_in_use"))),
    lost("teapot", Fault(Status(418)), sends=1),
    lost("303", Fault(Status(303)), sends=1),
    lost("hang-up before the work", Fault(HangUp())),
    lost("hang-up after the work", Fault(HangUp(), applied=True), effects=APPLIED),
    lost("reset", Fault(HangUp(reset=True), applied=True), effects=APPLIED),
    lost("no HTTP", Fault(Malformed("not-http")), effects=APPLIED),
    lost("two lengths", Fault(Malformed("two-lengths")), effects=APPLIED),
    row(
        "cut answer",
        "POST /v1/customers",
        "424 forward:answer-not-kept",
        kinds=CHANGED,
        form={"name": "cut"},
        faults=(Fault(Malformed("truncated-body")),),
        outcome="executed",
        dispatched="yes",
        sentence=SENT,
        effects=APPLIED,
    ),
    row(
        "encoded answer",
        "POST /v1/customers",
        "424 forward:answer-not-kept",
        kinds=CHANGED,
        form={"name": "encoded"},
        faults=(Fault(Malformed("gzip")),),
        outcome="executed",
        dispatched="yes",
        sentence=SENT,
        effects=APPLIED,
    ),
    broken("read, hang-up", "502 forward:upstream-malformed", Fault(HangUp()), SENDS),
    broken("read, no HTTP", "502 forward:upstream-malformed", Fault(Malformed("not-http"))),
    broken("read, encoded", "502 forward:upstream-malformed", Fault(Malformed("gzip"))),
    broken("read, late", "504 forward:upstream-timeout", Fault(held=True), SENDS),
)
