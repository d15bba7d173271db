"""
What breakers are told of calls to upstreams: each attempt is a sample, from its dispatch to its end.

A sample is counted once, under the generations that its call was admitted in. What takes too long counts as slow while
it is still under way, and as failed once it may take no longer: nobody waits for its end to know that. A read is too
slow only until its answer begins; how long the agent then takes to read it says nothing of the upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from breakers.breaker import Delta
from breakers.call import Applied, Call, Fault, Health, Outcome
from breakers.noun import noun
from breakers.thresholds import Gauging
from config.catalog import OperationSpec

BUCKET_S = 10
"""How long what is counted stays together."""

NOTHING: Mapping[str, int] = MappingProxyType({})

NO_KEYS = frozenset[str]()

Windows = tuple[tuple[str, int], ...]
"""Breakers, each with the length of its window in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """
    What the calls of one agent on one account and class are counted in, as long as no breaker has ever moved, and what
    moves them is this `gauging`.

    `counted` are the breakers that they feed, under their first generation, and `good` those that a good result says
    something to; a write that left is counted in `written`. What takes no longer than `slow_after_s` is slow for none.
    """

    counted: Mapping[str, int]
    good: Windows
    written: Windows
    slow_after_s: float
    gauging: Gauging


@noun
class Admitted:
    """
    A call as it was let pass: of each breaker that it is counted in (`counted`), and of each that it may heal
    (`heals`), the generation.

    `mine` tells that it is an agent's own call, and not a read of ours or what is sent again for the sake of a doubt;
    `lane` is there where it was let pass before any breaker moved.
    """

    call: Call
    spec: OperationSpec
    counted: Mapping[str, int]
    heals: Mapping[str, int]
    mine: bool = True
    lane: Lane | None = None


@dataclass(slots=True, eq=False)
class Sample:
    """
    One attempt under way: when it began (monotonic), and what was counted of it already.

    `slow` are the breakers for which it counted as slow. `left_at` is when nothing more was waited for: the answer to a
    write was there, or that to a read had begun. `over` tells that its end was taken in, and `closed`, of a read, that
    its call is over.
    """

    admitted: Admitted
    began: float
    slow: frozenset[str] = NO_KEYS
    left_at: float | None = None
    counted: bool = False
    over: bool = False
    closed: bool = False

    def took_s(self, now: float) -> float:
        """
        Return how long the upstream took for it so far.
        """
        return (now if self.left_at is None else self.left_at) - self.began


def health_of(outcome: Outcome) -> Health:
    """
    Return what a result says of its upstream: nothing where we cut it short ourselves.
    """
    return Health.IGNORE if outcome.fault is Fault.ABANDONED else outcome.health


def is_doubtful(outcome: Outcome) -> bool:
    """
    Tell whether a write ended in doubt, and not because we cut it.
    """
    return outcome.applied is Applied.UNKNOWN and outcome.fault not in {Fault.ABANDONED, Fault.STOPPED}


def bucket_of(at: datetime) -> int:
    """
    Return the bucket that a moment is in.
    """
    return int(at.timestamp()) // BUCKET_S


@dataclass(slots=True)
class _Tally:
    over_s: int
    ok: int = 0
    slow: int = 0
    fail: int = 0
    local: int = 0
    unknown: int = 0
    writes: int = 0
    tail: int = 0
    broken: bool = False


class Counts:
    """
    What was counted since it was last taken, in the order in which it happened.
    """

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, int, int], _Tally] = {}
        # What nearly all calls say, counted by what it will be added to: breakers and bucket, of a write or a result.
        self._written: dict[tuple[Windows, int], int] = {}
        self._good: dict[tuple[Windows, int], int] = {}

    def __repr__(self) -> str:
        return f"Counts({len(self)})"

    def __len__(self) -> int:
        return len(self._tallies) + len(self._written) + len(self._good)

    def all_good(self, windows: Windows, bucket: int) -> None:
        """
        Count one good result for breakers that never moved.
        """
        self._good[windows, bucket] = self._good.get((windows, bucket), 0) + 1

    def all_wrote(self, windows: Windows, bucket: int) -> None:
        """
        Count one write that left for breakers that never moved.
        """
        self._written[windows, bucket] = self._written.get((windows, bucket), 0) + 1

    def add(
        self,
        key: str,
        gen: int,
        bucket: int,
        over_s: int,
        *,
        ok: int = 0,
        slow: int = 0,
        fail: int = 0,
        local: int = 0,
        unknown: int = 0,
        writes: int = 0,
    ) -> None:
        """
        Count for one breaker under one generation.
        """
        self._add_good()
        tally = self._tally((key, gen, bucket), over_s)
        tally.ok += ok
        tally.slow += slow
        tally.fail += fail
        tally.local += local
        tally.unknown += unknown
        tally.writes += writes
        if ok:
            tally.tail, tally.broken = 0, True
        else:
            tally.tail += fail + local

    def good(self, key: str, gen: int, bucket: int, over_s: int, slow: bool = False) -> None:  # noqa: FBT001, FBT002 a count of one
        """
        Count one good result.
        """
        self._add_good()
        tally = self._tally((key, gen, bucket), over_s)
        tally.ok += 1
        tally.slow += slow
        tally.tail, tally.broken = 0, True

    def wrote(self, key: str, gen: int, bucket: int, over_s: int, unknown: int = 0) -> None:
        """
        Count one write that left.
        """
        tally = self._tally((key, gen, bucket), over_s)
        tally.writes += 1
        tally.unknown += unknown

    def _add_good(self) -> None:
        """
        Add what was good so far, before anything else: what fails in a row begins behind it.
        """
        for (windows, bucket), count in self._good.items():
            for key, over_s in windows:
                tally = self._tally((key, 0, bucket), over_s)
                tally.ok += count
                tally.tail, tally.broken = 0, True
        self._good.clear()

    def _add_all(self) -> None:
        self._add_good()
        for (windows, bucket), count in self._written.items():
            for key, over_s in windows:
                self._tally((key, 0, bucket), over_s).writes += count
        self._written.clear()

    def _tally(self, place: tuple[str, int, int], over_s: int) -> _Tally:
        tally = self._tallies.get(place)
        if tally is None:
            tally = self._tallies[place] = _Tally(over_s)
        return tally

    def take(self) -> tuple[Delta, ...]:
        """
        Return what there is, and have nothing.
        """
        self._add_all()
        taken, self._tallies = self._tallies, {}
        return tuple(
            Delta(
                key, gen, bucket,
                ok=one.ok, slow=one.slow, fail=one.fail, local=one.local, unknown=one.unknown, writes=one.writes,
                tail=one.tail, broken=one.broken, over_s=one.over_s,
            )
            for (key, gen, bucket), one in taken.items()
        )  # fmt: skip

    def forget(self, oldest: int) -> None:
        """
        Drop what is older than a bucket.
        """
        self._add_all()
        self._tallies = {place: tally for place, tally in self._tallies.items() if place[2] >= oldest}
