"""How an operation is used, as its catalogue knows: which reads are polled, which arguments tell no two calls apart."""

from __future__ import annotations

from dataclasses import dataclass

POLL_INTERVAL_S = 1.0
"""Sooner than that nothing changes for which a person or a machine elsewhere is waited for."""

POLL_FOR_S = 6 * 3600.0
"""As long as the bundled APIs let such work run: a job of continuous integration."""


@dataclass(frozen=True, slots=True)
class Polling:
    """
    A read that is made again until its answer changes: at most once in `interval_s`, for at most `for_s` seconds.
    """

    interval_s: float = POLL_INTERVAL_S
    for_s: float = POLL_FOR_S


@dataclass(frozen=True, slots=True)
class Habit:
    """
    How an operation is used.

    `volatile` are arguments whose value makes no other call of it, `refers` those of its body that name an object. With
    `many`, doing it often at one place is its nature.
    """

    polling: Polling | None = None
    volatile: tuple[str, ...] = ()
    refers: tuple[str, ...] = ()
    many: bool = False


NO_HABIT = Habit()
