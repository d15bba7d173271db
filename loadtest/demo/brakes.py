"""Scenes of the brakes: an API that fails, the suggestion that a write becomes then, and the stop."""

from __future__ import annotations

import json
import time
from typing import Any

import stripe
from jira import JIRAError

from loadtest.demo.card import APPROVER
from loadtest.demo.record import SOON_S, Shown, UnexpectedError, call_in, expect, expect_refusal
from loadtest.demo.shop import client, refused
from loadtest.demo.stage import Stage
from loadtest.demo.tickets import client as jira_client

# A refund cannot be taken back.
_BREAKER = "api:stripe/irreversible"

# More than trips a breaker, and fewer than anybody would wait for.
_FAILURES_MAX = 6

_AMOUNT = 500


def errors_trip_the_breaker(stage: Stage) -> Shown:
    """
    Let Stripe fail until the breaker trips: then the next refund is parked, nothing of it is sent, and a read passes.
    """
    _release(stage)
    # Remembered under its key, so that what is asked again later is not made then.
    failure = {"status": 500, "stored": True}
    stage.strike("stripe", {"act": failure, "path": "/v1/refunds", "method": "POST", "times": None})
    with client(stage.door("stripe"), stage.key, retries=0) as sdk:
        for number in range(_FAILURES_MAX):
            if _state(stage) == "suggest_only":
                break
            _fails(sdk, stage.sold.charge, number)
        stage.relieve("stripe")
        expect(_state(stage) == "suggest_only", f"{_BREAKER} is {_state(stage)}")
        made = stage.effects("stripe")["refund.created"]
        shown = refused(lambda: _refund(sdk, stage), "suggest-only")
        customer = sdk.v1.customers.retrieve(stage.sold.customer)
    expect(customer.email == "ada@shop.test", f"read {customer.email}")
    expect(stage.effects("stripe")["refund.created"] == made, "a parked refund was made")
    return shown


def the_suggestion_is_approved(stage: Stage) -> Shown:
    """
    An approver looks at what is parked and approves it: it is sent once, and the agent that asks again has the answer.
    """
    made = stage.effects("stripe")["refund.created"]
    (parked,) = _said(stage, "suggestions", "list")
    card = stage.breakwater.cli("suggestions", "show", parked["suggestion"])
    expect(card.code == 0 and "5.00 USD" in card.out, f"the card says {card.out}{card.err}")
    shown = _said(stage, "suggestions", "show", parked["suggestion"])
    _said(
        stage,
        "suggestions",
        "approve",
        parked["suggestion"],
        "--digest",
        shown["digest"],
        "--token",
        str(stage.approver),
    )
    _until_executed(stage, parked["suggestion"])
    with client(stage.door("stripe"), stage.key, retries=0) as sdk:
        refund = _refund(sdk, stage)
    counted = stage.effects("stripe")["refund.created"]
    expect(counted == made + 1, f"{counted - made} refunds were made")
    expect(refund.amount == _AMOUNT, f"refunded {refund.amount}")
    return Shown(f"{APPROVER} approved it; {refund.id} was made once", call_in(refund.last_response))


def the_kill_switch_stops_writes(stage: Stage) -> Shown:
    """
    Stop all writes and wait for the proof; a comment is refused while the ticket can be read, and passes once the stop
    is lifted.
    """
    proof = _said(stage, "kill", "--reason", "the demo", "--wait")
    expect(proof["confirmed"], f"the stop is not confirmed: {proof}")
    with jira_client(stage) as sdk:
        ticket = sdk.issue("SHOP-1")
        try:
            sdk.add_comment(ticket, "This is not said.")
        except JIRAError as error:
            if error.response is None:
                raise UnexpectedError("the client shows no answer") from error
            shown = expect_refusal("JIRAError", error.text, "killed", error.response.text, call_in(error.response))
        else:
            raise UnexpectedError("it was not refused")
        _said(stage, "resume", "--reason", "the demo is over", "--full")
        sdk.add_comment(ticket, "This is said.")
        said = [comment.body for comment in sdk.issue(ticket.key).fields.comment.comments]
    expect("This is said." in said and "This is not said." not in said, f"the ticket says {said}")
    return shown


def _refund(sdk: stripe.StripeClient, stage: Stage) -> stripe.Refund:
    asked = {"charge": stage.sold.charge, "amount": _AMOUNT}
    return sdk.v1.refunds.create(asked, {"idempotency_key": "demo-parked"})  # type: ignore[arg-type]


def _fails(sdk: stripe.StripeClient, charge: str, number: int) -> None:
    try:
        sdk.v1.refunds.create({"charge": charge, "amount": 100 + number})
    except stripe.APIError as error:
        expect("outcome-unknown" in str(error.json_body), f"told {error.json_body}")
    else:
        raise UnexpectedError("a failing API made a refund")


def _until_executed(stage: Stage, suggestion: str) -> None:
    until = time.monotonic() + SOON_S
    while (state := _said(stage, "suggestions", "show", suggestion)["state"]) != "executed":
        expect(time.monotonic() < until, f"{suggestion} is {state}")


def _state(stage: Stage) -> str:
    return str(_said(stage, "breakers", "show", _BREAKER)["state"])


def _release(stage: Stage) -> None:
    """
    Let the errors of earlier scenes be forgotten, so that this one begins with breakers that pass.
    """
    for one in _said(stage, "breakers", "list"):
        _said(stage, "breakers", "release", one["breaker"], "--reason", "the demo begins anew")


def _said(stage: Stage, *command: str) -> Any:
    ended = stage.breakwater.cli(*command, "--json")
    expect(ended.code == 0, f"{' '.join(command)}: {ended.err}")
    return json.loads(ended.out)
