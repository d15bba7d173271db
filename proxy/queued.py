"""What Prometheus reads of suggestions: how many wait, how long people take, and how they end."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from breakers.suggestion import LIVE, Suggested

MINUTES = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400)
"""Seconds, from whoever sits before a terminal to a day."""


class SuggestionMetrics:
    """
    The metrics of suggestions.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge(
            "breakwater_suggestions_open", "Parked writes that have not ended, by how they stand.",
            ("api", "stage", "queue"), registry=registry,
        )  # fmt: skip
        self.ended = Counter(
            "breakwater_suggestions_ended_total", "Parked writes that have ended, by how.",
            ("api", "end", "why"), registry=registry,
        )  # fmt: skip
        self.unkept = Counter(
            "breakwater_suggestions_unkept_total", "Writes that were not parked because too many of their agent are.",
            ("api",), registry=registry,
        )  # fmt: skip
        self.decided = Histogram(
            "breakwater_approval_seconds", "Time from a write's parking until somebody decided about it.",
            ("verdict",), buckets=MINUTES, registry=registry,
        )  # fmt: skip

    def sample(self, known: Iterable[Suggested]) -> None:
        """
        Show how many there are.
        """
        self.open.clear()
        counts = Tally((one.api, str(one.stage), queue_of(one)) for one in known if one.stage in LIVE)
        for labels, count in counts.items():
            self.open.labels(*labels).set(count)


def queue_of(one: Suggested) -> str:
    """
    Return whose a suggestion is: `approver` where one is awaited, `anyone`, or `shadow` where nobody is told.
    """
    return "shadow" if one.shadow else "approver" if one.waits else "anyone"
