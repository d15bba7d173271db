"""
How each object looks in an answer: the members that Stripe shows, the few of them that the sandbox varies filled in.
"""

from __future__ import annotations

from datetime import UTC, datetime

from loadtest.upstreams.stripe.account import (
    Account,
    Charge,
    Customer,
    Dispute,
    EventDestination,
    File,
    Invoice,
    PaymentIntent,
    PaymentMethod,
    Refund,
    Thing,
)

Shape = dict[str, object]

CUSTOMER_TEXTS = ("description", "email", "name", "phone")

_NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
_NO_BILLING: Shape = {"address": _NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
_CARD: Shape = {
    "brand": "visa",
    "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
    "country": "US",
    "exp_month": 8,
    "exp_year": 2030,
    "fingerprint": "sandboxfingerprint",
    "funding": "credit",
    "last4": "4242",
    "wallet": None,
}


_INVOICE_PAYMENT: Shape = {"default_mandate": None, "payment_method_options": None, "payment_method_types": None}


def shape(account: Account, thing: Thing) -> Shape:
    """
    Return an object as an answer shows it.
    """
    match thing:
        case Customer():
            return customer(thing)
        case PaymentMethod():
            return payment_method(thing)
        case PaymentIntent():
            return payment_intent(thing)
        case Charge():
            return charge(account, thing)
        case Refund():
            return refund(thing)
        case Dispute():
            return dispute(thing)
        case Invoice():
            return invoice(thing)
        case File():
            return file(thing)
        case EventDestination():
            return event_destination(thing)
        case _:
            raise TypeError(type(thing).__name__)


def deleted(thing: Thing, noun: str) -> Shape:
    """
    Return what is left of a deleted object.
    """
    return {"id": thing.id, "object": noun, "deleted": True}


def customer(thing: Customer) -> Shape:
    """
    Return a customer's members.
    """
    return {
        "id": thing.id,
        "object": "customer",
        "address": thing.address,
        "balance": thing.balance,
        "created": thing.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": thing.id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": thing.metadata,
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **{name: thing.fields.get(name) for name in CUSTOMER_TEXTS},
    }


def payment_method(thing: PaymentMethod) -> Shape:
    """
    Return a payment method's members.
    """
    return {
        "id": thing.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": _NO_BILLING,
        "card": {**_CARD, "display_brand": "visa", "three_d_secure_usage": {"supported": True}},
        "created": thing.created,
        "customer": thing.customer,
        "livemode": False,
        "metadata": thing.metadata,
        "type": "card",
    }


def payment_intent(thing: PaymentIntent) -> Shape:
    """
    Return a payment intent's members.
    """
    return {
        "id": thing.id,
        "object": "payment_intent",
        "amount": thing.amount,
        "amount_capturable": thing.amount if thing.status == "requires_capture" else 0,
        "amount_details": {"tip": {}},
        "amount_received": thing.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": thing.canceled_at,
        "cancellation_reason": thing.cancellation_reason,
        "capture_method": thing.capture_method,
        "client_secret": thing.client_secret,
        "confirmation_method": "automatic",
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "description": thing.description,
        "last_payment_error": None,
        "latest_charge": thing.latest_charge,
        "livemode": False,
        "metadata": thing.metadata,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": thing.payment_method,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": thing.receipt_email,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": thing.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(account: Account, thing: Charge) -> Shape:
    """
    Return a charge's members, its refunds with it.
    """
    refunds = [refund(each) for each in account.all(Refund) if each.charge == thing.id]
    failed = thing.status == "failed"
    return {
        "id": thing.id,
        "object": "charge",
        "amount": thing.amount,
        "amount_captured": thing.amount_captured,
        "amount_refunded": thing.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": thing.balance_transaction,
        "billing_details": _NO_BILLING,
        "calculated_statement_descriptor": None,
        "captured": thing.captured,
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "description": thing.description,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": "card_declined" if failed else None,
        "failure_message": "Your card was declined." if failed else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": thing.metadata,
        "on_behalf_of": None,
        "outcome": {"network_status": "declined_by_network" if failed else "approved_by_network", "type": "authorized"},
        "paid": not failed,
        "payment_intent": thing.payment_intent,
        "payment_method": thing.payment_method,
        "payment_method_details": {"card": _CARD, "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": thing.amount_refunded > 0 and thing.left == 0,
        "refunds": {"object": "list", "data": refunds, "has_more": False, "url": f"/v1/charges/{thing.id}/refunds"},
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": thing.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def refund(thing: Refund) -> Shape:
    """
    Return a refund's members.
    """
    return {
        "id": thing.id,
        "object": "refund",
        "amount": thing.amount,
        "balance_transaction": thing.balance_transaction,
        "charge": thing.charge,
        "created": thing.created,
        "currency": thing.currency,
        "destination_details": {"card": {"type": "reversal"}, "type": "card"},
        "metadata": thing.metadata,
        "payment_intent": thing.payment_intent,
        "reason": thing.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": thing.status,
        "transfer_reversal": None,
    }


def dispute(thing: Dispute) -> Shape:
    """
    Return a dispute's members.
    """
    return {
        "id": thing.id,
        "object": "dispute",
        "amount": thing.amount,
        "balance_transactions": [],
        "charge": thing.charge,
        "created": thing.created,
        "currency": thing.currency,
        "evidence": {"customer_name": None, "product_description": None},
        "evidence_details": {"due_by": None, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": thing.metadata,
        "payment_intent": thing.payment_intent,
        "reason": thing.reason,
        "status": thing.status,
    }


def invoice(thing: Invoice) -> Shape:
    """
    Return an invoice's members.
    """
    return {
        "id": thing.id,
        "object": "invoice",
        "amount_due": thing.amount_due,
        "amount_paid": thing.amount_paid,
        "amount_remaining": thing.amount_due - thing.amount_paid,
        **dict.fromkeys(("amount_shipping", "attempt_count", "starting_balance"), 0),
        **dict.fromkeys(("post_payment_credit_notes_amount", "pre_payment_credit_notes_amount"), 0),
        "attempted": False,
        "automatic_tax": {"enabled": False, "status": None},
        "collection_method": "charge_automatically",
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "lines": {"object": "list", "data": [], "has_more": False, "url": f"/v1/invoices/{thing.id}/lines"},
        "default_tax_rates": [],
        "livemode": False,
        "metadata": thing.metadata,
        "paid": thing.status == "paid",
        "paid_out_of_band": False,
        "payment_settings": _INVOICE_PAYMENT,
        "period_end": thing.created,
        "period_start": thing.created,
        "status": thing.status,
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "subtotal": thing.amount_due,
        "total": thing.amount_due,
        "total_tax_amounts": [],
    }


def file(thing: File) -> Shape:
    """
    Return a file's members.
    """
    return {
        "id": thing.id,
        "object": "file",
        "created": thing.created,
        "expires_at": None,
        "filename": thing.filename,
        "links": {"object": "list", "data": [], "has_more": False, "url": f"/v1/file_links?file={thing.id}"},
        "purpose": thing.purpose,
        "size": len(thing.data),
        "title": None,
        "type": thing.filename.rpartition(".")[2] or None,
        "url": None,
    }


def event_destination(thing: EventDestination) -> Shape:
    """
    Return an event destination's members; v2 writes its times as text.
    """
    return {
        "id": thing.id,
        "object": "v2.core.event_destination",
        "created": datetime.fromtimestamp(thing.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "description": thing.description,
        "enabled_events": list(thing.events),
        "event_payload": thing.payload,
        "events_from": ["self"],
        "livemode": False,
        "metadata": thing.metadata,
        "name": thing.name,
        "snapshot_api_version": None,
        "status": "enabled",
        "status_details": None,
        "type": thing.kind,
        "updated": datetime.fromtimestamp(thing.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "webhook_endpoint": None,
    }
