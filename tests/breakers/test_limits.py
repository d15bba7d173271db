"""Limits as a table: numbers and money at, inside and beyond their ends, and every way to be unbounded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts, Looked
from breakers.verdict import Ask, Forward, Reason, Refuse
from config.catalog import Subject
from config.money import ISO_EXPONENTS, MICROS_MAX
from tests.breakers.world import CHARGE, INTENT, QUIET, allow, call, deny, looked, policy

PAGES = policy({"issues/*": {"limit": {"per_page": "1..100"}}})
RATIO = policy({"issues/*": {"limit": {"ratio": "0.1..0.5"}}})
CHARGES = policy({"charges.create": {"limit": {"amount": "0.50..100 USD"}}})
REFUNDS = policy({"refunds.create": {"limit": {"amount": "0.50..100 USD"}}})


def charge(amount: Any, currency: Any = "usd", **more: Any) -> Call:
    return call("charges.create", {"body.amount": amount, "body.currency": currency}, **more)


def refund(**body: Any) -> Call:
    return call("refunds.create", {f"body.{name}": value for name, value in body.items()})


@pytest.mark.parametrize("value", [1, 2, 99, 100, Decimal("1.0"), Decimal("99.9")])
def test_number_inside(value: object) -> None:
    """A number from one end to the other, both included, passes."""
    allow(PAGES, call("issues/list", {"query.per_page": value}))


@pytest.mark.parametrize("value", [0, -1, 101, 10**30, Decimal("100.0000001")])
def test_number_outside(value: object) -> None:
    """A number beyond an end is refused, and the answer says the range."""
    refused = deny(PAGES, call("issues/list", {"query.per_page": value}), Reason.LIMIT_EXCEEDED, "limits")
    assert refused.details == (("argument", "per_page"), ("limit", "1..100"))


@pytest.mark.parametrize("value", [0.1, 0.5, Decimal("0.1"), Decimal("0.5")])
def test_fractions_exact(value: object) -> None:
    """A fraction is the number that its text says, so that both ends are exact."""
    allow(RATIO, call("issues/list", {"query.ratio": value}))


@pytest.mark.parametrize(
    "value", [True, False, "5", "", None, [5], {}, float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity")]
)
def test_no_number(value: object) -> None:
    """What is not a finite number is refused as mistyped where a limit reads it."""
    deny(PAGES, call("issues/list", {"query.per_page": value}), Reason.ARGUMENT_MISTYPED, "limits")


def test_number_marked_mistyped() -> None:
    """A value that was found to be of another type is refused whatever it looks like."""
    marked = call("issues/list", {"query.per_page": 5}, mistyped=("query.per_page",))
    deny(PAGES, marked, Reason.ARGUMENT_MISTYPED, "limits")


def test_number_absent() -> None:
    """A limited argument that is absent must be stated: the API's own default is not known here."""
    assert "state it" in deny(PAGES, call("issues/list"), Reason.LIMIT_EXCEEDED, "limits").detail


@pytest.mark.parametrize(
    ("amount", "currency", "micros"),
    [(50, "usd", 500_000), (51, "USD", 510_000), (9_999, "Usd", 99_990_000), (10_000, "usd", 100_000_000)],
)
def test_money_inside(amount: Any, currency: Any, micros: int) -> None:
    """An amount from one end to the other passes, in any case of its currency, and the verdict says what it moves."""
    go = allow(CHARGES, charge(amount, currency))
    assert (go.amount_micros, go.currency) == (micros, "USD")


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        (49, "usd", Reason.LIMIT_EXCEEDED),
        (10_001, "usd", Reason.LIMIT_EXCEEDED),
        (0, "usd", Reason.LIMIT_EXCEEDED),
        (-50, "usd", Reason.LIMIT_EXCEEDED),
        (MICROS_MAX, "usd", Reason.LIMIT_EXCEEDED),
        (2**63 - 1, "usd", Reason.LIMIT_EXCEEDED),
        (10**400, "usd", Reason.LIMIT_EXCEEDED),
        (100, "eur", Reason.LIMIT_EXCEEDED),
        (100, "jpy", Reason.LIMIT_EXCEEDED),
        (100, "xxx", Reason.LIMIT_EXCEEDED),
        ("100", "usd", Reason.ARGUMENT_MISTYPED),
        ("", "usd", Reason.ARGUMENT_MISTYPED),
        (100.0, "usd", Reason.ARGUMENT_MISTYPED),
        (Decimal(100), "usd", Reason.ARGUMENT_MISTYPED),
        (True, "usd", Reason.ARGUMENT_MISTYPED),
        (None, "usd", Reason.ARGUMENT_MISTYPED),
        ([100], "usd", Reason.ARGUMENT_MISTYPED),
        (100, 840, Reason.ARGUMENT_MISTYPED),
        (100, None, Reason.ARGUMENT_MISTYPED),
        (100, "", Reason.AMOUNT_UNBOUNDED),
        (100, "us", Reason.AMOUNT_UNBOUNDED),
        (100, "usd ", Reason.AMOUNT_UNBOUNDED),
        (100, "u\u017fd", Reason.AMOUNT_UNBOUNDED),
    ],
)
def test_money_refused(amount: Any, currency: Any, reason: Reason) -> None:
    """An amount beyond an end, in another currency, or that is no positive whole number of minor units is refused."""
    deny(CHARGES, charge(amount, currency), reason, "limits")


