"""
What is told about caps: raised once for each node, period, measure, percentage and size of the cap, shown until it is
delivered.

A percentage that is reached stays so when the cap changes, as long as it is: the same spend is not told twice. What is
not reached any more under a larger cap may be told again, about that cap.

While a replay goes on nobody is told: a total has no cap then. At its end each is judged once, by the cap of the call
that came last to it, and what is reached of that and on no record is told. Records from before caps stood in them say
nothing of theirs: such a total is judged when somebody is charged at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from breakers.spend import Alert, Charge, Notice, reached_at
from breakers.store.tally import Tally

SILENT = "token:"
"""The nodes of tokens: whoever holds a token narrows it as often as they like, and is told by its refusal."""


def last_judged(calls: Iterable[tuple[datetime, tuple[Charge, ...]]]) -> tuple[tuple[datetime, Charge], ...]:
    """
    Return of every total the charge that has its newest cap, and when that was, from what calls were charged and when.
    """
    newest: dict[tuple[str, str, str], tuple[datetime, Charge]] = {}
    for at, charges in calls:
        for charge in charges:
            key = (charge.node, charge.period, charge.measure)
            if charge.cap > 0 and (key not in newest or newest[key][0] <= at):
                newest[key] = (at, charge)
    return tuple(newest.values())


class Notices:
    """
    What was raised and is not delivered, oldest first.
    """

    __slots__ = ("pending",)

    def __init__(self) -> None:
        self.pending: dict[str, Alert] = {}

    def judged(self, tally: Tally, by: Charge, now: datetime) -> None:
        """
        Note the cap that a total is judged by from here on, and tell what is reached of it already.
        """
        tally.cap, tally.alerts = by.cap, by.alerts
        if tally.fired:
            tally.fired = frozenset(one for one in tally.fired if tally.settled >= reached_at(one, by.cap))
        self._reached(tally, now)

    def settled(self, tally: Tally, took: int, held: int, now: datetime) -> None:
        """
        Tell what a total has reached now, and that more was taken than had been held.
        """
        if took > held and tally.cap > 0:
            self._raise(tally, Notice.OVERRUN, 0, now)
        if tally.warns_at is not None and tally.settled >= tally.warns_at:
            self._reached(tally, now)

    def denied(self, tally: Tally, now: datetime) -> None:
        """
        Tell that a call found no room.
        """
        self._raise(tally, Notice.DENIED, 0, now)

    def raised(self, tally: Tally, alert: Alert) -> None:
        """
        Note an alert that is on record.
        """
        key = (alert.kind, alert.threshold, alert.cap)
        if key in tally.told:
            return
        tally.told |= {key}
        if alert.kind is Notice.REACHED:
            tally.fired |= {alert.threshold}
        self.pending[alert.id] = alert

    def delivered(self, alert: str) -> None:
        """
        Note that an alert has reached everyone whom it is for.
        """
        self.pending.pop(alert, None)

    def _reached(self, tally: Tally, now: datetime) -> None:
        tally.warns_at = None
        if tally.cap <= 0:
            return
        # The next of: each percentage that is not told yet, and beyond the cap itself.
        points = {percent: reached_at(percent, tally.cap) for percent in tally.alerts if percent not in tally.fired}
        for percent, point in points.items():
            if tally.settled >= point:
                tally.fired |= {percent}
                self._raise(tally, Notice.REACHED, percent, now)
        if tally.settled > tally.cap:
            self._raise(tally, Notice.OVERRUN, 0, now)
        else:
            tally.warns_at = min([tally.cap + 1, *(point for point in points.values() if tally.settled < point)])

    def _raise(self, tally: Tally, kind: Notice, percent: int, now: datetime) -> None:
        key = (kind, percent, tally.cap)
        if key in tally.told or tally.node.startswith(SILENT):
            return
        tally.told |= {key}
        alert = Alert(kind, tally.node, tally.period, tally.measure, percent, tally.cap, tally.settled, now)
        self.pending[alert.id] = alert
