"""
When calls are meant to begin, and how long each took from then: an open loop's clockwork, without the loop.

Callers do not wait for each other. A generator that sends its next call when the last one is answered lets a slow
answer postpone the calls behind it, and so never sees how long those would have waited; here a call's clock runs from
the moment that the schedule names, whether it could be sent then or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    Calls at a fixed rate from a moment on; times are seconds of one clock.
    """

    began: float
    per_second: float
    count: int

    def intended(self, number: int) -> float:
        """
        Return when a call is meant to begin; the first is number 0.
        """
        return self.began + number / self.per_second

    def due(self, now: float) -> int:
        """
        Return how many calls are meant to have begun by now.
        """
        return min(self.count, max(0, math.floor((now - self.began) * self.per_second + 1)))

    def latency(self, number: int, answered: float) -> float:
        """
        Return how long a call took, from its intended beginning to its whole answer.
        """
        return answered - self.intended(number)


def percentile(values: Sequence[float], part: float) -> float:
    """
    Return the smallest value that this part of all values does not exceed.
    """
    ranked = sorted(values)
    return ranked[max(0, math.ceil(part * len(ranked)) - 1)]
