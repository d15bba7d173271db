"""
The state machine of every breaker: one table of rows, and the functions by which one moves along it.

Nothing here reads a clock or draws a number: the same record and the same evidence give the same next record for ever.
Each function returns what a record becomes, or None where it stays. What leads from one state to another is one more
`gen`; then nothing counts any more that was admitted or counted before. Within a state a record may change under the
same `gen`: good results, a permit that is given back, a step of the ramp. So whoever puts a record in the place of
another compares them whole.

**What trips** is `evidence.rule`; it keeps writes back. Where reads fail throughout (`evidence.throughout`) the breaker
of an account's reads is `blocked`: then reads are refused, too, and no write is sent whoever approved it.

**How it heals.** After a time that doubles with every trip in a row, reads are the first evidence: three good ones. A
write is a probe only by the one permit of its round. Then the ramp: a share of the rate before the trip passes, and
never less than one write in ten seconds, so that a quiet agent notices nothing. A write that fails there is one too
many; reads are judged by the rules, because one of many may fail at any time. A task that tried out cards has nothing
to show: it waits its time, and then there is the ramp. Trips in a row are forgotten one by one, each after five minutes
without another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from breakers.breaker import (
    FORCED,
    IRREVERSIBLE,
    READ,
    WRITE,
    Breaker,
    Probe,
    State,
    Sums,
    Wish,
    class_of,
    fed_by,
    keys_of,
)
from breakers.call import Applied, Call, Health, Outcome
from breakers.evidence import DECLINED, NOT_TAKEN, rule, throughout
from breakers.thresholds import Thresholds
from breakers.transitions import STEPS, TABLE, Event, leads, moved

__all__ = [
    "DECLINED", "NOT_TAKEN", "TABLE", "Result",
    "after", "due", "forced", "gap_s", "refunded", "released", "resumed", "taken", "tells", "told", "tripped",
]  # fmt: skip

OKS = 3
"""Good results in a row that end a probing: one is chance."""

GAP_MAX_S = 10.0
"""In the ramp a write passes at least this often, whatever the rate was."""

FORCED_PASSING_MAX_S = 3600.0
"""A breaker that is forced to pass protects nothing: an hour at most."""

FORCED_S, FORCED_MAX_S = 86_400.0, 30 * 86_400.0
"""How long a state is forced that keeps writes back, where nobody says, and at most: what is forgotten ends."""

_FORCING: Mapping[State, Event] = MappingProxyType({
    State.FORCED_SUGGEST_ONLY: Event.FORCED_SUGGEST_ONLY,
    State.FORCED_BLOCKED: Event.FORCED_BLOCKED,
    State.FORCED_PASSING: Event.FORCED_PASSING,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """
    How one attempt ended, as one breaker is told it: `gen` is that breaker's as the call was admitted.

    `read` tells that it counts without a permit. `slow` is one that took too long, `unknown` a write in doubt.
    """

    call: str
    gen: int
    health: Health
    slow: bool = False
    read: bool = False
    unknown: bool = False


def told(key: str, call: Call, gen: int, outcome: Outcome, *, slow: bool = False, watch: bool = False) -> Result:
    """
    Return what one breaker is told of a result.

    Without a permit count reads, plain writes for irreversible ones, and everything where the breaker only watches.
    """
    kind = class_of(call)
    free = watch or kind == READ or (key.endswith(f"/{IRREVERSIBLE}") and kind != IRREVERSIBLE)
    unknown = kind != READ and outcome.applied is Applied.UNKNOWN
    return Result(call.id, gen, outcome.health, slow=slow, read=free, unknown=unknown)


def tells(call: Call) -> tuple[str, ...]:
    """
    Return the breakers of whose recovery the result of a call says something: all that say something of the call, and
    of lesser calls on the same account those of graver ones.
    """
    kinds = (WRITE, IRREVERSIBLE) if class_of(call) == READ else (IRREVERSIBLE,)
    account, agent = (key.rpartition("/")[0] for key in fed_by(call))
    graver = (f"{whose}/{kind}" for whose in (account, agent) for kind in kinds)
    return tuple(dict.fromkeys((*(key for key in keys_of(call) if not key.startswith("kill:")), *graver)))


def tripped(
    breaker: Breaker | None, sums: Sums, thresholds: Thresholds, at: datetime, draw: float, parked: int = 0
) -> Breaker | None:
    """
    Return what a breaker becomes by what was counted for it under its generation; `parked` is how many writes of its
    account and class doubt handed to a person within its window.
    """
    known = breaker or Breaker(sums.key)
    if thresholds.off or sums.gen != known.gen or known.state in FORCED:
        return None
    rate = _rate(known, sums, thresholds)
    if leads(known.state, Event.FAILING) and (why := throughout(sums)):
        return moved(known, Event.FAILING, at, draw, why, rate)
    if leads(known.state, Event.TRIPPED) and (why := rule(sums, thresholds, parked)):
        return moved(known, Event.TRIPPED, at, draw, why, rate)
    return None


def after(breaker: Breaker, result: Result, at: datetime, draw: float) -> Breaker | None:
    """
    Return what a breaker that is probing or ramping becomes by one result of a call that was admitted under its `gen`.

    A result that says nothing of what the breaker is about gives a permit back, and heals nothing.
    """
    if result.gen != breaker.gen or breaker.key.startswith("kill:"):
        return None
    if breaker.key.startswith(("credential:", "task:")) and result.health is Health.FAIL:
        # That the upstream fails says nothing of a credential or a task; what it refuses of them is counted.
        result = replace(result, health=Health.IGNORE)
    own = breaker.probe is not None and breaker.probe.call == result.call
    if breaker.state is State.PROBING and (own or result.read):
        return _probed(breaker, result, at, draw, own=own)
    if breaker.state is State.RAMPING and not result.read and result.health is Health.FAIL:
        return moved(breaker, Event.FAILED, at, draw, "a write failed in the ramp")
    return None


def due(breaker: Breaker, at: datetime, draw: float) -> Breaker | None:
    """
    Return what time alone makes of a breaker, one step of it.
    """
    if breaker.state is State.PROBING:
        lapsed = breaker.probe is not None and at >= breaker.probe.expires
        return moved(breaker, Event.LAPSED, at, draw, "a probe did not end in time") if lapsed else None
    if breaker.until is None or at < breaker.until:
        return None
    match breaker.state:
        case State.PASSING:
            return moved(breaker, Event.CLEAN, at, draw)
        case State.RAMPING:
            return moved(breaker, Event.STEPPED if breaker.step < len(STEPS) - 1 else Event.RAMPED, at, draw)
        case State.SUGGEST_ONLY if breaker.key.startswith("task:"):
            return moved(breaker, Event.SERVED, at, draw)
        case _:
            return moved(breaker, Event.DUE, at, draw)


def taken(breaker: Breaker | None, wish: Wish, call: str, at: datetime) -> Breaker | None:
    """
    Return a breaker with what a call wishes of it taken, or None where it cannot be had.
    """
    if breaker is None or breaker.gen != wish.gen:
        return None
    if not wish.probe:
        free = breaker.state is State.RAMPING and (breaker.next_at is None or breaker.next_at <= at)
        return replace(breaker, next_at=at + timedelta(seconds=wish.gap_s)) if free else None
    if breaker.state is not State.PROBING or (breaker.probe is not None and breaker.probe.call != call):
        return None
    return replace(breaker, probe=breaker.probe or Probe(call, at + timedelta(seconds=wish.lease_s)))


def refunded(breaker: Breaker, call: str) -> Breaker | None:
    """
    Return a breaker with the permit of a call that sent nothing given back; None where it has none.
    """
    if breaker.probe is None or breaker.probe.call != call:
        return None
    return replace(breaker, probe=None)


def forced(
    breaker: Breaker | None, key: str, state: State, *, by: str, why: str, at: datetime, until: datetime | None = None
) -> Breaker:
    """
    Return a breaker in the state that an operator forces it into, until then; without a time, for the usual one.

    What it returns to is what it was: tripped, if it was on its way back.
    """
    known = breaker or Breaker(key)
    usual, longest = (FORCED_PASSING_MAX_S,) * 2 if state is State.FORCED_PASSING else (FORCED_S, FORCED_MAX_S)
    ends = min(until or at + timedelta(seconds=usual), at + timedelta(seconds=longest))
    record = moved(known, _FORCING[state], at, 0.0, why)
    return replace(record, until=ends, by=by)


def released(breaker: Breaker, *, by: str, why: str, at: datetime) -> Breaker | None:
    """
    Return a breaker that an operator lets go on: a forced one to what it was before, a tripped one to the ramp, one in
    the ramp to `passing`.
    """
    if not leads(breaker.state, Event.RELEASED):
        return None
    return replace(moved(breaker, Event.RELEASED, at, 0.0, why), by=by)


def resumed(
    key: str, at: datetime, rate: int, breaker: Breaker | None = None, *, by: str = "", why: str = ""
) -> Breaker:
    """
    Return the way back after a stop: the ramp, from its first step, towards `rate` (thousandths of a write a minute).
    """
    known = replace(breaker or Breaker(key), state=State.PASSING)
    return replace(moved(known, Event.RESUMED, at, 0.0, why or "the stop was lifted", rate), by=by)


def gap_s(breaker: Breaker) -> float:
    """
    Return how long the next write waits after one that passed in the ramp.
    """
    share = STEPS[min(breaker.step, len(STEPS) - 1)]
    passes = breaker.rate * share
    # Thousandths of a write a minute, times percent.
    return min(GAP_MAX_S, 60 * 1000 * 100 / passes) if passes > 0 else GAP_MAX_S


def _probed(breaker: Breaker, result: Result, at: datetime, draw: float, *, own: bool) -> Breaker | None:
    freed = replace(breaker, probe=None) if own else breaker
    if result.health is Health.FAIL:
        return moved(breaker, Event.FAILED, at, draw, "a probe failed")
    if result.health is not Health.OK:
        return freed if own else None
    if result.slow or result.unknown:
        # It answered, and is not well: that heals nothing, and begins the count anew.
        return replace(freed, oks=0) if own or breaker.oks else None
    event = Event.HEALED if breaker.oks + 1 >= OKS else Event.OK
    return moved(freed, event, at, draw, f"{OKS} good results in a row")


def _rate(breaker: Breaker, sums: Sums, thresholds: Thresholds) -> int:
    # Of a window that a ramp or a trip has cut short: what passed before that is known better.
    return breaker.rate if breaker.state is not State.PASSING else sums.writes * 60_000 // thresholds.over_s
