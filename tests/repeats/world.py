"""
What the machine moves: processes with a store and a record each, and writes on their way through them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from breakers.call import Applied, Health, Outcome, Retry, Sent
from breakers.known import Ended
from breakers.store.events import Event, IntentOpened
from breakers.store.protocol import HeldWrite, Store
from tests.repeats.model import Intent

BEGAN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

# Every step takes a moment, so that no two things happen at one.
TICK = timedelta(milliseconds=3)


@dataclass(slots=True)
class StillTime:
    """
    A clock that moves when it is told to.
    """

    at: datetime

    def now(self) -> datetime:
        """
        Return the moment.
        """
        return self.at

    def pass_s(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.at += timedelta(seconds=seconds)


class Backing(Protocol):
    """
    What outlives a process beside its record: nothing, or a Redis.
    """

    @property
    def processes(self) -> int:
        """
        Return how many processes there are.
        """

    @property
    def claims_outlive(self) -> bool:
        """
        Tell whether a claim outlives the process that made it.
        """

    def store(self, now: Callable[[], datetime]) -> Store:
        """
        Return the store of a process that begins.
        """

    def began(self) -> datetime:
        """
        Return when it all begins.
        """

    def clear(self) -> None:
        """
        Forget everything.
        """

    def expire(self, now: datetime) -> None:
        """
        Forget what its own clock would have made it forget by now.
        """


@dataclass(frozen=True, slots=True)
class Way:
    """
    How far a write goes, what the upstream makes of it, whether what can be done twice is, whether its caller hears;
    and what time each step takes.
    """

    steps: int
    end: str
    twice: bool
    heard: bool
    pause_s: float


@dataclass(slots=True, eq=False)
class Carried:
    """
    A write under way in a live process: what it holds, and how it ended once that is known.
    """

    intent: Intent
    held: HeldWrite
    opened: IntentOpened
    outcome: Outcome | None = None
    sent: str = ""
    ended: Ended | None = None


@dataclass(slots=True, eq=False)
class Process:
    """
    One process: its store, what its ledger says, and the writes that it carries.
    """

    store: Store
    record: list[Event] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)


def outcome(applied: Applied, status: int | None, sent: Sent = Sent.YES) -> Outcome:
    """
    Return how an exchange ended.
    """
    return Outcome(applied, Health.OK, Retry.NEVER, sent, status=status)


# What an upstream can make of one request: whether it does it, and what we hear of that.
ENDS: dict[str, tuple[bool, Outcome]] = {
    "done": (True, outcome(Applied.APPLIED, 200)),
    "rejected": (False, outcome(Applied.NOT_APPLIED, 422)),
    "throttled": (False, outcome(Applied.NOT_APPLIED, 429)),
    "not let in": (False, outcome(Applied.NOT_APPLIED, 403)),
    "answer lost": (True, outcome(Applied.UNKNOWN, None)),
    "request lost": (False, outcome(Applied.UNKNOWN, None)),
    "failed after": (True, outcome(Applied.UNKNOWN, 500)),
}

# Whose answer is given again, under the same key.
KEPT = frozenset({"done", "rejected"})

UNSENT = outcome(Applied.NOT_APPLIED, None, Sent.NO)
