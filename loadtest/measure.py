"""
From rounds of calls a second to ratios, and whether they mean anything; pure.

A round measures every road with every operation, one after the other, so that what else the machine does falls on all
of them. Every ratio is taken within one round first, and what is told is the median over the rounds. The *ceiling* is
what generator and upstream do without anything between them. Where it is not well above what a subject did, the subject
was not what was measured, and the figures say nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from loadtest.results import Distribution, Figure
from loadtest.scenario import CREATE, READ, REFUSAL, REPLAY

DIRECT, BARE, GOVERNED = "direct", "bare proxy", "governed"
ROADS = (DIRECT, BARE, GOVERNED)

# Which request of those that pass every road each kind is, to whoever only passes it on.
SAME: Mapping[str, str] = {READ: READ, CREATE: CREATE, REPLAY: CREATE, REFUSAL: CREATE}

# How many times the best subject's throughput the ceiling must be.
HEADROOM = 2.0

# Of a distribution: its first bound, and how much further each next one is; 5 % is finer than any run repeats itself.
FINEST_MS, COARSER = 0.05, 1.05

Round = Mapping[tuple[str, str], float]
"""Calls a second, by road and operation."""


def silent(rounds: Sequence[Round]) -> str:
    """
    Say which road answered nothing in a round, so that there is no ratio; empty where all did.
    """
    found = [" ".join(name) for measured in rounds for name, rate in measured.items() if not rate]
    return f"{found[0]} answered nothing while it was measured: give it more seconds" if found else ""


def low_ceiling(rounds: Sequence[Round]) -> str:
    """
    Say that the ceiling is too low, in a sentence; empty where it is not. Each rate is a median over the rounds.
    """
    rates = {name: median(measured[name] for measured in rounds) for name in rounds[0]}
    ceiling = min(rate for (road, _), rate in rates.items() if road == DIRECT)
    (road, operation), best = max(
        ((name, rate) for name, rate in rates.items() if name[0] != DIRECT), key=lambda found: found[1]
    )
    if ceiling >= HEADROOM * best:
        return ""
    return f"the ceiling of {ceiling:,.0f} calls/s is under {HEADROOM:g} times the {best:,.0f} of {road} {operation}"


def of_bare(rounds: Sequence[Round], operation: str, road: str = GOVERNED) -> Figure:
    """
    Return a road's rate as a part of the bare proxy's with the same request.
    """
    return ratio([measured[road, operation] / measured[BARE, SAME[operation]] for measured in rounds])


def rate(rounds: Sequence[Round], road: str, operation: str) -> Figure:
    """
    Return a road's rate.
    """
    return over([measured[road, operation] for measured in rounds], "calls/s")


def ratio(values: Sequence[float]) -> Figure:
    """
    Return the ratios of rounds as a figure.
    """
    return over(values, "x")


def over(values: Sequence[float], unit: str) -> Figure:
    """
    Return the median of what rounds found.
    """
    return Figure(median(values), unit, tuple(values))


def distribution(subject: str, values_ms: Sequence[float]) -> Distribution:
    """
    Return latencies in buckets; only those are told that something is in.
    """
    buckets = Counter(max(0, math.ceil(math.log(max(value, FINEST_MS) / FINEST_MS, COARSER))) for value in values_ms)
    told = sorted(buckets.items())
    return Distribution(subject, tuple(round(FINEST_MS * COARSER**n, 4) for n, _ in told), tuple(c for _, c in told))
