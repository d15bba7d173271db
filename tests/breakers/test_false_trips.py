"""How often a healthy account trips, and how soon a failing one does, beside resilience4j's and Envoy's rules."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import pytest

from tests.breakers.rivals import Envoy, R4j
from tests.breakers.simulated import Account, detected
from tests.conftest import Figure

BOUNDS: dict[str, float] = json.loads(Path(__file__).with_name("floors.json").read_text())
FALSE = "false trips a day at most, a call a second and 0.1 % errors"
OUTAGE = "seconds to an outage at most, six calls a minute"

DAYS, RUNS, WITHIN_S = 600, 100, 1800.0
NAMES = ("ours", "resilience4j", "Envoy")


def test_false_trips(figure: Figure) -> None:
    """At a call a second, of which one in a thousand fails, all breakers of an account together hardly ever trip."""
    # At worst each write that failed has to be looked at by a person.
    account, others = Account(Random(17), handed=1.0), (R4j(), Envoy())
    account.live(DAYS, others)
    for name, trips in zip(NAMES, (account.trips, *(rule.trips for rule in others)), strict=True):
        figure(f"false trips a day, a call a second and 0.1 % errors, {name}", round(trips / DAYS, 4))
    assert account.trips / DAYS <= BOUNDS[FALSE]
    # It could have tripped, and did.
    assert account.trips > 0


def test_outage(figure: Figure) -> None:
    """Of an account with six calls a minute, all of which fail from now on, that is known within a minute."""
    found = [detected(Random(seed), 1.0, 10.0, 1200.0, paced=True) for seed in range(RUNS)]
    for name, times in zip(NAMES, zip(*found, strict=True), strict=True):
        figure(f"seconds to an outage, six calls a minute, {name}", round(_middle(times), 1))
        figure(f"seconds to an outage, six calls a minute, 95 of 100, {name}", round(_most(times), 1))
    assert _most([ours for ours, _, _ in found]) <= BOUNDS[OUTAGE]
    at_random = [detected(Random(seed), 1.0, 10.0, 600.0, paced=False)[0] for seed in range(RUNS)]
    figure("seconds to an outage, six calls a minute at random, ours", round(_middle(at_random), 1))
    assert _middle(at_random) <= BOUNDS[OUTAGE]


@pytest.mark.parametrize(("rate", "within_s"), [(0.2, 120), (0.05, 600)])
def test_partial_outage(rate: float, within_s: int, figure: Figure) -> None:
    """Where some calls of an account with one a second fail, that is known soon; the others' rules wait for half."""
    found = [detected(Random(seed), rate, 1.0, WITHIN_S, paced=True) for seed in range(3)]
    for name, times in zip(NAMES, zip(*found, strict=True), strict=True):
        figure(f"seconds to {rate:.0%} errors, a call a second, half an hour at most, {name}", round(_middle(times), 1))
    assert _middle([ours for ours, _, _ in found]) <= within_s


@pytest.mark.torture(weight=1)
def test_false_trips_for_long(figure: Figure, torture_until: float) -> None:
    """The same over as many days as there is time for, from another seed each time."""
    days, trips, random = 0, 0, Random()
    while days == 0 or time.monotonic() < torture_until:
        account = Account(Random(random.random()), handed=1.0)
        account.live(DAYS)
        days, trips = days + DAYS, trips + account.trips
    figure("torture breakers, days", days)
    figure("torture breakers, false trips a day", round(trips / days, 4))
    assert trips / days <= BOUNDS[FALSE]


def _middle(times: list[float] | tuple[float, ...]) -> float:
    return sorted(times)[len(times) // 2]


def _most(times: list[float] | tuple[float, ...]) -> float:
    return sorted(times)[len(times) * 95 // 100]
