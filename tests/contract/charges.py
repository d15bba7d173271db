"""Charges, what a store says of its totals, and what it told: so that a case of the budgets is a few lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from breakers.known import Ended
from breakers.spend import CALLS, Charge
from breakers.store.protocol import Exhausted, Store
from breakers.verdict import Forward
from tests.contract.world import done, nothing_done

MONTH_ENDS = datetime(2026, 12, 1, tzinfo=UTC)
DAY_ENDS = datetime(2026, 11, 22, tzinfo=UTC)

USD = "moved:USD"

Sums = dict[str, tuple[int, int]]
"""By `node|period|measure`: what is settled, and what is held."""


def month(amount: int = 1, cap: int = 100, node: str = "agent:clerk", measure: str = CALLS, **more: object) -> Charge:
    """
    Return a charge of a cap over this month.
    """
    one = Charge(node, "2026-11", measure, amount, cap, MONTH_ENDS)
    return replace(one, **more)  # type: ignore[arg-type] # a charge's own fields


def life(amount: int = 1, cap: int = 100, node: str = "task:clerk/01T", measure: str = CALLS, **more: object) -> Charge:
    """
    Return a charge of a cap over the life of a task.
    """
    one = Charge(node, "life", measure, amount, cap, DAY_ENDS)
    return replace(one, **more)  # type: ignore[arg-type] # a charge's own fields


def spending(*spent: int, after_s: float = 0) -> Ended:
    """
    Return the end of a call that took so much of its charges.
    """
    return replace(done(after_s), spent=spent)


def refusing(*spent: int, after_s: float = 0) -> Ended:
    """
    Return the end of a write that did nothing, may be made again, and took so much of its charges.
    """
    return replace(nothing_done(after_s), spent=spent)


async def sums(store: Store, node: str = "") -> Sums:
    """
    Return what is settled and held at each node, or at one.
    """
    return {f"{one.node}|{one.period}|{one.measure}": (one.settled, one.held) for one in await store.totals(node)}


async def sum_of(store: Store, charge: Charge) -> tuple[int, int]:
    """
    Return what is settled and held of the total that this charge is taken of.
    """
    return (await sums(store, charge.node)).get(charge.key, (0, 0))


async def denied(store: Store, go: Forward) -> Exhausted:
    """
    Reserve what has no room, and return in which words.
    """
    said = await store.reserve(go)
    assert isinstance(said, Exhausted), said
    return said


async def notices(store: Store) -> list[tuple[str, str, int, int, int]]:
    """
    Return what was raised and is not delivered, sorted: its kind, of which node, at what percentage, cap and sum.
    """
    every = await store.alerts()
    assert len({one.id for one in every}) == len(every)
    return sorted((str(one.kind), one.node, one.threshold, one.cap, one.settled) for one in every)
