"""
What the machine moves: writes that are parked, how each should stand, and executions on their way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from breakers.call import Call
from breakers.known import Names
from breakers.known import State as Of
from breakers.store.events import Event, IntentOpened
from breakers.store.protocol import HeldWrite, Permit, Store
from breakers.suggestion import Stage, Suggested
from breakers.verdict import Forward
from tests.breakers.world import call as plain

LIFE_S = 600

NEVER = datetime.max.replace(tzinfo=UTC)

ANSWERS = frozenset({"tier:suggest", "kill:all"})

WHICH = st.integers(0, 99)

THINGS = st.sampled_from("abcdefghijklmnop")
AGENTS_KEYS = st.sampled_from([None, None, "k1", "k2", "k3", "k4"])

# Approvers mostly approve; everything else may come at the same moment.
WORDS = st.sampled_from([*[Stage.APPROVED] * 4, Stage.REJECTED, Stage.EXPIRED, Stage.VOID, Stage.OPEN])

# Within the claim's lease and past it, past what is given up, past the suggestion's life.
PASSING_S = (0.7, 4.1, 16.3, 31.9, 610.0)


@dataclass(frozen=True, slots=True)
class Way:
    """
    How many steps an execution goes, and how: let go, in doubt, cut off before it is settled; with a good grant, and at
    once, or not.
    """

    steps: int
    lets_go: bool
    end: Of
    crashes: bool
    good: bool
    pause_s: float


ENDS = st.builds(
    Way,
    st.integers(1, 5),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([Of.COMPLETED, Of.COMPLETED, Of.UNKNOWN]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([True, True, True, True, False]),
    st.sampled_from([0.0, 0.0, 0.0, 0.0, 16.3, LIFE_S]),
)


@dataclass(slots=True, eq=False)
class Known:
    """
    One suggestion as it should stand: by whom it was parked, how often it was sent, what is in doubt of it.

    `loose` tells that its grant may have come back, because nothing is on record of who has it; `ended_unsent`, that an
    intent is on record of which nothing was sent.
    """

    noted: Suggested
    owner: int
    thing: str
    key: str | None
    stage: Stage = Stage.OPEN
    intent: str = ""
    sent: int = 0
    loose: bool = False
    doubt: IntentOpened | None = None
    ended_unsent: bool = False


@dataclass(slots=True, eq=False)
class Carried:
    """
    One execution under way; `lost` tells that it has no claim any more.
    """

    one: Known
    go: Forward
    held: HeldWrite | None = None
    since: datetime = NEVER
    recorded: bool = False
    permit: Permit | None = None
    ended: Of | None = None
    lost: bool = False
    fresh: bool = True


@dataclass(slots=True, eq=False)
class Process:
    """
    One process: its store, its record, the executions that it carries.
    """

    store: Store
    record: list[Event] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)


def write_of(id_: str, thing: str, key: str | None, at: datetime) -> Call:
    """
    Return a write of one thing.
    """
    names = Names((f"f1:{thing}",), None if key is None else f"k:{key}")
    return replace(plain("refunds.create", id=id_), at=at, names=names)


def suggestion_of(id_: str, thing: str, key: str | None, at: datetime) -> Suggested:
    """
    Return a suggestion of such a write.
    """
    return Suggested(
        id=id_,
        agent="clerk",
        task="task-1",
        api="shop",
        operation="refunds.create",
        fingerprint=f"f1:{thing}",
        at=at,
        expires=at + timedelta(seconds=LIFE_S),
        digest=f"digest of {id_}",
        answers=tuple(sorted(ANSWERS)),
        key=None if key is None else f"k:{key}",
    )
