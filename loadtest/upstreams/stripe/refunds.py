"""Refunds: of a charge or of the charge behind a payment intent, never more than what is left of it."""

from __future__ import annotations

from loadtest.upstreams.stripe.account import Account, Charge, PaymentIntent, Refund
from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.pages import page
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import Shape, refund


def create(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Give back an amount, or without one all that is left.
    """
    charge_id, intent_id = params.text("charge"), params.text("payment_intent")
    amount = params.integer("amount", least=1)
    reason = params.choice("reason", "duplicate", "fraudulent", "requested_by_customer")
    metadata = params.metadata({})
    params.boolean("refund_application_fee")
    params.boolean("reverse_transfer")
    params.finish()
    if (charge_id is None) == (intent_id is None):
        raise ApiError(
            400, "One of the following params should be provided for this request: payment_intent or charge."
        )
    thing = _charge(account, charge_id, intent_id)
    amount = _bounded(thing, amount)
    thing.amount_refunded += amount
    made = Refund(
        account.mint("re_"),
        account.now(),
        metadata,
        amount=amount,
        currency=thing.currency,
        charge=thing.id,
        payment_intent=thing.payment_intent,
        reason=reason,
        balance_transaction=account.mint("txn_"),
    )
    return refund(account.add(made, "refund.created"))


def _charge(account: Account, charge_id: str | None, intent_id: str | None) -> Charge:
    if charge_id is not None:
        return account.get(Charge, "charge", charge_id, "charge")
    intent = account.get(PaymentIntent, "payment_intent", str(intent_id), "payment_intent")
    if intent.latest_charge is None:
        message = f"This PaymentIntent ({intent.id}) does not have a successful charge to refund."
        raise ApiError(400, message, stored=True)
    return account.get(Charge, "charge", intent.latest_charge)


def _bounded(thing: Charge, amount: int | None) -> int:
    if thing.status != "succeeded":
        raise ApiError(400, f"Charge {thing.id} did not succeed and cannot be refunded.", stored=True)
    if thing.left == 0:
        message = f"Charge {thing.id} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded", stored=True)
    if amount is not None and amount > thing.left:
        asked, left = f"${amount / 100:.2f}", f"${thing.left / 100:.2f}"
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(400, message, param="amount", stored=True)
    return thing.left if amount is None else amount


def update(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Change a refund's metadata, the only thing about it that can be changed.
    """
    thing = account.get(Refund, "refund", ids[0])
    metadata = params.metadata(thing.metadata)
    params.finish()
    thing.metadata = metadata
    account.changed("refund.updated")
    return refund(thing)


def retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show a refund.
    """
    params.finish()
    return refund(account.get(Refund, "refund", ids[0]))


def list_(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List refunds, newest first.
    """
    things = account.all(Refund)
    for name in ("charge", "payment_intent"):
        if params.has(name):
            wanted = params.text(name)
            things = [thing for thing in things if getattr(thing, name) == wanted]
    return page(account, things, params, "/v1/refunds", "refund")


def list_of_charge(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    List the refunds of one charge.
    """
    thing = account.get(Charge, "charge", ids[0])
    things = [each for each in account.all(Refund) if each.charge == thing.id]
    return page(account, things, params, f"/v1/charges/{thing.id}/refunds", "refund")
