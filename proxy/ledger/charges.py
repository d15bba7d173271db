"""
What a call takes of the caps above it, as entries say it: `bud` before it is sent, `spent` once it has ended.

A charge is `[node, period, measure, amount, until]`, and `cap, [alerts]` behind that where there is a cap; amounts are
text because money is. `spent` has an amount for each, in their order. What was admitted is not judged again: by its cap
a start knows what it has to tell people, and what to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from breakers.spend import Charge, amounts
from proxy.ledger.drafts import read_stamp, stamp

KINDS_HELD = 4096
"""Of charges that were read, as many are the same object: most calls of a day take the same of the same caps."""

Bud = list[list[str | list[int] | None]]


def bud(charges: tuple[Charge, ...]) -> Bud | None:
    """
    Return how an entry says what a call may take; None where that is nothing.
    """
    return [_row(one) for one in charges] or None


def _row(one: Charge) -> list[str | list[int] | None]:
    until = None if one.until is None else stamp(one.until)
    judged: list[str | list[int] | None] = [str(one.cap), list(one.alerts)] if one.cap > 0 else []
    return [one.node, one.period, one.measure, str(one.amount), until, *judged]


def charges_of(entry: Mapping[str, Any]) -> tuple[Charge, ...]:
    """
    Return what an entry says that its call may take.

    Raise `ValueError` or `TypeError` where it does not say that as entries do.
    """
    said = entry.get("bud")
    return () if said is None else tuple(_charge(*one[:6], *map(tuple, one[6:])) for one in said)


@lru_cache(KINDS_HELD)
def _charge(
    node: str,
    period: str,
    measure: str,
    amount: str,
    until: str | None,
    cap: str = "0",
    alerts: tuple[int, ...] = (),
) -> Charge:
    over = None if until is None else read_stamp(until)
    return Charge(node, period, measure, int(amount), int(cap), over, alerts)


def spent(amounts: tuple[int, ...]) -> list[str] | None:
    """
    Return how an entry says what was taken; None where nothing could be.
    """
    return [str(amount) for amount in amounts] or None


def spent_of(entry: Mapping[str, Any], charges: tuple[Charge, ...]) -> tuple[int, ...]:
    """
    Return what an entry says was taken of these charges: all of them, where it does not say it of each.
    """
    said = entry.get("spent", ())
    return tuple(map(int, said)) if len(said) == len(charges) else amounts(charges)
