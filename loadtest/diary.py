"""What callers were told, second by second, and what happened then: a scenario's timeline while it is being made."""

from __future__ import annotations

import time
from collections.abc import Callable

from loadtest.results import Timeline


class Diary:
    """
    What callers were told, second by second, and what happened then.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._seconds: dict[str, list[int]] = {}
        self.marks: list[tuple[float, str]] = []
        self.latencies_ms: list[float] = []

    @property
    def now(self) -> float:
        """
        Return how many seconds have passed.
        """
        return self._clock() - self._began

    def note(self, verdict: str, latency_s: float | None = None) -> None:
        """
        Count one answer, or what there was in place of one.
        """
        second, counts = int(self.now), self._seconds.setdefault(verdict, [])
        counts.extend([0] * (second + 1 - len(counts)))
        counts[second] += 1
        if latency_s is not None:
            self.latencies_ms.append(1000 * latency_s)

    def mark(self, what: str) -> None:
        """
        Say what happens now.
        """
        self.marks.append((round(self.now, 3), what))

    @property
    def told(self) -> dict[str, int]:
        """
        Return how often callers were told each.
        """
        return {verdict: sum(counts) for verdict, counts in sorted(self._seconds.items())}

    def said(self) -> str:
        """
        Return in a line how often callers were told each.
        """
        return ", ".join(f"{count} times {verdict}" for verdict, count in self.told.items())

    def timeline(self) -> Timeline:
        """
        Return the counts of each second, equally many for each verdict, and the marks.
        """
        length = max(map(len, self._seconds.values()), default=0)
        counts = {told: (*each, *[0] * (length - len(each))) for told, each in sorted(self._seconds.items())}
        return Timeline(counts, tuple(self.marks))
