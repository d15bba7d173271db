"""Disputes, which only a bank makes, and invoices as far as they can be paid."""

from __future__ import annotations

from loadtest.upstreams.stripe.account import Account, Dispute, Invoice
from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.pages import page
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import Shape, shape


def dispute_list(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List disputes, newest first.
    """
    things = account.all(Dispute)
    for name in ("charge", "payment_intent"):
        if params.has(name):
            wanted = params.text(name)
            things = [thing for thing in things if getattr(thing, name) == wanted]
    return page(account, things, params, "/v1/disputes", "dispute")


def invoice_retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show an invoice.
    """
    params.finish()
    return shape(account, account.get(Invoice, "invoice", ids[0]))


def invoice_pay(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Pay an invoice that is open.
    """
    thing = account.get(Invoice, "invoice", ids[0])
    params.boolean("paid_out_of_band")
    params.finish()
    if thing.status != "open":
        raise ApiError(400, f"Invoice is {thing.status}", code="invoice_not_editable", stored=True)
    thing.status, thing.amount_paid = "paid", thing.amount_due
    account.changed("invoice.paid")
    return shape(account, thing)
