"""What an operator makes of a breaker: forced states that end, one that is let go, and the way back after a stop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakers.breaker import FORCED, Breaker, State
from breakers.call import Health
from breakers.observe import after, due, forced, released, resumed, tripped
from breakers.thresholds import STANDARD
from tests.breakers.tripping import EVEN, KEY, OUTAGE, at, healed, passed, result, trip


@pytest.mark.parametrize(
    ("before", "returns"),
    [
        (Breaker(KEY), State.PASSING),
        (trip(), State.SUGGEST_ONLY),
        (replace(trip(), state=State.BLOCKED), State.BLOCKED),
        (passed(trip(), 30), State.SUGGEST_ONLY),
        (passed(replace(trip(), state=State.BLOCKED), 30), State.BLOCKED),
        (healed(passed(trip(), 30), 31), State.SUGGEST_ONLY),
    ],
)
@pytest.mark.parametrize("state", sorted(FORCED))
def test_forced(before: Breaker, returns: State, state: State) -> None:
    """A forced state ends by its time or by an operator, and then what was computed before holds again."""
    held = forced(before, KEY, state, by="ada", why="maintenance", at=at(40), until=at(100))
    assert (held.state, held.gen, held.by, held.until) == (state, before.gen + 1, "ada", at(100))
    outage = replace(OUTAGE, gen=held.gen)
    assert tripped(held, outage, STANDARD, at(50), EVEN) is None
    over, let = due(held, at(100), EVEN), released(held, by="bob", why="done", at=at(60))
    assert over is not None
    assert let is not None
    assert (over.state, let.state, let.by) == (returns, returns, "bob")
    # What was tripped begins with looking.
    assert passed(over, 100).state is (State.PASSING if returns is State.PASSING else State.PROBING)
    twice = forced(held, KEY, State.FORCED_PASSING, by="ada", why="sure", at=at(50))
    assert twice.before is returns


@pytest.mark.parametrize(
    ("state", "until", "ends"),
    [
        (State.FORCED_PASSING, None, 3600),
        (State.FORCED_PASSING, 7200, 3600),
        (State.FORCED_PASSING, 60, 60),
        (State.FORCED_BLOCKED, None, 86_400),
        (State.FORCED_SUGGEST_ONLY, 7 * 86_400, 7 * 86_400),
        (State.FORCED_SUGGEST_ONLY, 900 * 86_400, 30 * 86_400),
    ],
)
def test_forced_ends(state: State, until: int | None, ends: int) -> None:
    """No forced state is for ever, and one that protects nothing lasts an hour at most."""
    wanted = None if until is None else at(until)
    assert forced(None, KEY, state, by="ada", why="x", at=at(0), until=wanted).until == at(ends)


def test_released() -> None:
    """An operator lets what is tripped go to the ramp, what is in the ramp pass, and what passes alone."""
    ramping = released(trip(), by="ada", why="it is well", at=at(5))
    assert ramping is not None
    assert (ramping.state, ramping.by, ramping.why) == (State.RAMPING, "ada", "it is well")
    open_ = released(ramping, by="ada", why="sure", at=at(6))
    assert open_ is not None
    assert open_.state is State.PASSING
    assert released(open_, by="ada", why="again", at=at(7)) is None


def test_way_back() -> None:
    """After a stop only time moves the way back: what fails there is up to the breakers of its account."""
    back = resumed("kill:api:shop", at(0), 30_000, by="ada", why="it was the network")
    assert (back.state, back.gen, back.rate, back.by, back.why) == (
        State.RAMPING, 1, 30_000, "ada", "it was the network",
    )  # fmt: skip
    assert after(back, result(back, Health.FAIL, read=False), at(1), EVEN) is None
    open_ = passed(passed(passed(passed(back, 30), 60), 90), 120)
    assert (open_.state, open_.trips) == (State.PASSING, 0)
    again = resumed("kill:api:shop", at(200), 60_000, open_)
    assert (again.state, again.gen) == (State.RAMPING, open_.gen + 1)
