"""What a call moves, as the caps above it take it: exact, or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.amounts import moved_as_answered
from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts, Looked
from breakers.verdict import Ask, Forward, Reason
from config.money import MICROS_MAX, NO_EXPONENTS, Money
from tests.breakers.till import INVOICE, STANDING, TEA, TILL, back, calling, capped, charges, pay, told
from tests.breakers.world import QUIET, deny

CAPPED = capped({"task": {"moved": ["1000 USD", "1000 EUR", "100000 JPY", "1000 KWD", "1000 ISK"]}})


def moved(asked: Call, facts: Facts = QUIET) -> tuple[int, str] | None:
    """
    Return how many micro-units of which currency a call is charged with, or None for no money.
    """
    taken = charges(CAPPED, asked, facts)
    assert len(taken) <= 1
    return (taken[0].amount, taken[0].measure.removeprefix("moved:")) if taken else None


@pytest.mark.parametrize(
    ("amount", "currency", "micros"),
    [
        (1, "usd", 10_000),
        (500, "USD", 5_000_000),
        (500, "jpy", 500_000_000),
        (500, "KWD", 500_000),
        (500, "isk", 5_000_000),
        (2**53 // 10_000, "usd", 2**53 // 10_000 * 10_000),
    ],
)
def test_stated(amount: int, currency: str, micros: int) -> None:
    """A stated amount is charged in micro-units of its currency, by the exponents of ISO 4217 and the API's own."""
    wide = capped({"task": {"moved": [f"9007199254.740992 {code}" for code in ("USD", "JPY", "KWD", "ISK")]}})
    (charge,) = charges(wide, pay(amount, currency))
    assert (charge.amount, charge.measure) == (micros, f"moved:{currency.upper()}")


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        (0, "usd", Reason.LIMIT_EXCEEDED),
        (-500, "usd", Reason.LIMIT_EXCEEDED),
        (MICROS_MAX // 10_000 + 1, "usd", Reason.LIMIT_EXCEEDED),
        (2**63, "usd", Reason.LIMIT_EXCEEDED),
        ("500", "usd", Reason.ARGUMENT_MISTYPED),
        ("1e2", "usd", Reason.ARGUMENT_MISTYPED),
        (100.0, "usd", Reason.ARGUMENT_MISTYPED),
        (Decimal("0.3"), "usd", Reason.ARGUMENT_MISTYPED),
        (True, "usd", Reason.ARGUMENT_MISTYPED),
        (None, "usd", Reason.ARGUMENT_MISTYPED),
        (500, "xyz", Reason.LIMIT_EXCEEDED),
        (500, "us", Reason.AMOUNT_UNBOUNDED),
        (500, 840, Reason.ARGUMENT_MISTYPED),
        (500, "gbp", Reason.BUDGET_EXHAUSTED),
    ],
)
def test_not_exact(amount: object, currency: object, reason: Reason) -> None:
    """What is no positive whole amount of a currency that is capped moves nothing: it is refused."""
    deny(CAPPED, pay(amount, currency), reason, "spend")


@pytest.mark.parametrize("said", [{}, {"body.amount": 500}, {"body.currency": "usd"}])
def test_absent(said: dict[str, object]) -> None:
    """An amount or a currency that is not stated, and that nothing else tells, is refused."""
    deny(CAPPED, calling("pay", said), Reason.AMOUNT_UNBOUNDED, "spend")


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=20))
def test_sum_exact(amounts: list[int]) -> None:
    """However small the parts, what they are charged with together is their sum."""
    parts = [charge.amount for amount in amounts for charge in charges(CAPPED, pay(amount))]
    assert sum(parts) == sum(amounts) * 10_000


MOVES = [
    (calling("things.list", {"query.limit": 5}), None),
    (calling("things.create", {"body.name": "a"}), None),
    (calling("things.update", {"body.name": "a"}), None),
    (calling("things.update"), None),
    (calling("things.update", {"body.name": "a", "body.credit": 5}), "things.update"),
    (calling("things.update", {"body.name": "a"}, undeclared=("body.discount",)), "things.update"),
    (calling("things.bill", {"body.name": "a"}), "things.bill"),
]


@pytest.mark.parametrize(("asked", "unknown"), MOVES)
def test_moves(asked: Call, unknown: str | None) -> None:
    """A read moves nothing, nor does what is said to move nothing; what nobody knows is refused."""
    if unknown is None:
        assert moved(asked) is None
    else:
        assert unknown in deny(CAPPED, asked, Reason.AMOUNT_UNBOUNDED, "spend").detail
    # Without a cap on money nobody asks.
    assert len(charges(capped({"task": {"calls": 5}}), asked)) == 1


