"""
From rounds of figures to a table and a judgement; pure.

A round measures every road with every operation, one after the other, so that what else the machine does falls on all
of them. Every figure of the table is a median over the rounds, and so is every ratio and every difference: each is
taken within one round first. The *ceiling* is what generator and upstream do without anything between them. Where it
is not well above what a subject did, the subject was not what was measured, and the run says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from loadtest.scenario import CREATE, READ

DIRECT, BARE, GOVERNED = "direct", "bare proxy", "governed"
ROADS = (DIRECT, BARE, GOVERNED)
OPERATIONS = (READ, CREATE)

# How many times the best subject's throughput the ceiling must be.
HEADROOM = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One road with one operation in one round.
    """

    calls_per_second: float
    p50_ms: float
    p99_ms: float


Round = Mapping[tuple[str, str], Sample]


@dataclass(frozen=True, slots=True)
class Row:
    """
    One road with one operation over all rounds; `added` is against the direct road, `of_bare` against the bare proxy.
    """

    operation: str
    road: str
    calls_per_second: float
    of_bare: float
    p50_ms: float
    p99_ms: float
    added_p50_ms: float
    added_p99_ms: float


class Verdict(Enum):
    """
    What a run is worth, by its exit code. 2 is a command line that cannot be read.
    """

    HELD = 0
    FAILED = 1
    INVALID = 3


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    A verdict, and in a sentence each what led to it.
    """

    verdict: Verdict
    why: tuple[str, ...] = ()


def rows(rounds: Sequence[Round]) -> list[Row]:
    """
    Return the table's rows; none where a figure is missing.
    """
    if not rounds or any(not sample.calls_per_second for measured in rounds for sample in measured.values()):
        return []
    return [_row(rounds, road, operation) for operation in OPERATIONS for road in ROADS]


def _row(rounds: Sequence[Round], road: str, operation: str) -> Row:
    def over(figure: Callable[[Round, Sample], float]) -> float:
        return median(figure(measured, measured[road, operation]) for measured in rounds)

    return Row(
        operation,
        road,
        over(lambda _, own: own.calls_per_second),
        over(lambda all_, own: own.calls_per_second / all_[BARE, operation].calls_per_second),
        over(lambda _, own: own.p50_ms),
        over(lambda _, own: own.p99_ms),
        over(lambda all_, own: own.p50_ms - all_[DIRECT, operation].p50_ms),
        over(lambda all_, own: own.p99_ms - all_[DIRECT, operation].p99_ms),
    )


def judge(table: Sequence[Row], faults: Sequence[str]) -> Judgement:
    """
    Say what a run is worth: wrong counts fail it, whatever its figures; a low ceiling makes the figures void.
    """
    if faults:
        return Judgement(Verdict.FAILED, tuple(faults))
    if not table:
        return Judgement(Verdict.INVALID, ("a road answered nothing while it was measured: give it more seconds",))
    ceiling = min(row.calls_per_second for row in table if row.road == DIRECT)
    best = max(row.calls_per_second for row in table if row.road != DIRECT)
    if ceiling < HEADROOM * best:
        why = f"the ceiling of {ceiling:,.0f} calls/s is under {HEADROOM:g} times the best subject's {best:,.0f}"
        return Judgement(Verdict.INVALID, (why,))
    return Judgement(Verdict.HELD)
