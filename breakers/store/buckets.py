"""
What was counted for one breaker, by the ten seconds in which it happened: added up, and forgotten by its age.

A bucket holds what every process said of it, and its own end: how many of its last results in a row failed, and whether
a good one came before. So the run of failures is found by going back from the newest bucket to the first good result,
and no older part of a window has to be kept for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from breakers.breaker import Delta, Sums, row_s

BUCKET_S = 10
"""How long a bucket is; `Delta.bucket` counts them from the beginning of the epoch."""

RECENT = 6
"""How many buckets are the last minute, the one that is not over among them."""


@dataclass(slots=True)
class Bucket:
    """
    What all processes counted in ten seconds.
    """

    ok: int = 0
    slow: int = 0
    fail: int = 0
    local: int = 0
    unknown: int = 0
    writes: int = 0
    tail: int = 0
    broken: bool = False
    locals: set[str] = field(default_factory=set)

    def add(self, delta: Delta, replica: str) -> None:
        """
        Take in what one process counted, after all that came before.
        """
        self.ok += delta.ok
        self.slow += delta.slow
        self.fail += delta.fail
        self.local += delta.local
        self.unknown += delta.unknown
        self.writes += delta.writes
        self.tail = delta.tail if delta.broken else self.tail + delta.tail
        self.broken = self.broken or delta.broken
        if delta.local:
            self.locals.add(replica)


@dataclass(slots=True)
class Window:
    """
    The buckets of one breaker under one generation, of which those count that are not older than `over_s`.
    """

    gen: int
    over_s: int = 300
    buckets: dict[int, Bucket] = field(default_factory=dict)

    def add(self, delta: Delta, replica: str, newest: int) -> None:
        """
        Take in what one process counted; `newest` is the bucket of this moment, and what is ahead of it belongs there.
        """
        self.over_s = delta.over_s
        number = min(delta.bucket, newest)
        if number > newest - span_of(self.over_s):
            self.buckets.setdefault(number, Bucket()).add(delta, replica)

    def forget(self, newest: int) -> None:
        """
        Drop what is too old to count.
        """
        for number in [number for number in self.buckets if number <= newest - span_of(self.over_s)]:
            del self.buckets[number]

    def sums(self, key: str, newest: int, alive: int) -> Sums:
        """
        Add up what counts.
        """
        self.forget(newest)
        every = self.buckets.values()
        streak, since = self._streak(newest, span_of(row_s(key, self.over_s)))
        return Sums(
            key,
            self.gen,
            ok=sum(one.ok for one in every),
            slow=sum(one.slow for one in every),
            fail=sum(one.fail for one in every),
            local=sum(one.local for one in every),
            unknown=sum(one.unknown for one in every),
            writes=sum(one.writes for one in every),
            recent=sum(one.fail for number, one in self.buckets.items() if number > newest - RECENT),
            streak=streak,
            streak_since=since,
            locals=len({replica for one in every for replica in one.locals}),
            alive=alive,
        )

    def _streak(self, newest: int, span: int) -> tuple[int, int]:
        streak, since = 0, 0
        for number in sorted((number for number in self.buckets if number > newest - span), reverse=True):
            one = self.buckets[number]
            if one.tail:
                streak, since = streak + one.tail, number
            if one.broken:
                break
        return streak, since


def span_of(seconds: int) -> int:
    """
    Return how many buckets so long a time is.
    """
    return max(1, seconds // BUCKET_S)
