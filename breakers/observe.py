"""
The state machine of every breaker: one table of rows, and the functions by which one moves along it.

Nothing here reads a clock or draws a number: the same record and the same evidence give the same next record for ever.
Each function returns what a record becomes, or None where it stays. What leads from one state to another is one more
`gen`; then nothing counts any more that was admitted or counted before. Within a state a record may change under the
same `gen`: good results, a permit that is given back, a step of the ramp. So whoever puts a record in the place of
another compares them whole.

**What trips** (`tripped`), of results within the window:

| | rule | reads |
|---|---|---|
| T1 | more failures than the rate allows, as far as that is proved, one of them within the last minute | `wilson.proves` |
| T2 | five failures in a row within a minute | |
| T3 | five slow results at least, and more than half of all | |
| T4 | writes in doubt, three or more, or two that are handed to a person: likewise proved | a write in doubt costs more |
| T5 | of one task, five that the upstream declined; of a credential, three in a row that it did not take | |

All of them keep writes back. The breaker of an account's reads is `blocked` where more than a quarter of them fails for
sure, or where five in a row failed and connections could not even be made: then reads are refused, too, and no write is
sent whoever approved it. That no connection can be made counts only where two processes say so, or all there are.

**How it heals.** After a time that doubles with every trip in a row, reads are the first evidence: three good ones. A
write is a probe only by the one permit of its round. Then the ramp: a share of the rate before the trip passes, and
never less than one write in ten seconds, so that a quiet agent notices nothing. A write that fails there is one too
many; reads are judged by the rules above, because one of many may fail at any time. Trips in a row are forgotten one by
one, each after five minutes without another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from breakers.breaker import FORCED, IRREVERSIBLE, READ, Breaker, Probe, State, Sums, Wish, class_of, fed_by, keys_of
from breakers.call import Call, Health, Outcome
from breakers.thresholds import Thresholds
from breakers.wilson import PPM, lower_bound, proves

BACK_OFF_S = 30.0
"""After the first trip: most trouble is over by then."""

BACK_OFF_MAX_S = 300.0
"""However often it trips: nobody waits longer than five minutes and a fifth for the first sign that it is well again."""

SPREAD = 0.4
"""The waiting time is drawn from 0.8 to 1.2 of it, so that those who trip together do not come back together."""

TASK_OFF_S = 600.0
"""A task that tries out cards is kept back for as long as it was counted."""

OKS = 3
"""Good results in a row that end a probing: one is chance."""

STEPS = (10, 25, 50, 100)
"""Percent of the rate before the trip that pass, one step after the other."""

STEP_S = 30.0
"""How long each step of the ramp is."""

GAP_MAX_S = 10.0
"""In the ramp a write passes at least this often, whatever the rate was."""

CLEAN_S = 300.0
"""Without a trip for so long, one fewer counts."""

IN_A_ROW = 5
"""Failures one after the other, within a minute (T2): at any rate that is bearable this does not happen by chance."""

SLOW = 5
"""Fewer slow results are no pattern (T3)."""

DOUBTS, HANDED_OVER = 3, 2
"""Writes in doubt, and those that a person has to look at (T4)."""

DECLINED, NOT_TAKEN = 5, 3
"""What the upstream declined of one task, and how often in a row it did not take a credential (T5)."""

BLOCKS_PPM = 250_000
"""Where a quarter of all reads fails for sure, more of them make it worse."""

FORCED_PASSING_MAX_S = 3600.0
"""A breaker that is forced to pass protects nothing: an hour at most."""

FORCED_S, FORCED_MAX_S = 86_400.0, 30 * 86_400.0
"""How long a state is forced that keeps writes back, where nobody says, and at most: what is forgotten ends."""

WHY_MAX = 200


class Event(StrEnum):
    """
    What moves a breaker.
    """

    TRIPPED = "a rule trips"
    FAILING = "reads fail throughout"
    DUE = "its time is over"
    OK = "a good result"
    HEALED = "the third good result in a row"
    FAILED = "a failure"
    LAPSED = "the permit's time is over"
    STEPPED = "30 s without a failure"
    RAMPED = "30 s without a failure at 100 %"
    CLEAN = "300 s without a trip"
    RELEASED = "an operator releases it"
    RESUMED = "an operator lifts a stop"
    FORCED_SUGGEST_ONLY = "an operator keeps writes back"
    FORCED_BLOCKED = "an operator blocks it"
    FORCED_PASSING = "an operator lets all pass"


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row: in any of these states, this event leads there. Of several `ends` it is the one that `before` names.

    `trip` counts one more trip in a row; `within` changes the record under the same generation.
    """

    starts: tuple[State, ...]
    event: Event
    ends: tuple[State, ...]
    trip: bool = False
    within: bool = False


