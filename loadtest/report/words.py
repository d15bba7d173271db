"""Figures and promises in words, the same in every report."""

from __future__ import annotations

from collections.abc import Mapping

from loadtest.results import Figure, Kept

HELD: Mapping[bool | None, str] = {True: "held", False: "broken", None: "not asked"}


def number(value: float) -> str:
    """
    Return a number with as many digits as mean anything.
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def figure(told: Figure) -> str:
    """
    Return a figure with its unit.
    """
    return f"{number(told.value)} {told.unit}"


def found(kept: Kept) -> str:
    """
    Return what was found of a promise.
    """
    if kept.found is None:
        return "not asked" if kept.why else "not measured"
    return number(kept.found)


def needed(kept: Kept) -> str:
    """
    Return what a promise asks for in this run, and what it promises where that is something else.
    """
    asked = f"{'at least' if kept.at_least else 'at most'} {number(kept.needed)}"
    return asked if kept.needed == kept.bound else f"{asked} here ({number(kept.bound)} promised)"


def ended(kept: Kept) -> str:
    """
    Return whether a promise was held, and what kept it from being asked.
    """
    return ": ".join(filter(None, (HELD[kept.held], kept.why)))
