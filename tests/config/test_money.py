from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.faults import CurrencyMismatch, Unreadable
from config.money import DECIMALS_MAX, ISO_EXPONENTS, MICROS_MAX, Money

amounts = st.builds(Money, st.integers(-MICROS_MAX, MICROS_MAX), st.sampled_from(sorted(ISO_EXPONENTS)))


@given(amounts)
def test_text_round_trip(money: Money) -> None:
    """What an amount prints is what reads back as the same amount."""
    assert Money.parse(str(money)) == money


@given(st.decimals(-9_000_000_000, 9_000_000_000, allow_nan=False, places=6))
def test_parse_exact(number: Decimal) -> None:
    """A decimal text of six places becomes its exact micro-units, as decimal arithmetic has them."""
    assert Money.parse(f"{number:f} USD").micros == number * 10**DECIMALS_MAX


@given(st.integers(-(10**9), 10**9), st.sampled_from(sorted(ISO_EXPONENTS)))
def test_minor_exact(amount: int, currency: str) -> None:
    """An amount in minor units is the decimal shifted by its currency's exponent."""
    money = Money.from_minor(amount, currency.lower())
    assert Decimal(money.micros) == Decimal(amount).scaleb(DECIMALS_MAX - ISO_EXPONENTS[currency])


@given(amounts, amounts)
def test_order_within_currency(one: Money, other: Money) -> None:
    """Amounts are ordered as their micro-units within a currency and not at all across two."""
    if one.currency == other.currency:
        assert (one < other, one <= other) == (one.micros < other.micros, one.micros <= other.micros)
        assert (one > other, one >= other) == (one.micros > other.micros, one.micros >= other.micros)
        return
    assert one != other
    for compare in (Money.__lt__, Money.__le__, Money.__gt__, Money.__ge__, Money.__add__, Money.__sub__):
        with pytest.raises(CurrencyMismatch):
            compare(one, other)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_sum_exact(one: int, other: int) -> None:
    """A sum loses nothing, and subtracting takes it back."""
    total = Money(one, "EUR") + Money(other, "EUR")
    assert total.micros == one + other
    assert total - Money(other, "EUR") == Money(one, "EUR")
    assert (-total).micros == -total.micros


@pytest.mark.parametrize(
    ("amount", "currency", "exponents", "shown"),
    [
        (500, "usd", {}, "5.00 USD"),
        (500, "JPY", {}, "500 JPY"),
        (500, "kwd", {}, "0.500 KWD"),
        (500, "CLF", {}, "0.0500 CLF"),
        # A vendor that counts in hundredths where ISO has none, and the other way round.
        (500, "isk", {"ISK": 2}, "5 ISK"),
        (500, "mga", {"MGA": 0}, "500.00 MGA"),
        (-1, "usd", {}, "-0.01 USD"),
        (0, "usd", {}, "0.00 USD"),
    ],
)
def test_minor_units(amount: int, currency: str, exponents: dict[str, int], shown: str) -> None:
    """A catalogue's exponent wins over that of ISO 4217."""
    assert str(Money.from_minor(amount, currency, exponents)) == shown


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("0.50", "no currency", "`0.50 USD`"),
        ("0.50usd", "no currency", "`0.50 USD`"),
        ("0.50 usd", "`usd` is not how", "write `USD`"),
        ("1 XYZ", "no currency of ISO 4217", "`USD`"),
        ("1 US Dollars", "no currency", "`USD`"),
        ("$5 USD", "`$5` is not an amount", "1250.50 USD"),
        ("1,000 USD", "`1,000` is not an amount", "1250.50 USD"),
        ("1e3 USD", "not an amount", ""),
        (".5 USD", "not an amount", ""),
        ("5. USD", "not an amount", ""),
        ("+5 USD", "not an amount", ""),
        ("٥ USD", "not an amount", ""),
        ("NaN USD", "not an amount", ""),
        ("1.0000001 USD", "more than six decimals", "six"),
        ("9007199254.740993 USD", "beyond 2**53", "9007199254.740992"),
        ("99999999999999999 USD", "not an amount", ""),
    ],
)
def test_parse_refusals(text: str, message: str, hint: str) -> None:
    """Text that is no exact amount of a known currency is refused with the right spelling."""
    with pytest.raises(Unreadable) as refused:
        Money.parse(text)
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_ceiling() -> None:
    """An amount of 2**53 micro-units stands, and one more is refused however it arises."""
    top = Money.parse("9007199254.740992 USD")
    assert top.micros == 2**53
    with pytest.raises(Unreadable, match="beyond"):
        top + Money(1, "USD")
    with pytest.raises(Unreadable, match="beyond"):
        -top - Money(1, "USD")
    with pytest.raises(Unreadable, match="beyond"):
        Money.from_minor(2**53, "USD")


@pytest.mark.parametrize("amount", [True, 1.0, "1", Decimal(1), None])
def test_whole_only(amount: object) -> None:
    """Nothing but an integer counts micro-units or minor units."""
    with pytest.raises(Unreadable):
        Money(amount, "USD")  # type: ignore[arg-type]
    with pytest.raises(Unreadable):
        Money.from_minor(amount, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize("currency", ["", "us", "usdc", "xyz", "uſd", "ıdr", "US1", "USD "])
def test_unknown_minor_currency(currency: str) -> None:
    """A code that neither the catalogue nor ISO 4217 knows has no minor unit."""
    with pytest.raises(Unreadable):
        Money.from_minor(1, currency)


def test_iso_table() -> None:
    """The table holds every exponent of ISO 4217, each code once."""
    assert {ISO_EXPONENTS[code] for code in ("JPY", "USD", "KWD", "CLF")} == {0, 2, 3, 4}
    assert sum(exponent == 0 for exponent in ISO_EXPONENTS.values()) == 17
    assert sum(exponent == 3 for exponent in ISO_EXPONENTS.values()) == 7
    assert len(ISO_EXPONENTS) > 165
