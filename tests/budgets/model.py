"""
The reference: what every total must be, by counting calls anew at every look, and nothing of ours.

A call is in one of five states, and each of its charges counts for its period by that alone: as held, as settled, or
not at all. A claim counts until it is given up; where a store may give one up any time after its lease (`exact` is
False), it may count or not, and the model says the least and the most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from breakers.spend import LIFE, Charge

# What the stores promise, in words of our own.
GIVEN_UP_S = 15.0
KEPT = timedelta(days=40)
KEPT_LIFE = timedelta(days=1)

Sum = tuple[int, int]
"""What is settled, and what is held."""


class Is(StrEnum):
    """
    How a call stands.
    """

    CLAIMED = "claimed"
    HELD = "held"
    WHOLE = "whole"
    SPENT = "spent"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Spender:
    """
    One call that was admitted: what it holds, until when its claim's lease runs, and what it took.
    """

    call: str
    charges: tuple[Charge, ...]
    process: int
    writes: bool
    until: datetime
    state: Is
    spent: tuple[int, ...] = ()
    durable: bool = False
    concluded: bool = False

    def has_lapsed(self, now: datetime) -> bool:
        """
        Tell whether it is a claim whose lease has passed.
        """
        return self.state is Is.CLAIMED and self.until <= now

    def is_given_up(self, now: datetime) -> bool:
        """
        Tell whether it is a claim that nothing may be sent of any more.
        """
        return self.state is Is.CLAIMED and self.until + timedelta(seconds=GIVEN_UP_S) <= now


@dataclass
class Model:
    """
    Every call that was ever admitted.
    """

    exact: bool
    spenders: list[Spender] = field(default_factory=list)

    def totals(self, now: datetime, *, least: bool) -> dict[str, Sum]:
        """
        Return every total of which anything is taken and that is not over; of lapsed claims all that may be, or none.
        """
        sums: dict[str, Sum] = {}
        over: set[str] = set()
        for one in self.spenders:
            for number, charge in enumerate(one.charges):
                settled, held = sums.get(charge.key, (0, 0))
                took, holds = self._counts(one, number, now, least=least)
                sums[charge.key] = settled + took, held + holds
                assert charge.until is not None
                if charge.until + (KEPT_LIFE if charge.period == LIFE else KEPT) <= now:
                    over.add(charge.key)
        return {key: total for key, total in sums.items() if total[1] or (total[0] and key not in over)}

    def room(self, charges: tuple[Charge, ...], now: datetime, *, least: bool) -> Charge | None:
        """
        Return the first charge that has no room, if any.
        """
        sums = self.totals(now, least=least)
        for charge in charges:
            settled, held = sums.get(charge.key, (0, 0))
            if settled + held + charge.amount > charge.cap:
                return charge
        return None

    def lost(self, process: int, *, claims_outlive: bool) -> None:
        """
        Say what a crash leaves: of a call on record all that it may have taken, of any other nothing but its claim.
        """
        for one in self.spenders:
            if one.process != process or one.concluded:
                continue
            if one.durable:
                one.state = Is.HELD if one.writes else Is.WHOLE
            elif not claims_outlive:
                one.state = Is.GONE

    def _counts(self, one: Spender, number: int, now: datetime, *, least: bool) -> Sum:
        amount = one.charges[number].amount
        match one.state:
            case Is.HELD:
                return 0, amount
            case Is.WHOLE:
                return amount, 0
            case Is.SPENT:
                return one.spent[number], 0
            case Is.CLAIMED:
                goes = one.is_given_up(now) or (least and not self.exact and one.has_lapsed(now))
                return 0, 0 if goes else amount
            case Is.GONE:
                return 0, 0
