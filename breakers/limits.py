"""Limits: an argument must lie in its range, both ends included; a limit that cannot be checked is not kept."""

from __future__ import annotations

from decimal import Decimal

from breakers.amounts import amount_moved
from breakers.call import Call, Operation
from breakers.facts import Facts
from breakers.policy import Limit, Passed, Policy
from breakers.verdict import Ask, Reason, Refuse
from config.money import NO_EXPONENTS, Money
from config.ranges import MoneyRange, NumberRange

GATE = "limits"


def limits(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse | Ask:
    """
    Hold the call against every limit of every entry that allows it.

    Numbers come first, because they never need a read. Money is read once, for all limits. An argument that is absent
    is outside its limit; an amount that is absent is the most that the operation can move.
    """
    numbers, amounts = passed.allowed.numbers, passed.allowed.amounts
    for limit, number_span in numbers:
        if no := _number_outside(limit, number_span, call.operation):
            return no
    for limit, _ in amounts:
        if no := _not_an_amount(limit, call.operation):
            return no
    if not amounts:
        return passed
    moved = amount_moved(call.operation, facts, policy.exponents.get(call.api, NO_EXPONENTS))
    if not isinstance(moved, Money):
        return moved
    for limit, money_span in amounts:
        if no := _money_outside(limit, money_span, moved):
            return no
    return passed.and_moving(moved)


def _number_outside(limit: Limit, span: NumberRange, operation: Operation) -> Refuse | None:
    name = limit.reading.written
    wrong = limit.reading.mistyped(operation)
    stated = limit.reading.found(operation)
    if wrong is None:
        wrong = next((shown for shown, value in stated if exact_number(value) is None), None)
    if wrong is not None:
        return Refuse(
            Reason.ARGUMENT_MISTYPED, GATE, f"`{wrong}` is limited and must be a number.", (("argument", wrong),)
        )
    if not stated:
        return _exceeded(f"`{name}` is limited to {limit.shown} and is not stated; state it.", limit)
    if all(exact_number(value) in span for _, value in stated):
        return None
    return _exceeded(f"`{name}` must be within {limit.shown}.", limit)


def _not_an_amount(limit: Limit, operation: Operation) -> Refuse | None:
    amount, name = operation.spec.amount, limit.reading.written
    if amount is not None and limit.reading.name == amount.argument and amount.place in limit.reading.places:
        return None
    detail = f"`{name}` is not known to be an amount of money of `{operation.spec.name}`."
    return Refuse(Reason.AMOUNT_UNBOUNDED, GATE, detail, (("argument", name),))


def _money_outside(limit: Limit, span: MoneyRange, moved: Money) -> Refuse | None:
    if moved in span:
        return None
    name, currency = limit.reading.written, span.currency
    if moved.currency != currency:
        detail = f"This would move {moved.currency}, and the limit of `{name}` is in {currency}: {limit.shown}."
        return _exceeded(detail, limit)
    return _exceeded(f"This would move {moved}, and `{name}` must be within {limit.shown}.", limit)


def _exceeded(detail: str, limit: Limit) -> Refuse:
    details = (("argument", limit.reading.written), ("limit", limit.shown))
    return Refuse(Reason.LIMIT_EXCEEDED, GATE, detail, details)


def exact_number(value: object) -> Decimal | None:
    """
    Return the exact number that a value is, or None where it is none; a float is the number that its text says.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return exact if exact.is_finite() else None
