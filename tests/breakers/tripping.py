"""Breakers on a virtual clock: tripped, probing, with their permit out, healed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from breakers.breaker import READ, WRITE, Breaker, Sums, Wish
from breakers.call import Health
from breakers.observe import Result, after, due, taken, tripped
from breakers.thresholds import STANDARD
from tests.breakers.simulated import EPOCH

KEY, READS = f"api:shop/{WRITE}", f"api:shop/{READ}"
OUTAGE = Sums(KEY, 0, fail=3, recent=3, streak=3, writes=50)
LEASE_S = 65.0
EVEN = 0.5
"""The draw by which a breaker waits exactly as long as it says."""


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def passed(breaker: Breaker, seconds: float) -> Breaker:
    """
    Return a breaker after all that time alone has made of it.
    """
    while (next_ := due(breaker, at(seconds), EVEN)) is not None:
        breaker = next_
    return breaker


def trip(key: str = KEY, seconds: float = 0.0, before: Breaker | None = None) -> Breaker:
    known = before or Breaker(key)
    moved = tripped(before, replace(OUTAGE, key=key, gen=known.gen), STANDARD, at(seconds), EVEN)
    assert moved is not None
    return moved


def result(breaker: Breaker, health: Health = Health.OK, caller: str = "01READ", **more: bool) -> Result:
    return Result(caller, breaker.gen, health, **({"read": True} | more))


def permitted(breaker: Breaker, caller: str = "01PROBE", seconds: float = 30.0) -> Breaker:
    """
    Return a breaker whose permit this call has.
    """
    got = taken(breaker, Wish(breaker.key, breaker.gen, probe=True, lease_s=LEASE_S), caller, at(seconds))
    assert got is not None
    return got


def healed(breaker: Breaker, seconds: float) -> Breaker:
    """
    Return a probing breaker after three good reads.
    """
    for _ in range(3):
        moved = after(breaker, result(breaker), at(seconds), EVEN)
        assert moved is not None
        breaker = moved
    return breaker
