"""
The ten stages, in order, as a table of calls: what each is answered, and what is on record of it.

`{charge}` in a row is a charge of 50 USD of its own. A row without a kind of record was refused before it had an agent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio

from breakers.store.protocol import WritesChanged
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.faults import Fault, HangUp, Malformed, Status
from proxy.ledger.disk import RealDisk, Room
from tests.proxy.road import (
    LEDGER,
    SECRET,
    Headers,
    Road,
    call_of,
    charged,
    closed_port,
    first_sentence,
    marks,
    road,
    soon,
)
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = "Nothing was sent to Stripe."
SENT = "The request WAS sent to Stripe."
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


REFUND = "/v1/refunds"
EDGE = ()
WRITTEN = ("call.intent", "call.outcome")
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
        headers=tuple((f"X-{n}", "a") for n in range(126)),
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
    # 3, classify: a known operation with typed arguments; what it may do comes later
    row("task", "POST /v1/nothing", "400 classify:task-unsupported", headers=TASK),
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
        "400 limits:argument-mistyped",
        form={"amount": "1e2", "currency": "usd"},
    ),
    row(
        "empty amount",
        "POST /v1/payment_intents",
        "400 limits:argument-mistyped",
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
        kinds=WRITTEN,
        form={"name": "a"},
        effects={"customer.created": 1},
    ),
    row(
        "lower bound",
        "POST /v1/payment_intents",
        "200 forward:allowed",
        kinds=WRITTEN,
        form={"amount": 50, "currency": "usd"},
        effects={"payment_intent.created": 1},
    ),
    row(
        "upper bound",
        "POST /v1/payment_intents",
        "200 forward:allowed",
        kinds=WRITTEN,
        form={"amount": 10_000, "currency": "USD"},
        effects={"payment_intent.created": 1},
    ),
    row(
        "refund",
        "POST /v1/refunds",
        "200 forward:allowed",
        kinds=("call.look", *WRITTEN),
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
        form={"amount": 100, "currency": "usd", "confirm": "true", "payment_method": "pm_card_chargeDeclined"},
        effects={"payment_intent.created": 1, "charge.failed": 1},
    ),
    row(
        "throttled",
        "POST /v1/customers",
        "429 forward:allowed",
        kinds=WRITTEN,
        form={"name": "a"},
        faults=(Fault(Status(429, retry_after_s=3)),),
        retry_after="3",
    ),
    row(
        "not implemented",
        "POST /v1/customers",
        "501 forward:allowed",
        kinds=WRITTEN,
        form={"name": "a"},
        faults=(Fault(Status(501)),),
    ),
    row(
        "moved",
        "POST /v1/customers",
        "307 forward:allowed",
        kinds=WRITTEN,
        form={"name": "a"},
        faults=(Fault(Status(307)),),
    ),
    row(
        "a read's 500",
        "GET /v1/customers",
        "500 forward:allowed",
        kinds=("call.outcome",),
        faults=(Fault(Status(500)),),
    ),
)

CREATE = {"name": "a"}


def lost(name: str, fault: Fault, **more: Any) -> Row:
    """
    Return a write whose outcome nobody knows.
    """
    said = {"outcome": "unknown", "dispatched": "unknown", "sentence": DOUBT, "form": CREATE, "kinds": WRITTEN}
    return row(name, "POST /v1/customers", "424 forward:outcome-unknown", faults=(fault,), **(said | more))


def broken(name: str, answered: str, fault: Fault) -> Row:
    """
    Return a read that brought no whole answer.
    """
    said = {"outcome": "executed", "dispatched": "yes", "sentence": SENT, "kinds": ("call.outcome",)}
    return row(name, "GET /v1/customers", answered, faults=(fault,), **said)


APPLIED = {"customer.created": 1}
BROKEN = (
    lost("500 before the work", Fault(Status(500))),
    lost("500 after the work", Fault(Status(500), applied=True), effects=APPLIED),
    lost("502", Fault(Status(502))),
    lost("503", Fault(Status(503, retry_after_s=1))),
    lost("504", Fault(Status(504))),
    lost("408", Fault(Status(408))),
    lost("key in use", Fault(Status(409, kind="idempotency_error", code="idempotency_key_in_use"))),
    lost("teapot", Fault(Status(418))),
    lost("303", Fault(Status(303))),
    lost("hang-up before the work", Fault(HangUp())),
    lost("hang-up after the work", Fault(HangUp(), applied=True), effects=APPLIED),
    lost("reset", Fault(HangUp(reset=True), applied=True), effects=APPLIED),
    lost("no HTTP", Fault(Malformed("not-http")), effects=APPLIED),
    lost("two lengths", Fault(Malformed("two-lengths")), effects=APPLIED),
    row(
        "cut answer",
        "POST /v1/customers",
        "424 forward:answer-not-kept",
        kinds=WRITTEN,
        form=CREATE,
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
        kinds=WRITTEN,
        form=CREATE,
        faults=(Fault(Malformed("gzip")),),
        outcome="executed",
        dispatched="yes",
        sentence=SENT,
        effects=APPLIED,
    ),
    broken("read, hang-up", "502 forward:upstream-malformed", Fault(HangUp())),
    broken("read, no HTTP", "502 forward:upstream-malformed", Fault(Malformed("not-http"))),
    broken("read, encoded", "502 forward:upstream-malformed", Fault(Malformed("gzip"))),
    broken("read, late", "504 forward:upstream-timeout", Fault(held=True)),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream of every row.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(sandbox: StripeSandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give the road of every row.
    """
    timeouts = {"first_byte": "300ms"}
    async with road(tmp_path_factory.mktemp("road"), sandbox.url, timeouts=timeouts) as running:
        yield running


