"""What is on record of alerts: that one was raised, and that everyone whom it is for was told."""

from __future__ import annotations

from breakers.spend import Alert
from proxy.ledger.drafts import stamp, system
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank


class Alerted:
    """
    The record's verbs for alerts.
    """

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __repr__(self) -> str:
        return f"Alerted({self._pen!r})"

    async def raised(self, alert: Alert) -> None:
        """
        Record an alert, before anyone is told.
        """
        draft = system(
            "budget.alerted",
            id=alert.id,
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

    async def told(self, alert: str) -> None:
        """
        Record that an alert has reached everyone whom it is for.
        """
        await self._pen.durable(system("budget.told", id=alert), Rank.END)
