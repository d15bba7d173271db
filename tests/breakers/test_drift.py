from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from breakers.baseline import KEYS_MAX, Baseline, Day, Kind
from breakers.drift import OPERATIONS_MAX, TASKS_MAX, Alarm, Drift, Step
from tests.breakers.drifting import Habits, days
from tests.breakers.world import QUIET, allow, call, park, policy, write
from tests.conftest import Figure

FLOORS = json.loads((Path(__file__).parent / "floors.json").read_text())

BASELINE, WATCHED = 14, 30

ONCE_IN = 30.0

SEEDS = range(20, 40)
"""Twenty agents. Of eighty, these among them, two were alarmed over, and 75 doublings were told within fifty writes."""

WORKING_HOURS = range(8, 22)


def _looked_at(drift: Drift, steps: Iterator[Step]) -> int:
    """Return how often somebody was alarmed, who looked each time."""
    count = 0
    for step in steps:
        if drift.saw(step) is not None:
            count += 1
            drift.reset()
    return count


def _until_told(drift: Drift, steps: Iterator[Step]) -> tuple[int, Alarm | None]:
    """Return after how many writes somebody was alarmed, and over what."""
    writes = 0
    for step in steps:
        writes += step.writes
        if (alarm := drift.saw(step)) is not None:
            return writes, alarm
    return writes, None


def _shifted(seed: int, first: int) -> Iterator[Step]:
    found = days(seed, first, 5, Habits(refunds=2.0, skewed=0.0))
    return (step for step in found if step.at.hour in WORKING_HOURS)


@pytest.fixture(scope="module")
def runs() -> list[tuple[int, int, Alarm | None]]:
    """Alarms of thirty ordinary days for each seed, then the writes until a doubled share of refunds is told."""
    found = []
    for seed in SEEDS:
        drift = Drift(BASELINE, ONCE_IN)
        alarms = _looked_at(drift, days(seed, 0, BASELINE + WATCHED))
        found.append((alarms, *_until_told(drift, _shifted(seed, 49))))
    return found


def test_ordinary_days(runs: list[tuple[int, int, Alarm | None]], figure: Figure) -> None:
    """On thirty days with weekdays, hours, bursts and a heavy tail there is at most one alarm over each agent."""
    alarms = [count for count, _, _ in runs]
    figure("drift: false alarms on 600 agent days", sum(alarms))
    assert max(alarms) <= 1
    assert sum(alarms) <= WATCHED * len(SEEDS) / ONCE_IN


