"""What nobody can bound, as caps take it: what a card says to hold instead, and never less than what is known."""

from __future__ import annotations

import pytest

from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Looked
from breakers.spendcap import UNKNOWN_COST
from breakers.verdict import Ask, Forward, Reason
from tests.breakers.till import INVOICE, STANDING, TEA, back, calling, capped, charges, pay
from tests.breakers.world import QUIET, deny

RESERVING = {"unknown_cost": {"reserve": "5 USD"}}


def test_unknown_cost() -> None:
    """Where nothing bounds an amount, a card may say what to hold; the record notes that, and no amount."""
    card = capped({"task": {"moved": "9 USD"}}, rules={"*": RESERVING})
    verdict = decide(calling("things.bill"), card, QUIET)
    assert isinstance(verdict, Forward)
    assert [one.amount for one in verdict.charges] == [5_000_000]
    assert (verdict.flags, verdict.amount_micros) == ((UNKNOWN_COST,), None)
    # What is known is taken as it is, and what is wrong stays wrong.
    assert [one.amount for one in charges(card, pay(1))] == [10_000]
    deny(card, pay(-1), Reason.LIMIT_EXCEEDED, "spend")
    deny(card, pay("x"), Reason.ARGUMENT_MISTYPED, "spend")


@pytest.mark.parametrize(
    ("rules", "held"),
    [
        ({"*": RESERVING, "things.*": {"unknown_cost": {"reserve": "7 USD"}}}, 7_000_000),
        ({"*": RESERVING, "things.*": {}}, None),
        ({"*": RESERVING, "things.*": {"unknown_cost": {"reserve": "7 EUR"}}}, None),
        ({"*": {"unknown_cost": {"reserve": "0 USD"}}}, 0),
    ],
)
def test_every_entry_says(rules: dict[str, object], held: int | None) -> None:
    """Each entry that allows a call must say what to hold, in one currency, and the largest sum counts."""
    card = capped({"task": {"moved": "9 USD"}}, rules=rules)
    if held is None:
        deny(card, calling("things.bill"), Reason.AMOUNT_UNBOUNDED, "spend")
    else:
        assert [one.amount for one in charges(card, calling("things.bill"))] == ([held] if held else [])


SAYS = [
    # Nobody says in which currency: in that of what is held.
    (calling("pay", {"body.amount": 700}), 7_000_000),
    (calling("pay", {"body.amount": 300}), 5_000_000),
    (calling("carts.offer", {"body.lines": [{**TEA, "times": 3}], "body.tax": True}), 7_500_000),
    (calling("carts.offer", {"body.lines": [TEA], "body.tax": True}), 5_000_000),
    (calling("carts.offer", {"body.lines": [{**TEA, "times": 3, "tax": "t"}, {"price": "price_1"}]}), 7_500_000),
    (calling("carts.offer", {"body.lines": [{"price": "price_1"}]}), 5_000_000),
    (calling("invoices.refund", {"path.invoice": "in_1", "body.amount": 700, "body.fee": True}), 7_000_000),
    (calling("invoices.refund", {"path.invoice": "in_1", "body.fee": True}), 8_000_000),
]
DUE = QUIET.with_looks({INVOICE: Looked("usd", 800)})


@pytest.mark.parametrize(("asked", "held"), SAYS)
def test_never_less(asked: Call, held: int) -> None:
    """What makes an amount uncertain is no way to have a large one for the price of an unknown one."""
    (charge,) = charges(capped({"task": {"moved": "9 USD"}}, rules={"*": RESERVING}), asked, DUE)
    assert charge.amount == held


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        (calling("invoices.refund", {"path.invoice": "in_1", "body.amount": 700}), Looked(failed="429")),
        (calling("invoices.pay", {"path.invoice": "in_1"}), Looked(failed="it is a draft")),
        (calling("invoices.part", {"path.invoice": "in_1", "body.part": 1}), Looked("usd", 800)),
        (calling("carts.offer", {"body.lines": [TEA, {"price": {"amount": 1, "currency": "eur"}}]}), Looked()),
        # What is held is in another currency than what is said.
        (calling("invoices.refund", {"path.invoice": "in_1", "body.fee": True}), Looked("eur", 1)),
    ],
)
def test_not_instead(asked: Call, facts: Looked) -> None:
    """Nothing is held in the place of what a read would have told, or of an amount that is itself what is uncertain."""
    card = capped({"task": {"moved": ["9 USD", "9 EUR"]}}, rules={"*": RESERVING})
    deny(card, asked, Reason.AMOUNT_UNBOUNDED, "spend", QUIET.with_looks({INVOICE: facts}))


def test_reserve_asks() -> None:
    """What only a read can tell is asked for although a card says what to hold."""
    asked = calling("invoices.refund", {"path.invoice": "in_1", "body.fee": True})
    assert decide(asked, capped({"task": {"moved": "9 USD"}}, rules={"*": RESERVING}), QUIET) == Ask((INVOICE,))


@pytest.mark.parametrize(("said", "held"), [({"amount": 200}, 5_000_000), ({"amount": 300}, 6_000_000)])
def test_reserve_with(said: dict[str, object], held: int) -> None:
    """What a card says to hold is enough unless what the call says, with what moves beside it, is more."""
    card = capped({"task": {"moved": "9 USD"}}, rules={"*": RESERVING})
    assert [one.amount for one in charges(card, back(fee=True, extra=True, **said))] == [held]


@pytest.mark.parametrize(
    ("caps", "node"),
    [
        ({"call": {"moved": "0 USD"}}, "call"),
        ({"task": {"moved": "0 USD"}}, f"task:{STANDING}"),
        ({"task": {"moved": ["0 USD", "9 EUR"]}}, f"task:{STANDING}"),
        ({"task": {"moved": "9 USD"}, "day": {"moved": "0 USD"}}, "agent:clerk"),
        ({"task": {"moved": ["9 USD", "0 EUR"]}}, None),
    ],
)
def test_nothing_for_unknown(caps: dict[str, object], node: str | None) -> None:
    """Under a cap of nothing what nobody knows is refused, although nothing would be held for it."""
    card = capped(caps, rules={"*": {"unknown_cost": {"reserve": "0 USD"}}})
    if node is None:
        assert charges(card, calling("things.bill")) == ()
    else:
        no = deny(card, calling("things.bill"), Reason.BUDGET_EXHAUSTED, "spend")
        assert dict(no.details) == {"node": node, "measure": "moved:USD", "cap": "0.00 USD"}
    # What is known to be nothing is free.
    assert charges(card, calling("carts.offer", {"body.lines": [{**TEA, "times": 0}]})) == ()
    assert charges(card, calling("things.create", {"body.name": "a"})) == ()
