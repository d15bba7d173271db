"""Which method and path is which handler."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from loadtest.upstreams.stripe import billing, customers, destinations, files, payments, refunds
from loadtest.upstreams.stripe.account import Account
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import Shape

Handler = Callable[[Account, tuple[str, ...], Params], Shape]

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/customers", customers.create),
    ("GET", "/v1/customers", customers.list_),
    ("GET", "/v1/customers/search", customers.search),
    ("GET", "/v1/customers/{}", customers.retrieve),
    ("POST", "/v1/customers/{}", customers.update),
    ("DELETE", "/v1/customers/{}", customers.delete),
    ("GET", "/v1/payment_methods/{}", customers.method_retrieve),
    ("POST", "/v1/payment_methods/{}/attach", customers.method_attach),
    ("POST", "/v1/payment_intents", payments.intent_create),
    ("GET", "/v1/payment_intents", payments.intent_list),
    ("GET", "/v1/payment_intents/{}", payments.intent_retrieve),
    ("POST", "/v1/payment_intents/{}", payments.intent_update),
    ("POST", "/v1/payment_intents/{}/confirm", payments.intent_confirm),
    ("POST", "/v1/payment_intents/{}/capture", payments.intent_capture),
    ("POST", "/v1/payment_intents/{}/cancel", payments.intent_cancel),
    ("POST", "/v1/charges", payments.charge_create),
    ("GET", "/v1/charges", payments.charge_list),
    ("GET", "/v1/charges/{}", payments.charge_retrieve),
    ("POST", "/v1/charges/{}", payments.charge_update),
    ("POST", "/v1/charges/{}/capture", payments.charge_capture),
    ("GET", "/v1/charges/{}/refunds", refunds.list_of_charge),
    ("POST", "/v1/refunds", refunds.create),
    ("GET", "/v1/refunds", refunds.list_),
    ("GET", "/v1/refunds/{}", refunds.retrieve),
    ("POST", "/v1/refunds/{}", refunds.update),
    ("GET", "/v1/disputes", billing.dispute_list),
    ("GET", "/v1/invoices/{}", billing.invoice_retrieve),
    ("POST", "/v1/invoices/{}/pay", billing.invoice_pay),
    ("POST", "/v1/files", files.create),
    ("GET", "/v1/files", files.list_),
    ("GET", "/v1/files/{}", files.retrieve),
    ("POST", "/v2/core/event_destinations", destinations.create),
    ("GET", "/v2/core/event_destinations", destinations.list_),
    ("GET", "/v2/core/event_destinations/{}", destinations.retrieve),
    ("POST", "/v2/core/event_destinations/{}", destinations.update),
    ("DELETE", "/v2/core/event_destinations/{}", destinations.delete),
)

ROUTES = {(method, tuple(path.split("/"))): handler for method, path, handler in _ROUTES}


def route(method: str, path: str) -> tuple[Handler, tuple[str, ...]] | None:
    """
    Return the handler of a raw path and the ids in it, decoded; literal segments go first.
    """
    segments = tuple(path.split("/"))
    if (method, segments) in ROUTES:
        return ROUTES[method, segments], ()
    if len(segments) > 3:
        for position in range(3, len(segments)):
            template = (*segments[:position], "{}", *segments[position + 1 :])
            if (method, template) in ROUTES:
                return ROUTES[method, template], (unquote(segments[position]),)
    return None