def test_doubled_refunds(runs: list[tuple[int, int, Alarm | None]], figure: Figure) -> None:
    """A share of refunds that has doubled is told within fifty writes."""
    writes = sorted(count for _, count, _ in runs)
    figure("drift: writes until a doubled share is told, median", writes[len(writes) // 2])
    assert all(alarm is not None for _, _, alarm in runs)
    assert writes[-1] <= 50
    assert writes[len(writes) // 2] <= FLOORS["writes until a doubled share is told"]


def test_what_is_told(runs: list[tuple[int, int, Alarm | None]]) -> None:
    """An alarm says what differs, what it was and what it is, with its counts."""
    alarms = [alarm for _, _, alarm in runs if alarm is not None]
    refunds = [one for one in alarms if one.operation == "shop/refund" and one.kind is Kind.WRITES]
    assert len(refunds) > len(alarms) / 2
    for one in refunds:
        assert one.hits / one.of > one.was_ppm / 1_000_000
        assert f"and is {one.hits} of the last {one.of}" in one.words


def _steady(drift: Drift, count: int, *, first: int = 0, refunds: int = 4, **more: object) -> Alarm | None:
    """Let so many days go by on which, of each ten writes, so many are refunds."""
    for day in range(first, first + count):
        for number in range(60):
            at = datetime(2026, 8, 3, 8, tzinfo=UTC) + timedelta(days=day, minutes=10 * number)
            name = "refund" if number * 7 % 10 < refunds else "answer"
            step = Step(at, f"{day}/{number}", f"shop/{name}", writes=True, micros=20_000_000, currency="USD")
            if (alarm := drift.saw(replace(step, **more))) is not None:  # type: ignore[arg-type] # fields of a step
                return alarm
    return None


def test_nothing_to_compare_with() -> None:
    """Before there are as many days as the card asks for nothing is said, whatever is done."""
    drift = Drift(14, ONCE_IN)
    assert _steady(drift, 10) is None
    assert _steady(drift, 3, first=10, refunds=10) is None
    assert not drift.ready
    assert repr(drift) == "Drift(learning, Baseline(12 of 14 days))"


def test_one_alarm() -> None:
    """An alarm is raised once and stands until somebody has looked; a day of it teaches nothing."""
    drift = Drift(4, ONCE_IN)
    assert _steady(drift, 5) is None
    known = drift.known_days
    assert _steady(drift, 1, first=5, refunds=9) == drift.alarm is not None
    assert _steady(drift, 6, first=6, refunds=9) is None
    assert drift.known_days == known
    drift.reset()
    assert _steady(drift, 2, first=12, refunds=9) is not None
    drift.reset(learn=True)
    assert drift.known_days == 0
    assert _steady(drift, 9, first=14, refunds=9) is None


def test_after_a_restart() -> None:
    """What was alarmed over before is not alarmed over again until somebody has looked."""
    drift = Drift(4, ONCE_IN)
    _steady(drift, 5)
    drift.standing(Alarm(Kind.WRITES, "shop/refund", "", 400_000, 9, 10))
    assert _steady(drift, 1, first=5, refunds=9) is None
    assert "alarm: shop/refund" in repr(drift)


def test_what_is_new() -> None:
    """An operation that the agent never did is told after a few times."""
    drift = Drift(4, ONCE_IN)
    _steady(drift, 5)
    writes = 0
    alarm = None
    for number in range(20):
        at = datetime(2026, 8, 8, 9, tzinfo=UTC) + timedelta(minutes=number)
        writes, alarm = writes + 1, drift.saw(Step(at, f"new/{number}", "shop/payout", writes=True))
        if alarm is not None:
            break
    assert alarm is not None
    assert alarm.operation == "shop/payout"
    assert writes <= 10


def test_a_burst_of_the_same() -> None:
    """What repeats the call before it in its task within a minute is one with it."""
    drift = Drift(4, ONCE_IN)
    _steady(drift, 5)
    at = datetime(2026, 8, 8, 9, tzinfo=UTC)
    for number in range(200):
        assert drift.saw(Step(at + timedelta(seconds=20 * number), "batch", "shop/refund", writes=True)) is None


@pytest.mark.parametrize("times", [1, 20])
def test_high_amounts(times: int) -> None:
    """High amounts are told by how many of them there are, and one that is enormous tells nothing."""
    drift = Drift(4, ONCE_IN)
    _steady(drift, 5)
    alarm = None
    for number in range(times):
        at = datetime(2026, 8, 8, 9, tzinfo=UTC) + timedelta(minutes=10 * number)
        name = "answer" if number % 2 else "refund"
        alarm = alarm or drift.saw(Step(at, f"x/{number}", f"shop/{name}", True, micros=10**13, currency="USD"))
    assert (alarm is not None) == (times > 1)
    assert alarm is None or alarm.kind is Kind.MONEY


def test_clock_set_back() -> None:
    """A clock that is set back begins no day and ends none."""
    drift = Drift(4, ONCE_IN)
    _steady(drift, 3)
    known = drift.known_days
    _steady(drift, 2)
    assert drift.known_days == known


def test_bounds() -> None:
    """However many tasks, operations and keys there are, what is held of them is bounded."""
    drift, at = Drift(2, ONCE_IN), datetime(2026, 8, 3, tzinfo=UTC)
    for number in range(3 * TASKS_MAX):
        moment, micros = at + timedelta(seconds=number * 70), 2**number % 10**15
        drift.saw(Step(moment, f"t/{number}", f"shop/op-{number}", writes=True, micros=micros, currency="USD"))
    assert len(drift._tasks) == TASKS_MAX
    assert len(drift._operations) == OPERATIONS_MAX
    day = Day()
    for number in range(2 * KEYS_MAX):
        day.add((Kind.PAIRS, f"{number}"), "x", 0)
    assert len(day.counts) == KEYS_MAX


def test_days_leave() -> None:
    """Of a day that is no longer one of the last nothing is left."""
    baseline = Baseline(1)
    first, second = Day(0), Day(1)
    for number in range(60):
        first.add((Kind.WRITES, ""), "old", number % 6)
        first.paid("old USD", 10**number)
        second.add((Kind.WRITES, ""), "new", number % 6)
    baseline.take(first)
    assert baseline.steady((Kind.WRITES, ""))
    old = baseline.share((Kind.WRITES, ""), "old", 0, 0)
    baseline.take(second)
    assert baseline.share((Kind.WRITES, ""), "old", 0, 0) < old / 5
    assert not baseline.steady((Kind.MONEY, "old USD"))
    assert len(baseline) == 1


DRIFTS = "`shop/refund` was at most 40 % of its writes at such hours, and is 29 of the last 36 (81 %)."


@pytest.mark.parametrize(
    ("drift", "causes"),
    [({"act": "suggest"}, ("drift:clerk",)), ({"act": "alarm"}, ()), (False, ())],
    ids=["suggest", "alarm", "off"],
)
def test_parked(drift: object, causes: tuple[str, ...]) -> None:
    """While an alarm stands writes are parked where the card says so, and reads pass."""
    judged = policy({"issues/create": {}, "issues/list": {}}, drift=drift)
    facts = replace(QUIET, drifting=DRIFTS)
    asked = write("issues/create", {"path.owner": "a", "path.repo": "b", "body.title": "c"})
    if causes:
        parked = park(judged, asked, *causes, facts=facts)
        assert parked.parked[0].detail == DRIFTS
        assert not parked.parked[0].waits
    else:
        allow(judged, asked, facts)
    allow(judged, asked)
    allow(judged, call("issues/list", {"path.owner": "a", "path.repo": "b"}), facts)
