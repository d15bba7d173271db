"""
The state machine of every breaker: one table of rows, and what a row makes of a record.

A row leads from any of its states, by one event, to its end; the page on breakers draws its diagram from these rows.
What leads from one state to another is one more `gen`: nothing counts any more that was admitted or counted before.
Within a state a record may change under the same `gen`: good results, a step of the ramp, trips that are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from breakers.breaker import FORCED, Breaker, State

BACK_OFF_S = 30.0
"""After the first trip: most trouble is over by then."""

BACK_OFF_MAX_S = 600.0
"""
However often it trips, blocked or not: the shortest waits between twelve trips come to more than an hour. So what comes
and goes trips eleven times within one at most; each trip may leave one more write in doubt, and wakes somebody.
"""

SPREAD = 0.4
"""The waiting time is drawn from 0.8 to 1.2 of it, so that those who trip together do not come back together."""

TASK_OFF_S, TASK_OFF_MAX_S = 600.0, 3600.0
"""A task that tries out cards is kept back for as long as it was counted, and longer each time."""

STEPS = (10, 25, 50, 100)
"""Percent of the rate before the trip that pass, one step after the other."""

STEP_S = 30.0
"""How long each step of the ramp is."""

CLEAN_S = 300.0
"""Without a trip for so long, one fewer counts."""

WHY_MAX = 200


class Event(StrEnum):
    """
    What moves a breaker.
    """

    TRIPPED = "a rule trips"
    FAILING = "reads fail throughout"
    DUE = "its time is over"
    SERVED = "a task's time is over"
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
    Row((_S,), Event.SERVED, (_R,)),
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


def leads(state: State, event: Event) -> bool:
    """
    Tell whether an event moves a breaker that is in a state.
    """
    return (state, event) in _ROWS


def moved(breaker: Breaker, event: Event, at: datetime, draw: float, why: str = "", rate: int | None = None) -> Breaker:
    """
    Return what a row of the table makes of a record.
    """
    row = _ROWS[breaker.state, event]
    end = row.ends[0] if len(row.ends) == 1 else breaker.before
    if row.within:
        return _within(breaker, event, at)
    trips = breaker.trips + row.trip
    after = replace(
        breaker, state=end, gen=breaker.gen + 1, since=at, until=None, trips=trips, oks=0, step=0, next_at=None,
        probe=None, why=(why or str(event))[:WHY_MAX], by="", rate=breaker.rate if rate is None else rate,
    )  # fmt: skip
    match end:
        case State.PASSING:
            return replace(after, until=at + timedelta(seconds=CLEAN_S) if trips else None, before=_P)
        case State.SUGGEST_ONLY | State.BLOCKED if breaker.state in FORCED:
            # Whatever it waited for is long over: it begins with looking.
            return replace(after, until=at)
        case State.SUGGEST_ONLY | State.BLOCKED:
            return replace(after, until=at + timedelta(seconds=back_off_s(breaker.key, trips, draw)))
        case State.PROBING:
            return replace(after, round=breaker.round + 1, before=breaker.state)
        case State.RAMPING:
            return replace(after, until=at + timedelta(seconds=STEP_S))
        case _:
            return replace(after, before=_tripped_state(breaker))


def back_off_s(key: str, trips: int, draw: float) -> float:
    """
    Return for how long a breaker that tripped so often in a row waits; `draw` is uniform in [0, 1).
    """
    first, longest = (TASK_OFF_S, TASK_OFF_MAX_S) if key.startswith("task:") else (BACK_OFF_S, BACK_OFF_MAX_S)
    # No more doublings than reach the longest: the count has no end.
    doubled = first * 2.0 ** min(max(trips, 1) - 1, 16)
    return min(longest, doubled) * (1 - SPREAD / 2 + SPREAD * draw)


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
            return replace(breaker, step=breaker.step + 1, until=at + timedelta(seconds=STEP_S))
        case _:
            trips = max(0, breaker.trips - 1)
            return replace(breaker, trips=trips, until=at + timedelta(seconds=CLEAN_S) if trips else None)
