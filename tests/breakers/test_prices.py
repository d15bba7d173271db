"""What calls cost: at most before they are sent, and as their answers say; whole micro-units, rounded up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.prices import Meter, Price, compile_price, paid_as_answered, paid_at_most
from breakers.verdict import Reason, Refuse
from config.money import MICROS_MAX, Money
from config.prices import Price as WrittenPrice
from tests.breakers.till import PRICES, STANDING, calling, capped, charges, told
from tests.breakers.world import deny

ASK = compile_price(WrittenPrice.model_validate(PRICES["ask"]))


def test_at_most() -> None:
    """A call costs its own price and each meter's at the bound that the caller or the operator gives."""
    # 0.01, 100 of 15 USD a million, 1000 of 3 USD a million.
    assert paid_at_most(ASK, calling("ask", {"body.max": 100}).operation) == Money(10_000 + 1_500 + 3_000, "USD")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, Reason.AMOUNT_UNBOUNDED),
        ({"body.max": "100"}, Reason.ARGUMENT_MISTYPED),
        ({"body.max": 1.5}, Reason.ARGUMENT_MISTYPED),
        ({"body.max": True}, Reason.ARGUMENT_MISTYPED),
        ({"body.max": -1}, Reason.ARGUMENT_MISTYPED),
        ({"query.max": 100}, Reason.AMOUNT_UNBOUNDED),
        ({"body.max": 2**53}, Reason.AMOUNT_UNBOUNDED),
    ],
)
def test_no_bound(said: dict[str, object], reason: Reason) -> None:
    """Without a whole number that bounds what is used, nobody knows what a call costs at most."""
    found = paid_at_most(ASK, calling("ask", said).operation)
    assert isinstance(found, Refuse)
    assert found.reason is reason
    deny(capped({"task": {"paid": "1 USD"}}, prices=PRICES), calling("ask", said), reason, "spend")


ANSWERS = [
    (200, {"usage": {"out": 10, "in": 20}}, 10_000 + 150 + 60),
    (201, {"usage": {"out": 0, "in": 0}}, 10_000),
    # More than was held is the truth.
    (200, {"usage": {"out": 10**6, "in": 20}}, 10_000 + 15_000_000 + 60),
    # What is not said, or not as a whole number, is as much as was held.
    (200, {"usage": {"out": 10}}, 10_000 + 150 + 3_000),
    (200, {"usage": {"out": 10.0, "in": "20"}}, 10_000 + 1_500 + 3_000),
    (200, {"usage": {"out": -10, "in": True}}, 10_000 + 1_500 + 3_000),
    (200, None, 10_000 + 1_500 + 3_000),
    (399, [], 10_000 + 1_500 + 3_000),
    (400, {"usage": {"out": 10, "in": 20}}, 0),
    (500, None, 0),
]


@pytest.mark.parametrize(("status", "document", "micros"), ANSWERS)
def test_answered(status: int, document: object, micros: int) -> None:
    """An answer costs what it says was used, and one that refuses costs nothing."""
    operation = calling("ask", {"body.max": 100}).operation
    assert paid_as_answered(ASK, operation, status, document) == Money(micros, "USD")


def test_not_told() -> None:
    """Without an answer nobody knows, and neither does anybody who could not have bounded it."""
    operation = calling("ask", {"body.max": 100}).operation
    assert paid_as_answered(ASK, operation, None, None) is None
    assert paid_as_answered(ASK, calling("ask").operation, 200, None) is None
    assert paid_as_answered(ASK, operation, 200, {"usage": {"out": 10**18, "in": 0}}) is None


def test_metered_has_a_place() -> None:
    """What is metered is charged, even where at most nothing is used: what it comes to is settled there."""
    card = capped({"task": {"paid": "0 USD"}}, prices={"ask": {"metered": PRICES["ask"]["metered"][:1]}})  # type: ignore[index] # a mapping
    assert told(card, calling("ask", {"body.max": 0})) == [f"task:{STANDING} life paid:USD 1 of 0"]


def test_which_price() -> None:
    """An operation's own name counts before a glob, a longer glob before a shorter one; without a price it is free."""
    prices = {"*": {"call": "3 USD"}, "things.*": {"call": "2 USD"}, "things.list": {"call": "1 USD"}}
    card = capped({"task": {"paid": "9 USD"}}, prices=prices, rules={"*": {}})
    paid = {
        name: [one.amount for one in charges(card, calling(name))]
        for name in ("things.list", "things.create", "invoices.get")
    }
    assert paid == {"things.list": [1_000_000], "things.create": [2_000_000], "invoices.get": [3_000_000]}
    assert charges(capped({"task": {"paid": "9 USD"}}), calling("things.list")) == ()


def test_each_call() -> None:
    """What one call may cost is held against it alone, in the currency of the prices."""
    prices = {"things.*": {"call": "0.03 USD"}}
    assert charges(capped({"call": {"paid": "0.03 USD"}}, prices=prices), calling("things.list")) == ()
    deny(capped({"call": {"paid": "0.029999 USD"}}, prices=prices), calling("things.list"), Reason.BUDGET_EXHAUSTED)
    deny(capped({"call": {"paid": "1 EUR"}}, prices=prices), calling("things.list"), Reason.BUDGET_EXHAUSTED)


def test_unknown_cost() -> None:
    """Where nothing bounds what a call costs, a card may say what to hold."""
    rules = {"*": {"unknown_cost": {"reserve": "0.25 USD"}}}
    card = capped({"task": {"paid": "1 USD"}}, prices=PRICES, rules=rules)
    assert told(card, calling("ask")) == [f"task:{STANDING} life paid:USD 250000 of 1000000"]


@given(st.integers(0, 10**9), st.integers(1, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_rounded_up(micros: int, per: int, one: int, other: int) -> None:
    """What units cost is never less than their share of the price, and less than a micro-unit more."""
    meter = Meter("/used", micros, per, 10)
    cost = meter.cost(one)
    assert type(cost) is int
    assert cost * per >= one * micros > (cost - 1) * per
    assert meter.cost(one) + meter.cost(other) >= meter.cost(one + other)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**7))
def test_never_above_the_bound(used: int, at_most: int, per: int) -> None:
    """What used no more than it was bounded by costs no more than was held for it."""
    price = Price("USD", 5, (Meter("/used", 1_000_000, per, at_most),))
    operation = calling("ask").operation
    held, paid = paid_at_most(price, operation), paid_as_answered(price, operation, 200, {"used": min(used, at_most)})
    assert isinstance(held, Money)
    assert paid is not None
    assert paid <= held
    assert held.micros <= MICROS_MAX