_P, _S, _B = State.PASSING, State.SUGGEST_ONLY, State.BLOCKED
_Q, _R = State.PROBING, State.RAMPING
_ALL = (_P, _S, _B, _Q, _R)
_FORCED = (State.FORCED_SUGGEST_ONLY, State.FORCED_BLOCKED, State.FORCED_PASSING)

TABLE: tuple[Row, ...] = (
    Row((_P, _Q, _R), Event.TRIPPED, (_S,), trip=True),
    Row((_P, _Q, _R), Event.FAILING, (_B,), trip=True),
    Row((_S,), Event.FAILING, (_B,)),
    Row((_S, _B), Event.DUE, (_Q,)),
    Row((_Q,), Event.OK, (_Q,), within=True),
    Row((_Q,), Event.HEALED, (_R,)),
    Row((_Q,), Event.FAILED, (_S, _B), trip=True),
    Row((_Q,), Event.LAPSED, (_S, _B), trip=True),
    Row((_R,), Event.STEPPED, (_R,), within=True),
    Row((_R,), Event.FAILED, (_S,), trip=True),
    Row((_R,), Event.RAMPED, (_P,)),
    Row((_P,), Event.CLEAN, (_P,), within=True),
    Row((_S, _B, _Q), Event.RELEASED, (_R,)),
    Row((_R,), Event.RELEASED, (_P,)),
    Row((_P,), Event.RESUMED, (_R,)),
    Row((*_ALL, *_FORCED), Event.FORCED_SUGGEST_ONLY, (State.FORCED_SUGGEST_ONLY,)),
    Row((*_ALL, *_FORCED), Event.FORCED_BLOCKED, (State.FORCED_BLOCKED,)),
    Row((*_ALL, *_FORCED), Event.FORCED_PASSING, (State.FORCED_PASSING,)),
    Row(_FORCED, Event.DUE, (_P, _S, _B)),
    Row(_FORCED, Event.RELEASED, (_P, _S, _B)),
)

_ROWS: Mapping[tuple[State, Event], Row] = MappingProxyType(
    {(start, row.event): row for row in TABLE for start in row.starts}
)


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
    unknown = kind != READ and outcome.applied == "unknown"
    return Result(call.id, gen, outcome.health, slow=slow, read=free, unknown=unknown)


def tells(call: Call) -> tuple[str, ...]:
    """
    Return the breakers of whose recovery the result of a call says something: all that say something of the call, and
    of lesser calls on the same account those of graver ones.
    """
    kinds = ("write", IRREVERSIBLE) if class_of(call) == READ else (IRREVERSIBLE,)
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
    throughout = _throughout(sums) if _may_block(known.key) else ""
    if throughout and (known.state, Event.FAILING) in _ROWS:
        return _moved(known, Event.FAILING, at, draw, throughout, _rate(known, sums, thresholds))
    why = _rule(sums, thresholds, parked)
    if why and (known.state, Event.TRIPPED) in _ROWS:
        return _moved(known, Event.TRIPPED, at, draw, why, _rate(known, sums, thresholds))
    return None


def after(breaker: Breaker, result: Result, at: datetime, draw: float) -> Breaker | None:
    """
    Return what a breaker that is probing or ramping becomes by one result of a call that was admitted under its `gen`.

    A result that says nothing of the upstream gives a permit back, and heals nothing.
    """
    if result.gen != breaker.gen or breaker.key.startswith("kill:"):
        return None
    own = breaker.probe is not None and breaker.probe.call == result.call
    if breaker.state is _Q and (own or result.read):
        return _probed(breaker, result, at, draw, own=own)
    if breaker.state is _R and not result.read and result.health is Health.FAIL:
        return _moved(breaker, Event.FAILED, at, draw, "a write failed in the ramp")
    return None


