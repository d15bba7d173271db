from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from loadtest.upstreams.stripe import Fault, HangUp
from tests.clients.compare import Step, compare
from tests.clients.script import everywhere, on_the_sandbox
from tests.clients.sdk import ClientStyle, Player, Sdk, paid, raised
from tests.clients.stage import SECRET, STYLES, UPSTREAMS, Stage, floors, holds

Figure = Callable[[str, float], None]


def play(sdk: Sdk, on: Stage, upstream: str) -> tuple[list[Step], Counter[tuple[str, str]]]:
    """
    Play the whole script; return what was answered and which writes arrived.
    """
    player = Player(sdk)
    everywhere(player)
    if upstream == "sandbox":
        on_the_sandbox(player, on.sandbox)
    writes = Counter((seen.method, seen.path) for seen in on.sandbox.wiretap.requests if seen.method != "GET")
    return player.steps, writes


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_same_through_the_door(on: Stage, upstream: str, style: str, figure: Figure) -> None:
    """Everything that the SDK shows, and every write that arrives, is the same directly and through Breakwater."""
    with on.direct(upstream, style) as sdk:
        directly, arrived = play(sdk, on, upstream)
    on.reset()
    with on.proxied(upstream, style) as sdk:
        through, arrived_through = play(sdk, on, upstream)
    result = compare(directly, through)
    figure(f"leaves compared on {upstream} by the {style} style", result.leaves)
    assert not result.differences, "\n".join(result.differences)
    assert arrived_through == arrived
    assert result.leaves >= floors()[f"{upstream}-{style}"]


# ---------------------------------------------------------------------------- answers that are ours, not the upstream's


@pytest.mark.parametrize("style", STYLES)
def test_unknown_key(on: Stage, style: str) -> None:
    """A key that nobody minted is a 401 of ours, and nothing is sent."""
    with on.proxied(style=style, key="bw_nobody") as sdk:
        shown = raised(sdk, stripe.AuthenticationError, "retrieve", "customers", "cus_1")
    assert (shown["status"], shown["body"]["error"]["code"]) == (401, "key-unknown")
    assert shown["ours"]["breakwater-dispatched"] == "no"
    assert on.sandbox.wiretap.requests == []


@pytest.mark.parametrize(("verb", "arguments"), [("retrieve", ("customers", "cus_1")), ("create", ("customers",))])
def test_credential_refused(on: Stage, verb: str, arguments: tuple[str, ...]) -> None:
    """An upstream that refuses Breakwater's credential is a 401 that says whose it was."""
    on.sandbox.secret = "rotated"
    try:
        with on.proxied() as sdk:
            shown = raised(sdk, stripe.AuthenticationError, verb, *arguments)
    finally:
        on.sandbox.secret = SECRET
    assert shown["status"] == 401
    assert "Breakwater" in shown["message"]
    assert "Invalid API Key" not in shown["message"]


