"""
What a run came to, in nouns: scenarios measure figures and check counts, promises bind them. Pure.

A *figure* is a number with a unit; a *check* is something that was counted and is right or wrong, whatever the machine;
a *distribution* is latencies in buckets; a *timeline* is what callers were told, by verdict, over the seconds of a
scenario. A scenario that could not be measured says why: absent (something that it needs is not installed), invalid
(the figures do not mean what they should), or failed (it broke off). Nothing here knows how any of it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """
    How a scenario ended.
    """

    RAN = "ran"
    ABSENT = "absent"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One number; `unit` is a word that people read (`calls/s`, `ms`, `MB`, `x` for a ratio), `of` every round's value.
    """

    value: float
    unit: str
    of: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """
    Something that was counted: what must be so, whether it was, and what was found.
    """

    name: str
    says: str
    held: bool
    found: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """
    Latencies of one subject: how many calls took at most each bound and more than the one before, in ms; the last bound
    is finite, and above all of them.
    """

    subject: str
    bounds_ms: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    How many calls ended in each second of a scenario, by what their callers were told (`200`, `503 killed`, ...).
    """

    by_verdict: Mapping[str, tuple[int, ...]]
    marks: tuple[tuple[float, str], ...] = ()
    """Moments in seconds from its beginning, with what happened then: a stop was thrown, the store went away."""


@dataclass(frozen=True, slots=True)
class Result:
    """
    What one scenario came to; figures go by name, as promises name them.
    """

    scenario: str
    question: str
    state: State = State.RAN
    why: str = ""
    seconds: float = 0.0
    figures: Mapping[str, Figure] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    timeline: Timeline | None = None
    lines: tuple[str, ...] = ()
    """What people read beside the figures, as the table of throughput."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Figures that cannot be measured on this machine, with the reason: another proxy is not installed."""


class Kind(StrEnum):
    """
    What a promise is about: speed depends on the machine and is judged leniently in CI; a count is right or wrong.
    """

    SPEED = "speed"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Kept:
    """
    One promise held against a run: `bound` is what was promised, `needed` what this profile asks for; None was found
    where its scenario has no such figure. `held` is None where it was not asked, and `why` says what kept it from that.
    """

    name: str
    says: str
    kind: Kind
    scenario: str
    figure: str
    at_least: bool
    bound: float
    needed: float
    found: float | None
    held: bool | None
    why: str = ""


class Verdict(StrEnum):
    """
    What a run is worth.
    """

    HELD = "held"
    FAILED = "failed"
    INVALID = "invalid"


EXITS: Mapping[Verdict, int] = {Verdict.HELD: 0, Verdict.FAILED: 1, Verdict.INVALID: 3}
"""2 is a command line, a scenario file or a file of promises that cannot be read."""


@dataclass(frozen=True, slots=True)
class Run:
    """
    A whole run: on what it was made, what each scenario came to, which promises were kept, and what it is worth.
    """

    profile: str
    setting: Mapping[str, str]
    results: tuple[Result, ...]
    promises: tuple[Kept, ...]
    verdict: Verdict
    why: tuple[str, ...] = ()
