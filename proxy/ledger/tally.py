"""
Counts the refusals and the repeats that get no record of their own, so that a flood cannot fill the ledger.

Each refusal of a known agent has its record, and so has each repeat, up to a bound a minute; beyond it, and for
requests that had no agent at all, one record a minute says how many there were, by reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

MINUTE_S = 60.0

RECORDED_MAX = 60
"""Of one agent in a minute, that get a record of their own: a person could still read them."""


@dataclass(frozen=True, slots=True)
class Count:
    """
    What was counted in a minute: for one agent, or for requests without one.
    """

    agent: str | None
    reasons: dict[str, int]


class Tally:
    """
    The counts of the running minute.
    """

    def __init__(self, now: float) -> None:
        self._minute = now // MINUTE_S
        self._recorded: Counter[str] = Counter()
        self._counted: dict[str | None, Counter[str]] = {}

    def __repr__(self) -> str:
        return f"Tally(recorded={self._recorded.total()}, counted={sum(c.total() for c in self._counted.values())})"

    def records(self, agent: str) -> bool:
        """
        Tell whether this agent's refusal gets a record of its own; it is used up by asking.
        """
        self._recorded[agent] += 1
        return self._recorded[agent] <= RECORDED_MAX

    def count(self, agent: str | None, reason: str) -> None:
        """
        Count a refusal that gets no record of its own.
        """
        self._counted.setdefault(agent, Counter())[reason] += 1

    def over(self, now: float) -> bool:
        """
        Tell whether the minute is over.
        """
        return now // MINUTE_S != self._minute

    def drain(self, now: float) -> tuple[Count, ...]:
        """
        Return what was counted and begin the minute of `now`; within one minute, what is recorded stays used up.
        """
        counts = tuple(Count(agent, dict(reasons)) for agent, reasons in self._counted.items())
        self._counted = {}
        if self.over(now):
            self._minute, self._recorded = now // MINUTE_S, Counter()
        return counts
