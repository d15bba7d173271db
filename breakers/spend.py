"""
What a call takes of the caps that stand above it, and what comes of that: charges, totals, and what they tell people.

Every cap stands at a node (a task, an agent, a team, an API account, a token), over a period, for one measure. A call
is charged at all of them at once, with the most that it can take, or at none. At its end the same charges are settled
at what it did take. Of each total `settled + held <= cap` holds whenever something is taken; what is settled is the
truth and may be more than was held. An unknown end keeps its hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from breakers.noun import noun
from config.money import Money

LIFE = "life"
"""The period of a node that ends with the node itself: a task, a token."""

CALLS, WRITES, MOVED, PAID = "calls", "writes", "moved", "paid"
"""What is measured: counts, and money, whose measure names its currency as well (`moved:USD`)."""


def money_measure(kind: str, currency: str) -> str:
    """
    Return the measure of money of one currency.
    """
    return f"{kind}:{currency}"


@noun
class Charge:
    """
    The most that one call takes of one cap: counts, or micro-units of the currency that its measure names.

    `node` is `task:ID`, `agent:NAME`, `team:NAME`, `api:NAME` or `token:ID`; `period` is `life`, or an hour, a day, a
    month of the node's calendar, fixed when it is taken. `until` is when that period is over (None: never, as far as is
    known). `alerts` are percentages of the cap. A record may be from before these stood in it: then `cap` is 0.
    """

    node: str
    period: str
    measure: str
    amount: int
    cap: int = 0
    until: datetime | None = None
    alerts: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """
        Return under which a store keeps the total.
        """
        return f"{self.node}|{self.period}|{self.measure}"


@dataclass(frozen=True, slots=True)
class Total:
    """
    How one total stands: `settled` was taken, `held` may be; `cap` is the one that was last judged by.
    """

    node: str
    period: str
    measure: str
    settled: int
    held: int
    cap: int = 0
    until: datetime | None = None


class Notice(StrEnum):
    """
    What is told about a cap, once for each node, period, measure and size of the cap.
    """

    REACHED = "reached"
    DENIED = "denied"
    OVERRUN = "overrun"


@dataclass(frozen=True, slots=True)
class Alert:
    """
    One notice: a percentage that was reached (`threshold`), the first denial, or more taken than the cap.
    """

    kind: Notice
    node: str
    period: str
    measure: str
    threshold: int
    cap: int
    settled: int
    at: datetime

    @property
    def id(self) -> str:
        """
        Return the id under which it is raised once, however often it is delivered.
        """
        return alert_id(self.kind, self.node, self.period, self.measure, self.threshold, self.cap)


def alert_id(kind: Notice, node: str, period: str, measure: str, threshold: int, cap: int) -> str:
    """
    Return the id of a notice; the size of the cap is its version.
    """
    said = "\x00".join((kind, node, period, measure, str(threshold), str(cap)))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def reached_at(threshold: int, cap: int) -> int:
    """
    Return the smallest total that is `threshold` percent of a cap, in whole numbers.
    """
    return -(-cap * threshold // 100)


def spent_by(
    charges: tuple[Charge, ...],
    *,
    sent: bool,
    applied: bool | None,
    moved: Money | None = None,
    paid: Money | None = None,
) -> tuple[int, ...]:
    """
    Return what a call that has ended took of its charges, in their order.

    What was never sent took nothing. What had no effect moved nothing and was no write, but it was a call. Where
    `moved` or `paid` is not known, or is of another currency, it is as much as was held; `applied` None counts as an
    effect.
    """
    return tuple(_spent(charge, sent=sent, applied=applied, moved=moved, paid=paid) for charge in charges)


def _spent(charge: Charge, *, sent: bool, applied: bool | None, moved: Money | None, paid: Money | None) -> int:
    kind, _, currency = charge.measure.partition(":")
    if not sent or (kind in {WRITES, MOVED} and applied is False):
        return 0
    told = {MOVED: moved, PAID: paid}.get(kind)
    return told.micros if told is not None and told.currency == currency else charge.amount


def amounts(charges: tuple[Charge, ...]) -> tuple[int, ...]:
    """
    Return what a call took that took all that it held.
    """
    return tuple(charge.amount for charge in charges)


def released(charges: tuple[Charge, ...]) -> tuple[int, ...]:
    """
    Return what a call took that was never sent.
    """
    return (0,) * len(charges)