def due(breaker: Breaker, at: datetime, draw: float) -> Breaker | None:
    """
    Return what time alone makes of a breaker, one step of it.
    """
    if breaker.state is _Q:
        lapsed = breaker.probe is not None and at >= breaker.probe.expires
        return _moved(breaker, Event.LAPSED, at, draw, "a probe did not end in time") if lapsed else None
    if breaker.until is None or at < breaker.until:
        return None
    match breaker.state:
        case State.PASSING:
            return _moved(breaker, Event.CLEAN, at, draw)
        case State.RAMPING:
            return _moved(breaker, Event.STEPPED if breaker.step < len(STEPS) - 1 else Event.RAMPED, at, draw)
        case _:
            return _moved(breaker, Event.DUE, at, draw)


def taken(breaker: Breaker | None, wish: Wish, call: str, at: datetime) -> Breaker | None:
    """
    Return a breaker with what a call wishes of it taken, or None where it cannot be had.
    """
    if breaker is None or breaker.gen != wish.gen:
        return None
    if not wish.probe:
        free = breaker.state is _R and (breaker.next_at is None or breaker.next_at <= at)
        return replace(breaker, next_at=at + timedelta(seconds=wish.gap_s)) if free else None
    if breaker.state is not _Q or (breaker.probe is not None and breaker.probe.call != call):
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
    moved = _moved(known, _FORCING[state], at, 0.0, why)
    return replace(moved, until=ends, by=by)


def released(breaker: Breaker, *, by: str, why: str, at: datetime) -> Breaker | None:
    """
    Return a breaker that an operator lets go on: a forced one to what it was before, a tripped one to the ramp, one in
    the ramp to `passing`.
    """
    if (breaker.state, Event.RELEASED) not in _ROWS:
        return None
    return replace(_moved(breaker, Event.RELEASED, at, 0.0, why), by=by)


def resumed(key: str, at: datetime, rate: int, breaker: Breaker | None = None, *, by: str = "", why: str = "") -> Breaker:
    """
    Return the way back after a stop: the ramp, from its first step, towards `rate` (thousandths of a write a minute).
    """
    known = replace(breaker or Breaker(key), state=_P)
    return replace(_moved(known, Event.RESUMED, at, 0.0, why or "the stop was lifted", rate), by=by)


def gap_s(breaker: Breaker) -> float:
    """
    Return how long the next write waits after one that passed in the ramp.
    """
    share = STEPS[min(breaker.step, len(STEPS) - 1)]
    passes = breaker.rate * share
    # Thousandths of a write a minute, times percent.
    return min(GAP_MAX_S, 60 * 1000 * 100 / passes) if passes > 0 else GAP_MAX_S


def back_off_s(key: str, trips: int, draw: float) -> float:
    """
    Return for how long a breaker that tripped so often in a row keeps back; `draw` is uniform in [0, 1).
    """
    first, longest = (TASK_OFF_S,) * 2 if key.startswith("task:") else (BACK_OFF_S, BACK_OFF_MAX_S)
    # No more doublings than reach the longest: the count has no end.
    doubled = first * 2.0 ** min(max(trips, 1) - 1, 16)
    return min(longest, doubled) * (1 - SPREAD / 2 + SPREAD * draw)


_FORCING: Mapping[State, Event] = MappingProxyType({
    State.FORCED_SUGGEST_ONLY: Event.FORCED_SUGGEST_ONLY,
    State.FORCED_BLOCKED: Event.FORCED_BLOCKED,
    State.FORCED_PASSING: Event.FORCED_PASSING,
})  # fmt: skip


def _probed(breaker: Breaker, result: Result, at: datetime, draw: float, *, own: bool) -> Breaker | None:
    freed = replace(breaker, probe=None) if own else breaker
    if result.health is Health.FAIL:
        return _moved(breaker, Event.FAILED, at, draw, "a probe failed")
    if result.health is not Health.OK:
        return freed if own else None
    if result.slow or result.unknown:
        # It answered, and is not well: that heals nothing, and begins the count anew.
        return replace(freed, oks=0) if own or breaker.oks else None
    event = Event.HEALED if breaker.oks + 1 >= OKS else Event.OK
    return _moved(freed, event, at, draw, f"{OKS} good results in a row")


def _may_block(key: str) -> bool:
    # An agent heals by its own reads, so they are never kept back.
    return key.startswith("api:") and key.endswith(f"/{READ}")


def _agreed(sums: Sums) -> bool:
    return sums.local > 0 and sums.locals >= min(2, sums.alive)


