"""
One API account over simulated days, with its breakers, and those of its agents.

A call a second, or whatever is said, is a read, a write or an irreversible write, of one of a few agents; each fails
with the same chance, with a 500, so a write that fails is in doubt as well. What is simulated are the failures: between
two of them lie so many good calls, drawn at once, and how many of those were of which class is drawn only where two
failures of one class lie close enough to matter. A breaker that trips is then followed call by call until it passes
again.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from breakers.breaker import IRREVERSIBLE, READ, WRITE, Breaker, Delta, State, Sums, Wish
from breakers.call import Health
from breakers.observe import Result, after, due, gap_s, taken, tripped
from breakers.store.buckets import BUCKET_S, Window
from breakers.thresholds import STANDARD, STANDARD_OF_AGENT, Thresholds
from tests.breakers.rivals import Envoy, R4j, Rival

EPOCH = datetime(2026, 11, 21, tzinfo=UTC)
DAY_S = 86_400
SHARES = {READ: 0.70, WRITE: 0.25, IRREVERSIBLE: 0.05}
AGENTS = 4
WINDOW_S = STANDARD.over_s


def moment(at_s: float) -> datetime:
    return EPOCH + timedelta(seconds=at_s)


def keys(kind: str, agent: int) -> tuple[str, str]:
    """
    Return the two breakers that a call of this class, by this agent, is counted in.
    """
    return f"api:shop/{kind}", f"agent:a{agent}/shop/{kind}"


def thresholds_of(key: str) -> Thresholds:
    return STANDARD if key.startswith("api:") else STANDARD_OF_AGENT


@dataclass
class Account:
    """
    The breakers of one account; `handed` is the share of writes in doubt that a person has to look at.
    """

    random: Random
    rate: float = 0.001
    handed: float = 0.0
    trips: int = 0
    moves: int = 0
    _failed: dict[str, deque[float]] = field(default_factory=dict)
    _asked: dict[str, deque[float]] = field(default_factory=dict)
    _busy: dict[str, float] = field(default_factory=dict)

    def live(self, days: float, others: tuple[Rival, ...] = ()) -> None:
        """
        Live through days of a call a second.
        """
        at, end, draw = 0, int(days * DAY_S), self.random.random
        # How many good calls come before one that fails.
        scale = math.log1p(-self.rate)
        while True:
            good = int(math.log(1.0 - draw()) / scale)
            at += good + 1
            if at >= end:
                return
            for rule in others:
                rule.good(good, at - 1)
                rule.call(at, failed=True)
            self._fail(float(at))

    def _fail(self, at: float) -> None:
        draw = self.random.random()
        kind = READ if draw < SHARES[READ] else WRITE if draw < SHARES[READ] + SHARES[WRITE] else IRREVERSIBLE
        asks = kind != READ and self.handed > 0 and self.random.random() < self.handed
        since = (at // BUCKET_S) * BUCKET_S - WINDOW_S + BUCKET_S
        for key in keys(kind, self.random.randrange(AGENTS)):
            if at < self._busy.get(key, 0.0):
                continue
            failed, asked = self._failed.setdefault(key, deque()), self._asked.setdefault(key, deque())
            failed.append(at)
            if asks:
                asked.append(at)
            for times in (failed, asked):
                while times and times[0] < since:
                    times.popleft()
            # One alone never trips; a property holds the rules to that.
            if len(failed) > 1:
                self._weigh(key, kind, at, at - since)

    def _weigh(self, key: str, kind: str, at: float, span: float) -> None:
        failed, asked = self._failed[key], self._asked[key]
        share = SHARES[kind] / (1 if key.startswith("api:") else AGENTS)
        draw = self.random.random
        ok = sum(draw() < share for _ in range(int(span)))
        k, writes = len(failed), 0 if kind == READ else ok
        sums = Sums(
            key, 0, ok=ok, fail=k, unknown=0 if kind == READ else k, writes=writes,
            recent=sum(at - one < 60 for one in failed), streak=1,
        )  # fmt: skip
        handed = len(asked) if key.startswith("api:") else 0
        moved = tripped(None, sums, thresholds_of(key), moment(at), draw(), handed)
        if moved is not None:
            failed.clear()
            asked.clear()
            self.trips += 1
            self._busy[key] = self._heal(moved, kind, at)

    def _heal(self, breaker: Breaker, kind: str, at: float) -> float:
        """
        Follow a breaker that tripped call by call, and return when it passes again.
        """
        follow = Followed(breaker, kind, self.random, thresholds_of(breaker.key))
        while follow.breaker.state is not State.PASSING:
            at += 1
            follow.second(at, self.rate)
        self.trips += follow.trips
        self.moves += follow.moves
        return at


@dataclass
class Followed:
    """
    One breaker, a call a second: reads pass where they are not blocked, writes as the ramp lets them.
    """

    breaker: Breaker
    kind: str
    random: Random
    thresholds: Thresholds = STANDARD
    trips: int = 0
    moves: int = 0
    waits: list[float] = field(default_factory=list)
    _window: Window = field(default_factory=lambda: Window(0))

    def second(self, at: float, rate: float) -> None:
        """
        Let a second pass, and a call be made in it that fails with this chance.
        """
        now, draw = moment(at), self.random.random()
        self._to(due(self.breaker, now, draw), at)
        kind = self.random.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        if kind != READ and not self._passes(now):
            return
        health = Health.FAIL if self.random.random() < rate else Health.OK
        self._to(after(self.breaker, Result("01CALL", self.breaker.gen, health, read=kind == READ), now, draw), at)
        if kind == self.kind:
            self._count(at, health, draw)

    def _passes(self, now: datetime) -> bool:
        breaker = self.breaker
        if breaker.state is State.PASSING:
            return True
        if breaker.state is not State.RAMPING:
            return False
        wish = Wish(breaker.key, breaker.gen, probe=False, gap_s=gap_s(breaker))
        placed = taken(breaker, wish, "01CALL", now)
        if placed is not None:
            self.breaker = placed
        return placed is not None

    def _count(self, at: float, health: Health, draw: float) -> None:
        breaker = self.breaker
        if self._window.gen != breaker.gen:
            self._window = Window(breaker.gen)
        bucket, failed = int(moment(at).timestamp()) // BUCKET_S, health is Health.FAIL
        counted = Delta(
            breaker.key, breaker.gen, bucket, ok=not failed, fail=failed, writes=self.kind != READ,
            unknown=failed and self.kind != READ, tail=failed, broken=not failed,
        )  # fmt: skip
        self._window.add(counted, "one", bucket)
        sums = self._window.sums(breaker.key, bucket, 1)
        self._to(tripped(breaker, sums, self.thresholds, moment(at), draw), at)

    def _to(self, moved: Breaker | None, at: float) -> None:
        if moved is None:
            return
        if moved.gen != self.breaker.gen:
            self.moves += 1
        if moved.trips > self.breaker.trips and moved.until is not None:
            self.trips += 1
            self.waits.append((moved.until - moment(at)).total_seconds())
        self.breaker = moved


def detected(
    random: Random, rate: float, every_s: float, within_s: float, *, paced: bool
) -> tuple[float, float, float]:
    """
    Return after how many seconds an account that was well, and of which from now on this share of calls fails, has
    tripped: ours, resilience4j's, Envoy's; `within_s` where it has not by then.
    """
    ours: float | None = None
    rules: tuple[Rival, ...] = (R4j(), Envoy())
    found = [within_s, within_s]
    windows: dict[str, Window] = {}
    for at, failed in _calls(random, rate, every_s, within_s, paced=paced):
        kind = random.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        for index, rule in enumerate(rules):
            if rule.call(at, failed=failed):
                found[index] = min(found[index], at)
        for key in keys(kind, random.randrange(AGENTS)):
            window = windows.setdefault(key, Window(0))
            bucket = int(moment(at).timestamp()) // BUCKET_S
            window.add(Delta(key, 0, bucket, ok=not failed, fail=failed, tail=failed, broken=not failed), "one", bucket)
            if failed and ours is None:
                sums = window.sums(key, bucket, 1)
                ours = None if tripped(None, sums, thresholds_of(key), moment(at), 0.5) is None else at
        if ours is not None and max(found) < within_s:
            break
    return within_s if ours is None else ours, found[0], found[1]


def _calls(random: Random, rate: float, every_s: float, within_s: float, *, paced: bool) -> list[tuple[float, bool]]:
    """
    Return calls as (second, whether it fails), from ten minutes before: one in each interval, or at random.
    """
    calls, at = [], -600.0
    while at < within_s:
        when = at + every_s * random.random() if paced else at
        calls.append((when, when >= 0 and random.random() < rate))
        at += every_s if paced else every_s * random.expovariate(1.0)
    return calls
