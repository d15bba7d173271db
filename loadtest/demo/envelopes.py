"""Scenes of a task: its cap holds, and a token that was narrowed offline cannot do what the one it was made of can."""

from __future__ import annotations

from loadtest.demo.record import Shown, expect
from loadtest.demo.shop import client, refused
from loadtest.demo.stage import Stage


def the_cap_refuses(stage: Stage) -> Shown:
    """
    Under a task that may move 30 USD 11 pass, and of the next 22 nothing is sent.
    """
    made = stage.effects("stripe")["refund.created"]
    with client(stage.door("stripe"), stage.token) as sdk:
        sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 1100})
        shown = refused(
            lambda: sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 2200}), "budget-exhausted"
        )
    counted = stage.effects("stripe")["refund.created"]
    expect(counted == made + 1, f"{counted - made} refunds were made")
    expect("11.00 USD" in shown.sentence, f"the refusal does not say what was taken: {shown.sentence}")
    return shown


def a_narrowed_token_may_do_less(stage: Stage) -> Shown:
    """
    Narrow a task's token to reading charges, as an agent does for a sub-agent: that reads and does not refund.
    """
    token = stage.token
    narrowed = _said(stage, "token", "narrow", token, "r=charges.*:r")
    with client(stage.door("stripe"), narrowed) as sdk:
        expect(sdk.v1.charges.retrieve(stage.sold.charge).id == stage.sold.charge, "another charge was read")
        shown = refused(lambda: sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 300}), "token-narrowed")
    with client(stage.door("stripe"), token) as sdk:
        refund = sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 300})
    expect(refund.status == "succeeded", f"the token that it was made of: {refund.status}")
    return shown


def _said(stage: Stage, *command: str) -> str:
    ended = stage.breakwater.cli(*command)
    expect(ended.code == 0, ended.err)
    return ended.out.strip()
