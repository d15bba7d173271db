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

from breakers.spend import LIFE, Charge, Total
from breakers.store.protocol import Exhausted

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
        for one in self.spenders:
            for number, charge in enumerate(one.charges):
                settled, held = sums.get(charge.key, (0, 0))
                took, holds = self._counts(one, number, now, least=least)
                sums[charge.key] = settled + took, held + holds
        over = self.over(now)
        return {key: total for key, total in sums.items() if total[1] or (total[0] and key not in over)}

    def over(self, now: datetime) -> frozenset[str]:
        """
        Return the totals whose period has been over for so long that they are forgotten, unless something is held.
        """
        every = {charge.key: charge for one in self.spenders for charge in one.charges}
        kept = {key: KEPT_LIFE if charge.period == LIFE else KEPT for key, charge in every.items()}
        return frozenset(key for key, charge in every.items() if charge.until and charge.until + kept[key] <= now)

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

    def agrees(self, shown: tuple[Total, ...], now: datetime) -> None:
        """
        Fail unless what a store shows is what the calls took.
        """
        least, most = (self.totals(now, least=least) for least in (True, False))
        found = {f"{one.node}|{one.period}|{one.measure}": (one.settled, one.held) for one in shown}
        # What outlives a process may have forgotten a total before a replay holds something of it again.
        forgotten = frozenset() if self.exact else self.over(now)
        for key in (found.keys() | most.keys()) - forgotten:
            settled, held = found.get(key, (0, 0))
            low, high = least.get(key, (0, 0)), most.get(key, (0, 0))
            assert settled == high[0], f"{key}: {settled} is settled, and it is {high[0]}"
            assert low[1] <= held <= high[1], f"{key}: {held} is held, and it is {low[1]} to {high[1]}"

    def admits(self, said: object, charges: tuple[Charge, ...], now: datetime) -> bool:
        """
        Tell whether a call was admitted. Fail if it was beyond a cap, or was not although there was room.
        """
        least, most = (self.room(charges, now, least=least) for least in (True, False))
        if isinstance(said, Exhausted):
            assert most is not None, f"{charges} were refused, and there is room"
            assert not self.exact or said.charge == most, f"{said} was named, and {most} is the first"
            return False
        assert least is None, f"{charges} were admitted, and there is no room at {least}"
        return True

    def lost(self, process: int, *, claims_outlive: bool = False) -> None:
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
                goes = one.is_given_up(now) if self.exact else least and one.has_lapsed(now)
                return 0, 0 if goes else amount
            case Is.GONE:
                return 0, 0