async def made(case: Row, on: Road, sandbox: StripeSandbox) -> Answer:
    """
    Make the row's call, and fail unless the upstream was left with its effects alone.
    """
    # Refusals of one agent are recorded one by one up to a bound a minute.
    on.clock.move(60)
    charge = charged(sandbox)
    sandbox.account.effects.clear()
    sandbox.wiretap.clear()
    sandbox.faults.add(*case.faults)
    form = case.form and {name: str(value).replace("{charge}", charge) for name, value in case.form.items()}
    epoch = on.rooms.store.writes.epoch
    on.rooms.store.apply(WritesChanged(case.stopped, epoch + 1))
    try:
        target = case.target.replace("{charge}", charge)
        answer = await on.ask(
            case.method, target, headers=case.headers, key=case.key, form=form, body=case.body, media=case.media
        )
    finally:
        on.rooms.store.apply(WritesChanged(False, epoch + 2))
        sandbox.faults.clear()
    assert dict(sandbox.account.effects) == dict(case.effects)
    return answer


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_refused(case: Row, shared: Road, sandbox: StripeSandbox) -> None:
    """A call that a stage refuses is answered and recorded by that stage, and nothing of it reaches the upstream."""
    answer = await made(case, shared, sandbox)
    assert marks(answer) == (case.status, case.outcome, case.dispatched, case.decision)
    error = answer.json["error"]
    assert first_sentence(error["message"]) == case.sentence
    assert error["breakwater"]["call"] == call_of(answer)
    assert error["breakwater"]["reason"] == case.decision.partition(":")[2]
    assert answer.header("Stripe-Should-Retry") == "false"
    assert answer.header("Retry-After") is None
    assert await shared.kinds(call_of(answer)) == list(case.kinds)
    assert sandbox.wiretap.requests == []


@pytest.mark.parametrize("case", FORWARDED, ids=lambda case: case.name)
async def test_forwarded(case: Row, shared: Road, sandbox: StripeSandbox) -> None:
    """A call that passes is answered by the upstream, in its own words, and is on record as judged and as ended."""
    answer = await made(case, shared, sandbox)
    assert marks(answer) == (case.status, "executed", "yes", case.decision)
    assert answer.header("Retry-After") == case.retry_after
    assert answer.header("Request-Id") == f"req_{sandbox._requests:014d}"
    assert b"breakwater" not in answer.body
    assert await shared.kinds(call_of(answer)) == list(case.kinds)
    assert shared.rooms.store.open_intents() == ()


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
async def test_broken(case: Row, shared: Road, sandbox: StripeSandbox) -> None:
    """An exchange without a clear end is answered in words that say what is known, and never in a way that invites a re-send."""
    answer = await made(case, shared, sandbox)
    assert marks(answer) == (case.status, case.outcome, case.dispatched, case.decision)
    assert first_sentence(answer.json["error"]["message"]) == case.sentence
    assert answer.header("Stripe-Should-Retry") == "false"
    assert answer.header("Retry-After") is None
    assert len([seen for seen in sandbox.wiretap.requests if seen.method == case.method]) == 1
    records = await shared.on_record(call_of(answer))
    assert [record.kind for record in records] == list(case.kinds)
    unknown = case.dispatched == "unknown"
    assert records[-1].entry["eff"] == {
        "unknown": "unknown",
        "yes": "applied" if case.effects else "not_applied",
    }[case.dispatched]
    doubted = [intent.opened.intent for intent in shared.rooms.store.open_intents() if intent.suspended]
    assert (call_of(answer) in doubted) is unknown


async def test_over_the_limit_only(shared: Road, sandbox: StripeSandbox) -> None:
    """A status of a refusal is never 402 or 2xx, and a 403 never says when to try again."""
    assert {case.status for case in REFUSED} <= {400, 401, 403, 405, 415, 417, 431}
    assert {case.status for case in BROKEN} == {424, 502, 504}


