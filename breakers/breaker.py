"""
A breaker as data: its record, what is counted for it, and what a call may want of it.

One table (`observe.py`) moves every breaker. Which there are of a call is `keys_of`:

| key | whose | fed by |
|---|---|---|
| `api:API/CLASS` | the account's, CLASS one of `read`, `write`, `irreversible` | every call on that account and class |
| `agent:AGENT/API/CLASS` | one agent's on it | that agent's calls |
| `credential:API` | the credential's | what the upstream says of it |
| `task:TASK` | one task's | what the upstream declines of it |
| `kill:SCOPE` | the way back after a stop of that scope | every call in it |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from breakers.call import Call
from breakers.stops import scopes_of
from config.catalog import Effect

READ, WRITE, IRREVERSIBLE = str(Effect.READ), str(Effect.WRITE), str(Effect.IRREVERSIBLE)


class State(StrEnum):
    """
    What traffic does.
    """

    PASSING = "passing"
    SUGGEST_ONLY = "suggest_only"
    BLOCKED = "blocked"
    PROBING = "probing"
    RAMPING = "ramping"
    FORCED_SUGGEST_ONLY = "forced_suggest_only"
    FORCED_BLOCKED = "forced_blocked"
    FORCED_PASSING = "forced_passing"


FORCED = frozenset({State.FORCED_SUGGEST_ONLY, State.FORCED_BLOCKED, State.FORCED_PASSING})


@dataclass(frozen=True, slots=True)
class Probe:
    """
    The one permit that is out: who has it (a call's id) and until when; after that it counts as failed.
    """

    call: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    The record of one breaker. Every transition is one more `gen`; every way into `probing` is one more `round`.

    `until` is when the next step is due by itself: the end of a trip, of a step of the ramp, of a forced state. `trips`
    counts trips in a row, `oks` successive good probes, `step` is the place in the ramp. `rate` is how many writes a
    minute passed before the trip, in thousandths, and `next_at` when the ramp lets the next one pass. `why` is the rule
    that moved it, with its numbers, or what an operator said; `by` is the operator. `before` is what a forced state
    returns to.
    """

    key: str
    state: State = State.PASSING
    gen: int = 0
    round: int = 0
    since: datetime | None = None
    until: datetime | None = None
    trips: int = 0
    oks: int = 0
    step: int = 0
    rate: int = 0
    next_at: datetime | None = None
    probe: Probe | None = None
    why: str = ""
    by: str = ""
    before: State = State.PASSING


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a call needs of a breaker to pass: the one permit of a round (`probe`), or a place in the ramp (`gap_s` is how
    long the next one waits then). Taken when everything else is, or nothing is.
    """

    key: str
    gen: int
    probe: bool
    lease_s: float = 0.0
    gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Delta:
    """
    What one process has counted for one breaker under one generation since it last said so.

    `bucket` is whole seconds of the epoch divided by ten, `over_s` how long the breaker's window is. `ok` are the good,
    of which `slow` were slow; `fail` are the upstream's failures, `local` our own (no connection could be made);
    `unknown` are writes that ended in doubt, `writes` is how many left. `tail` is how many of the last ones in a row
    failed, `broken` that a good one was before.
    """

    key: str
    gen: int
    bucket: int
    ok: int = 0
    slow: int = 0
    fail: int = 0
    local: int = 0
    unknown: int = 0
    writes: int = 0
    tail: int = 0
    broken: bool = False
    over_s: int = 300


@dataclass(frozen=True, slots=True)
class Sums:
    """
    What all processes have counted for one breaker in its window.

    `recent` are the upstream's failures within the last minute, `streak` how many of the last results in a row failed,
    of those within `row_s`, and `streak_since` when they began (bucket, 0 without any); `locals` is how many processes
    had local failures, `alive` how many there are.
    """

    key: str
    gen: int
    ok: int = 0
    slow: int = 0
    fail: int = 0
    local: int = 0
    unknown: int = 0
    writes: int = 0
    recent: int = 0
    streak: int = 0
    streak_since: int = 0
    locals: int = 0
    alive: int = 1

    @property
    def n(self) -> int:
        """
        Return how many results say something of the upstream.
        """
        return self.ok + self.fail


def row_s(key: str, over_s: int) -> int:
    """
    Return how far back failures in a row count: a minute; of a credential, which is taken or is not, the whole window.
    """
    return over_s if key.startswith("credential:") else min(60, over_s)


def class_of(call: Call) -> str:
    """
    Return the class that a call is counted in.
    """
    return str(call.operation.spec.effect)


def fed_by(call: Call) -> tuple[str, ...]:
    """
    Return the breakers whose error rate a call is counted in: the account's and the agent's of its class.
    """
    kind = class_of(call)
    return (f"api:{call.api}/{kind}", f"agent:{call.caller.agent}/{call.api}/{kind}")


def keys_of(call: Call) -> tuple[str, ...]:
    """
    Return every breaker that says something of a call; an irreversible write follows what plain ones do.
    """
    kinds = {READ: (READ,), WRITE: (READ, WRITE), IRREVERSIBLE: (READ, WRITE, IRREVERSIBLE)}[class_of(call)]
    caller, api = call.caller, call.api
    return (
        *(f"api:{api}/{kind}" for kind in kinds),
        *(f"agent:{caller.agent}/{api}/{kind}" for kind in kinds),
        f"credential:{api}",
        f"task:{caller.task}",
        *(f"kill:{scope}" for scope in scopes_of(call)),
    )
