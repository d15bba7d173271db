from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.faults import Unreadable
from config.money import MICROS_MAX, Money
from config.ranges import MoneyRange, NumberRange, read_range

numbers = st.decimals(-(10**9), 10**9, allow_nan=False, places=3)
micros = st.integers(0, MICROS_MAX)


@given(numbers, numbers, numbers)
def test_number_bounds(one: Decimal, other: Decimal, value: Decimal) -> None:
    """A number is inside exactly when it is no less than the low end and no more than the high end."""
    low, high = sorted((one, other))
    span = read_range(f"{low}..{high}")
    assert (value in span) == (low <= value <= high)
    assert low in span
    assert high in span
    assert read_range(str(span)) == span


@given(micros, micros, micros)
def test_money_bounds(one: int, other: int, value: int) -> None:
    """An amount is inside exactly when it lies between both ends, and never in another currency."""
    low, high = sorted((one, other))
    span = MoneyRange(Money(low, "USD"), Money(high, "USD"))
    assert (Money(value, "USD") in span) == (low <= value <= high)
    assert Money(low, "EUR") not in span
    assert read_range(str(span)) == span


@given(numbers, numbers)
def test_wrong_way_round(low: Decimal, high: Decimal) -> None:
    """A range whose low end is above its high end is refused, and the hint is the range turned round."""
    assume(low > high)
    with pytest.raises(Unreadable) as refused:
        read_range(f"{low}..{high}")
    assert refused.value.hint == f"write `{high}..{low}`"


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("0.50..100 USD", "0.50 USD", "100 USD"),
        ("0..0 JPY", "0 JPY", "0 JPY"),
    ],
)
def test_money_range(written: str, low: str, high: str) -> None:
    """Money is written with its currency once, at the end."""
    assert read_range(written) == MoneyRange(Money.parse(low), Money.parse(high))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("100 USD", "not a range"),
        ("100", "not a range"),
        (100, "one number"),
        (Decimal("0.5"), "one number"),
        (True, "a limit is a range"),
        (None, "a limit is a range"),
        (["1", "2"], "a limit is a range"),
        (0.5, "a limit is a range"),
        ("..100 USD", "one end only"),
        ("1..", "one end only"),
        ("..", "one end only"),
        ("", "not a range"),
        ("1..2..3", "not a number"),
        ("1...2", "not a number"),
        ("1 .. 2", "not a range"),
        ("1..2 ", "no currency of ISO 4217"),
        ("1e1..2", "not a number"),
        ("-1..5 USD", "not negative"),
        ("0.50..100 usd", "not how a currency"),
        ("0.50..100 DOLLARS", "no currency of ISO 4217"),
        ("0.50 USD..100 USD", "not a range"),
        ("5..1 USD", "low end is above"),
        ("0..9007199254.740993 USD", "beyond 2**53"),
        ("0..0.0000001 USD", "more than six decimals"),
    ],
)
def test_refused_ranges(written: object, message: str) -> None:
    """Whatever is no range with both its ends is refused in words."""
    with pytest.raises(Unreadable) as refused:
        read_range(written)
    assert message in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("value", [True, 1.0, "1", None, Decimal("NaN"), Money(1, "USD")])
def test_foreign_values(value: object) -> None:
    """A boolean, a float, text, NaN and money lie in no range of numbers."""
    assert value not in NumberRange(Decimal(0), Decimal(10))
