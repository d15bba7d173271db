"""The subject read: when it is made, with what, what is on record of it, and what follows when it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from config.settings import Timeouts
from loadtest.installation import agent
from loadtest.upstreams.faults import Fault, HangUp, Malformed, Status
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import PaymentIntent
from tests.proxy.road import SECRET, Road, call_of, charged, first_sentence, marks, road, soon
from tests.proxy.scripted import answer, scripted
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = {"limit": {"amount": "0.50..100 USD"}}
CARDS = {
    "limited": agent({"stripe": {"refunds.create": LIMIT}}, headers={"Stripe-Account": ["acct_listed"]}),
    "free": agent({"stripe": {"refunds.create": {}}}),
    "choosy": agent({"stripe": {"refunds.create": {**LIMIT, "only": {"reason": ["duplicate"]}}}}),
    "payer": agent({"stripe": {"payment_intents.create": LIMIT}}),
}
UNBOUNDED = (403, "denied", "no", "limits:amount-unbounded")
EXCEEDED = (403, "denied", "no", "limits:limit-exceeded")
PASSED = (200, "executed", "yes", "forward:allowed")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(sandbox: StripeSandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road whose looks may take a tenth of a second.
    """
    folder = tmp_path_factory.mktemp("look")
    async with road(folder, sandbox.url, agents=CARDS, timeouts={"look": "100ms"}) as running:
        yield running


