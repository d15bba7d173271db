"""Payment intents and the charges that they become."""

from __future__ import annotations

from loadtest.upstreams.stripe.account import Account, Charge, Customer, PaymentIntent
from loadtest.upstreams.stripe.customers import method_of
from loadtest.upstreams.stripe.errors import ApiError, declined
from loadtest.upstreams.stripe.pages import page
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import Shape, charge, payment_intent

# Accepted and not modelled: the SDK's own examples send them.
_IGNORED_TEXTS = ("return_url", "statement_descriptor", "statement_descriptor_suffix", "setup_future_usage")

# States in which an intent can still be called off.
_CANCELABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_capture"})


def intent_create(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Make a payment intent, and confirm it at once where asked to.
    """
    amount, currency = _money(params)
    confirm = params.boolean("confirm")
    method = params.text("payment_method")
    id_ = account.mint("pi_")
    thing = PaymentIntent(
        id_,
        account.now(),
        params.metadata({}),
        amount=amount,
        currency=currency,
        capture_method=params.choice("capture_method", "automatic", "automatic_async", "manual") or "automatic",
        customer=params.text("customer"),
        description=params.text("description"),
        receipt_email=params.text("receipt_email"),
        client_secret=account.mint(f"{id_}_secret_"),
    )
    params.listing("payment_method_types")
    params.mapping("automatic_payment_methods")
    params.boolean("off_session")
    for name in _IGNORED_TEXTS:
        params.text(name)
    params.finish()
    if thing.customer is not None:
        account.get(Customer, "customer", thing.customer, "customer")
    if method is not None:
        thing.payment_method = method_of(account, method, "payment_method").id
        thing.status = "requires_confirmation"
    account.add(thing, "payment_intent.created")
    if confirm:
        _confirm(account, thing)
    return payment_intent(thing)


def _money(params: Params) -> tuple[int, str]:
    amount = params.integer("amount", least=1)
    if amount is None:
        raise ApiError(400, "Missing required param: amount.", code="parameter_missing", param="amount")
    currency = params.required("currency").lower()
    if len(currency) != 3 or not currency.isalpha():
        raise ApiError(400, f"Invalid currency: {currency}", param="currency")
    return amount, currency


def intent_confirm(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Confirm an intent, with the payment method given here or before.
    """
    method = params.text("payment_method")
    params.text("return_url")
    params.boolean("off_session")
    params.finish()
    thing = account.get(PaymentIntent, "payment_intent", ids[0])
    if thing.status not in {"requires_confirmation", "requires_payment_method"}:
        raise _unexpected(thing, "confirm")
    if method is not None:
        thing.payment_method = method_of(account, method, "payment_method").id
    _confirm(account, thing)
    return payment_intent(thing)


def _confirm(account: Account, thing: PaymentIntent) -> None:
    if thing.payment_method is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise ApiError(400, message, code="payment_intent_unexpected_state", stored=True)
    made = _charge(
        account,
        Charge(
            account.mint("ch_"),
            account.now(),
            dict(thing.metadata),
            amount=thing.amount,
            currency=thing.currency,
            captured=thing.capture_method != "manual",
            customer=thing.customer,
            description=thing.description,
            payment_intent=thing.id,
            payment_method=thing.payment_method,
        ),
    )
    thing.latest_charge = made.id
    if made.status == "failed":
        thing.status = "requires_payment_method"
        raise declined(made.id)
    thing.status = "succeeded" if made.captured else "requires_capture"
    thing.amount_received = made.amount_captured


def _charge(account: Account, thing: Charge) -> Charge:
    if method_of(account, str(thing.payment_method), "payment_method").declines:
        thing.status, thing.captured = "failed", False
        return account.add(thing, "charge.failed")
    if thing.captured:
        thing.amount_captured = thing.amount
        thing.balance_transaction = account.mint("txn_")
    return account.add(thing, "charge.created")


def intent_capture(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Take the money that an intent holds.
    """
    amount = params.integer("amount_to_capture", least=1)
    params.finish()
    thing = account.get(PaymentIntent, "payment_intent", ids[0])
    if thing.status != "requires_capture" or thing.latest_charge is None:
        raise _unexpected(thing, "capture")
    held = account.get(Charge, "charge", thing.latest_charge)
    _capture(account, held, amount, "amount_to_capture")
    thing.status, thing.amount_received = "succeeded", held.amount_captured
    account.changed("payment_intent.captured")
    return payment_intent(thing)


def _capture(account: Account, held: Charge, amount: int | None, param: str) -> None:
    if amount is not None and amount > held.amount:
        raise ApiError(400, "Amount is greater than the amount that can be captured.", param=param, stored=True)
    held.captured, held.amount_captured = True, amount or held.amount
    held.balance_transaction = account.mint("txn_")


def intent_cancel(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Call an intent off.
    """
    reason = params.choice("cancellation_reason", "duplicate", "fraudulent", "requested_by_customer", "abandoned")
    params.finish()
    thing = account.get(PaymentIntent, "payment_intent", ids[0])
    if thing.status not in _CANCELABLE:
        raise _unexpected(thing, "cancel")
    thing.status, thing.cancellation_reason, thing.canceled_at = "canceled", reason, account.now()
    account.changed("payment_intent.canceled")
    return payment_intent(thing)


def _unexpected(thing: PaymentIntent, verb: str) -> ApiError:
    message = f"You cannot {verb} this PaymentIntent because it has a status of {thing.status}."
    return ApiError(400, message, code="payment_intent_unexpected_state", stored=True)


def intent_update(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Change an intent's words, not its money.
    """
    thing = account.get(PaymentIntent, "payment_intent", ids[0])
    description = params.text("description") if params.has("description") else thing.description
    receipt_email = params.text("receipt_email") if params.has("receipt_email") else thing.receipt_email
    metadata = params.metadata(thing.metadata)
    params.finish()
    thing.description, thing.receipt_email, thing.metadata = description, receipt_email, metadata
    account.changed("payment_intent.updated")
    return payment_intent(thing)


def intent_retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show an intent.
    """
    params.text("client_secret")
    params.finish()
    return payment_intent(account.get(PaymentIntent, "payment_intent", ids[0]))


def intent_list(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List intents, newest first.
    """
    things = account.all(PaymentIntent)
    if params.has("customer"):
        owner = params.text("customer")
        things = [thing for thing in things if thing.customer == owner]
    return page(account, things, params, "/v1/payment_intents", "payment_intent")


def charge_create(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Charge a card the old way.
    """
    amount, currency = _money(params)
    source = params.required("source")
    thing = Charge(
        account.mint("ch_"),
        account.now(),
        params.metadata({}),
        amount=amount,
        currency=currency,
        captured=params.boolean("capture", default=True),
        customer=params.text("customer"),
        description=params.text("description"),
    )
    params.finish()
    if thing.customer is not None:
        account.get(Customer, "customer", thing.customer, "customer")
    thing.payment_method = method_of(account, source, "source").id
    if _charge(account, thing).status == "failed":
        raise declined(thing.id)
    return charge(account, thing)


def charge_capture(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Take the money that a charge holds.
    """
    amount = params.integer("amount", least=1)
    params.finish()
    thing = account.get(Charge, "charge", ids[0])
    if thing.captured or thing.status != "succeeded":
        message = f"Charge {thing.id} has already been captured."
        raise ApiError(400, message, code="charge_already_captured", stored=True)
    _capture(account, thing, amount, "amount")
    account.changed("charge.captured")
    return charge(account, thing)


def charge_update(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Change a charge's words.
    """
    thing = account.get(Charge, "charge", ids[0])
    description = params.text("description") if params.has("description") else thing.description
    metadata = params.metadata(thing.metadata)
    params.finish()
    thing.description, thing.metadata = description, metadata
    account.changed("charge.updated")
    return charge(account, thing)


def charge_retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show a charge.
    """
    params.finish()
    return charge(account, account.get(Charge, "charge", ids[0]))


def charge_list(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List charges, newest first.
    """
    things = account.all(Charge)
    for name in ("customer", "payment_intent"):
        if params.has(name):
            wanted = params.text(name)
            things = [thing for thing in things if getattr(thing, name) == wanted]
    return page(account, things, params, "/v1/charges", "charge")
