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
_KEY = "demo-parked"
_STEP_S = 0.1


def errors_trip_the_breaker(stage: Stage) -> Shown:
    """
    Let Stripe fail until the breaker trips: then a refund is parked, nothing of it is sent, and a read passes.
    """
    _release(stage)
    # Remembered under its key, so that what is asked again later is not made then.
    failure = {"status": 500, "stored": True}
    stage.strike("stripe", {"act": failure, "path": "/v1/refunds", "method": "POST", "times": None})
    made = stage.effects("stripe")["refund.created"]
    with client(stage.door("stripe"), stage.key, retries=0) as sdk:
        _until_tripped(sdk, stage)
        parked = refused(lambda: _refund(sdk, stage), "suggest-only")
        customer = sdk.v1.customers.retrieve(stage.sold.customer)
    stage.relieve("stripe")
    expect(customer.email == "ada@shop.test", f"read {customer.email}")
    expect(stage.effects("stripe")["refund.created"] == made, "a parked refund was made")
    return parked


def the_suggestion_is_approved(stage: Stage) -> Shown:
    """
    An approver looks at what is parked and approves it: it is sent once, and the agent that asks again has the answer.
    """
    made = stage.effects("stripe")["refund.created"]
    (parked,) = _said(stage, "suggestions", "list")
    card = _said(stage, "suggestions", "show", parked["suggestion"])
    words = ("suggestions", "approve", parked["suggestion"], "--digest", card["digest"])
    _said(stage, *words, "--token", str(stage.approver))
    with client(stage.door("stripe"), stage.key, retries=0) as sdk:
        refund = _once_executed(sdk, stage)
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
    return sdk.v1.refunds.create(asked, {"idempotency_key": _KEY})  # type: ignore[arg-type]


def _until_tripped(sdk: stripe.StripeClient, stage: Stage) -> None:
    """
    Ask for refunds of which nobody knows how they end, until the breaker has seen enough of that.
    """
    state = ""
    for number in range(_FAILURES_MAX):
        try:
            sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 100 + number})
        except stripe.APIError as error:
            expect("outcome-unknown" in str(error.json_body), f"told {error.json_body}")
        state = _said(stage, "breakers", "show", _BREAKER)["state"]
        if state == "suggest_only":
            return
    raise UnexpectedError(f"{_BREAKER} is {state}")


def _once_executed(sdk: stripe.StripeClient, stage: Stage) -> stripe.Refund:
    """
    Ask again until what was approved was sent: it is answered from that.
    """
    until = time.monotonic() + SOON_S
    while True:
        try:
            return _refund(sdk, stage)
        except stripe.PermissionError as error:
            expect(time.monotonic() < until, f"not executed: {error.user_message}")
            time.sleep(_STEP_S)


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
