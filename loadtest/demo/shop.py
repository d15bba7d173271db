"""The shop that the demo's customer bought from, before there was an agent; and stripe-python, sent to an address."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import stripe

from loadtest.demo.record import Shown, UnexpectedError, call_in, expect_refusal


@dataclass(frozen=True, slots=True)
class Sold:
    """
    Who bought, and what was charged for it.
    """

    customer: str
    charge: str


@contextlib.contextmanager
def client(
    url: str, key: str, transport: stripe.RequestsClient | None = None, retries: int | None = None
) -> Iterator[stripe.StripeClient]:
    """
    Point the vendor's SDK at an address; it sends again as often as it does by itself, unless told how often.
    """
    http = transport or stripe.RequestsClient()
    addresses = {"api": url, "connect": url, "files": url, "meter_events": url}
    try:
        yield stripe.StripeClient(
            key,
            base_addresses=addresses,  # type: ignore[arg-type]
            http_client=http,
            max_network_retries=retries,
        )
    finally:
        http.close()  # type: ignore[no-untyped-call]


def sell(url: str, key: str) -> Sold:
    """
    Sell something for 180 USD with the real key, without Breakwater.
    """
    with client(url, key) as shop:
        customer = shop.v1.customers.create({"email": "ada@shop.test", "name": "Ada"})
        payment = shop.v1.payment_intents.create(
            {
                "amount": 18000,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": "pm_card_visa",
                "confirm": True,
            }
        )
        return Sold(customer.id, str(payment.latest_charge))


def refused(attempt: Callable[[], object], reason: str) -> Shown:
    """
    Raise unless the SDK raises its own permission error, with the reason and a first sentence of ours.
    """
    try:
        attempt()
    except stripe.PermissionError as error:
        return expect_refusal("stripe.PermissionError", error.user_message, reason, error.json_body, call_in(error))
    raise UnexpectedError("it was not refused")