@pytest.mark.parametrize("marked", ["body.amount", "body.currency"])
def test_money_marked_mistyped(marked: str) -> None:
    """An amount or currency that was found to be of another type is refused whatever it looks like."""
    deny(CHARGES, charge(100, mistyped=(marked,)), Reason.ARGUMENT_MISTYPED, "limits")


def test_own_exponents() -> None:
    """The API's own exponent comes before the one of ISO 4217."""
    assert ISO_EXPONENTS["ISK"] == 0
    krona = policy({"charges.create": {"limit": {"amount": "0..1 ISK"}}})
    assert allow(krona, charge(100, "isk")).amount_micros == 1_000_000
    deny(krona, charge(101, "isk"), Reason.LIMIT_EXCEEDED)


def test_no_look_needed() -> None:
    """An amount and a currency that are stated need no read, and a call without a limit on money needs none either."""
    allow(CHARGES, charge(100))
    bare = allow(policy({"refunds.create": {}}), refund(charge="ch_1"))
    assert (bare.amount_micros, bare.currency) == (None, None)


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ({"amount": 100, "charge": "ch_1"}, CHARGE),
        ({"charge": "ch_1"}, CHARGE),
        ({"amount": 100, "intent": "pi_1"}, INTENT),
        ({"intent": "pi_1"}, INTENT),
    ],
)
def test_asks_subject(body: Any, asks: Subject) -> None:
    """A currency or an amount that only the subject can tell is asked for, at the one that is stated."""
    assert decide(refund(**body), REFUNDS, QUIET) == Ask((asks,))


@pytest.mark.parametrize(
    ("body", "currency", "bound", "micros"),
    [
        ({"amount": 100, "charge": "ch_1"}, "usd", 5_000, 1_000_000),
        ({"amount": 100, "charge": "ch_1"}, "USD", None, 1_000_000),
        ({"charge": "ch_1"}, "usd", 10_000, 100_000_000),
        ({"charge": "ch_1"}, "usd", 50, 500_000),
    ],
)
def test_subject_bounds(body: Any, currency: Any, bound: int | None, micros: int) -> None:
    """The subject gives the currency, and where the amount is absent the most that can still move."""
    go = allow(REFUNDS, refund(**body), looked(currency, bound))
    assert (go.amount_micros, go.currency) == (micros, "USD")


