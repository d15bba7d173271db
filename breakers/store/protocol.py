"""
The verbs of the shared state, the reservations that they hand out, and the events that rebuild any implementation.

A store is a view over the ledger: `apply` replays what the ledger says, and a store that is thrown away and replayed
says the same. Only a store builds a reservation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from breakers.call import Call, Outcome
from breakers.facts import Facts
from breakers.verdict import Forward


@dataclass(frozen=True, slots=True)
class HeldWrite:
    """
    Everything that one write consumes, taken in one step; it becomes an intent. Its id is the call's.
    """

    go: Forward


@dataclass(frozen=True, slots=True)
class HeldRead:
    """
    Everything that one read consumes; it never becomes an intent.
    """

    go: Forward


Reservation = HeldWrite | HeldRead


@dataclass(frozen=True, slots=True)
class Stale:
    """
    The state moved on since the facts were read: judge again.
    """


@dataclass(frozen=True, slots=True)
class IntentOpened:
    """
    A write's intent is durable: it may have been sent.
    """

    intent: str
    api: str
    operation: str
    agent: str
    task: str
    at: datetime


def opened_by(call: Call) -> IntentOpened:
    """
    Return the event that says that a write's intent is durable.
    """
    return IntentOpened(
        intent=call.id,
        api=call.api,
        operation=call.operation.spec.name,
        agent=call.caller.agent,
        task=call.caller.task,
        at=call.at,
    )


@dataclass(frozen=True, slots=True)
class IntentEnded:
    """
    A write's outcome is durable; `unknown` keeps the intent in doubt.
    """

    intent: str
    unknown: bool


@dataclass(frozen=True, slots=True)
class WritesChanged:
    """
    An operator's record says whether writes may pass at all (scope all); `epoch` grows with every change.
    """

    stopped: bool
    epoch: int


Event = IntentOpened | IntentEnded | WritesChanged


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """
    A write whose outcome is not known: in flight (`suspended` False) or in doubt.
    """

    opened: IntentOpened
    suspended: bool


class Store(Protocol):
    """
    What judgement and the road ask of the shared state.
    """

    @property
    def writes(self) -> WritesChanged:
        """
        Return what the newest record says about writes.
        """

    async def facts(self, call: Call) -> Facts:
        """
        Return the snapshot that a decision about `call` may look at.
        """

    async def reserve(self, go: Forward) -> Reservation | Stale:
        """
        Take everything that `go` consumes in one atomic step, or nothing: `Stale` when a generation moved.
        """

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> bool:
        """
        Mark the intent as about to be sent; False when writes were stopped meanwhile and nothing may leave.
        """

    async def settle(self, held: Reservation, outcome: Outcome) -> None:
        """
        End the reservation by its outcome; an unknown one is suspended instead of removed.
        """

    async def suspend(self, opened: IntentOpened) -> None:
        """
        Keep an intent as in doubt.
        """

    def open_intents(self) -> tuple[OpenIntent, ...]:
        """
        Return the intents in flight and in doubt, oldest first.
        """

    def apply(self, event: Event) -> None:
        """
        Replay one event of the ledger; applying it twice changes nothing more.
        """
