"""Ranges that limits are written in: `1..100` for numbers, `0.50..100 USD` for money. Both ends bind, inclusively."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from config.faults import Unreadable
from config.money import Money, known_currency, read_micros

_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")

_BOTH_ENDS = "write both ends: `1..100`, or for money `0.50..100 USD`"


@dataclass(frozen=True, slots=True)
class NumberRange:
    """
    Exact numbers from `low` to `high`, both included.
    """

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        """
        Refuse ends that are no finite decimals, or stand the wrong way round.
        """
        if not (self.low.is_finite() and self.high.is_finite()):
            raise Unreadable("an end of a range is a finite number", _BOTH_ENDS)
        if self.low > self.high:
            raise Unreadable(f"`{self}` holds nothing: its low end is above its high end", f"write `{_turned(self)}`")

    def __contains__(self, value: object) -> bool:
        """
        Tell whether an exact number lies inside. A boolean, a float and whatever is no number never does.
        """
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        return Decimal(value).is_finite() and self.low <= value <= self.high

    def __str__(self) -> str:
        """
        Return the range as it is written.
        """
        return f"{self.low}..{self.high}"


@dataclass(frozen=True, slots=True)
class MoneyRange:
    """
    Amounts of one currency from `low` to `high`, both included.
    """

    low: Money
    high: Money

    def __post_init__(self) -> None:
        """
        Refuse two currencies, a negative end, and ends that stand the wrong way round.
        """
        if self.low.currency != self.high.currency:
            raise Unreadable("a range is in one currency", "write it once, at the end: `0.50..100 USD`")
        if self.low.micros < 0:
            raise Unreadable("an amount in a limit is not negative", "start at `0`")
        if self.low > self.high:
            raise Unreadable(f"`{self}` holds nothing: its low end is above its high end", f"write `{_turned(self)}`")

    @property
    def currency(self) -> str:
        """
        Return the currency of both ends.
        """
        return self.low.currency

    def __contains__(self, value: object) -> bool:
        """
        Tell whether an amount lies inside. An amount of another currency never does.
        """
        if not isinstance(value, Money) or value.currency != self.low.currency:
            return False
        return self.low.micros <= value.micros <= self.high.micros

    def __str__(self) -> str:
        """
        Return the range as it is written.
        """
        return f"{str(self.low).removesuffix(self.currency).rstrip()}..{self.high}"


def read_range(written: object) -> NumberRange | MoneyRange:
    """
    Read a range as a limit writes it. Raises `Unreadable`, with the right spelling, for everything else.
    """
    if isinstance(written, NumberRange | MoneyRange):
        return written
    if isinstance(written, Decimal | int) and not isinstance(written, bool):
        raise Unreadable(f"`{written}` is one number, not a range", _BOTH_ENDS)
    if not isinstance(written, str):
        raise Unreadable("a limit is a range", _BOTH_ENDS)
    ends, space, currency = written.partition(" ")
    low, dots, high = ends.partition("..")
    if not dots:
        raise Unreadable(f"`{written[:40]}` is not a range", _BOTH_ENDS)
    if not low or not high:
        raise Unreadable(f"`{written[:40]}` has one end only", _BOTH_ENDS)
    if space:
        code = known_currency(currency)
        return MoneyRange(Money(read_micros(low), code), Money(read_micros(high), code))
    return NumberRange(_number(low), _number(high))


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise Unreadable(f"`{text[:40]}` is not a number", _BOTH_ENDS)
    return Decimal(text)


def _turned(written: NumberRange | MoneyRange) -> str:
    ends, space, currency = str(written).partition(" ")
    low, _, high = ends.partition("..")
    return f"{high}..{low}{space}{currency}"
