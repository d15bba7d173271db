r"""
Drift: an agent's calls come to differ from what they were, told early, and rarely where nothing has changed.

Compared are shares: of each operation among the agent's writes and among its calls, of each operation after the one
before it in its task, and of high amounts among an operation's. What repeats the call before it in its task within a
minute is one with that call, so that a burst of the same is one thing that happened, and not fifty. How many calls
there are is not compared: a busy day is no drift, and what may be done in a day is a cap's business.

**Evidence.** Let *u* be the largest share that a thing can well have had at such hours (`baseline`), and *q*, about
twice that, what it has where the agent has drifted. Each call that could have been the thing multiplies its evidence

    R ← R · q/u   where it is,     R ← R · (1-q)/(1-u)   where it is not;      and where it is, then R ← R + w

As long as its share is at most u, given whatever came before, either factor is 1 or less on average. So the sum of
all R less w for each time that w was added is a supermartingale; it starts at 0, and an alarm, which needs R ≥ 1, takes
all of it away: **the expected number of alarms is at most w times the number of starts.** Each kind may begin as often
a day as on the busiest day of the baseline, and w is its part of 1/`once_in` divided by that: while shares stay below
their bounds, whatever the order and the hours of calls, an agent is alarmed over at most once in `once_in` days. It is
a test of Wald's kind with Shiryaev's and Roberts' sum over when the change came, made an e-detector by the bound u.

**What the bound cannot know** (bursts of many tasks of one kind, a mix that swings more than its average says) shows on
the days of the baseline themselves: how far the evidence of each thing went on any of them without an alarm, and half
as far again, is the least that it has to reach later. So what used to happen is never an alarm, however odd it is, and
what is steady is watched closely.

Until there are as many days as the card asks for nothing is said; in the second half of them it is tried how far the
evidence goes. A day on which an alarm stands teaches nothing: what is wrong does not become usual by lasting. Days
without a call are no days.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import log
from types import MappingProxyType

from breakers.baseline import BLOCKS, BY_HOUR, Baseline, Day, Group, Kind
from breakers.noun import noun

AT_ONCE = timedelta(minutes=1)
"""Within what time the same operation of a task is one with the one before it."""

TASKS_MAX = 1024
"""Tasks whose last call is remembered."""

OPERATIONS_MAX = 64
"""Operations that are told apart, in the order in which they come; the rest of them count as one."""

OTHERS = "others"

BUDGET: Mapping[Kind, float] = MappingProxyType({Kind.WRITES: 0.5, Kind.CALLS: 0.15, Kind.PAIRS: 0.15, Kind.MONEY: 0.2})
"""How what may be a false alarm is divided: writes are what does harm."""

STARTS_MIN = 20
"""Of the busiest day at least."""

SPARE = 1.5
"""By how much the evidence must exceed what the days of the baseline reached: as a logarithm, half as much again."""

NEARLY_ALL = 0.95
"""What has more than this has no room to grow that could be told."""

HIGH = "high"


@noun
class Step:
    """
    One call of an agent that its card lets pass: when, in the agent's own time zone, of which task, which operation
    (`API/NAME`), and what it moves where that is known.
    """

    at: datetime
    task: str
    operation: str
    writes: bool
    micros: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """
    What differs: a share of the group, at most `was_ppm` at such hours, that was `hits` of the last `of`.
    """

    kind: Kind
    operation: str
    given: str
    was_ppm: int
    hits: int
    of: int

    @property
    def words(self) -> str:
        """
        Return it as a sentence, with its counts.
        """
        was = f"at most {round(self.was_ppm / 10_000)} %"
        seen = f"{self.hits} of the last {self.of} ({round(100 * self.hits / self.of)} %)"
        match self.kind:
            case Kind.WRITES:
                return f"`{self.operation}` was {was} of its writes at such hours, and is {seen}."
            case Kind.CALLS:
                return f"`{self.operation}` was {was} of its calls at such hours, and is {seen}."
            case Kind.PAIRS if self.given:
                return f"After `{self.given}` came `{self.operation}` {was} of the time, and now {seen}."
            case Kind.PAIRS:
                return f"Its tasks began with `{self.operation}` {was} of the time, and now {seen}."
            case Kind.MONEY:
                return f"High amounts were {was} of those of `{self.operation}`, and are {seen}."


@dataclass(slots=True)
class _Stream:
    """
    The evidence of one thing, as of the call number `seen` of its group; `hits` of them since it began at `since`.

    `rates` are the share that is no drift and the one that is, `enough` how far the evidence must go; while `rates` are
    none, both have to be asked for.
    """

    seen: int
    since: int
    rates: tuple[float, float] | None = None
    enough: float = 0.0
    evidence: float = 0.0
    hits: int = 0


@dataclass(slots=True)
class _Watched:
    """
    The group's calls since its streams were last brought up to them, and the streams.
    """

    calls: int = 0
    streams: dict[str, _Stream] = field(default_factory=dict)


class Drift:
    """
    What is known of one agent. `days` is how many of them the baseline has, `once_in` as above, in days.
    """

    def __init__(self, days: int, once_in: float) -> None:
        self._days, self._once_in = days, once_in
        self._baseline = Baseline(days)
        self._today: date | None = None
        self._day, self._context = Day(), (0, 0)
        self._tasks: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._operations: dict[str, str] = {}
        self._watched: dict[Group, _Watched] = {}
        self._weights: dict[Kind, float] = {}
        self._starts: dict[Kind, int] = {}
        self.alarm: Alarm | None = None

    def __repr__(self) -> str:
        how = f"alarm: {self.alarm.operation}" if self.alarm is not None else "watching" if self.ready else "learning"
        return f"Drift({how}, {self._baseline!r})"

    @property
    def known_days(self) -> int:
        """
        Return how many days there are to compare with.
        """
        return len(self._baseline)

    @property
    def ready(self) -> bool:
        """
        Tell whether there are enough of them.
        """
        return self.known_days >= self._days

    def saw(self, step: Step) -> Alarm | None:
        """
        Take a call; return what differs where it is this call that tells, and nothing while an alarm stands.
        """
        self._turn(step.at)
        operation = self._named(step.operation)
        before, at = self._tasks.get(step.task, ("", None))
        self._tasks[step.task] = (operation, step.at)
        self._tasks.move_to_end(step.task)
        if len(self._tasks) > TASKS_MAX:
            self._tasks.popitem(last=False)
        if operation == before and at is not None and step.at - at < AT_ONCE:
            return None
        found = [self._happened((Kind.CALLS, ""), operation), self._happened((Kind.PAIRS, before), operation)]
        if step.writes:
            found.append(self._happened((Kind.WRITES, ""), operation))
        if step.micros is not None and step.currency is not None:
            found.append(self._moved(f"{operation} {step.currency}", step.micros))
        self.alarm = self.alarm or next((alarm for alarm in reversed(found) if alarm is not None), None)
        return self.alarm if any(found) else None

    def reset(self, *, learn: bool = False) -> None:
        """
        End an alarm: what was counted today is forgotten, and with `learn` all days, too.
        """
        self.alarm, self._day = None, Day(self._day.weekday)
        self._watched.clear()
        if learn:
            self._baseline = Baseline(self._days)

    def standing(self, alarm: Alarm) -> None:
        """
        Take it that an alarm stands: it was raised before a restart.
        """
        self.alarm = alarm

    def _named(self, operation: str) -> str:
        if operation not in self._operations:
            if len(self._operations) >= OPERATIONS_MAX:
                return OTHERS
            self._operations[operation] = operation
        return self._operations[operation]

    def _turn(self, at: datetime) -> None:
        """
        Go on to another day or part of it; a clock that is set back changes neither.
        """
        today, part = at.date(), at.hour * BLOCKS // 24
        if self._today is None or today > self._today:
            self._bring_up(frozenset(Kind))
            if self.alarm is None and self._day.counts:
                self._baseline.take(self._day)
            self._day, self._today = Day(today.weekday()), today
            # A quiet agent is not watched as if it were never to do more.
            self._starts = {kind: max(STARTS_MIN, self._baseline.most_begun(kind)) for kind in Kind}
            self._weights = {kind: BUDGET[kind] / self._once_in / self._starts[kind] for kind in Kind}
            self._context = (today.weekday(), part)
        elif today == self._today and part != self._context[1]:
            self._bring_up(BY_HOUR)
            self._context = (self._context[0], part)

    def _bring_up(self, kinds: frozenset[Kind]) -> None:
        """
        Count what did not happen under the rates in force until now, and forget what is as good as nothing.
        """
        for (kind, _), watched in self._watched.items():
            if kind not in kinds:
                continue
            for stream in watched.streams.values():
                stream.evidence *= _missed(stream, watched.calls)
                stream.seen, stream.since, stream.rates = 0, stream.since - watched.calls, None
            watched.streams = {name: one for name, one in watched.streams.items() if one.evidence > self._weights[kind]}
            watched.calls = 0

    def _happened(self, group: Group, outcome: str) -> Alarm | None:
        self._day.add(group, outcome, self._context[1])
        return self._weighed(group, outcome)

    def _moved(self, whose: str, micros: int) -> Alarm | None:
        group = (Kind.MONEY, whose)
        self._day.paid(whose, micros)
        if self._baseline.is_high(whose, micros):
            return self._weighed(group, HIGH)
        if group in self._watched:
            self._watched[group].calls += 1
        return None

    def _weighed(self, group: Group, outcome: str) -> Alarm | None:
        kind = group[0]
        self._day.begun[kind] += 1
        if 2 * self.known_days < self._days or self.alarm is not None or not self._baseline.steady(group):
            return None
        watched = self._watched.setdefault(group, _Watched())
        stream = watched.streams.setdefault(outcome, _Stream(watched.calls, watched.calls))
        weight = self._weights[kind]
        if stream.rates is None:
            stream.rates = _rates(self._baseline.share(group, outcome, *self._context))
            stream.enough = max(-log(weight), SPARE * self._baseline.peak(group, outcome))
        if stream.rates[0] > NEARLY_ALL:
            watched.calls += 1
            return None
        far = _grown(stream, watched, weight)
        if far >= stream.enough and self.ready:
            return _alarm(group, outcome, stream, watched.calls)
        if far > self._day.peaks.get((group, outcome), 0.0):
            self._day.peaks[group, outcome] = far
        if self._day.begun[kind] <= self._starts[kind]:
            stream.evidence += weight
        return None


def _grown(stream: _Stream, watched: _Watched, weight: float) -> float:
    """
    Take it into the evidence that the thing has happened; return how far that goes, as a logarithm.
    """
    held = stream.evidence * _missed(stream, watched.calls)
    if held < weight:
        # What came before tells nothing any more: what is told of an alarm begins here.
        stream.since, stream.hits = watched.calls, 0
    watched.calls += 1
    stream.seen, stream.hits = watched.calls, stream.hits + 1
    share, drifted = stream.rates or (1.0, 1.0)
    stream.evidence = held * drifted / share
    return log(stream.evidence / weight) if stream.evidence > weight else 0.0


def _alarm(group: Group, outcome: str, stream: _Stream, calls: int) -> Alarm:
    kind, given = group
    share, _ = stream.rates or (1.0, 1.0)
    return Alarm(
        kind,
        given if kind is Kind.MONEY else outcome,
        given if kind is Kind.PAIRS else "",
        round(share * 1_000_000),
        stream.hits,
        calls - stream.since,
    )


def _rates(share: float) -> tuple[float, float]:
    """
    Return the share that is no drift and the one that is: twice as much, or where that is nearly all, well towards it.
    """
    return share, min(2 * share + 0.02, 0.4 * share + 0.6)


def _missed(stream: _Stream, calls: int) -> float:
    """
    Return by what the evidence shrank while its thing did not happen.
    """
    if stream.rates is None or stream.seen == calls or stream.evidence == 0.0:
        return 1.0
    share, drifted = stream.rates
    return float(((1 - drifted) / (1 - share)) ** (calls - stream.seen))
