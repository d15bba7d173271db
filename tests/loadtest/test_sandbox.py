from __future__ import annotations

import base64
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.upstreams.stripe import Fault, HangUp, Malformed, Status, StripeSandbox
from tests.clients.compare import Step
from tests.clients.script import everywhere, on_the_sandbox
from tests.clients.sdk import ClientStyle, GlobalStyle, Player, Sdk, client_style, error_of, global_style
from tests.harness import in_thread
from tests.loadtest.plain import SECRET, WAIT_S, post

STYLES = [pytest.param(global_style, id="global"), pytest.param(client_style, id="client")]


def paid(sdk: Sdk, amount: int = 1000) -> str:
    made = sdk.create("payment_intents", amount=amount, currency="usd", payment_method="pm_card_visa", confirm=True)
    return str(made.latest_charge)


# ------------------------------------------------------------------------------------------ the same script, no proxy

OUTCOMES = {
    "paginate": ("pages", None, None),
    "delete": ("deleted", None, None),
    "cancel again": ("error", "InvalidRequestError", 400),
    "400": ("error", "InvalidRequestError", 400),
    "402": ("error", "CardError", 402),
    "404": ("error", "InvalidRequestError", 404),
    "404 of a charge": ("error", "InvalidRequestError", 404),
    "404 without a route": ("error", "InvalidRequestError", 404),
    "400 refunded": ("error", "InvalidRequestError", 400),
    "v2 404": ("error", "InvalidRequestError", 404),
    "500 of a read": ("error", "APIError", 500),
    "502 of a read": ("error", "APIError", 502),
    "503 of a read": ("error", "APIError", 503),
    "402 of a write": ("error", "CardError", 402),
    "403 of a write": ("error", "PermissionError", 403),
    "409 of a write": ("error", "APIError", 409),
    "429 of a write": ("error", "RateLimitError", 429),
    "429 of a read": ("error", "RateLimitError", 429),
}


def outcome(step: Step) -> tuple[str, str | None, int | None]:
    return (step.kind, step.answer["class"], step.answer["status"]) if step.kind == "error" else (step.kind, None, None)


@pytest.mark.parametrize("style", STYLES)
def test_whole_script(upstream: StripeSandbox, style: Callable[..., Any]) -> None:
    """Both styles of the SDK create, read, update, paginate, delete and meet an error of each kind."""
    with style(upstream.url, upstream.url, SECRET) as sdk:
        play = Player(sdk)
        everywhere(play)
        on_the_sandbox(play, upstream)
    for step in play.steps:
        expected = OUTCOMES.get(step.name, ("list" if step.name.split()[-1] in LISTS else "object", None, None))
        assert outcome(step) == expected, step
    assert set(OUTCOMES) - {"v2 404"} <= {step.name for step in play.steps}
    assert upstream.account.effects["refund.created"] == 3


LISTS = {"list", "charges", "refunds"}

# --------------------------------------------------------------------------------------------------- Idempotency-Key


def test_replay(upstream: StripeSandbox) -> None:
    """The same key and parameters are answered alike, marked as replayed, and done once."""
    first = post(upstream, "/v1/customers", "email=a@b.test&name=A", "k1")
    again = post(upstream, "/v1/customers", "name=A&email=a%40b.test", "k1")
    assert (again[0], again[2]) == (first[0], first[2]) == (200, first[2])
    assert (first[1]["Idempotent-Replayed"], again[1]["Idempotent-Replayed"]) == (None, "true")
    assert upstream.effects_by_key["k1"] == {"customer.created": 1}


@pytest.mark.parametrize(("path", "body"), [("/v1/customers", "name=B"), ("/v1/charges", "name=A")])
def test_key_reused(upstream: StripeSandbox, path: str, body: str) -> None:
    """The same key with other parameters, or on another path, is an idempotency error and changes nothing."""
    post(upstream, "/v1/customers", "name=A", "k1")
    status, _, answer = post(upstream, path, body, "k1")
    assert (status, answer["error"]["type"]) == (400, "idempotency_error")
    assert upstream.account.effects.total() == 1


def test_key_in_use(upstream: StripeSandbox) -> None:
    """A second request under a key whose first is still running is a conflict."""
    upstream.faults.add(Fault(applied=True, held=True))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, upstream, "/v1/customers", "name=A", "k1")
        assert upstream.faults.holding.wait(WAIT_S)
        second = post(upstream, "/v1/customers", "name=A", "k1")
        upstream.faults.release()
        assert first.result()[0] == 200
    assert (second[0], second[2]["error"]["code"]) == (409, "idempotency_key_in_use")


@pytest.mark.parametrize("body", ["nonsense=1", "email=nobody", "balance=x"])
def test_invalid_not_kept(upstream: StripeSandbox, body: str) -> None:
    """A request that did not validate leaves its key free."""
    assert post(upstream, "/v1/customers", body, "k1")[0] == 400
    assert post(upstream, "/v1/customers", "name=A", "k1")[0] == 200


@pytest.mark.parametrize(
    ("fault", "repeat", "done"),
    [
        (Fault(Status(500), applied=True), (500, "true"), 1),
        (Fault(Status(500), applied=True, method="POST", path="/v1/c*"), (500, "true"), 1),
        (Fault(Status(500, stored=True)), (500, "true"), 0),
        (Fault(Status(500, stored=False), applied=True), (200, "true"), 1),
        (Fault(Status(500)), (200, None), 1),
        (Fault(Status(429)), (200, None), 1),
        (Fault(Status(409, code="lock_timeout")), (200, None), 1),
    ],
)
def test_failure_kept(upstream: StripeSandbox, fault: Fault, repeat: tuple[int, str | None], done: int) -> None:
    """A failure from execution is replayed as it was; one from before it is not remembered."""
    upstream.faults.add(fault)
    assert isinstance(fault.act, Status)
    assert post(upstream, "/v1/customers", "name=A", "k1")[0] == fault.act.status
    status, headers, _ = post(upstream, "/v1/customers", "name=A", "k1")
    assert (status, headers["Idempotent-Replayed"]) == repeat
    assert upstream.account.effects["customer.created"] == done


