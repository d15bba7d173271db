"""
Alerts on caps on their way to people: on record first, then the log, a metric and the webhook, then ticked off.

An alert is raised once, in the store, in the step that crosses its threshold. It is told at least once, under one id:
a process that ends in between tells it again. What the webhook does not take is tried again, ever more rarely, and
holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from breakers.spend import Alert, Notice
from breakers.store.events import AlertDelivered, AlertRaised
from breakers.store.protocol import Store, StoreUnavailable
from config.money import MICROS_MAX, MICROS_PER_UNIT, Money
from proxy.errors import LedgerUnavailable
from proxy.logline import Log
from proxy.turns import AGAIN_AFTER_S, Post, Turns

__all__ = ["AGAIN_AFTER_S", "Alerting", "amount", "said"]

EVERY_S = 1.0
"""A person who is told a second later loses nothing; a store that is asked more often does."""


class Records(Protocol):
    """
    The record, as far as alerts go.
    """

    async def raised(self, alert: Alert) -> None:
        """
        Record an alert, once.
        """

    async def told(self, alert: str) -> None:
        """
        Record that it was told.
        """


class Alerting:
    """
    Tells people what the store raised. `post` is None where there is no webhook, `count` what the metrics are told.
    """

    def __init__(
        self,
        store: Store,
        records: Records,
        log: Log,
        count: Callable[[Alert], None],
        post: Post | None = None,
        again_after_s: Sequence[float] = AGAIN_AFTER_S,
    ) -> None:
        self._store, self._records, self._log, self._count, self._post = store, records, log, count, post
        # Which were begun here, and when those are offered again that the webhook did not take.
        self._raised: set[str] = set()
        self._turns = Turns(again_after_s)

    def __repr__(self) -> str:
        return f"Alerting({len(self._turns)} not taken by the webhook)"

    async def watch(self) -> None:
        """
        Tell for ever.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look(loop.time())
            except Exception as error:  # whatever it is: the next second is another attempt
                self._log.failure("", error)

    async def look(self, now: float) -> None:
        """
        Tell what there is to tell at this moment (monotonic, in seconds).
        """
        with contextlib.suppress(StoreUnavailable, LedgerUnavailable):
            for alert in await self._noted():
                if self._turns.is_due(alert.id, now) and not await self._is_told(alert, now):
                    # There is one receiver: what comes behind is for the next look, so that nothing new waits for it.
                    return

    async def note(self) -> None:
        """
        Put on record what was raised, and leave it to the next process to tell: a stop waits for nobody outside.
        """
        try:
            with contextlib.suppress(StoreUnavailable, LedgerUnavailable):
                await self._noted()
        except Exception as error:  # whatever it is: the stop goes on
            self._log.failure("", error)

    async def _noted(self) -> tuple[Alert, ...]:
        alerts = await self._store.alerts()
        for alert in alerts:
            if alert.id not in self._raised:
                # Stop here: reached, and on no record. The next start raises it anew, unless it is a denial.
                await self._records.raised(alert)
                await self._store.apply(AlertRaised(alert))
                self._raised.add(alert.id)
                self._log.event("budget", **said(alert))
                self._count(alert)
        return alerts

    async def _is_told(self, alert: Alert, now: float) -> bool:
        why = None if self._post is None else await self._post(said(alert))
        if why is not None:
            self._turns.put_off(alert.id, now)
            self._log.event("webhook", alert=alert.id, why=why)
            return False
        # Stop here: told, and not ticked off. The next start tells it again, under the same id.
        await self._records.told(alert.id)
        await self._store.apply(AlertDelivered(alert.id))
        self._raised.discard(alert.id)
        self._turns.over(alert.id)
        return True


def said(alert: Alert) -> dict[str, object]:
    """
    Return what people and programs are told of an alert; money as text with its currency, counts as numbers.
    """
    return {
        "id": alert.id,
        "kind": str(alert.kind),
        "node": alert.node,
        "period": alert.period,
        "measure": alert.measure,
        "threshold_pct": alert.threshold if alert.kind is Notice.REACHED else None,
        "cap": amount(alert.measure, alert.cap),
        "settled": amount(alert.measure, alert.settled),
        "at": alert.at.isoformat(),
    }


def amount(measure: str, value: int) -> int | str:
    """
    Return an amount of a measure as people read it: a count, or `12.50 USD`.
    """
    _, _, currency = measure.partition(":")
    if not currency:
        return value
    # A total may be more than any one amount: what was taken is the truth.
    return str(Money(value, currency)) if abs(value) <= MICROS_MAX else f"{value // MICROS_PER_UNIT} {currency}"
