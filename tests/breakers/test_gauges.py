"""What a store of one process knows of breakers ends, however many tasks there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.breaker import Breaker, Delta, State
from breakers.store.gauges import RESTS, Gauges
from tests.breakers.world import AT


def counting(gauges: Gauges, days: float) -> None:
    """
    Have something counted so many days after the first moment.
    """
    at = AT + timedelta(days=days)
    gauges.count((Delta("api:shop/read", 0, int(at.timestamp()) // 10, ok=1),), "one", at)


@pytest.mark.parametrize(
    ("state", "trips", "stays"),
    [(State.PASSING, 0, False), (State.PASSING, 1, True), (State.SUGGEST_ONLY, 1, True), (State.RAMPING, 0, True)],
)
def test_rests(state: State, trips: int, stays: bool) -> None:
    """A breaker that passes and has no trips left is known for a day, and every other one for as long as it is so."""
    gauges = Gauges()
    gauges.moved(Breaker("task:01T", state, 3, since=AT, trips=trips))
    counting(gauges, 0.99 * RESTS.days)
    assert [one.gen for one in gauges.all()] == [3]
    counting(gauges, 1.01 * RESTS.days)
    assert [one.gen for one in gauges.all()] == ([3] if stays else [])


def test_rests_no_more() -> None:
    """One that tripped again meanwhile does not rest."""
    gauges, rested = Gauges(), Breaker("task:01T", State.PASSING, 3, since=AT)
    gauges.moved(rested)
    tripped = replace(rested, state=State.SUGGEST_ONLY, gen=4, trips=1)
    assert gauges.move(rested, tripped)
    counting(gauges, 2.0)
    assert gauges.all() == (tripped,)


def test_bounded() -> None:
    """A thousand tasks a day that tripped, and passed again, leave no more than a day's."""
    gauges = Gauges()
    for number in range(5_000):
        days = number / 1_000
        gauges.moved(Breaker(f"task:{number}", State.PASSING, 3, since=AT + timedelta(days=days)))
        counting(gauges, days)
    assert len(gauges.all()) <= 1_001