def test_asked() -> None:
    """What only a read can tell is asked for where a cap on money stands above the call, and only there."""
    paid = calling("invoices.pay", {"path.invoice": "in_1"})
    assert decide(paid, CAPPED, QUIET) == Ask((INVOICE,))
    assert moved(paid, QUIET.with_looks({INVOICE: Looked("eur", 1234)})) == (12_340_000, "EUR")
    assert len(charges(capped({"task": {"writes": 5}}), paid)) == 1


@pytest.mark.parametrize(
    ("looked", "reason"),
    [
        (Looked(failed="no answer"), Reason.AMOUNT_UNBOUNDED),
        (Looked("eur", None), Reason.AMOUNT_UNBOUNDED),
        (Looked(None, 500), Reason.AMOUNT_UNBOUNDED),
        (Looked("eur", 0), Reason.LIMIT_EXCEEDED),
        (Looked("eur", -5), Reason.LIMIT_EXCEEDED),
        (Looked("gbp", 5), Reason.BUDGET_EXHAUSTED),
    ],
)
def test_not_told(looked: Looked, reason: Reason) -> None:
    """A read that does not tell how much is left bounds nothing."""
    paid = calling("invoices.pay", {"path.invoice": "in_1"})
    deny(CAPPED, paid, reason, "spend", QUIET.with_looks({INVOICE: looked}))


COMPUTED = [
    ("units.pay", {"body.unit": "12.5", "body.times": 3, "body.currency": "usd"}, (375_000, "USD")),
    ("units.pay", {"body.unit": "12.5", "body.currency": "usd"}, (125_000, "USD")),
    ("units.pay", {"body.unit": 10, "body.times": Decimal("2.5"), "body.currency": "usd"}, (250_000, "USD")),
    # What is less than a micro-unit is rounded up: a tenth and two tenths are three, and nothing is free.
    ("units.pay", {"body.unit": "0.00001", "body.times": 3, "body.currency": "usd"}, (1, "USD")),
    ("units.pay", {"body.unit": "0.000000000001", "body.currency": "usd"}, (1, "USD")),
    ("whole.pay", {"body.value": "0.30", "body.currency": "usd"}, (300_000, "USD")),
    ("whole.pay", {"body.value": "12", "body.currency": "jpy"}, (12_000_000, "JPY")),
    ("whole.pay", {"body.value": "1.2345678", "body.currency": "kwd"}, (1_234_568, "KWD")),
    ("whole.pay", {"body.value": 0.1 + 0.2, "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": "1e2", "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": "NaN", "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": " 5", "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": "٥", "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": "1" * 17, "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": "0.1234567890123", "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("whole.pay", {"body.value": "-5", "body.currency": "usd"}, Reason.LIMIT_EXCEEDED),
    ("whole.pay", {"body.value": "0.00", "body.currency": "usd"}, Reason.LIMIT_EXCEEDED),
    ("whole.pay", {"body.value": "9007199254.740993", "body.currency": "usd"}, Reason.LIMIT_EXCEEDED),
    ("units.pay", {"body.unit": "5", "body.times": -1, "body.currency": "usd"}, Reason.LIMIT_EXCEEDED),
    ("units.pay", {"body.unit": "5", "body.times": True, "body.currency": "usd"}, Reason.ARGUMENT_MISTYPED),
    ("units.pay", {"body.times": 3, "body.currency": "usd"}, Reason.AMOUNT_UNBOUNDED),
    ("units.pay", {"body.unit": "5", "query.times": 3, "body.currency": "usd"}, Reason.AMOUNT_UNBOUNDED),
]


@pytest.mark.parametrize(("name", "said", "expected"), COMPUTED)
def test_computed(name: str, said: dict[str, object], expected: tuple[int, str] | Reason) -> None:
    """A price times a quantity, in decimals, is worked out exactly from its digits, or it is refused."""
    if isinstance(expected, Reason):
        deny(CAPPED, calling(name, said), expected, "spend")
    else:
        assert moved(calling(name, said)) == expected


CUP = {"price": {"decimal": "99.5", "currency": "USD"}, "times": "4"}

CARTS = [
    ([TEA], (5_000_000, "USD")),
    ([TEA, CUP], (8_980_000, "USD")),
    ([{"price": {"amount": "250", "currency": "usd"}}], (2_500_000, "USD")),
    ([TEA, {**TEA, "times": 0}], (5_000_000, "USD")),
    ([{**TEA, "times": 0}], None),
    ([TEA, {"price": {"amount": 1, "currency": "eur"}}], "in two currencies"),
    ([{**TEA, "tax_rates": ["txr_1"]}], "`tax_rates`"),
    ([{"price": {"amount": 250, "currency": "usd", "recurring": {"interval": "month"}}}], "`price.recurring`"),
    ([{"price": {"amount": 1, "decimal": "1", "currency": "usd"}}], "its price once"),
    ([{"price": {"currency": "usd"}}], "its price once"),
    ([{"price": {"amount": 250}}], "its currency"),
    ([{"price": {"amount": -250, "currency": "usd"}}], "its price once"),
    ([{**TEA, "times": -1}], "not below zero"),
    ([{**TEA, "times": "1e3"}], "not below zero"),
    ([{**TEA, "times": True}], "not below zero"),
    ([{"price": "price_1", "times": 1}], "`price`"),
    (["price_1"], "an object"),
    ([], "a list of items"),
    ({"0": TEA}, "a list of items"),
    ([TEA] * 1001, "a list of items"),
]


@pytest.mark.parametrize(("lines", "expected"), CARTS)
def test_lines(lines: object, expected: tuple[int, str] | str | None) -> None:
    """The items of a list are summed to the micro-unit, and one that says more than is known bounds nothing."""
    asked = calling("carts.offer", {"body.lines": lines})
    if isinstance(expected, str):
        assert expected in deny(CAPPED, asked, Reason.AMOUNT_UNBOUNDED, "spend").detail
    else:
        assert moved(asked) == expected


@pytest.mark.parametrize(
    ("said", "undeclared"),
    [({}, ()), ({"body.lines": [TEA], "body.tax": True}, ()), ({"body.lines": [TEA]}, ("body.extra",))],
)
def test_lines_beside(said: dict[str, object], undeclared: tuple[str, ...]) -> None:
    """A list that is not there, or beside which something stands that could add to it, bounds nothing."""
    deny(CAPPED, calling("carts.offer", said, undeclared=undeclared), Reason.AMOUNT_UNBOUNDED, "spend")


ITEMS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 1000)), min_size=1, max_size=8)


