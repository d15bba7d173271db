"""
The verbs of the shared state, and the reservations that they hand out.

A store is a view over the ledger: `apply` replays what the ledger says, and a store that is thrown away and replayed
says the same. Only a store builds a reservation. Every verb is atomic, and idempotent by intent: made twice, it says
and leaves what it did when it was made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from breakers.breaker import Breaker, Delta, Sums
from breakers.call import Call
from breakers.facts import Facts
from breakers.known import Earlier, Ended
from breakers.noun import noun
from breakers.spend import Alert, Charge, Total
from breakers.stops import Stops
from breakers.store.events import Event, IntentOpened
from breakers.store.members import Member, Presence, Roll
from breakers.suggestion import Suggested
from breakers.task import Envelope, News, Task
from breakers.verdict import Forward

LEASE_S = 15.0
"""How long a claim keeps others out before anything was sent; held longer it may be lost, and then sends nothing."""

ALIVE_S = 5.0
"""For how long a process that counted is alive: twenty times as long as it waits between two reports."""

REMEMBERED_S = 60.0
"""How long an end without effect is remembered for those who wait for it: far longer than anyone waits."""


class StoreUnavailable(Exception):
    """
    The shared state cannot be asked, or cannot be trusted: nothing that needs it may go on.
    """


@noun
class HeldWrite:
    """
    Everything that one write consumes, taken in one step; it becomes an intent. Its id is the call's. `epoch` is under
    which replay of the ledgers it was taken, where several share a store: after another, somebody else may have it.
    """

    go: Forward
    epoch: str = field(default="", compare=False)


@noun
class HeldRead:
    """
    Everything that one read consumes; it never becomes an intent. What it takes of caps it may have from a `lease`.
    """

    go: Forward
    lease: str = ""


Reservation = HeldWrite | HeldRead


@noun
class Stale:
    """
    The state moved on since the facts were read: judge again, by these `facts` where it was told how it stands now.

    `envelope` is how the task and the token behind the call stand, where they are not what they were taken for.
    """

    facts: Facts | None = field(default=None, compare=False)
    envelope: Envelope | None = field(default=None, compare=False)


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

    @property
    def untold(self) -> bool:
        """
        Tell whether the ledger has to be told again, from its `begin` on.
        """

    @property
    def lost(self) -> str:
        """
        Return in a word why what it was told is gone, until it holds writes again; empty where nothing is.
        """

    async def begin(self, *, names_by: str = "", roll: Roll | None = None) -> None:
        """
        Say that the ledger is about to be read and told: what is read of it after this is all that there is to be told.

        `roll` is who tells it, and whom it has on record; nobody, where nobody needs to be waited for.
        """

    async def start(self, events: Iterable[Event], *, names_by: str = "", replica: str = "") -> None:
        """
        Tell it all of the ledger, and begin where that was not done: an intent without an end is in doubt, because
        whoever carried it is gone.

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
        Return why writes cannot be held here at the moment, in words, or None; asked at start and every second.
        """

    def members(self) -> tuple[Member, ...]:
        """
        Return the replicas of the fleet as they were heard of last; nobody, where there is no fleet.
        """

    async def beat(self, presence: Presence, *, stops: bool = False) -> None:
        """
        Say that this replica is here, or about to stop, and hear who else is.
        """

    async def forget(self, name: str, *, asks: bool) -> float | None:
        """
        Forget a replica by its name, for good, once that is on record. Where it only `asks`, return for how many
        seconds it was silent where it may be here, else None.
        """

    def seen(self, call: Call) -> Facts | None:
        """
        Return what this process has seen of all that a write is judged by, without asking anyone; None where it has to
        be asked, because that is free here, or something is known to stand under the call's names, or to be under way.

        Only what passes is decided by it: `reserve` compares all of it in its one step.
        """

    async def facts(self, call: Call) -> Facts:
        """
        Return the snapshot that a decision about `call` may look at: for a write, what is known under its names.
        """

    async def reserve(self, go: Forward) -> Reservation | Stale | Exhausted:
        """
        Take everything that `go` consumes in one atomic step, or nothing: its names, and its charges at every node.

        A write claims its names, for `LEASE_S`; it is `Stale` where the generation or the version of any name that its
        facts were read under has moved; or, where they were only `seen`, a breaker, a suggestion, its task or token.
        Claims whose lease had passed in those facts are taken over. Where one total has no room for its charge the
        answer is the first such in the order of the charges. A claim that nobody dispatched is given up `LEASE_S` after
        it lapsed at the latest, and its charges with it.

        `Stale` is also what cannot have what it was judged with: a permit that another has, or of a breaker that has
        moved; a place in a ramp before its time; a grant for what is not approved, not as it was shown, or past its
        time. A suggestion whose grant is taken is `executing`, as this call.
        """

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> Permit:
        """
        Mark the intent as about to be sent; asked again before each re-send.

        `STOPPED` where a stop bars it by now (marked all the same: the intent is durable and open until it is
        settled), `LOST` where another has taken the claim over, or it has ended: nothing may leave.
        """

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        End a reservation: a write's by how it ended, a read's by giving back what it held (None) or settling it.

        A completed end settles the charges at its `spent`; any other keeps them held. `answer` is the sealed answer,
        for stores that others read too. The suggestion that a write carried out is `executed` once it has ended.

        What ended without effect and is nowhere on record (no `place`), before its dispatch, was let go: its permits
        and its grant are to be had again. A read's permit is given back by whoever counts its result.
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

    async def news(self) -> News:
        """
        Return what was opened, closed and revoked since this was asked last, where others say so, too.
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
        Add what one process has counted, and return the sums of those breakers over their windows, one of each.

        A delta of another generation than the breaker's is dropped, and so is one that is older than its window; one
        from ahead is of now. To count is to be alive, for `ALIVE_S`. Whoever has no answer asks with the
        very same first: then it is added once.
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
        Put what a suggestion has become in the place of what the caller has seen, under the next version; False where
        it has changed since, or nothing leads there: only a reservation makes one `executing`.
        """

    async def apply(self, event: Event) -> None:
        """
        Replay one event of the ledger; applying it twice changes nothing more.
        """
