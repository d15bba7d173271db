"""What wants fewer calls: for as long as it said, whichever call was told, and never less than was asked before."""

from __future__ import annotations

import pytest

from breakers.call import Call, Health, Outcome
from config.dialect import Dialect
from proxy.throttling import Throttling
from tests.breakers.world import call
from tests.ledger.world import StillClock
from tests.proxy.observed import GET, SET, result

DIALECT = Dialect.model_validate(
    {"throttle": {"reason": "x-reason", "operations": ["burst"], "objects": ["thing"], "otherwise_s": 60}}
)


def told(*headers: tuple[str, str]) -> Outcome:
    """
    Return an answer that throttles.
    """
    return result(429, Health.THROTTLE, headers=headers)


@pytest.fixture
def clock() -> StillClock:
    """
    Return the time.
    """
    return StillClock()


@pytest.fixture
def throttling(clock: StillClock) -> Throttling:
    """
    Return what heard nothing yet.
    """
    return Throttling({"shop": DIALECT, "other": DIALECT}, clock.now)


def left_s(throttling: Throttling, clock: StillClock, asked: Call) -> float:
    """
    Return for how long a call is kept back.
    """
    found = throttling.of(asked, clock.now())
    return 0.0 if found is None else (found.until - clock.now()).total_seconds()


def test_whole_account(throttling: Throttling, clock: StillClock) -> None:
    """Whoever is told keeps back every call on the account, and none on another."""
    throttling.heard(GET, told(("retry-after", "7")))
    elsewhere = call("charges.retrieve", api="other")
    assert [left_s(throttling, clock, asked) for asked in (GET, SET, elsewhere)] == [7.0, 7.0, 0.0]
    clock.move(7.0)
    assert left_s(throttling, clock, GET) == 0.0


def test_longer_stands(throttling: Throttling, clock: StillClock) -> None:
    """What asks for less than was asked for before changes nothing; what asks for more does."""
    throttling.heard(GET, told(("retry-after", "30")))
    throttling.heard(GET, told(("retry-after", "5")))
    assert left_s(throttling, clock, SET) == 30.0
    throttling.heard(GET, told())
    assert left_s(throttling, clock, SET) == 60.0


def test_one_operation(throttling: Throttling, clock: StillClock) -> None:
    """An account that throttles one operation is asked for everything else."""
    throttling.heard(SET, told(("retry-after", "9"), ("x-reason", "burst")))
    assert (left_s(throttling, clock, SET), left_s(throttling, clock, GET)) == (9.0, 0.0)


def test_nothing_asked(throttling: Throttling, clock: StillClock) -> None:
    """What does not throttle keeps nothing back, whatever its headers say."""
    throttling.heard(GET, result(503, Health.FAIL, headers=(("retry-after", "9"),)))
    assert left_s(throttling, clock, GET) == 0.0


def test_forgotten(throttling: Throttling, clock: StillClock) -> None:
    """What is over is forgotten with the next that is heard."""
    for number in range(9):
        throttling.heard(call("charges.retrieve", api="other" if number % 2 else "shop"), told(("retry-after", "3")))
    assert repr(throttling) == "Throttling(2 scopes)"
    clock.move(4.0)
    throttling.heard(GET, told(("retry-after", "9")))
    assert repr(throttling) == "Throttling(1 scopes)"


def test_bounded(throttling: Throttling, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is throttled at once, what is kept in mind has a bound; the newest stands."""
    monkeypatch.setattr("proxy.throttling.SCOPES_MAX", 1)
    throttling.heard(SET, told(("x-reason", "burst")))
    throttling.heard(GET, told(("x-reason", "burst")))
    assert (left_s(throttling, clock, SET), left_s(throttling, clock, GET)) == (0.0, 60.0)