async def refund(
    on: Road,
    sandbox: StripeSandbox,
    form: Mapping[str, object],
    agent: str = "limited",
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """
    Ask for a refund, and forget what the upstream saw before.
    """
    on.clock.move(60)
    await soon(lambda: len(on.rooms.pending) == 0)
    sandbox.wiretap.clear()
    sandbox.account.effects.clear()
    return await on.ask("POST", "/v1/refunds", agent=agent, form=form, headers=headers)


def seen(sandbox: StripeSandbox) -> list[str]:
    """
    Return what the upstream was asked until the write, as `METHOD target`; what follows it shows what it changed.
    """
    asked = [f"{one.method} {one.target}" for one in sandbox.wiretap.requests]
    written = next((at for at, line in enumerate(asked) if line.startswith("POST")), len(asked))
    return asked[: written + 1]


async def test_made_for_a_limit(shared: Road, sandbox: StripeSandbox) -> None:
    """A limit on an amount asks for the subject first, each time anew, and once where it is what the write changes."""
    for who in ("limited", "limited", "free"):
        charge = charged(sandbox)
        assert marks(await refund(shared, sandbox, {"charge": charge, "amount": 100}, who)) == PASSED
        assert seen(sandbox) == [f"GET /v1/charges/{charge}", "POST /v1/refunds"]


async def test_not_made(shared: Road, sandbox: StripeSandbox) -> None:
    """A call off its list, or one that says its own amount and currency, asks for nothing."""
    no = await refund(shared, sandbox, {"charge": charged(sandbox), "amount": 100, "reason": "fraudulent"}, "choosy")
    assert no.reason == "not-allowed"
    assert seen(sandbox) == []
    sandbox.wiretap.clear()
    form = {"amount": 100, "currency": "usd"}
    assert marks(await shared.ask("POST", "/v1/payment_intents", agent="payer", form=form)) == PASSED
    assert seen(sandbox) == ["POST /v1/payment_intents"]


async def test_what_it_carries(shared: Road, sandbox: StripeSandbox) -> None:
    """It carries the account's own credential, the API version and a listed account, and neither key of the agent's."""
    headers = (("Stripe-Version", "2026-10-28"), ("Stripe-Account", "acct_listed"), ("Idempotency-Key", "order-1"))
    assert marks(await refund(shared, sandbox, {"charge": charged(sandbox)}, headers=headers)) == PASSED
    look, write, *_ = sandbox.wiretap.requests
    assert look.header("Authorization") == f"Bearer {SECRET}"
    assert look.header("Stripe-Version") == "2026-10-28"
    assert look.header("Stripe-Account") == "acct_listed"
    assert look.header("Idempotency-Key") is None
    assert look.header("Content-Type") is None
    assert write.header("Stripe-Version") == "2026-10-28"
    assert not sandbox.wiretap.contains(shared.keys["limited"])
    assert not sandbox.wiretap.contains("order-1")


async def test_on_record(shared: Road, sandbox: StripeSandbox) -> None:
    """It stands under the call that needed it, before what follows from it, with the answer that it brought."""
    charge = charged(sandbox)
    passed = await refund(shared, sandbox, {"charge": charge, "amount": 700})
    records = await shared.opened(call_of(passed))
    assert [record["entry"]["k"] for record in records][:3] == ["call.look", "call.intent", "call.outcome"]
    assert records[0]["entry"]["op"] == "charges.retrieve"
    assert f'"id": "{charge}"' in records[0]["payloads"]["resp"]["text"]
    assert records[1]["entry"]["moves"] == {"micros": "7000000", "currency": "USD"}
    refused = await refund(shared, sandbox, {"charge": charge, "amount": 10_001})
    assert await shared.kinds(call_of(refused)) == ["call.look", "call.decision"]


@pytest.mark.parametrize(
    ("amount", "refunded", "currency", "asked", "wanted"),
    [
        (5000, 0, "usd", None, PASSED),
        (20_000, 15_000, "usd", None, PASSED),
        (10_000, 0, "usd", None, PASSED),
        (10_001, 0, "usd", None, EXCEEDED),
        (20_000, 0, "usd", None, EXCEEDED),
        (20_000, 0, "usd", 10_000, PASSED),
        (5000, 4951, "usd", None, EXCEEDED),
        (5000, 5000, "usd", None, EXCEEDED),
        (5000, 0, "eur", 100, EXCEEDED),
        (5000, 0, "eur", None, EXCEEDED),
        (50, 0, "jpy", 50, EXCEEDED),
    ],
)
async def test_bound(
    amount: int,
    refunded: int,
    currency: str,
    asked: int | None,
    wanted: tuple[object, ...],
    shared: Road,
    sandbox: StripeSandbox,
) -> None:
    """A refund without an amount moves what is left of its charge, and one in another currency is outside the limit."""
    charge = charged(sandbox, amount, currency, refunded)
    form = {"charge": charge} if asked is None else {"charge": charge, "amount": asked}
    got = await refund(shared, sandbox, form)
    assert marks(got) == wanted
    assert seen(sandbox)[1:] == (["POST /v1/refunds"] if wanted == PASSED else [])


async def test_payment_intent(shared: Road, sandbox: StripeSandbox) -> None:
    """A refund of a payment intent is bounded by what is left of its charge, which the read is asked to show."""
    account = sandbox.account
    for left, wanted in ((9000, PASSED), (11_000, EXCEEDED)):
        intent = PaymentIntent(account.mint("pi_"), account.now(), amount=20_000, status="succeeded")
        intent.latest_charge = charged(sandbox, 20_000, refunded=20_000 - left)
        account.add(intent, "payment_intent.seeded")
        assert marks(await refund(shared, sandbox, {"payment_intent": intent.id})) == wanted
        assert seen(sandbox)[0] == f"GET /v1/payment_intents/{intent.id}?expand%5B%5D=latest_charge"


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Fault(Status(404)), 1),
        (Fault(Status(401)), 1),
        (Fault(Status(429, retry_after_s=1)), 1),
        (Fault(Status(500)), 2),
        (Fault(Status(302)), 1),
        (Fault(HangUp()), 2),
        (Fault(Malformed("truncated-body")), 1),
        (Fault(Malformed("not-json")), 1),
        (Fault(Malformed("gzip")), 1),
        (Fault(held=True), 2),
    ],
    ids=["404", "401", "429", "500", "302", "hang-up", "truncated", "not-json", "gzip", "late"],
)
async def test_fails(fault: Fault, asked: int, shared: Road, sandbox: StripeSandbox) -> None:
    """A look that brings no subject leaves the amount unbounded, nothing is sent, and its record says how it ended."""
    charge = charged(sandbox)
    sandbox.faults.add(replace(fault, method="GET", times=asked))
    no = await refund(shared, sandbox, {"charge": charge, "amount": 100})
    sandbox.faults.clear()
    assert marks(no) == UNBOUNDED
    assert first_sentence(no.json["error"]["message"]) == "Nothing was sent to Stripe."
    assert no.header("Retry-After") is None
    assert seen(sandbox) == [f"GET /v1/charges/{charge}"] * asked
    assert sandbox.account.effects["refund.created"] == 0
    look, decision = await shared.on_record(call_of(no))
    assert (look.kind, decision.kind) == ("call.look", "call.decision")
    assert look.entry["eff"] == "not_applied"