@pytest.mark.parametrize(
    ("body", "facts", "reason"),
    [
        ({"charge": "ch_1"}, looked("usd", 10_001), Reason.LIMIT_EXCEEDED),
        ({"charge": "ch_1"}, looked("usd", 49), Reason.LIMIT_EXCEEDED),
        ({"charge": "ch_1"}, looked("usd", 0), Reason.LIMIT_EXCEEDED),
        ({"charge": "ch_1"}, looked("usd", -1), Reason.LIMIT_EXCEEDED),
        ({"amount": 10_001, "charge": "ch_1"}, looked("usd", 5), Reason.LIMIT_EXCEEDED),
        ({"amount": 100, "charge": "ch_1"}, looked("eur", 5_000), Reason.LIMIT_EXCEEDED),
        ({"charge": "ch_1"}, looked("eur", 5_000), Reason.LIMIT_EXCEEDED),
        ({"charge": "ch_1"}, looked("usd", None), Reason.AMOUNT_UNBOUNDED),
        ({"charge": "ch_1"}, looked(None, 5_000), Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "charge": "ch_1"}, looked(None, 5_000), Reason.AMOUNT_UNBOUNDED),
        ({"charge": "ch_1"}, looked(failed="500"), Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "charge": "ch_1"}, looked(failed="timeout"), Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "charge": "ch_1"}, looked("usd", 5_000, failed="cut"), Reason.AMOUNT_UNBOUNDED),
        ({}, QUIET, Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100}, QUIET, Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "charge": "ch_1", "intent": "pi_1"}, looked("usd", 5_000), Reason.AMOUNT_UNBOUNDED),
        ({"charge": "ch_1", "intent": ""}, looked("usd", 5_000), Reason.AMOUNT_UNBOUNDED),
        ({"charge": ""}, QUIET, Reason.AMOUNT_UNBOUNDED),
        ({"charge": "."}, QUIET, Reason.AMOUNT_UNBOUNDED),
        ({"charge": ".."}, QUIET, Reason.AMOUNT_UNBOUNDED),
        ({"charge": None}, QUIET, Reason.ARGUMENT_MISTYPED),
        ({"charge": ["ch_1"]}, QUIET, Reason.ARGUMENT_MISTYPED),
        ({"amount": "", "charge": "ch_1"}, looked("usd", 5_000), Reason.ARGUMENT_MISTYPED),
        ({"amount": None, "charge": "ch_1"}, looked("usd", 5_000), Reason.ARGUMENT_MISTYPED),
        ({"amount": 0, "charge": "ch_1"}, looked("usd", 5_000), Reason.LIMIT_EXCEEDED),
    ],
)
def test_subject_refused(body: Any, facts: Facts, reason: Reason) -> None:
    """What the subject cannot tell, or two subjects could tell differently, is unbounded; what it tells is limited."""
    deny(REFUNDS, refund(**body), reason, "limits", facts)


def test_no_recipe() -> None:
    """An operation whose catalogue has no way to learn the currency is unbounded, whatever amount it states."""
    card = policy({"payouts.create": {"limit": {"amount": "0..100 USD"}}})
    deny(card, call("payouts.create", {"body.amount": 1}), Reason.AMOUNT_UNBOUNDED, "limits")


@pytest.mark.parametrize("asked", ["issues/list", "refunds.retrieve"])
def test_no_amount(asked: str) -> None:
    """A limit on money refuses an operation that is not known to move any: it cannot be kept there."""
    deny(policy({"*": {"limit": {"amount": "0..100 USD"}}}), call(asked), Reason.AMOUNT_UNBOUNDED, "limits")


@pytest.mark.parametrize("named", ["currency", "query.amount"])
def test_other_argument(named: str) -> None:
    """A limit on money that names an argument which is not the amount is not kept by looking at another."""
    card = policy({"charges.create": {"limit": {named: "0..100 USD"}}})
    deny(card, charge(100), Reason.AMOUNT_UNBOUNDED, "limits")


@pytest.mark.parametrize("elsewhere", ["query.amount", "query.currency", "path.amount"])
@pytest.mark.parametrize("beside", [{}, {"body.amount": 100, "body.currency": "usd"}])
def test_stated_elsewhere(elsewhere: str, beside: dict[str, object]) -> None:
    """An amount or a currency in another place bounds nothing, because either may be the one that counts."""
    deny(CHARGES, call("charges.create", beside | {elsewhere: 100}), Reason.AMOUNT_UNBOUNDED, "limits")


