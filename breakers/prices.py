"""
What a call costs: at most, before it is sent, and what its answer shows.

Prices are whole micro-units for a number of units, and what comes of them is rounded up to a whole one: ten thousand
calls of a tenth of a micro-unit each are not free. What an answer does not say, or says in another form than a whole
number, is what was held for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from breakers.arguments import Reading, reading
from breakers.call import Operation
from breakers.verdict import Reason, Refuse
from config.dialect import point_at
from config.faults import Unreadable
from config.money import MICROS_MAX, Money
from config.prices import Metered
from config.prices import Price as WrittenPrice

GATE = "spend"

# Below which an answer is no mistake and no refusal, and so is paid for.
_FREE_FROM = 400


@dataclass(frozen=True, slots=True)
class Meter:
    """
    A price by the unit: `micros` for `per` units, of which the answer shows at `answer` how many were used.

    `at_most` is how many are, or the argument that says so.
    """

    answer: str
    micros: int
    per: int
    at_most: int | Reading

    def cost(self, units: int) -> int:
        """
        Return what so many units cost, rounded up.
        """
        return -(-units * self.micros // self.per)


@dataclass(frozen=True, slots=True)
class Price:
    """
    What one call costs, in micro-units of one currency: for itself, and for what it used.
    """

    currency: str
    call: int = 0
    meters: tuple[Meter, ...] = ()


def compile_price(written: WrittenPrice) -> Price:
    """
    Compile a price as it is written.
    """
    meters = tuple(_meter(one) for one in written.metered)
    return Price(written.currencies[0], written.call.micros if written.call else 0, meters)


def _meter(written: Metered) -> Meter:
    at_most = written.at_most if isinstance(written.at_most, int) else reading(written.at_most)
    return Meter(written.answer, written.each.micros, written.per, at_most)


def paid_at_most(price: Price, operation: Operation) -> Money | Refuse:
    """
    Return the most that a call can cost, or why that is not known.

    What is metered holds a micro-unit at least, so that what it comes to has a place to be settled at.
    """
    micros = price.call
    for meter in price.meters:
        units = _at_most(meter, operation)
        if isinstance(units, Refuse):
            return units
        micros += max(1, meter.cost(units))
    if micros > MICROS_MAX:
        return Refuse(Reason.AMOUNT_UNBOUNDED, GATE, "What this could cost is beyond every cap; ask for less at once.")
    return Money(micros, price.currency)


def _at_most(meter: Meter, operation: Operation) -> int | Refuse:
    if isinstance(meter.at_most, int):
        return meter.at_most
    name = meter.at_most.written
    found = list(meter.at_most.found(operation))
    if not found:
        detail = f"`{name}` bounds what this costs, and is not stated; state it."
        return Refuse(Reason.AMOUNT_UNBOUNDED, GATE, detail, (("argument", name),))
    shown, value = found[0]
    if shown in operation.mistyped or isinstance(value, bool) or not isinstance(value, int) or value < 0:
        detail = f"`{shown}` bounds what this costs, and must be a whole number that is not below zero."
        return Refuse(Reason.ARGUMENT_MISTYPED, GATE, detail, (("argument", shown),))
    return value


def is_free(status: int | None) -> bool:
    """
    Tell whether an answer refuses, or reports a mistake: nothing is paid for it, at whatever price.
    """
    return status is not None and status >= _FREE_FROM


def paid_as_answered(price: Price, operation: Operation, status: int | None, document: object) -> Money | None:
    """
    Return what a call cost by its answer (`document` is its JSON value, None where that was not read).

    An answer that refuses, or reports a mistake, is free. None: nobody knows, and it is as much as was held.
    """
    if status is None:
        return None
    if is_free(status):
        return Money(0, price.currency)
    micros = price.call
    for meter in price.meters:
        used = point_at(document, meter.answer)
        if isinstance(used, bool) or not isinstance(used, int) or used < 0:
            used = _at_most(meter, operation)
        if isinstance(used, Refuse):
            return None
        micros += meter.cost(used)
    try:
        return Money(micros, price.currency)
    except Unreadable:
        return None