async def test_two_seconds() -> None:
    """A look has two seconds unless the configuration says otherwise."""
    assert Timeouts().look_s == 2.0


@pytest.mark.parametrize("name", ["", "..", "ch_1/refunds", "ch_1?expand[]=x", "ch 1", "ch_1#", "é", "a" * 256])
async def test_steered(name: str, shared: Road, sandbox: StripeSandbox) -> None:
    """A subject that could lead the read elsewhere is no object's id, so nothing is asked and nothing sent."""
    no = await refund(shared, sandbox, {"charge": name, "amount": 100})
    assert (no.status, no.reason) == (403, "amount-unbounded")
    assert seen(sandbox) == []


@pytest.mark.parametrize(
    "said",
    [
        b"[]",
        b'{"amount": 5000, "amount_refunded": 0}',
        b'{"currency": 7, "amount": 5000, "amount_refunded": 0}',
        b'{"currency": "usd", "amount": 50.5, "amount_refunded": 0}',
        b'{"currency": "usd", "amount": "5000", "amount_refunded": 0}',
        b'{"currency": "usd", "amount": true, "amount_refunded": 0}',
        b'{"currency": "usd", "amount": 5000}',
        b'{"currency": "usd", "amount": 1, "amount": 5000, "amount_refunded": 0}',
        b'{"currency": "usd", "amount": 5000, "amount_refunded": 0, "x": "' + b"a" * 2**18 + b'"}',
    ],
    ids=["list", "no currency", "number", "fraction", "text", "truth", "half", "twice", "large"],
)
async def test_says_too_little(said: bytes, tmp_path: Path) -> None:
    """A subject without a currency and whole numbers, said once and within bounds, bounds nothing."""
    async with scripted() as upstream, road(tmp_path, upstream.url, agents=CARDS) as on:
        upstream.then(answer(200, said))
        assert marks(await on.ask("POST", "/v1/refunds", agent="limited", form={"charge": "ch_1"})) == UNBOUNDED
        assert [asked.line for asked in upstream.asked] == ["GET /v1/charges/ch_1 HTTP/1.1"]


@pytest.mark.parametrize("status", [201, 203, 206, 404, 500])
async def test_only_200(status: int, tmp_path: Path) -> None:
    """A subject under any other status than 200 bounds nothing, however whole it looks."""
    good = b'{"currency": "usd", "amount": 5000, "amount_refunded": 0}'
    async with scripted() as upstream, road(tmp_path, upstream.url, agents=CARDS) as on:
        upstream.then(answer(status, good))
        assert marks(await on.ask("POST", "/v1/refunds", agent="limited", form={"charge": "ch_1"})) == UNBOUNDED
        upstream.then(answer(200, good))
        assert marks(await on.ask("POST", "/v1/refunds", agent="limited", form={"charge": "ch_1"})) == PASSED