@given(ITEMS, st.sampled_from([0, 3, 12]))
def test_lines_exact(items: list[tuple[int, int]], places: int) -> None:
    """A sum of items is exact, whatever they are written as, and never below what they come to."""
    written = []
    for number, times in items:
        text = str(number) if not places else f"{number // 10**places}.{number % 10**places:0{places}}"
        price = {"decimal": text, "currency": "usd"}
        written.append({"price": price, "times": times})
    whole = sum(number * times for number, times in items) * 10_000
    micros = -(-whole // 10**places)
    wide = capped({"task": {"moved": "9007199254 USD"}})
    asked = calling("carts.offer", {"body.lines": written})
    if micros > MICROS_MAX:
        deny(wide, asked, Reason.LIMIT_EXCEEDED, "spend")
    else:
        assert [one.amount for one in charges(wide, asked)] == ([micros] if micros else [])


def test_each_call() -> None:
    """What one call may move is held against it alone, its end included, in each currency that is capped."""
    card = capped({"call": {"moved": ["5 USD", "500 JPY"]}})
    assert charges(card, pay(500)) == charges(card, pay(500, "jpy")) == ()
    over = deny(card, pay(501), Reason.BUDGET_EXHAUSTED, "spend")
    said = {"node": "call", "measure": "moved:USD", "cap": "5.00 USD", "requested": "5.01 USD"}
    assert dict(over.details) == said
    assert "EUR" in deny(card, pay(1, "eur"), Reason.BUDGET_EXHAUSTED, "spend").detail


def test_currencies() -> None:
    """A cap in one currency refuses what moves another, wherever it stands; a list of sums caps each by itself."""
    card = capped({"task": {"moved": ["9 USD", "9 EUR"]}, "month": {"moved": "9 USD"}})
    assert len(charges(card, pay(100))) == 2
    no = deny(card, pay(100, "eur"), Reason.BUDGET_EXHAUSTED, "spend")
    assert dict(no.details) == {"node": "agent:clerk", "measure": "moved:EUR"}
    assert told(capped({"task": {"moved": ["9 USD", "9 EUR"]}}), pay(100, "eur")) == [
        f"task:{STANDING} life moved:EUR 1000000 of 9000000"
    ]


BESIDE = [
    (back(), 2_000_000),
    (back(fee=False), 2_000_000),
    (back(fee=True), 4_000_000),
    (back(fee=True, share=False), 4_000_000),
    (back(fee=True, share=True), 6_000_000),
    # Whatever is not exactly false may be taken for true.
    (back(share=None), 4_000_000),
    (back(share="false"), 4_000_000),
    (calling("pay.back", {"body.amount": 200, "body.currency": "usd", "query.fee": True}), 4_000_000),
]


@pytest.mark.parametrize(("asked", "micros"), BESIDE)
def test_moved_beside(asked: Call, micros: int) -> None:
    """What moves beside an amount, as much again each time, is charged and settled with it."""
    assert moved(asked) == (micros, "USD")
    answer = {"amount": 200, "currency": "usd"}
    assert moved_as_answered(asked.operation, answer, NO_EXPONENTS) == Money(micros, "USD")
    most = {"amount": MICROS_MAX // 10_000, "currency": "usd"}
    shown = moved_as_answered(asked.operation, most, NO_EXPONENTS)
    assert (shown is None) is (micros > 2_000_000)


def test_limit_without() -> None:
    """A limit and the record read the amount alone, and the caps of a call and above it what moves with it."""
    card = capped({"task": {"moved": "9 USD"}}, rules={"*": {}, "pay.back": {"limit": {"amount": "0..2 USD"}}})
    verdict = decide(back(fee=True), card, QUIET)
    assert isinstance(verdict, Forward)
    assert (verdict.amount_micros, [one.amount for one in verdict.charges]) == (2_000_000, [4_000_000])
    deny(capped({"call": {"moved": "3 USD"}}), back(fee=True), Reason.BUDGET_EXHAUSTED, "spend")
    wide = capped({"task": {"moved": "9007199254 USD"}})
    deny(wide, back(fee=True, amount=MICROS_MAX // 10_000), Reason.LIMIT_EXCEEDED, "spend")


def test_read_once() -> None:
    """What a limit has read is not asked for again, and is what is charged."""
    card = capped({"task": {"moved": "9 USD"}}, rules={"pay": {"limit": {"amount": "0..9 USD"}}})
    verdict = decide(pay(250), card, QUIET)
    assert isinstance(verdict, Forward)
    assert (verdict.amount_micros, verdict.currency) == (2_500_000, "USD")
    assert [one.amount for one in verdict.charges] == [2_500_000]


@pytest.mark.parametrize(("times", "reason"), [(2, None), (3, Reason.LIMIT_EXCEEDED)])
def test_limited_sum(times: int, reason: Reason | None) -> None:
    """A limit in money reads a sum of items as it reads any amount."""
    card = capped(rules={"carts.offer": {"limit": {"lines": "0..5 USD"}}})
    asked = calling("carts.offer", {"body.lines": [{**TEA, "times": times}]})
    if reason is None:
        assert charges(card, asked) == ()
    else:
        deny(card, asked, reason, "limits")


ANSWERS = [
    ({"amount": 250, "currency": "usd"}, Money(2_500_000, "USD")),
    ({"amount": 0, "currency": "usd"}, Money(0, "USD")),
    ({"amount": 250, "currency": "jpy"}, Money(250_000_000, "JPY")),
    ({"amount": -250, "currency": "usd"}, None),
    ({"amount": "250", "currency": "usd"}, None),
    ({"amount": 2.5, "currency": "usd"}, None),
    ({"amount": True, "currency": "usd"}, None),
    ({"amount": 10**17, "currency": "usd"}, None),
    ({"amount": 250, "currency": "xyz"}, None),
    ({"amount": 250}, None),
    ({"currency": "usd"}, None),
    ([250], None),
    (None, None),
]


@pytest.mark.parametrize(("document", "expected"), ANSWERS)
def test_answered(document: object, expected: Money | None) -> None:
    """An answer that shows what was moved says it exactly; any other tells nothing, and is as much as was held."""
    assert moved_as_answered(pay(1).operation, document, NO_EXPONENTS) == expected
    assert moved_as_answered(calling("things.bill").operation, document, NO_EXPONENTS) is None


def test_own_exponents_answered() -> None:
    """An answer counts as its API does."""
    answer = {"amount": 250, "currency": "isk"}
    assert moved_as_answered(pay(1).operation, answer, TILL.dialect.exponents) == Money(2_500_000, "ISK")
