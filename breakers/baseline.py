"""
What an agent's calls were like on its last days: how often each of some things happened, at such hours, and how much
money went at once. What drift is held against; bounded, however long it runs.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, log2, sqrt


class Kind(StrEnum):
    """
    What is compared: an operation among the writes, among all calls, after another one; an amount among an operation's.
    """

    WRITES = "writes"
    CALLS = "calls"
    PAIRS = "pairs"
    MONEY = "money"


Group = tuple[Kind, str]
"""Of what a share is one: the kind, and the operation before it (`pairs`) or whose amount it is (`money`)."""

BLOCKS = 6
"""Parts of a day that are held apart: four hours each, so that a night's batch is no drift of the day."""

BY_HOUR = frozenset({Kind.WRITES, Kind.CALLS})
"""What is compared with the same hours of the same weekday; what follows what, and how much, hardly depends on it."""

KEYS_MAX = 2048
"""Different things that are counted on one day; an agent does a few dozen. What comes on top is not counted."""

SMOOTHED_BY = 50.0
"""Of so many calls a part of a day needs before its own share counts as much as that of all days."""

STEADY_MIN = 50
"""Of fewer calls nothing is said: a share of them could be anything."""

TAIL = 0.1
"""The part of an operation's amounts that counts as high: only their rank is used, so that no tail is too heavy."""

BINS_PER_DOUBLING = 4

Z = 1.645
"""A share lies above this bound once in twenty: by less than what an alarm needs, and never for long."""


@dataclass(slots=True)
class Day:
    """
    What was counted on one day: each thing by weekday and part of the day, amounts by their bin, and how far the
    evidence of each share went without an alarm.
    """

    weekday: int = 0
    counts: Counter[tuple[Group, str, int]] = field(default_factory=Counter)
    amounts: Counter[tuple[str, int]] = field(default_factory=Counter)
    begun: Counter[Kind] = field(default_factory=Counter)
    peaks: dict[tuple[Group, str], float] = field(default_factory=dict)

    def add(self, group: Group, outcome: str, block: int) -> None:
        """
        Count one thing that happened.
        """
        key = (group, outcome, block if group[0] in BY_HOUR else 0)
        if key in self.counts or len(self.counts) < KEYS_MAX:
            self.counts[key] += 1

    def paid(self, whose: str, micros: int) -> None:
        """
        Count an amount of an operation.
        """
        key = (whose, bin_of(micros))
        if key in self.amounts or len(self.amounts) < KEYS_MAX:
            self.amounts[key] += 1


def bin_of(micros: int) -> int:
    """
    Return in which bin an amount is: four for each doubling.
    """
    return int(log2(micros) * BINS_PER_DOUBLING) if micros > 0 else -1


class Baseline:
    """
    The last days, added up. `days` is how many there are at most.
    """

    def __init__(self, days: int) -> None:
        self._days: deque[Day] = deque()
        self._most = days
        self._sums: Counter[tuple[object, ...]] = Counter()
        self._amounts: dict[str, Counter[int]] = {}
        self._cuts: dict[str, tuple[int, int, int]] = {}

    def __repr__(self) -> str:
        return f"Baseline({len(self._days)} of {self._most} days)"

    def __len__(self) -> int:
        return len(self._days)

    def take(self, day: Day) -> None:
        """
        Add a day, and give up the oldest of too many.
        """
        self._days.append(day)
        self._count(day, 1)
        if len(self._days) > self._most:
            self._count(self._days.popleft(), -1)
        self._cuts.clear()

    def _count(self, day: Day, sign: int) -> None:
        sums = self._sums
        for (group, outcome, block), n in day.counts.items():
            places = ((), (block,), (day.weekday, block)) if group[0] in BY_HOUR else ((),)
            for place in places:
                for key in ((group, *place), (group, outcome, *place)):
                    sums[key] += sign * n
                    if not sums[key]:
                        del sums[key]
        for (whose, bin_), n in day.amounts.items():
            held = self._amounts.setdefault(whose, Counter())
            held[bin_] += sign * n
            if not held[bin_]:
                del held[bin_]
            if not held:
                del self._amounts[whose]

    def steady(self, group: Group) -> bool:
        """
        Tell whether there is enough to compare with.
        """
        return (self._cut(group[1])[2] if group[0] is Kind.MONEY else self._sums[group,]) >= STEADY_MIN

    def most_begun(self, kind: Kind) -> int:
        """
        Return how often something of a kind was counted on the busiest day.
        """
        return max((day.begun[kind] for day in self._days), default=0)

    def peak(self, group: Group, outcome: str) -> float:
        """
        Return how far the evidence of a share went on any of these days.
        """
        return max((day.peaks.get((group, outcome), 0.0) for day in self._days), default=0.0)

    def share(self, group: Group, outcome: str, weekday: int, block: int) -> float:
        """
        Return the largest share that a thing can well have had at such hours: its share on all days, moved towards that
        of this part of the day as far as there are calls to tell, and what chance may hide on top.
        """
        if group[0] is Kind.MONEY:
            _, high, n = self._cut(group[1])
            return _upper((high + 0.5) / (n + 1), n)
        k, n = self._sums[group, outcome], self._sums[group,]
        share, sure = (k + 0.5) / (n + 1), float(n)
        if group[0] in BY_HOUR:
            for place in ((block,), (weekday, block)):
                own, of = self._sums[(group, outcome, *place)], self._sums[(group, *place)]
                share, sure = (own + SMOOTHED_BY * share) / (of + SMOOTHED_BY), of + min(sure, SMOOTHED_BY)
        return _upper(share, sure)

    def is_high(self, whose: str, micros: int) -> bool:
        """
        Tell whether an amount is one of an operation's high ones.
        """
        return bin_of(micros) > self._cut(whose)[0]

    def _cut(self, whose: str) -> tuple[int, int, int]:
        """
        Return the bin above which amounts are high, how many were, and of how many.
        """
        if whose not in self._cuts:
            held = self._amounts.get(whose, Counter())
            n, above, cut = held.total(), 0, max(held, default=0)
            for bin_ in sorted(held, reverse=True):
                if above + held[bin_] > TAIL * n:
                    cut = bin_
                    break
                above += held[bin_]
            self._cuts[whose] = (cut, above, n)
        return self._cuts[whose]


def _upper(share: float, n: float) -> float:
    """
    Return the upper end of Wilson's interval around a share of `n`.
    """
    if n <= 0:
        return inf
    over = Z * Z / n
    return min(1.0, (share + over / 2 + Z * sqrt(share * (1 - share) / n + over / (4 * n))) / (1 + over))
