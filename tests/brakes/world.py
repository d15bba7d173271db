"""
What the machine moves: calls that wish, processes that count, and how upstreams are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import strategies as st

from breakers import observe
from breakers.breaker import Breaker, Delta, State, Sums, Wish
from breakers.call import Health
from breakers.store.events import BreakerMoved
from breakers.store.protocol import HeldWrite, Store
from breakers.thresholds import Thresholds
from breakers.verdict import Forward

READS, WRITES = "api:shop/read", "api:shop/write"
KEYS = (READS, WRITES)
STANDARD = Thresholds()

PERMIT_S = 65.0

# Within every window and past it: a bucket, the claim, the first back-off, the minute, the permit, the window.
PASSING_S = (0.9, 4.7, 11.3, 16.1, 31.7, 37.9, 66.3, 307.1)

# Nobody is kept back for longer than this, as often as everything has failed.
HEALED_STEPS = 100

WHICH = st.integers(0, 99)

# How upstreams are, most of the time.
HEALTHS = st.sampled_from([Health.OK] * 4 + [Health.FAIL] * 3 + [Health.FAIL_LOCAL, Health.THROTTLE, Health.IGNORE])

FORCED = st.sampled_from([None, None, State.FORCED_BLOCKED, State.FORCED_SUGGEST_ONLY, State.FORCED_PASSING])

DRAWS = st.sampled_from([0.0, 0.5, 0.999])


@dataclass(frozen=True, slots=True)
class Burst:
    """
    So many calls that end alike, or are let go, so much later.
    """

    pause_s: float
    count: int
    health: Health
    slow: bool
    lets_go: bool


BURSTS = st.builds(
    Burst,
    st.sampled_from([0.0, 0.4, 4.7, 11.3]),
    st.integers(1, 6),
    HEALTHS,
    st.booleans(),
    st.sampled_from([False, False, False, True]),
)


@dataclass(slots=True, eq=False)
class Asked:
    """
    A call under way: what it was judged with, what it holds once it was reserved.
    """

    go: Forward
    process: int
    since: float
    held: HeldWrite | None = None
    gens: dict[str, int] = field(default_factory=dict)
    sent: bool = False

    @property
    def id(self) -> str:
        """
        Return the call's id.
        """
        return self.go.call.id


@dataclass(slots=True, eq=False)
class Process:
    """
    One process: its store, the transitions on its record, what it has counted and not reported.
    """

    store: Store
    record: list[BreakerMoved] = field(default_factory=list)
    counted: dict[tuple[str, int, int], Delta] = field(default_factory=dict)


def after(record: Breaker, result: observe.Result, at: datetime, draw: float) -> Breaker | None:
    """
    Return what the table makes of a breaker by one result.
    """
    return observe.after(record, result, at, draw)


def tripped(record: Breaker, sums: Sums, at: datetime, draw: float) -> Breaker | None:
    """
    Return what it makes of a breaker by its sums.
    """
    return observe.tripped(record, sums, STANDARD, at, draw)


NOTHING = Wish("", 0, probe=False)


def wished(record: Breaker, writes: bool) -> Wish | None:
    """
    Return what a call needs of a breaker, or None where it is kept back.
    """
    match record.state:
        case State.PROBING if writes or record.before is State.BLOCKED:
            return Wish(record.key, record.gen, probe=True, lease_s=PERMIT_S)
        case State.RAMPING if writes:
            return Wish(record.key, record.gen, probe=False, gap_s=observe.gap_s(record))
        case State.BLOCKED | State.FORCED_BLOCKED:
            return None
        case State.SUGGEST_ONLY | State.FORCED_SUGGEST_ONLY if writes:
            return None
        case _:
            return NOTHING
