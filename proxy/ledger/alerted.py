"""What is on record of alerts: that one was raised, and that everyone whom it is for was told."""

from __future__ import annotations

from collections.abc import Iterable

from breakers.spend import Alert
from proxy.ledger.drafts import stamp, system
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank


class Alerted:
    """
    The record's verbs for alerts.
    """

    def __init__(self, pen: Pen, raised: Iterable[str] = ()) -> None:
        """
        Begin with the ids of the alerts that are on record and were not told.
        """
        self._pen, self._raised = pen, set(raised)

    def __repr__(self) -> str:
        return f"Alerted({len(self._raised)} on record, not told)"

    async def raised(self, alert: Alert) -> None:
        """
        Record an alert, once, before anyone is told.
        """
        if alert.id in self._raised:
            return
        draft = system(
            "budget.alerted",
            alert=alert.id,
            kind=str(alert.kind),
            node=alert.node,
            period=alert.period,
            measure=alert.measure,
            threshold=alert.threshold,
            cap=str(alert.cap),
            settled=str(alert.settled),
            at=stamp(alert.at),
        )
        await self._pen.durable(draft, Rank.END)
        self._raised.add(alert.id)

    async def told(self, alert: str) -> None:
        """
        Record that an alert has reached everyone whom it is for.
        """
        await self._pen.durable(system("budget.told", alert=alert), Rank.END)
        self._raised.discard(alert)
