"""
What the load consists of: one read and one create, the bytes of their requests and of the upstream's answers.

The create states its amount and its currency, so that its limit is judged without asking the API anything: what is
measured is one governed write, not a write and a read. Every create differs from every other one, in its key, in who
pays, in what it says and in the object that it makes, as those of a real agent do: none is another one's repeat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

READ, CREATE, REPLAY, REFUSAL = "read", "create", "replay", "refusal"

# Digits of a create's number: as many at any number, so that every request and every answer has the same length.
DIGITS = 12

# What the agent's card allows, and nothing else.
ALLOW: Mapping[str, object] = {
    "charges.retrieve": {},
    "payment_intents.create": {"limit": {"amount": "0.50..100 USD"}},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One operation of the API: the head of its request behind the credential, its body, the document that answers it.

    `#` stands for a create's number.
    """

    name: str
    method: str
    target: str
    fields: tuple[str, ...]
    body: str
    answer: Mapping[str, object]


OPERATIONS: Mapping[str, Operation] = {
    READ: Operation(
        name="charges.retrieve",
        method="GET",
        target="/v1/charges/ch_load",
        fields=(),
        body="",
        answer={
            "id": "ch_load",
            "object": "charge",
            "amount": 18000,
            "amount_captured": 18000,
            "amount_refunded": 0,
            "balance_transaction": "txn_load",
            "billing_details": {"address": {"city": None, "country": "ES", "line1": None}, "email": "ada@shop.test"},
            "captured": True,
            "created": 1795219200,
            "currency": "usd",
            "customer": "cus_load",
            "description": "Order 4711",
            "disputed": False,
            "livemode": False,
            "metadata": {"order": "4711"},
            "outcome": {"network_status": "approved_by_network", "risk_level": "normal", "type": "authorized"},
            "paid": True,
            "payment_intent": "pi_load",
            "payment_method_details": {"card": {"brand": "visa", "last4": "4242", "network": "visa"}, "type": "card"},
            "refunded": False,
            "status": "succeeded",
        },
    ),
    CREATE: Operation(
        name="payment_intents.create",
        method="POST",
        target="/v1/payment_intents",
        fields=("Content-Type: application/x-www-form-urlencoded", "Idempotency-Key: load-#"),
        body="amount=2500&currency=usd&customer=cus_load#&metadata%5Border%5D=#",
        answer={
            "id": "pi_load#",
            "object": "payment_intent",
            "amount": 2500,
            "amount_capturable": 0,
            "amount_received": 0,
            "capture_method": "automatic_async",
            "client_secret": None,
            "confirmation_method": "automatic",
            "created": 1795219200,
            "currency": "usd",
            "customer": "cus_load",
            "description": "Order #",
            "latest_charge": None,
            "livemode": False,
            "metadata": {"order": "4711"},
            "payment_method": None,
            "payment_method_options": {"card": {"installments": None, "request_three_d_secure": "automatic"}},
            "payment_method_types": ["card", "link"],
            "status": "requires_payment_method",
            "transfer_group": None,
        },
    ),
}


class Numbered:
    """
    Prepared bytes with a number in some places.
    """

    def __init__(self, text: str, place: str = "#") -> None:
        self._parts = tuple(part.encode() for part in text.split(place))

    def __repr__(self) -> str:
        return f"Numbered({len(self._parts) - 1} places, {len(self.at(0))} bytes)"

    def at(self, number: int) -> bytes:
        """
        Return the bytes with this number.
        """
        return (b"%0*d" % (DIGITS, number)).join(self._parts)


OVER_LIMIT = replace(OPERATIONS[CREATE], body=OPERATIONS[CREATE].body.replace("amount=2500&", "amount=25000&"))
"""A create that is refused: it is judged like any other, its body read and its amount held against the limit."""


def text(operation: Operation, host: str, credential: str, *more: str) -> str:
    """
    Return an operation's requests to one address under one credential, with further headers, as text with `#`.
    """
    head = [
        f"{operation.method} {operation.target} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {credential}",
        "Accept: application/json",
        "User-Agent: load",
        *operation.fields,
        *more,
    ]
    if operation.body:
        head.append(f"Content-Length: {len(Numbered(operation.body).at(0))}")
    return "\r\n".join([*head, "", operation.body])


def request(operation: Operation, host: str, credential: str) -> Numbered:
    """
    Return the same as bytes with a number.
    """
    return Numbered(text(operation, host, credential))


def answer(operation: Operation) -> Numbered:
    """
    Return an operation's answers.
    """
    body = json.dumps(operation.answer, indent=1)
    head = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        f"Content-Length: {len(Numbered(body).at(0))}",
        "Request-Id: req_load",
    ]
    return Numbered("\r\n".join([*head, "", body]))