def _throughout(sums: Sums) -> str:
    """
    Say in words why reads are of no use, or nothing.
    """
    agreed = _agreed(sums)
    failed = sums.fail + (sums.local if agreed else 0)
    n = sums.ok + failed
    if failed >= 3 and proves(failed, n, BLOCKS_PPM) and (sums.recent or agreed):
        return f"{failed} of {n} failed"
    if agreed and sums.streak >= IN_A_ROW:
        return f"{sums.streak} in a row failed, and no connection can be made"
    return ""


def _rule(sums: Sums, thresholds: Thresholds, parked: int) -> str:
    """
    Say in words which rule a window meets, or nothing.
    """
    match sums.key.partition(":")[0]:
        case "task":
            return f"T5: {sums.fail} declined" if sums.fail >= DECLINED else ""
        case "credential":
            return f"T5: {sums.streak} in a row not taken" if sums.streak >= NOT_TAKEN else ""
        case "kill":
            return ""
    agreed = _agreed(sums)
    failed = sums.fail + (sums.local if agreed else 0)
    n, ppm = sums.ok + failed, thresholds.errors_ppm
    if failed >= thresholds.least and (sums.recent or agreed) and proves(failed, n, ppm):
        return f"T1: {failed} of {n} failed, at least {_percent(failed, n)} where {ppm / PPM:.2%} is allowed"
    streak = sums.streak if agreed else sums.streak - sums.local
    if streak >= IN_A_ROW:
        return f"T2: {streak} in a row failed"
    if sums.slow >= SLOW and 2 * sums.slow > n:
        return f"T3: {sums.slow} of {n} were slow"
    if sums.unknown >= max(DOUBTS, thresholds.least) and proves(sums.unknown, n, ppm):
        return f"T4: {sums.unknown} of {n} ended in doubt"
    if parked >= HANDED_OVER and proves(parked, n, ppm):
        return f"T4: {parked} of {n} were handed to a person"
    return ""


def _percent(k: int, n: int) -> str:
    return f"{lower_bound(k, max(k, n)):.2%}"


def _rate(breaker: Breaker, sums: Sums, thresholds: Thresholds) -> int:
    # Of a window that a ramp or a trip has cut short: what passed before that is known better.
    return breaker.rate if breaker.state is not _P else sums.writes * 60_000 // thresholds.over_s


def _moved(
    breaker: Breaker, event: Event, at: datetime, draw: float, why: str = "", rate: int | None = None
) -> Breaker:
    """
    Return what a row of the table makes of a record.
    """
    row = _ROWS[breaker.state, event]
    end = row.ends[0] if len(row.ends) == 1 else breaker.before
    if row.within:
        return _within(breaker, event, at)
    trips = breaker.trips + row.trip
    moved = replace(
        breaker, state=end, gen=breaker.gen + 1, since=at, until=None, trips=trips, oks=0, step=0, next_at=None,
        probe=None, why=(why or str(event))[:WHY_MAX], by="", rate=breaker.rate if rate is None else rate,
    )  # fmt: skip
    match end:
        case State.PASSING:
            return replace(moved, until=at + timedelta(seconds=CLEAN_S) if trips else None, before=_P)
        case State.SUGGEST_ONLY | State.BLOCKED if breaker.state in FORCED:
            # Whatever it waited for is long over: it begins with looking.
            return replace(moved, until=at)
        case State.SUGGEST_ONLY | State.BLOCKED:
            return replace(moved, until=at + timedelta(seconds=back_off_s(breaker.key, trips, draw)))
        case State.PROBING:
            return replace(moved, round=breaker.round + 1, before=breaker.state)
        case State.RAMPING:
            return replace(moved, until=at + timedelta(seconds=STEP_S))
        case _:
            return replace(moved, before=_tripped_state(breaker))


def _tripped_state(breaker: Breaker) -> State:
    """
    Return what a forced state returns to: itself, or where a breaker on its way back came from.
    """
    match breaker.state:
        case State.PASSING | State.SUGGEST_ONLY | State.BLOCKED:
            return breaker.state
        case State.RAMPING:
            return _P if breaker.key.startswith("kill:") else _S
        case _:
            return breaker.before


def _within(breaker: Breaker, event: Event, at: datetime) -> Breaker:
    match event:
        case Event.OK:
            return replace(breaker, oks=breaker.oks + 1)
        case Event.STEPPED:
            return replace(breaker, step=breaker.step + 1, until=at + timedelta(seconds=STEP_S), next_at=None)
        case _:
            trips = max(0, breaker.trips - 1)
            return replace(breaker, trips=trips, until=at + timedelta(seconds=CLEAN_S) if trips else None)
