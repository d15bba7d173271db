"""The scene of a lost answer: the refund was made, nobody was told, and the record finds out by itself."""

from __future__ import annotations

import time

import stripe

from loadtest.demo.record import SOON_S, Shown, UnexpectedError, call_in, expect
from loadtest.demo.shop import client
from loadtest.demo.stage import Stage

_STEP_S = 0.1


def a_lost_answer_is_found(stage: Stage) -> Shown:
    """
    Lose every answer to a refund that was made; see the doubt, see it settled, and repeat the refund under its key.
    """
    asked = {"charge": stage.sold.charge, "amount": 1200}
    made = stage.effects("stripe")["refund.created"]
    stage.strike("stripe", {"act": {"hang_up": True}, "applied": True, "path": "/v1/refunds", "times": None})
    with client(stage.door("stripe"), stage.key) as sdk:
        call = _told_that_nobody_knows(sdk, asked)
        expect(call in _in_doubt(stage), f"{call} is not in doubt")
        stage.relieve("stripe")
        _until_settled(stage, call)
        refund = sdk.v1.refunds.create(asked, {"idempotency_key": "demo-lost-answer"})  # type: ignore[arg-type]
    expect(refund.last_response is not None, "the SDK shows no answer")
    said = dict(refund.last_response.headers) if refund.last_response is not None else {}
    expect(said.get("idempotent-replayed") == "true", f"the repeat was answered by {said}")
    expect(said.get("breakwater-intent") == call, f"the repeat is not of {call}")
    counted = stage.effects("stripe")["refund.created"]
    expect(counted == made + 1, f"{counted - made} refunds were made")
    return Shown(f"{refund.id} was made once; its answer was lost, found, and given to the repeat", call)


def _told_that_nobody_knows(sdk: stripe.StripeClient, asked: dict[str, object]) -> str:
    try:
        sdk.v1.refunds.create(asked, {"idempotency_key": "demo-lost-answer"})  # type: ignore[arg-type]
    except stripe.APIError as error:
        expect("outcome-unknown" in str(error.json_body), f"told {error.json_body}")
        expect(error.http_status == 424, f"told by {error.http_status}")
        return call_in(error)
    raise UnexpectedError("a lost answer looks like an answer")


def _in_doubt(stage: Stage) -> set[str]:
    shown = stage.breakwater.cli("doubt", "list", "--json")
    expect(shown.code == 0, shown.err)
    return {doubt["intent"] for doubt in shown.json}


def _until_settled(stage: Stage, call: str) -> None:
    until = time.monotonic() + SOON_S
    while call in _in_doubt(stage):
        expect(time.monotonic() < until, f"{call} is still in doubt")
        time.sleep(_STEP_S)