@pytest.mark.parametrize(
    ("body", "facts", "reason"),
    [
        ({"amount": 100, "currency": "usd"}, QUIET, None),
        ({"amount": 100, "currency": "usd", "charge": "ch_1"}, QUIET, None),
        ({"amount": 100, "charge": "ch_1"}, looked("usd"), None),
        ({"charge": "ch_1"}, looked("usd", 100), None),
        ({"currency": "USD", "charge": "ch_1"}, looked("usd", 100), None),
        ({"currency": "eur", "charge": "ch_1"}, looked("usd", 100), Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "charge": "ch_1"}, looked("eur"), Reason.LIMIT_EXCEEDED),
        ({"amount": 100}, QUIET, Reason.AMOUNT_UNBOUNDED),
        ({"currency": "usd"}, QUIET, Reason.AMOUNT_UNBOUNDED),
    ],
)
def test_stated_or_told(body: Any, facts: Facts, reason: Reason | None) -> None:
    """What the call states comes first, its subject tells the rest, and two that disagree bound nothing."""
    card = policy({"transfers.create": {"limit": {"amount": "0..100 USD"}}})
    asked = call("transfers.create", {f"body.{name}": value for name, value in body.items()})
    if reason is None:
        assert allow(card, asked, facts).amount_micros == 1_000_000
    else:
        deny(card, asked, reason, "limits", facts)


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(500, None), (501, Reason.LIMIT_EXCEEDED), (99, Reason.LIMIT_EXCEEDED), (100, None)],
)
def test_every_limit_holds(amount: Any, reason: Reason | None) -> None:
    """Limits of several entries hold together: the narrowest end of each side decides."""
    card = policy({"charges.*": {"limit": {"amount": "1..100 USD"}}, "*": {"limit": {"amount": "0..5 USD"}}})
    if reason is None:
        allow(card, charge(amount))
    else:
        deny(card, charge(amount), reason, "limits")


def test_two_currencies() -> None:
    """Limits in two currencies let nothing pass, because one amount is never in both."""
    card = policy({"charges.*": {"limit": {"amount": "0..9 USD"}}, "*": {"limit": {"amount": "0..9 EUR"}}})
    for currency in ("usd", "eur"):
        deny(card, charge(100, currency), Reason.LIMIT_EXCEEDED, "limits")


def test_numbers_before_reads() -> None:
    """A number that is outside its limit is refused before anything is read for the money beside it."""
    card = policy({"refunds.create": {"limit": {"amount": "0..100 USD", "why": "1..2"}}})
    deny(card, refund(charge="ch_1", why=3), Reason.LIMIT_EXCEEDED, "limits")
    assert decide(refund(charge="ch_1", why=2), card, QUIET) == Ask((CHARGE,))


MINOR = st.integers(min_value=0, max_value=10**10)


@given(low=MINOR, high=MINOR, nearby=st.integers(-2, 2), at_low=st.booleans())
def test_ends_exact(low: int, high: int, nearby: int, at_low: bool) -> None:
    """An amount passes exactly when it lies between both ends, to the minor unit, however it is learnt."""
    low, high = sorted((low, high))
    amount = (low if at_low else high) + nearby
    span = f"{low // 100}.{low % 100:02}..{high // 100}.{high % 100:02} USD"
    inside = low <= amount <= high and amount > 0
    charges = policy({"charges.create": {"limit": {"amount": span}}})
    assert isinstance(decide(charge(amount), charges, QUIET), Forward if inside else Refuse)
    refunds = policy({"refunds.create": {"limit": {"amount": span}}})
    told = QUIET.with_looks({CHARGE: Looked("usd", amount)})
    assert isinstance(decide(refund(charge="ch_1"), refunds, told), Forward if inside else Refuse)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(max_size=4), st.lists(st.integers())
)


@given(amount=ANYTHING | st.integers(0, 20_000), currency=ANYTHING | st.sampled_from(["usd", "eur"]), subject=ANYTHING)
def test_total(amount: Any, currency: Any, subject: object) -> None:
    """Whatever the values are, a limit on money gives a verdict, and lets nothing pass but a bounded whole amount."""
    for asked, facts in (
        (charge(amount, currency), QUIET),
        (refund(charge=subject), QUIET),
        (refund(amount=amount, charge="ch_1"), looked(currency if isinstance(currency, str) else None, 1)),
    ):
        card = CHARGES if asked.operation.spec.name == "charges.create" else REFUNDS
        verdict = decide(asked, card, facts)
        if isinstance(verdict, Forward):
            assert type(amount) is int
            assert 50 <= amount <= 10_000
