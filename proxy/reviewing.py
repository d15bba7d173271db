"""Writes that were made: counted by who let them pass, and a share of them drawn for somebody to look at afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter

from breakers.call import Applied
from breakers.policy import Policy
from breakers.reviews import DRAW_BYTES, is_drawn, review_ppm
from breakers.store.events import IntentOpened
from proxy.clock import Randomness
from proxy.errors import LedgerUnavailable
from proxy.ledger.reviewed import ReviewRecords

MADE_KEPT = 4_096
"""Counters that are found at once: two for each of more agents than are busy at a time."""


class ReviewMetrics:
    """
    What is counted of writes that were made, and of what was said of them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.made = Counter(
            "breakwater_writes_made_total", "Writes that took effect, by whose word they were made on.",
            ("agent", "by"), registry=registry,
        )  # fmt: skip
        self.reviews = Counter(
            "breakwater_reviews_total", "Writes that were drawn for a review, and what was said of them.",
            ("agent", "state"), registry=registry,
        )  # fmt: skip


class Reviewing:
    """
    Draws what is reviewed. `turn` is held while somebody's word is taken: there is one for each write.
    """

    def __init__(self, records: ReviewRecords, randomness: Randomness, metrics: ReviewMetrics) -> None:
        self.records, self.metrics = records, metrics
        self._randomness = randomness
        # By agent and by whose word: to find one anew takes longer than to count.
        self._made = lru_cache(maxsize=MADE_KEPT)(metrics.made.labels)
        self.turn = asyncio.Lock()

    def __repr__(self) -> str:
        return "Reviewing()"

    def ended(self, opened: IntentOpened, applied: Applied, policy: Policy) -> None:
        """
        Note that it is known how a write ended; one that took effect may be drawn.
        """
        if applied is not Applied.APPLIED:
            return
        self._made(opened.agent, "approver" if opened.suggestion else "agent").inc()
        ppm = review_ppm(policy, opened.agent, opened.api, opened.operation)
        # Nothing is drawn where nothing can be: randomness is for those who need it.
        if ppm and is_drawn(ppm, self._randomness(DRAW_BYTES)):
            # Whatever cannot be recorded any more was made: it is one that nobody looks at.
            with contextlib.suppress(LedgerUnavailable):
                self.records.asked(opened, ppm)
                self.metrics.reviews.labels(opened.agent, "asked").inc()
