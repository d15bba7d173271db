"""
What is played twice: create, read, update, paginate, delete, and an error of each kind.

`everywhere` needs nothing but a Stripe; `on_the_sandbox` also needs one that fails on command and speaks v2. A step
never depends on what another recording answered, only on ids of its own.
"""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from loadtest.upstreams.stripe import Fault, Status, StripeSandbox
from tests.clients.sdk import ClientStyle, Player

CUSTOMERS = 5


def everywhere(play: Player) -> None:
    """
    Play what every Stripe can do.
    """
    sdk = play.sdk
    customers = [
        play("create", partial(sdk.create, "customers", email=f"{n}@shop.test", name="Zoë & Söhne", metadata={"n": n}))
        for n in range(CUSTOMERS)
    ]
    first = customers[0].id
    play("read", lambda: sdk.retrieve("customers", first))
    play("update", lambda: sdk.update("customers", first, description="ä+b=c&d", metadata={"tier": "gold"}))
    play("read again", lambda: sdk.retrieve("customers", first))
    play("list", lambda: sdk.list("customers", limit=2))
    play("paginate", lambda: list(sdk.list("customers", limit=2).auto_paging_iter()))
    play("delete", lambda: sdk.delete("customers", customers[1].id))
    _payments(play, customers[2].id)
    play("400", lambda: sdk.create("customers", balance="much"))
    play("402", lambda: _pay(play, 2100, payment_method="pm_card_chargeCustomerFail", customer=customers[3].id))
    play("404", lambda: sdk.retrieve("customers", "cus_missing"))
    play("404 of a charge", lambda: sdk.retrieve("charges", "ch_missing"))
    play("404 without a route", lambda: sdk.retrieve("prices", "price_1"))


def _pay(play: Player, amount: int, **params: Any) -> Any:
    # Each another amount: the same once more within a day would be a duplicate, whichever card it is on.
    return play.sdk.create("payment_intents", amount=amount, currency="usd", confirm=True, **params)


def _payments(play: Player, customer: str) -> None:
    sdk = play.sdk
    made = play(
        "pay", lambda: _pay(play, 2000, payment_method="pm_card_visa", customer=customer, metadata={"order": "7"})
    )
    play("read expanded", lambda: sdk.retrieve("payment_intents", made.id, expand=["customer"]))
    paid = play("charges", lambda: sdk.list("charges", customer=customer)).data[0].id
    play("charge", lambda: sdk.retrieve("charges", paid))
    refund = play("refund part", lambda: sdk.create("refunds", charge=paid, amount=500))
    play("refund of an intent", lambda: sdk.create("refunds", payment_intent=made.id, amount=250))
    play("update refund", lambda: sdk.update("refunds", refund.id, metadata={"why": "broken"}))
    play("refunds", lambda: sdk.list("refunds", charge=paid))
    play("refund after", lambda: sdk.retrieve("refunds", refund.id))
    held = play("hold", lambda: _pay(play, 2200, payment_method="pm_card_visa", capture_method="manual"))
    play("capture", lambda: sdk.act("payment_intents", "capture", held.id))
    waiting = play("wait", lambda: sdk.create("payment_intents", amount=300, currency="eur"))
    play("cancel", lambda: sdk.act("payment_intents", "cancel", waiting.id))
    play("cancel again", lambda: sdk.act("payment_intents", "cancel", waiting.id))


def on_the_sandbox(play: Player, upstream: StripeSandbox) -> None:
    """
    Play what needs a Stripe that does as it is told.
    """
    sdk = play.sdk
    customer = play("create", lambda: sdk.create("customers", email="f@shop.test")).id
    play("search", lambda: sdk.search("customers", query='email:"f@shop.test"'))
    upload = io.BytesIO(b"\x00evidence\r\n--not a boundary\r\n")
    upload.name = "evidence.png"
    play("upload", lambda: sdk.create("files", purpose="dispute_evidence", file=upload))
    paid = play(
        "pay", lambda: _pay(play, 2300, payment_method="pm_card_visa", expand=["latest_charge"])
    ).latest_charge.id
    play("refund all", lambda: sdk.create("refunds", charge=paid))
    play("400 refunded", lambda: sdk.create("refunds", charge=paid, amount=100))
    if isinstance(sdk, ClientStyle):
        _second_generation(play)
    _failures(play, upstream, customer)


def _second_generation(play: Player) -> None:
    sdk = play.sdk
    made = play(
        "v2 create",
        lambda: sdk.create(
            "event_destinations",
            name="Zoë",
            type="webhook_endpoint",
            event_payload="thin",
            enabled_events=["v1.billing.meter.no_meter_found"],
            webhook_endpoint={"url": "https://example.test/hook"},
            metadata={"n": "1"},
        ),
    )
    play("v2 read", lambda: sdk.retrieve("event_destinations", made.id))
    play("v2 list", lambda: sdk.list("event_destinations"))
    play("v2 delete", lambda: sdk.delete("event_destinations", made.id))
    play("v2 404", lambda: sdk.retrieve("event_destinations", made.id))


READ_FAILURES = (500, 502, 503)
WRITE_FAILURES = (
    Status(402, "Your card was declined.", "card_error", "card_declined"),
    Status(403, "This key may not do that.", "invalid_request_error"),
    Status(409, "Another request holds the lock.", "invalid_request_error", "lock_timeout"),
    Status(429, "Too many requests.", "invalid_request_error", "rate_limit", retry_after_s=0),
)


def _failures(play: Player, upstream: StripeSandbox, customer: str) -> None:
    sdk = play.sdk
    for status in READ_FAILURES:
        upstream.faults.add(Fault(Status(status), times=None))
        play(f"{status} of a read", lambda: sdk.retrieve("customers", customer))
        upstream.faults.clear()
    for fault in WRITE_FAILURES:
        upstream.faults.add(Fault(fault, method="POST", times=None))
        play(f"{fault.status} of a write", lambda: sdk.update("customers", customer, name="never"))
        upstream.faults.clear()
    upstream.faults.add(Fault(Status(429, "Too many requests.", code="rate_limit", retry_after_s=0), times=None))
    play("429 of a read", lambda: sdk.retrieve("customers", customer))
    upstream.faults.clear()
    play("after all", lambda: sdk.retrieve("customers", customer))
