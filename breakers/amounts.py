"""
How much money a call would move: from its own arguments where they say so, else from a read of what it is about.

The amount that is stated must be a positive number, and a whole one of minor units unless its catalogue knows better.
Absent, it is the most that the operation can still move, which only its subject can tell; so it is with the currency.
Whatever leaves the bound uncertain (no recipe, no subject, two subjects, a read that failed, two currencies) is refused
as unbounded: a limit on an unknown amount is no limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import ceil

from breakers.arguments import reading
from breakers.call import Operation
from breakers.facts import Facts, Looked
from breakers.sums import exact, least_of, sum_of
from breakers.verdict import Ask, Reason, Refuse
from config.catalog import Amount, Place, Subject
from config.dialect import point_at
from config.faults import Unreadable
from config.lines import UNITS, Lines
from config.money import DECIMALS_MAX, ISO_EXPONENTS, Money

GATE = "limits"

_CODE = re.compile(r"[A-Z]{3}")

_BEYOND = "The amount is beyond every limit."

# What cannot name one object: nothing at all, or a step along a path instead of a name in it.
_NAMELESS = frozenset({"", ".", ".."})


def may_move(operation: Operation) -> bool:
    """
    Tell whether a call may move money, as far as anybody knows: a write may, unless a person says that it does not.
    """
    spec = operation.spec
    if not operation.writes or spec.moves_nothing:
        return False
    said = {name for place, name in operation.arguments if place is not Place.PATH}
    return not (spec.harmless and said <= spec.harmless and not operation.undeclared)


def amount_moved(operation: Operation, facts: Facts, exponents: Mapping[str, int]) -> Money | Refuse | Ask:
    """
    Return the most that the call can move, why that is not known, or the read that would tell.
    """
    declared = operation.spec.amount
    if declared is None:
        return _unbounded(f"How much `{operation.spec.name}` moves is not known here.")
    for name in declared.unbounded_by:
        if reading(name).found(operation):
            return _unbounded(f"With `{name}` it is not certain what bounds this; leave it out.")
    if declared.offered and operation.undeclared:
        return _unbounded(f"With `{operation.undeclared[0]}` it is not certain what bounds this; leave it out.")
    return _told(declared, operation, facts, exponents)


def moved_with(operation: Operation, amount: Money) -> Money | Refuse:
    """
    Return what a call moves whose amount is this, with what moves beside it: as much again for each such argument.
    """
    declared = operation.spec.amount
    times = 1
    for name in declared.again if declared is not None else ():
        times += any(value is not False for _, value in reading(name).found(operation))
    try:
        return Money(amount.micros * times, amount.currency)
    except Unreadable:
        return _outside(_BEYOND)


def moved_at_least(
    operation: Operation, facts: Facts, exponents: Mapping[str, int], currency: str
) -> Money | Refuse | Ask | None:
    """
    Return what a call that nothing bounds is known to move nevertheless, None where it says nothing of that.

    What makes a bound uncertain takes nothing away from it. An amount of which nobody says the currency is in this one.
    Refused is what names a subject that would bound it and did not tell: it need only be named right, or asked again;
    and an amount that itself is what is uncertain.
    """
    declared = operation.spec.amount
    if declared is None:
        return None
    if declared.argument in declared.unbounded_by:
        return _unbounded(f"With `{declared.argument}` it is not certain what bounds this; leave it out.")
    told = _told(declared, operation, facts, exponents)
    if not isinstance(told, Refuse) or told.reason is not Reason.AMOUNT_UNBOUNDED:
        return told
    if any(subject.bound for subject in operation.spec.subjects if (subject.place, subject.by) in operation.arguments):
        return told
    if declared.lines is not None:
        return _least(declared, declared.lines, operation, exponents, told)
    amount = _stated_amount(declared, operation)
    if amount is None or isinstance(amount, Refuse):
        return amount
    return _money(amount, currency, exponents, units=declared.decimals == UNITS)


def _told(declared: Amount, operation: Operation, facts: Facts, exponents: Mapping[str, int]) -> Money | Refuse | Ask:
    if declared.lines is not None:
        return _summed(declared, declared.lines, operation, exponents)
    amount = _stated_amount(declared, operation)
    if isinstance(amount, Refuse):
        return amount
    currency = _stated_currency(declared, operation)
    if isinstance(currency, Refuse):
        return currency
    if amount is not None and currency is not None:
        return _money(amount, currency, exponents, units=declared.decimals == UNITS)
    told = _told_by_subject(operation, facts)
    if not isinstance(told, Looked):
        return told
    return _combined(amount, currency, told, exponents, units=declared.decimals == UNITS)


def _stated_amount(declared: Amount, operation: Operation) -> Fraction | int | Refuse | None:
    amount = _number(declared, declared.argument, operation)
    if declared.times is None or amount is None or isinstance(amount, Refuse):
        return amount
    times = _number(declared, declared.times, operation, "a positive number")
    return times if isinstance(times, Refuse) else amount * (1 if times is None else times)


def _number(declared: Amount, name: str, operation: Operation, wanted: str = "") -> Fraction | int | Refuse | None:
    stated = _stated(name, declared.place, operation) if name else None
    if stated is None or isinstance(stated, Refuse):
        return stated
    shown, value = stated
    exactly = value if type(value) is int else exact(value) if wanted or declared.decimals else None
    if shown in operation.mistyped or exactly is None:
        return _mistyped(shown, wanted or _WANTED[declared.decimals])
    return exactly if exactly > 0 else _outside(f"`{shown}` must be above zero.")


_WANTED = {
    "": "a positive whole number of minor units",
    "minor": "a positive number of minor units, of at most twelve decimals",
    UNITS: "a positive number of units, of at most twelve decimals",
}


def _summed(declared: Amount, lines: Lines, operation: Operation, exponents: Mapping[str, int]) -> Money | Refuse:
    stated = _stated(declared.argument, declared.place, operation)
    if stated is None:
        return _unbounded(f"`{declared.argument}` is not stated, and nothing else bounds this.")
    if isinstance(stated, Refuse):
        return stated
    shown, value = stated
    try:
        total, currency = sum_of(lines, value)
    except Unreadable as why:
        return _unbounded(f"What `{shown}` comes to is not certain: {why}.")
    return _money(total, currency, exponents)


def _least(
    declared: Amount, lines: Lines, operation: Operation, exponents: Mapping[str, int], told: Refuse
) -> Money | Refuse | None:
    """
    Return what those items come to that say what they cost, None where none does.
    """
    stated = _stated(declared.argument, declared.place, operation)
    if stated is None or isinstance(stated, Refuse):
        return stated
    least, currencies = least_of(lines, stated[1])
    if len(currencies) > 1:
        return told
    return _money(least, next(iter(currencies)), exponents) if currencies else None


def _stated_currency(declared: Amount, operation: Operation) -> str | Refuse | None:
    stated = _stated(declared.currency, declared.place, operation) if declared.currency else None
    if stated is None or isinstance(stated, Refuse):
        return stated
    shown, value = stated
    if shown in operation.mistyped or not isinstance(value, str):
        return _mistyped(shown, "a currency's three-letter code")
    return value


def _stated(name: str, place: Place, operation: Operation) -> tuple[str, object] | Refuse | None:
    key, shown, elsewhere = _spots(name, place)
    arguments = operation.arguments
    for other in elsewhere:
        if other in arguments:
            return _unbounded(f"`{name}` is stated elsewhere than in the {place}, where another value could count.")
    return (shown, arguments[key]) if key in arguments else None


# The arguments that the catalogues of one process say amounts with.
@lru_cache(maxsize=1024)
def _spots(name: str, place: Place) -> tuple[tuple[Place, str], str, tuple[tuple[Place, str], ...]]:
    """
    Return where an argument counts, how it is shown, and where else one of its name could stand.
    """
    return (place, name), f"{place}.{name}", tuple((other, name) for other in Place if other is not place)


def _told_by_subject(operation: Operation, facts: Facts) -> Looked | Refuse | Ask:
    present = [subject for subject in operation.spec.subjects if (subject.place, subject.by) in operation.arguments]
    if not present:
        return _unbounded(f"`{operation.spec.name}` states neither its amount and currency nor what it is about.")
    if len(present) > 1:
        named = " and ".join(f"`{subject.by}`" for subject in present)
        return _unbounded(f"{named} are both stated; state one, so that it is certain what this is about.")
    subject = present[0]
    if (no := _nameless(subject, operation)) is not None:
        return no
    looked = facts.looks.get(subject)
    if looked is None:
        return Ask((subject,))
    if looked.failed is not None:
        return _unbounded(f"What `{subject.by}` names could not be read, so nothing bounds what this would move.")
    return looked


def _nameless(subject: Subject, operation: Operation) -> Refuse | None:
    shown = f"{subject.place}.{subject.by}"
    value = operation.arguments[subject.place, subject.by]
    if shown in operation.mistyped or isinstance(value, bool) or not isinstance(value, str | int):
        return _mistyped(shown, "the id of what this is about")
    return _unbounded(f"`{shown}` names nothing.") if value in _NAMELESS else None


def _combined(
    amount: Fraction | int | None, currency: str | None, told: Looked, exponents: Mapping[str, int], *, units: bool
) -> Money | Refuse:
    if told.currency is None:
        return _unbounded("What this is about has no currency that can be read.")
    if currency is not None and currency.casefold() != told.currency.casefold():
        return _unbounded("The currency that is stated is not the one of what this is about.")
    if amount is not None:
        return _money(amount, told.currency, exponents, units=units)
    if told.bound_minor is None:
        return _unbounded("The amount is not stated and what this is about does not bound it; state the amount.")
    if told.bound_minor <= 0:
        return _outside("Nothing is left of what this is about.")
    return _money(Fraction(told.bound_minor), told.currency, exponents)


def _money(
    amount: Fraction | int, currency: str, exponents: Mapping[str, int], *, units: bool = False
) -> Money | Refuse:
    code = currency.upper() if currency.isascii() else currency
    exponent = exponents.get(code, ISO_EXPONENTS.get(code))
    if exponent is None:
        if not _CODE.fullmatch(code):
            return _unbounded("The currency is not a three-letter code.")
        return _outside(f"{code} is no currency that a limit can be in.")
    micros = amount * 10 ** (DECIMALS_MAX - (0 if units else exponent))
    try:
        # Up to the next micro-unit: a bound is never below what it bounds.
        return Money(micros if type(micros) is int else ceil(micros), code)
    except Unreadable:
        return _outside(_BEYOND)


def _unbounded(detail: str) -> Refuse:
    return Refuse(Reason.AMOUNT_UNBOUNDED, GATE, detail)


def _outside(detail: str) -> Refuse:
    return Refuse(Reason.LIMIT_EXCEEDED, GATE, detail)


def _mistyped(shown: str, wanted: str) -> Refuse:
    return Refuse(Reason.ARGUMENT_MISTYPED, GATE, f"`{shown}` must be {wanted}.", (("argument", shown),))


def moved_as_answered(operation: Operation, document: object, exponents: Mapping[str, int]) -> Money | None:
    """
    Return what an answer (its JSON value) shows that a call moved; None where it does not, or shows no amount.

    It shows the amount alone: what moves beside it is counted as it was held.
    """
    declared = operation.spec.amount
    if declared is None or declared.answered is None:
        return None
    at_amount, at_currency = declared.answered
    amount, currency = point_at(document, at_amount), point_at(document, at_currency)
    if type(amount) is not int or amount < 0 or not isinstance(currency, str):
        return None
    moved = _money(Fraction(amount), currency, exponents)
    moved = moved_with(operation, moved) if isinstance(moved, Money) else moved
    return moved if isinstance(moved, Money) else None
