"""Scenes at Stripe: what passes, what is refused, and the diff of what was given back."""

from __future__ import annotations

from loadtest.demo.record import Shown, call_in, expect
from loadtest.demo.shop import client, refused
from loadtest.demo.stage import Stage


def a_read_passes(stage: Stage) -> Shown:
    """
    Read a customer.
    """
    with client(stage.door("stripe"), stage.key) as sdk:
        customer = sdk.v1.customers.retrieve(stage.sold.customer)
    expect(customer.email == "ada@shop.test", f"read {customer.email}")
    return Shown(f"{customer.id} is {customer.email}", call_in(customer.last_response))


def a_refund_passes(stage: Stage) -> Shown:
    """
    Refund 25 of 180 USD, find the call in the record, and in it what became of the charge.
    """
    with client(stage.door("stripe"), stage.key) as sdk:
        refund = sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 2500})
    call = call_in(refund.last_response)
    expect((refund.amount, refund.status) == (2500, "succeeded"), f"refunded {refund.amount}: {refund.status}")
    expect(stage.effects("stripe").get("refund.created") == 1, f"the sandbox counts {stage.effects('stripe')}")
    expect(stage.record.newest("stripe", "refunds.create") == call, f"{call} is not the last refund on record")
    diff = stage.record.expect_changed(call, "/charge/amount_refunded", 0, 2500)
    return Shown(f"{refund.id} gave back 25.00 USD; this is what became of the charge", call, diff)


def a_large_refund_is_refused(stage: Stage) -> Shown:
    """
    Ask for 150 USD where 100 is the limit.
    """
    with client(stage.door("stripe"), stage.key) as sdk:
        shown = refused(lambda: sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 15000}), "limit-exceeded")
    expect(stage.effects("stripe").get("refund.created") == 1, f"the sandbox counts {stage.effects('stripe')}")
    return shown


def an_unlisted_operation_is_refused(stage: Stage) -> Shown:
    """
    Delete a customer, which is not on the card.
    """
    with client(stage.door("stripe"), stage.key) as sdk:
        shown = refused(lambda: sdk.v1.customers.delete(stage.sold.customer), "not-allowed")
    expect("customer.deleted" not in stage.effects("stripe"), f"the sandbox counts {stage.effects('stripe')}")
    return shown
