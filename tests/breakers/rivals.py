"""resilience4j's and Envoy's rules as their manuals have them, to be measured beside ours."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


class Rival(Protocol):
    """
    A rule that is told every call.
    """

    trips: int

    def good(self, count: int, at: float) -> None:
        """
        Make so many good calls, of which the last ended now.
        """

    def call(self, at: float, *, failed: bool) -> bool:
        """
        Make a call, and tell whether it tripped.
        """


@dataclass
class R4j:
    """
    resilience4j as its configuration comes: the last 100 calls, at least 100 of them, half of which failed.

    After 60 s ten calls are let through, and decide alike once all ten have ended.
    """

    trips: int = 0
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=100))
    _open_until: float = -math.inf
    _tried: list[bool] | None = None

    def good(self, count: int, at: float) -> None:
        """
        Make so many good calls, of which the last ended now.
        """
        while count and self._tried is not None:
            self.call(at, failed=False)
            count -= 1
        self._last.extend([False] * min(count, 100))

    def call(self, at: float, *, failed: bool) -> bool:
        """
        Make a call, and tell whether it tripped.
        """
        if at < self._open_until:
            return False
        if self._tried is not None:
            self._tried.append(failed)
            if len(self._tried) < 10:
                return False
            tried, self._tried = self._tried, None
            return self._decided(tried, at)
        self._last.append(failed)
        return len(self._last) == 100 and self._decided(self._last, at)

    def _decided(self, results: deque[bool] | list[bool], at: float) -> bool:
        if 2 * sum(results) < len(results):
            return False
        self.trips, self._open_until, self._tried = self.trips + 1, at + 60, []
        self._last.clear()
        return True


@dataclass
class Envoy:
    """
    Envoy's outlier detection as it comes, for one host: five answers of 5xx in a row.

    Its rates need five hosts and 100 or 50 calls to each within ten seconds, so of one upstream they say nothing. It is
    out for 30 s times as often as it was ejected in a row, at most 300 s, and comes back at full traffic; one is taken
    from that number for every healthy interval.
    """

    trips: int = 0
    _row: int = 0
    _times: int = 0
    _healthy_from: float = -math.inf

    def good(self, count: int, at: float) -> None:
        """
        Make so many good calls, of which the last ended now.
        """
        if count:
            self.call(at, failed=False)

    def call(self, at: float, *, failed: bool) -> bool:
        """
        Make a call, and tell whether it tripped.
        """
        if at < self._healthy_from:
            return False
        self._row = self._row + 1 if failed else 0
        if self._row < 5:
            return False
        if self._times:
            self._times = max(0, self._times - int((at - self._healthy_from) // 10))
        self._times += 1
        self._healthy_from, self._row, self.trips = at + min(300, 30 * self._times), 0, self.trips + 1
        return True
