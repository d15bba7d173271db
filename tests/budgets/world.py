"""
What the machine of budgets moves: charges by the clock, processes with a store and a record, calls on their way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import strategies as st

from breakers.known import Ended, State
from breakers.spend import CALLS, Charge
from breakers.store.events import Event
from breakers.store.protocol import Permit, Reservation, Store
from breakers.verdict import Forward
from tests.budgets.model import Spender

# Caps so small that calls meet at them.
CAPS = {"task": 9, "agent": 40, "team": 12}


def charges_at(at: datetime, amounts: tuple[int, int, int]) -> tuple[Charge, ...]:
    """
    Return the charges of a call that is judged at this moment; one of nothing is left out.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    month = (hour.replace(day=1, hour=0) + timedelta(days=32)).replace(day=1)
    every = (
        Charge(f"task:clerk/{at:%Y-%m-%d}", "life", CALLS, amounts[0], CAPS["task"], hour + timedelta(days=1)),
        Charge("agent:clerk", f"{at:%Y-%m}", "moved:USD", amounts[1], CAPS["agent"], month),
        Charge("team:support", f"{at:%Y-%m-%dT%H}+00:00", CALLS, amounts[2], CAPS["team"], hour + timedelta(hours=1)),
    )
    return tuple(charge for charge in every if charge.amount)


@dataclass(slots=True, eq=False)
class Carried:
    """
    A call under way in a live process; `ended` once its end is on record.
    """

    spender: Spender
    go: Forward
    held: Reservation
    permit: Permit | None = None
    ended: Ended | None = None


@dataclass(slots=True, eq=False)
class Process:
    """
    One process: its store, what its ledger says, and the calls that it carries.
    """

    store: Store
    record: list[Event] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """
    How a call goes on: how many steps, how it ends, by how much more or less than was held, whether each reply is lost
    once, and what time each step takes.
    """

    steps: int
    end: State | None
    more: int
    twice: bool
    pause_s: float


WAYS = st.builds(
    Way,
    steps=st.sampled_from([4, 4, 4, 0, 1, 2, 3]),
    end=st.sampled_from([State.COMPLETED, State.COMPLETED, State.COMPLETED, State.UNKNOWN, State.PARKED, None]),
    more=st.sampled_from([0, 0, -1, -3, 1, 2]),
    twice=st.sampled_from([False, False, True]),
    pause_s=st.sampled_from([*[0.0] * 8, 0.41, 15.43, 31.09]),
)
