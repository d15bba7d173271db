"""
Amounts that have to be worked out: decimals, a price times a quantity, the items of a list. Exact, or none at all.

A number is what its text says: digits, and at most twelve decimals; JSON's other spellings of numbers are the numbers
that will be sent. Nothing is rounded before the last step, and that rounds up, so that no sum of small parts is more
than what was held for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

from config.dialect import point_at
from config.faults import Unreadable
from config.lines import Lines

# Sixteen digits hold every amount; APIs that count in parts of a minor unit have at most twelve decimals.
_NUMBER = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,12})?")

# An API takes a hundred; a list beyond this is no order of anybody's.
ITEMS_MAX = 1000


def exact(value: object) -> Fraction | None:
    """
    Return the exact number that a value is, below zero too; None where it is none, or is written in more digits.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int):
        return Fraction(value)
    text = value if isinstance(value, str) else _plain(value)
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def _plain(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else value
    # An exponent beyond what is written in digits here would be spelled out for ever.
    return f"{number:f}" if number.is_finite() and abs(number.adjusted()) <= 28 else ""


def sum_of(lines: Lines, items: object) -> tuple[Fraction, str]:
    """
    Return what the items of a list come to, and in which currency. Raises `Unreadable`, in words for whoever asked.
    """
    if not isinstance(items, list | tuple) or not items or len(items) > ITEMS_MAX:
        raise Unreadable("it must be a list of items")
    total, currencies = Fraction(0), set()
    for item in items:
        if not isinstance(item, Mapping):
            raise Unreadable("each item must be an object")
        if other := sorted(name for name in _members(item) if name not in lines.members):
            raise Unreadable(f"with `{other[0][:60]}` in an item it is not certain what bounds this")
        total += _price(lines, item) * _times(lines, item)
        currencies.add(_currency(lines, item))
    if len(currencies) > 1:
        raise Unreadable("its items are in two currencies")
    return total, currencies.pop()


def least_of(lines: Lines, items: object) -> tuple[Fraction, frozenset[str]]:
    """
    Return what those items of a list come to that say it, whatever else they and others say, and in which currencies.
    """
    total, currencies = Fraction(0), set()
    for item in items if isinstance(items, list | tuple) else ():
        with suppress(Unreadable):
            comes_to, currency = _price(lines, item) * _times(lines, item), _currency(lines, item)
            total += comes_to
            currencies.add(currency)
    return total, frozenset(currencies)


def _members(item: Mapping[str, object]) -> list[str]:
    """
    Return the members of an item, and of what lies directly in it, dotted.
    """
    found = []
    for name, value in item.items():
        inner = [f"{name}.{inside}" for inside in value] if isinstance(value, Mapping) else []
        found += inner or [name]
    return found


def _price(lines: Lines, item: object) -> Fraction:
    said = [value for value in (point_at(item, at) for at in lines.amount) if value is not None]
    price = exact(said[0]) if len(said) == 1 else None
    if price is None or price < 0:
        raise Unreadable(f"each item must say its price once, at `{lines.amount[0]}`, as a number not below zero")
    return price


def _times(lines: Lines, item: object) -> Fraction:
    said = point_at(item, lines.times) if lines.times else None
    times = Fraction(1) if said is None else exact(said)
    if times is None or times < 0:
        raise Unreadable(f"`{lines.times}` must be a number not below zero")
    return times


def _currency(lines: Lines, item: object) -> str:
    said = point_at(item, lines.currency)
    if not isinstance(said, str):
        raise Unreadable(f"each item must say its currency, at `{lines.currency}`")
    return said.casefold()
