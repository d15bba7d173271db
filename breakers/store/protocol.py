"""
The verbs of the shared state, the reservations that they hand out, and the events that rebuild any implementation.

A store is a view over the ledger: `apply` replays what the ledger says, and a store that is thrown away and replayed
says the same. Only a store builds a reservation. Every verb is atomic, and idempotent by intent: made twice, it says
and leaves what it did when it was made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from breakers.breaker import Breaker, Delta, Sums
from breakers.call import Call
from breakers.facts import Facts
from breakers.known import Earlier, Ended, Names
from breakers.spend import Alert, Charge, Total
from breakers.stops import Stop, Stops
from breakers.suggestion import Suggested
from breakers.task import Closed, Envelope, Task
from breakers.verdict import Forward

LEASE_S = 15.0
"""How long a claim keeps others out before anything was sent; held longer it may be lost, and then sends nothing."""

REMEMBERED_S = 60.0
"""How long an end without effect is remembered for those who wait for it: far longer than anyone waits."""


class StoreUnavailable(Exception):
    """
    The shared state cannot be asked, or cannot be trusted: nothing that needs it may go on.
    """


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
class Exhausted:
    """
    A cap has no room for what a call would take: nothing was taken, anywhere. The total is as it was found.
    """

    charge: Charge
    settled: int
    held: int


class Permit(StrEnum):
    """
    Whether the first byte of a write, or of a re-send of it, may leave now.
    """

    GRANTED = "granted"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class IntentOpened:
    """
    A write's intent is durable: it may have been sent. `place` is where its record stands in the ledger, `suggestion`
    the one that it carries out.
    """

    intent: str
    api: str
    operation: str
    agent: str
    task: str
    at: datetime
    names: Names | None = None
    window_s: int = 0
    place: str = ""
    charges: tuple[Charge, ...] = ()
    suggestion: str = ""


def opened_by(call: Call, place: str = "", charges: tuple[Charge, ...] = ()) -> IntentOpened:
    """
    Return the event that says that a write's intent is durable.
    """
    spec = call.operation.spec
    return IntentOpened(
        intent=call.id,
        api=call.api,
        operation=spec.name,
        agent=call.caller.agent,
        task=call.caller.task,
        at=call.at,
        names=call.names,
        window_s=spec.effect_window_s,
        place=place,
        charges=charges,
        suggestion="" if call.grant is None else call.grant.suggestion,
    )


@dataclass(frozen=True, slots=True)
class IntentEnded:
    """
    A write's end is durable, or that nobody knows it.
    """

    intent: str
    ended: Ended


@dataclass(frozen=True, slots=True)
class IntentDelivered:
    """
    Whether the answer of an intent reached its caller.
    """

    intent: str
    delivered: bool


@dataclass(frozen=True, slots=True)
class WritesChanged:
    """
    An operator's record says whether writes may pass at all (scope all); `epoch` grows with every change.
    """

    stopped: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class KillChanged:
    """
    A record of the stop, of one scope.
    """

    stop: Stop


@dataclass(frozen=True, slots=True)
class BreakerMoved:
    """
    A breaker stands as this record says; of two the one with the higher generation counts.
    """

    breaker: Breaker


@dataclass(frozen=True, slots=True)
class SuggestionNoted:
    """
    A suggestion stands as this says; of two the one with the higher version counts.
    """

    suggested: Suggested


@dataclass(frozen=True, slots=True)
class ReadHeld:
    """
    A read under a cap is on record before it is sent: what it may take is taken, unless its end says less.
    """

    call: str
    at: datetime
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class ReadSettled:
    """
    What a read took of its charges, in their order.
    """

    call: str
    spent: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TaskOpened:
    """
    A task was opened.
    """

    task: Task


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """
    A task is over.
    """

    task: str
    at: datetime
    why: Closed


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """
    Tokens with this id in their narrowing are not valid any more; `until` is when no such token can be valid anyway.
    """

    token: str
    until: datetime


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """
    An alert is on record: it is not raised a second time, and is delivered until somebody says that it was.
    """

    alert: Alert


@dataclass(frozen=True, slots=True)
class AlertDelivered:
    """
    An alert has reached everyone whom it is for.
    """

    alert: str


Event = (
    IntentOpened
    | IntentEnded
    | IntentDelivered
    | WritesChanged
    | KillChanged
    | BreakerMoved
    | SuggestionNoted
    | ReadHeld
    | ReadSettled
    | TaskOpened
    | TaskClosed
    | TokenRevoked
    | AlertRaised
    | AlertDelivered
)


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """
    A write whose outcome is not known: in flight (`suspended` False) or in doubt, `parked` where a person decides.
    """

    opened: IntentOpened
    suspended: bool
    parked: bool = False


class Store(Protocol):
    """
    What judgement and the road ask of the shared state. Every verb may raise `StoreUnavailable`.
    """

    kind: str
    """`memory` or `redis`."""

    @property
    def emptied(self) -> bool:
        """
        Tell whether what was replayed into it is lost; nothing is held until `start` has replayed the ledger again.
        """

    async def start(self, events: Iterable[Event], *, names_by: str = "", replica: str = "") -> None:
        """
        Begin, with what the ledger says replayed: an intent without an end is in doubt, whoever carried it is gone.

        `names_by` tells what names are made with; processes that differ in that do not know each other's writes, so a
        store that they share refuses the later one. `replica` is who tells this record: what a process of that name
        left held in a store that outlives it, and what is not on record, was never sent, and is held no longer.
        """

    async def close(self) -> None:
        """
        Give up what it holds outside this process.
        """

    async def fault(self) -> str | None:
        """
        Return why writes cannot be held here at the moment, in words, or None; asked at start and every minute.
        """

    async def writes(self) -> WritesChanged:
        """
        Return what the newest record says about writes.
        """

    async def facts(self, call: Call) -> Facts:
        """
        Return the snapshot that a decision about `call` may look at: for a write, what is known under its names.
        """

    async def reserve(self, go: Forward) -> Reservation | Stale | Exhausted:
        """
        Take everything that `go` consumes in one atomic step, or nothing: its names, and its charges at every node.

        A write claims its names, for `LEASE_S`; it is `Stale` where the generation or the version of any name that its
        facts were read under has moved. Claims whose lease had passed in those facts are taken over. Where one total
        has no room for its charge the answer is the first such in the order of the charges. A claim that nobody
        dispatched is given up `LEASE_S` after it lapsed at the latest, and its charges with it.
        """

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> Permit:
        """
        Mark the intent as about to be sent; asked again before each re-send.

        `STOPPED` where writes were stopped meanwhile (marked all the same: the intent is durable and open until it is
        settled), `LOST` where another has taken the claim over, or it has ended: nothing may leave.
        """

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        End a reservation: a write's by how it ended, a read's by giving back what it held (None) or settling it.

        A completed end settles the charges at its `spent`; any other keeps them held. `answer` is the sealed answer,
        for stores that others read too.
        """

    async def resolve(self, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> bool:
        """
        Say how an intent ended, or stands, by what was found out since; False where it had ended already.

        What is completed stays as it is; what is parked is not put in doubt again.
        """

    async def delivered(self, intent: str, *, reached: bool) -> None:
        """
        Note whether an ended intent's answer reached whoever called.
        """

    async def earlier(self, intent: str) -> Earlier | None:
        """
        Return the record of an intent, while it is kept.
        """

    async def wait(self, intent: str, within_s: float) -> Earlier | None:
        """
        Return the record of an intent once it is not in flight any more, or after `within_s` seconds as it is then.
        """

    async def answer(self, intent: str) -> bytes | None:
        """
        Return the sealed answer of an intent, where this store keeps answers.
        """

    async def open_intents(self) -> tuple[OpenIntent, ...]:
        """
        Return the intents in flight and in doubt, oldest first.
        """

    async def envelope(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        """
        Return how a task stands, and whether any of these token ids was revoked.
        """

    async def tasks(self) -> tuple[Task, ...]:
        """
        Return the tasks that are not closed, oldest first.
        """

    async def totals(self, node: str = "") -> tuple[Total, ...]:
        """
        Return every total, or those of one node, by node, period and measure.
        """

    async def alerts(self) -> tuple[Alert, ...]:
        """
        Return what was raised and not delivered yet, oldest first.
        """

    async def stops(self) -> Stops:
        """
        Return the newest record of every scope of the stop.
        """

    async def breakers(self) -> tuple[Breaker, ...]:
        """
        Return every breaker that has a record, by key.
        """

    async def move(self, before: Breaker | None, after: Breaker) -> bool:
        """
        Put a breaker's record in the place of the one that the caller has seen (None: there is none); False where it is
        another by now. What was counted under an older generation counts no more.
        """

    async def count(self, deltas: Sequence[Delta], replica: str) -> tuple[Sums, ...]:
        """
        Add what one process has counted, and return the sums of those breakers over their windows.

        A delta of another generation than the breaker's is dropped. To count is to be alive.
        """

    async def suggest(self, new: Suggested) -> Suggested:
        """
        Note a suggestion, unless the same write of that agent has one that is live: return the one that stands.
        """

    async def suggestion(self, id_: str) -> Suggested | None:
        """
        Return how a suggestion stands, while it is known.
        """

    async def suggestions(self) -> tuple[Suggested, ...]:
        """
        Return those that are live and those that ended lately, oldest first.
        """

    async def turn(self, before: Suggested, after: Suggested) -> bool:
        """
        Put what a suggestion has become in the place of what the caller has seen, by its version; False where it has
        changed since.
        """

    async def apply(self, event: Event) -> None:
        """
        Replay one event of the ledger; applying it twice changes nothing more.
        """