def test_decline_kept(upstream: StripeSandbox) -> None:
    """A declined card is declined again under its key, without a second attempt."""
    body = "amount=500&currency=usd&source=tok_chargeDeclined"
    answers = [post(upstream, "/v1/charges", body, "k1") for _ in range(2)]
    assert [status for status, _, _ in answers] == [402, 402]
    assert upstream.account.effects == {"charge.failed": 1}


@pytest.mark.parametrize(("method", "statuses"), [("DELETE", [200, 404]), ("GET", [200, 200])])
def test_key_ignored(upstream: StripeSandbox, method: str, statuses: list[int]) -> None:
    """A key means nothing on a read or a deletion."""
    id_ = post(upstream, "/v1/customers", "name=A", None)[2]["id"]
    assert [post(upstream, f"/v1/customers/{id_}", "", "k1", method)[0] for _ in range(2)] == statuses


# --------------------------------------------------------------------------------------------------- the SDK's retries


@pytest.mark.parametrize(
    ("act", "applied"),
    [
        (HangUp(), True),
        (HangUp(), False),
        (HangUp(reset=True), True),
        (Status(500), False),
        (Status(503), False),
        (Status(409, code="lock_timeout"), False),
        (Malformed("not-http"), True),
    ],
)
def test_retry_once(upstream: StripeSandbox, patient: GlobalStyle, act: Any, applied: bool) -> None:
    """The SDK sends a lost refund again under its key, and it is made once."""
    charge = paid(patient)
    upstream.wiretap.clear()
    upstream.faults.add(Fault(act, applied=applied))
    assert patient.create("refunds", charge=charge, amount=100).amount == 100
    assert upstream.wiretap.count("POST", "/v1/refunds") == 2
    assert len({seen.header("Idempotency-Key") for seen in upstream.wiretap.requests}) == 1
    assert upstream.account.effects["refund.created"] == 1


def test_retries_end(upstream: StripeSandbox, patient: GlobalStyle) -> None:
    """A refund whose execution failed is failed at every retry, and was made once."""
    charge = paid(patient)
    upstream.faults.add(Fault(Status(500), applied=True))
    with pytest.raises(stripe.APIError) as raised:
        patient.create("refunds", charge=charge, amount=100)
    assert error_of(raised.value)["headers"]["idempotent-replayed"] == "true"
    assert (upstream.wiretap.count("POST", "/v1/refunds"), upstream.account.effects["refund.created"]) == (3, 1)


def test_no_retry(upstream: StripeSandbox, sdk: ClientStyle) -> None:
    """A client that was not told to retry makes one request."""
    upstream.faults.add(Fault(HangUp()))
    with pytest.raises(stripe.APIConnectionError):
        sdk.create("customers", name="A")
    assert len(upstream.wiretap.requests) == 1


# -------------------------------------------------------------------------------------------------------- what it keeps


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(1, 900)), max_size=6))
def test_refunds_bounded(amounts: list[int | None]) -> None:
    """Whatever is asked for, a charge never gives back more than it took, and an absent amount is the rest."""
    with ExitStack() as stack:
        upstream = stack.enter_context(in_thread(StripeSandbox(secret=SECRET)))
        sdk = stack.enter_context(client_style(upstream.url, upstream.url, SECRET))
        charge, left = paid(sdk), 1000
        for amount in amounts:
            wanted = left if amount is None else amount
            arguments = {} if amount is None else {"amount": amount}
            if left and wanted <= left:
                left -= sdk.create("refunds", charge=charge, **arguments).amount
                continue
            with pytest.raises(stripe.InvalidRequestError) as refused:
                sdk.create("refunds", charge=charge, **arguments)
            assert (left == 0) == (refused.value.code == "charge_already_refunded")
        assert sdk.retrieve("charges", charge).amount_refunded == 1000 - left
        assert left >= 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9), st.integers(1, 10))
def test_pages_complete(count: int, limit: int) -> None:
    """Pages of any size, walked either way, show every object once and in order."""
    with ExitStack() as stack:
        upstream = stack.enter_context(in_thread(StripeSandbox(secret=SECRET)))
        sdk = stack.enter_context(client_style(upstream.url, upstream.url, SECRET))
        made = [sdk.create("customers", name=str(n)).id for n in range(count)]
        page = sdk.list("customers", limit=limit)
        assert [each.id for each in page.auto_paging_iter()] == made[::-1]
        if count:
            backwards = sdk.list("customers", limit=limit, ending_before=made[0])
            assert [each.id for each in backwards.auto_paging_iter()] == made[1:]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "starting_after=cus_no", "starting_after=a&ending_before=b", "nonsense=1"],
)
def test_bad_page(upstream: StripeSandbox, query: str) -> None:
    """A page that Stripe would not cut is refused."""
    assert post(upstream, f"/v1/customers?{query}", "", None, "GET")[0] == 400


@pytest.mark.parametrize("key", [None, "Bearer wrong", "Basic " + base64.b64encode(b"wrong:").decode(), "wrong"])
def test_unauthenticated(upstream: StripeSandbox, key: str | None) -> None:
    """Nobody gets in without the account's own key."""
    request = urllib.request.Request(
        f"{upstream.url}/v1/customers", headers={} if key is None else {"Authorization": key}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    with refused.value as answer:
        assert answer.code == 401