REFUSED: dict[str, tuple[str, tuple[str, ...], dict[str, Any], str]] = {
    "over its limit": ("create", ("refunds",), {"charge": "paid", "amount": 10_001}, "limit-exceeded"),
    "under its limit": ("create", ("refunds",), {"charge": "paid", "amount": 49}, "limit-exceeded"),
    "all of it": ("create", ("refunds",), {"charge": "paid"}, "limit-exceeded"),
    "of nothing": ("create", ("refunds",), {"charge": "ch_missing", "amount": 100}, "amount-unbounded"),
    "off the list": ("create", ("prices",), {"currency": "usd", "unit_amount": 1}, "not-allowed"),
    "off the list, a read": ("list", ("prices",), {}, "not-allowed"),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("case", REFUSED)
def test_refused(on: Stage, style: str, case: str) -> None:
    """What the card does not allow raises the SDK's permission error, once, with our sentence, and no write arrives."""
    verb, arguments, params, reason = REFUSED[case]
    with on.proxied(style=style) as sdk:
        charge = paid(sdk)
        on.sandbox.wiretap.clear()
        params = params | ({"charge": charge} if params.get("charge") == "paid" else {})
        shown = raised(sdk, stripe.PermissionError, verb, *arguments, **params)
    assert (shown["status"], shown["body"]["error"]["code"], shown["retry"]) == (403, reason, "false")
    assert shown["message"].startswith("Nothing was sent")
    assert (shown["ours"]["breakwater-outcome"], shown["ours"]["breakwater-dispatched"]) == ("denied", "no")
    assert [seen.method for seen in on.sandbox.wiretap.requests if seen.method != "GET"] == []


# ----------------------------------------------------------------------------------------------------- the agent's key


def test_same_key_again(on: Stage) -> None:
    """A write sent again under the agent's key is answered as the first, and leaves once, under a key of ours."""
    with on.proxied() as sdk:
        assert isinstance(sdk, ClientStyle)
        charge = paid(sdk)
        on.sandbox.wiretap.clear()
        options = {"idempotency_key": "agents-own-key"}
        first, again = (sdk.create("refunds", charge=charge, amount=100, options=options) for _ in range(2))
    assert first.id == again.id
    headers, call = again.last_response.headers, first.last_response.headers["Breakwater-Call"]
    assert (headers["Idempotent-Replayed"], headers["Breakwater-Outcome"]) == ("true", "replayed")
    assert headers["Breakwater-Intent"] == call != headers["Breakwater-Call"]
    assert again.last_response.body == first.last_response.body
    (sent,) = [seen for seen in on.sandbox.wiretap.requests if seen.method == "POST"]
    assert str(sent.header("Idempotency-Key")).startswith("bw1_")
    assert not on.sandbox.wiretap.contains("agents-own-key")
    assert on.sandbox.account.effects["refund.created"] == 1


def test_key_reused(on: Stage) -> None:
    """The agent's key on another write is refused by us, with the call that it came with, and is not sent."""
    with on.proxied() as sdk:
        charge = paid(sdk)
        options = {"idempotency_key": "agents-own-key"}
        sdk.create("refunds", charge=charge, amount=100, options=options)
        shown = raised(sdk, stripe.APIError, "create", "refunds", charge=charge, amount=200, options=options)
    error = shown["body"]["error"]
    assert (shown["status"], error["type"], error["code"]) == (422, "idempotency_error", "idempotency-key-reused")
    assert on.sandbox.wiretap.count("POST", "/v1/refunds") == 1
    assert on.sandbox.account.effects["refund.created"] == 1


@pytest.mark.parametrize("style", STYLES)
def test_made_twice(on: Stage, style: str) -> None:
    """A refund made once more, under the new key that the SDK gives it, is refused with the first call's id."""
    with on.proxied(style=style) as sdk:
        charge = paid(sdk)
        first = sdk.create("refunds", charge=charge, amount=100)
        shown = raised(sdk, stripe.PermissionError, "create", "refunds", charge=charge, amount=100)
    assert (shown["status"], shown["body"]["error"]["code"], shown["retry"]) == (403, "duplicate-suspected", "false")
    assert (shown["ours"]["breakwater-outcome"], shown["ours"]["breakwater-dispatched"]) == ("denied", "no")
    assert shown["ours"]["breakwater-intent"] == first.last_response.headers["Breakwater-Call"]
    assert on.sandbox.wiretap.count("POST", "/v1/refunds") == 1


@pytest.mark.parametrize("act", [HangUp(), HangUp(reset=True)])
@pytest.mark.parametrize("applied", [False, True])
def test_answer_lost(on: Stage, act: HangUp, applied: bool) -> None:
    """A write whose answer was lost once is asked for again in the same bytes under its key, and made once."""
    with on.proxied() as sdk:
        charge = paid(sdk)
        on.sandbox.faults.add(Fault(act, applied=applied, method="POST", path="/v1/refunds"))
        assert sdk.create("refunds", charge=charge, amount=100).charge == charge
    sent = [seen for seen in on.sandbox.wiretap.requests if seen.path == "/v1/refunds"]
    assert len(sent) == 2
    assert len({(seen.header("Idempotency-Key"), seen.target, seen.body) for seen in sent}) == 1
    assert on.sandbox.account.effects["refund.created"] == 1


# ------------------------------------------------------------------------------------------- the canaries can be found


def test_key_at_the_upstream(on: Stage) -> None:
    """An upstream that is sent the agent's key fails the run."""
    with STYLES["client"](on.sandbox.url, on.sandbox.url, on.key) as sdk:
        with pytest.raises(stripe.AuthenticationError):
            sdk.retrieve("customers", "cus_1")
        with pytest.raises(AssertionError, match="sent the agent's key"):
            on.check(sdk)


def test_secret_at_the_agent(on: Stage) -> None:
    """An agent that is shown the secret fails the run."""
    with on.direct("sandbox", "client") as sdk:
        sdk.create("customers", description=f"echo of {SECRET}")
        with pytest.raises(AssertionError, match="shown the secret"):
            on.check(sdk)


def test_secret_echoed(on: Stage) -> None:
    """A secret that the upstream itself puts into an answer does not reach the agent."""
    with on.direct("sandbox", "client") as sdk:
        id_ = sdk.create("customers", description=f"echo of {SECRET}").id
    on.sandbox.wiretap.clear()
    with on.proxied() as sdk:
        shown = sdk.retrieve("customers", id_)
    assert shown.description == "echo of " + "*" * len(SECRET)


# --------------------------------------------------------------------------------------------------------- on record


def test_ledger_verifies(on: Stage) -> None:
    """After all of this the ledger verifies, beside the process that is still writing it."""
    with on.proxied() as sdk:
        call = sdk.create("customers", name="last").last_response.headers["Breakwater-Call"]
    assert on.breakwater.cli("ledger", "verify").code == 0
    shown = on.breakwater.cli("ledger", "show", call, "--json")
    assert shown.code == 0
    assert "customers.create" in shown.out
    assert not holds(shown.out.encode(), SECRET)