async def test_large_body(shared: Road, sandbox: StripeSandbox) -> None:
    """A body beyond its bound is refused from the head alone, or where it passes the bound, as 413."""
    head = [("Authorization", f"Bearer {shared.keys['support']}")]
    for more, body in (([], None), ([("Transfer-Encoding", "chunked")], b"100000\r\n" + b"a" * 2**20 + b"\r\n1\r\na\r\n")):
        length = 2**20 + 1 if body is None else None
        connection = await shared.connect()
        await connection.send(shared.head("POST", "/v1/customers", [*head, *more], length, FORM) + (body or b""))
        answer = await connection.answer()
        await connection.end()
        assert answer is not None
        assert marks(answer) == (413, "denied", "no", "classify:body-too-large")
        assert await shared.kinds(call_of(answer)) == ["call.decision"]


async def test_unreachable(tmp_path: Any) -> None:
    """An upstream that cannot be reached is 503 with a time to try again, for a read and a write, and nothing was sent."""
    async with road(tmp_path, f"http://127.0.0.1:{closed_port()}") as on:
        for method, form, kinds in (("GET", None, ["call.outcome"]), ("POST", CREATE, list(WRITTEN))):
            answer = await on.ask(method, "/v1/customers", form=form)
            assert marks(answer) == (503, "denied", "no", "forward:upstream-unreachable")
            assert first_sentence(answer.json["error"]["message"]) == NOTHING
            assert answer.header("Retry-After") == "1"
            records = await on.on_record(call_of(answer))
            assert [record.kind for record in records] == kinds
            assert (records[-1].entry["eff"], records[-1].entry["sent"]) == ("not_applied", "no")
        assert on.rooms.store.open_intents() == ()


class Full(RealDisk):
    """A disk that can be full or failing."""

    full = False
    failing = False
    syncs_left = -1

    def room(self, path: Any) -> Room:
        room = super().room(path)
        return replace(room, free=0) if self.full else room

    def sync(self, handle: Any) -> None:
        self.syncs_left -= 1
        if self.failing or self.syncs_left == 0:
            raise OSError(5, "input/output error")
        super().sync(handle)


TIGHT = {**LEDGER, "disk": {"min_free_bytes": 1, "min_free_pct": 0, "reserve_bytes": 0}}


async def test_full_disk(tmp_path: Any, sandbox: StripeSandbox) -> None:
    """While nothing can be recorded, reads, writes and refusals are 503 with a time to try again, and nothing is sent."""
    disk = Full()
    async with road(tmp_path, sandbox.url, disk=disk, ledger=TIGHT) as on:
        disk.full = True
        on.clock.move(2)
        on.rooms.ledger._writer.look_at_space()
        sandbox.wiretap.clear()
        for method, target in (("GET", "/v1/customers"), ("POST", "/v1/customers"), ("POST", "/v1/payouts")):
            answer = await on.ask(method, target)
            assert (answer.status, answer.reason) == (503, "ledger-unavailable")
            assert first_sentence(answer.json["error"]["message"]) == NOTHING
            assert answer.header("Retry-After") == "2"
        assert sandbox.wiretap.requests == []
        disk.full = False


async def test_no_intent(tmp_path: Any, sandbox: StripeSandbox) -> None:
    """A write whose intent cannot be made durable is never sent."""
    disk = Full()
    async with road(tmp_path, sandbox.url, disk=disk) as on:
        disk.failing = True
        sandbox.wiretap.clear()
        answer = await on.ask("POST", "/v1/customers", form=CREATE)
        assert marks(answer) == (503, "denied", "no", "ledger:ledger-unavailable")
        assert sandbox.wiretap.requests == []
        assert on.rooms.ledger.state == "poisoned"


async def test_no_outcome(tmp_path: Any, sandbox: StripeSandbox) -> None:
    """A write whose outcome cannot be made durable is unknown to its caller, whatever the upstream said."""
    disk = Full()
    async with road(tmp_path, sandbox.url, disk=disk) as on:
        sandbox.faults.add(Fault(held=True))
        sandbox.account.effects.clear()
        asking = on.ask("POST", "/v1/customers", form=CREATE)
        import asyncio

        task = asyncio.ensure_future(asking)
        await soon(sandbox.faults.holding.is_set)
        disk.failing = True
        sandbox.faults.release()
        answer = await task
        assert marks(answer) == (424, "unknown", "unknown", "ledger:outcome-unknown")
        assert first_sentence(answer.json["error"]["message"]) == DOUBT
        assert sandbox.account.effects == {"customer.created": 1}
