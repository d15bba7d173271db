"""Customers and the cards that belong to them."""

from __future__ import annotations

import re

from loadtest.upstreams.stripe.account import Account, Customer, PaymentMethod
from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.pages import page
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import CUSTOMER_TEXTS, Shape, customer, deleted, payment_method

_QUERY = re.compile(r"""(email|name|phone)\s*:\s*(["'])(.*)\2""")


# Stripe's own names for test cards, and those of them that pay.
_GOOD_CARDS = frozenset({"pm_card_visa", "tok_visa"})
_TEST_CARDS = _GOOD_CARDS | {"pm_card_visa_chargeDeclined", "pm_card_chargeCustomerFail", "tok_chargeDeclined"}


def create(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Make a customer.
    """
    thing = Customer(account.mint("cus_", 14), account.now())
    _apply(thing, params)
    return customer(account.add(thing, "customer.created"))


def update(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Change the fields that are named, leave the others.
    """
    thing = account.get(Customer, "customer", ids[0])
    _apply(thing, params)
    account.changed("customer.updated")
    return customer(thing)


def _apply(thing: Customer, params: Params) -> None:
    fields = {name: params.text(name) for name in CUSTOMER_TEXTS if params.has(name)}
    address = params.mapping("address") if params.has("address") else thing.address
    balance = params.integer("balance", least=-99_999_999)
    metadata = params.metadata(thing.metadata)
    params.finish()
    email = fields.get("email")
    if email is not None and "@" not in email:
        raise ApiError(400, f"Invalid email address: {email}", code="email_invalid", param="email")
    thing.fields |= fields
    thing.address = address
    thing.balance = thing.balance if balance is None else balance
    thing.metadata = metadata


def retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show a customer.
    """
    params.finish()
    return customer(account.get(Customer, "customer", ids[0]))


def delete(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Delete a customer for good.
    """
    params.finish()
    thing = account.get(Customer, "customer", ids[0])
    del account.things[thing.id]
    account.changed("customer.deleted")
    return deleted(thing, "customer")


def list_(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List customers, newest first.
    """
    things = account.all(Customer)
    if params.has("email"):
        email = params.text("email")
        things = [thing for thing in things if thing.fields.get("email") == email]
    return page(account, things, params, "/v1/customers", "customer")


def search(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Find customers by one field; of the query language only `field:"value"` is known here.
    """
    query = params.required("query")
    limit = params.integer("limit", least=1)
    params.text("page")
    params.finish()
    clause = _QUERY.fullmatch(query.strip())
    if clause is None:
        raise ApiError(400, "We were unable to parse your search query.", param="query")
    found = [thing for thing in account.all(Customer) if thing.fields.get(clause[1]) == clause[3]]
    return {
        "object": "search_result",
        "data": [customer(thing) for thing in found[: limit or 10]],
        "has_more": False,
        "next_page": None,
        "url": "/v1/customers/search",
    }


def method_retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show a payment method.
    """
    params.finish()
    return payment_method(account.get(PaymentMethod, "PaymentMethod", ids[0]))


def method_attach(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Give a payment method to a customer; one of Stripe's well-known test methods becomes an object first.
    """
    owner = params.required("customer")
    params.finish()
    account.get(Customer, "customer", owner, "customer")
    thing = method_of(account, ids[0], "id")
    thing.customer = owner
    account.changed("payment_method.attached")
    return payment_method(thing)


def method_of(account: Account, id_: str, param: str) -> PaymentMethod:
    """
    Return the payment method of that id; Stripe's well-known test cards become an object of their own.
    """
    if id_ in _TEST_CARDS:
        thing = PaymentMethod(account.mint("pm_"), account.now(), declines=id_ not in _GOOD_CARDS)
        account.things[thing.id] = thing
        return thing
    return account.get(PaymentMethod, "PaymentMethod", id_, param)
