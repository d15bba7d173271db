"""What gets no record of its own, on record: refusals and repeats, in one summary a minute, by agent and for none."""

from __future__ import annotations

import asyncio

from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.ledger.pen import Pen
from proxy.ledger.records import counted
from proxy.ledger.tally import MINUTE_S, Tally
from proxy.ledger.writer import Stats


class Counted:
    """
    Counts what is not recorded one by one, and records the counts as `agent.KIND`, or `edge.KIND` without an agent.
    """

    def __init__(self, pen: Pen, clock: Clock, stats: Stats, kind: str = "refused") -> None:
        self._pen, self._clock, self._stats, self._kind = pen, clock, stats, kind
        self._tally = Tally(clock.monotonic())
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Counted({self._tally!r})"

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """
        Begin to record a summary every minute.
        """
        self._timer = loop.call_later(MINUTE_S, self._every_minute, loop)

    def stop(self) -> None:
        """
        Record what was counted, and nothing more after that.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._flush()

    def records(self, agent: str) -> bool:
        """
        Tell whether what this agent does gets a record of its own; it is used up by asking.
        """
        self._flush_if_over()
        return self._tally.records(agent)

    def count(self, agent: str | None, reason: str) -> None:
        """
        Count what gets no record of its own.
        """
        self._flush_if_over()
        self._tally.count(agent, reason)

    def _every_minute(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flush()
        self.start(loop)

    def _flush_if_over(self) -> None:
        if self._tally.over(self._clock.monotonic()):
            self._flush()

    def _flush(self) -> None:
        task = f"edge/{self._clock.now():%Y-%m-%d}"
        for count in self._tally.drain(self._clock.monotonic()):
            whose = "edge" if count.agent is None else "agent"
            try:
                self._pen.note(counted(f"{whose}.{self._kind}", count.reasons, task, count.agent))
            except LedgerUnavailable:
                self._stats.lost += 1
