"""What holds of a breaker whatever happens to it: one probe at most, a way on from everywhere, no word of the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from breakers.breaker import FORCED, Breaker, State, Sums, Wish
from breakers.call import Health
from breakers.observe import (
    FORCED_MAX_S,
    Result,
    after,
    due,
    forced,
    gap_s,
    refunded,
    released,
    resumed,
    taken,
    tripped,
)
from breakers.thresholds import USUAL
from breakers.transitions import BACK_OFF_MAX_S, CLEAN_S, STEP_S, STEPS, TASK_OFF_MAX_S
from tests.breakers.simulated import EPOCH

KEYS = ("api:shop/read", "api:shop/write", "agent:clerk/shop/write", "credential:shop", "task:t1", "kill:all")
LEASE_S = 65.0

# Enough for whatever a breaker waits for by itself: a forced state, then all of the way back.
LONG_S = FORCED_MAX_S + max(BACK_OFF_MAX_S, TASK_OFF_MAX_S) * 1.2 + LEASE_S + STEP_S * len(STEPS)


@dataclass
class Life:
    """
    One breaker and the calls that were let pass while it lived.
    """

    breaker: Breaker
    now: datetime = EPOCH
    calls: int = 0
    out: list[Result] = field(default_factory=list)

    def to(self, moved: Breaker | None) -> None:
        """
        Take what a function made of it, and hold it to what holds of every move.
        """
        if moved is None:
            return
        before = self.breaker
        assert moved != before
        assert moved.key == before.key
        assert moved.gen - before.gen in {0, 1}
        assert moved.gen > before.gen or moved.state is before.state
        assert moved.probe is None or moved.state is State.PROBING
        assert moved.round - before.round == (moved.state is State.PROBING and before.state is not State.PROBING)
        assert moved.trips >= 0
        assert moved.trips <= before.trips + 1
        self.breaker = moved

    def time(self, seconds: float, draw: float) -> None:
        self.now += timedelta(seconds=seconds)
        while (moved := due(self.breaker, self.now, draw)) is not None:
            self.to(moved)

    def admit(self, read: bool) -> None:
        """
        Let a call pass, with what it can have of the breaker.
        """
        self.calls += 1
        caller, known = f"01CALL{self.calls}", self.breaker
        wish = Wish(known.key, known.gen, known.state is State.PROBING, LEASE_S, gap_s(known))
        if not read and known.state in {State.PROBING, State.RAMPING}:
            got = taken(known, wish, caller, self.now)
            if got is None:
                return
            self.breaker = got
        self.out.append(Result(caller, known.gen, Health.OK, read=read))

    def end(self, which: int, health: Health, slow: bool, draw: float) -> None:
        if self.out:
            ended = self.out.pop(which % len(self.out))
            before = self.breaker
            self.to(after(before, replace(ended, health=health, slow=slow), self.now, draw))
            assert ended.gen == before.gen or self.breaker == before

    def weigh(self, sums: Sums, draw: float, handed: int) -> None:
        self.to(tripped(self.breaker, sums, USUAL.of(self.breaker.key), self.now, draw, handed))

    def give_back(self, which: int) -> None:
        if self.out:
            self.to(refunded(self.breaker, self.out.pop(which % len(self.out)).call))


Step = Callable[[Life], None]

_DRAW = st.floats(0, 1, exclude_max=True)
_COUNTED = st.builds(
    lambda fail, ok, slow, streak, behind: (
        lambda gen, key: Sums(
            key, max(0, gen - behind), ok=ok, fail=fail, slow=min(ok, slow), recent=fail, streak=streak, writes=ok
        )
    ),
    st.integers(0, 9), st.integers(0, 40), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2),
)  # fmt: skip
STEP: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda s, d: lambda life: life.time(s, d), st.sampled_from([0.1, 5, 30, 66, 301, 900, 90_000]), _DRAW),
    st.builds(lambda read: lambda life: life.admit(read), st.booleans()),
    st.builds(
        lambda n, health, slow, d: lambda life: life.end(n, health, slow, d),
        st.integers(0, 9), st.sampled_from(Health), st.booleans(), _DRAW,
    ),
    st.builds(lambda n: lambda life: life.give_back(n), st.integers(0, 9)),
    st.builds(
        lambda counted, d, handed: lambda life: life.weigh(counted(life.breaker.gen, life.breaker.key), d, handed),
        _COUNTED, _DRAW, st.integers(0, 3),
    ),
    st.builds(
        lambda state: lambda life: life.to(forced(life.breaker, "", state, by="ada", why="x", at=life.now)),
        st.sampled_from(sorted(FORCED)),
    ),
    st.just(lambda life: life.to(released(life.breaker, by="ada", why="x", at=life.now))),
    st.builds(
        lambda rate: lambda life: life.to(resumed(life.breaker.key, life.now, rate, life.breaker))
        if life.breaker.key.startswith("kill:")
        else None,
        st.integers(0, 100_000),
    ),
)  # fmt: skip


@given(st.sampled_from(KEYS), st.lists(STEP, max_size=40))
def test_any_life(key: str, steps: list[Step]) -> None:
    """Whatever happens one permit at most is good, the past is silent, and time alone leads on from everywhere."""
    life = Life(Breaker(key))
    for step in steps:
        step(life)
        good = [one for one in life.out if after(life.breaker, replace(one, health=Health.IGNORE), life.now, 0.5)]
        assert len(good) <= 1
        _leads_on(life)


@given(st.sampled_from(KEYS[:4]), st.lists(st.integers(0, 3), min_size=24, max_size=24), st.booleans())
def test_trips_an_hour(key: str, well: list[int], blocks: bool) -> None:
    """However long it is well between, and however short each wait is drawn, it trips twelve times an hour at most."""
    life, trips = Life(Breaker(key)), list[datetime]()
    for clean in well:
        failing = Sums(key, life.breaker.gen, fail=5, recent=5, streak=5 if blocks else 4)
        life.weigh(failing, 0.0, 0)
        assert life.breaker.state in {State.SUGGEST_ONLY, State.BLOCKED}
        trips.append(life.now)
        assert life.breaker.until is not None
        life.time((life.breaker.until - life.now).total_seconds(), 0.0)
        for _ in range(3 if clean else 0):
            life.to(after(life.breaker, Result("01READ", life.breaker.gen, Health.OK, read=True), life.now, 0.0))
        life.time(STEP_S * len(STEPS) + (clean - 1) * CLEAN_S if clean else 0.0, 0.0)
    assert all(last - first > timedelta(hours=1) for first, last in zip(trips, trips[12:], strict=False))


def _leads_on(life: Life) -> None:
    """
    Hold that after long enough a breaker passes, or is being tried and lets the next call try it; and that good reads
    then make it pass.
    """
    then = Life(life.breaker, life.now)
    for _ in range(24):
        then.time(LONG_S / 8, 0.999)
    state = then.breaker.state
    assert state is State.PASSING or (state is State.PROBING and then.breaker.probe is None), then.breaker
    for _ in range(3):
        then.to(after(then.breaker, Result("01READ", then.breaker.gen, Health.OK, read=True), then.now, 0.5))
    for _ in range(2 * len(STEPS)):
        then.time(STEP_S, 0.5)
    assert then.breaker.state is State.PASSING
