"""An agent's past on record, drawn from a seed: written by the record's own verbs, on a folder of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from breakers.call import Applied, Call
from breakers.facts import Facts
from breakers.store.events import IntentOpened
from breakers.store.protocol import HeldWrite
from breakers.suggestion import Cause, Grant, Park, Stage, Suggested
from breakers.verdict import Forward, Reason, Refuse, Suggest
from proxy.ledger import records
from proxy.ledger.approvals import ApprovalRecords, Edit
from proxy.ledger.book import Ledger
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import Draft
from proxy.ledger.reviewed import Review, ReviewRecords
from proxy.ledger.tail import Written
from tests.ledger import world
from tests.ledger.world import ANY_ROOM, START, Answered, Counted, World, commit_now, declined, delivered, outcome, wire

AGENT = "support_refund_agent"

PARKS = (
    (Park(Cause.TIER, "approve", "", waits=True),),
    (Park(Cause.TIER, "suggest", ""),),
    (Park(Cause.TIER, "shadow", ""),),
    (Park(Cause.APPROVAL, "refunds.*", "", waits=True),),
    (Park(Cause.BREAKER, "api:stripe/write", ""),),
    (Park(Cause.TIER, "suggest", ""), Park(Cause.APPROVAL, "refunds.*", "", waits=True)),
    (Park(Cause.DRIFT, AGENT, ""), Park(Cause.DUPLICATE, "refunds.create", "", waits=True)),
    (Park(Cause.KILL, "all", ""),),
)


class Unsynced(RealDisk):
    """A disk on which nothing outlives the machine, which nothing here asks for."""

    def sync(self, _: object) -> None:
        """Leave it to the machine."""

    def sync_folder(self, _: object) -> None:
        """Leave it to the machine."""


@dataclass
class Caught:
    """A pen that writes at once."""

    ledger: Ledger

    async def durable(self, draft: Draft, _: object) -> Written:
        return commit_now(self.ledger, draft)[0]

    def note(self, draft: Draft) -> Written:
        return commit_now(self.ledger, draft)[0]


@dataclass
class Past:
    """A ledger that is being written."""

    folder: Path
    seed: int
    begins: datetime = START
    world: World = field(init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        # Its keys are nobody else's: whoever looks for secrets would find them in every other ledger of a test.
        randomness = Counted(10**6 * self.seed)
        self.world = World(disk=Unsynced(), folder=self.folder, settings=ANY_ROOM, randomness=randomness)
        self.world.clock.at = self.begins
        self.ledger = self.world.open()
        pen: Any = Caught(self.ledger)
        self.approvals = ApprovalRecords(pen, self.ledger.ring, self.ledger._reread)
        self.reviews = ReviewRecords(pen)
        self.number = 0

    def write(self, days: int, a_day: int) -> None:
        """Let so many days go by."""
        for _ in range(days):
            for _ in range(a_day):
                self.world.clock.move(self.random.uniform(0.5, 1.5) * 86_400 / a_day)
                self._step()
        self.ledger._state.close(self.ledger._disk)

    def _step(self) -> None:
        kind = self.random.choices(("read", "write", "parked", "refused", "other"), (4, 6, 5, 2, 1))[0]
        match kind:
            case "read":
                held = world.read(self._next())
                commit_now(self.ledger, records.read_outcome(held, outcome(), delivered(), self.ledger.ring))
            case "write":
                self._sent(self._call())
            case "parked":
                self._parked()
            case "refused":
                self._refused()
            case _:
                # Somebody else's write is none of this agent's.
                other = declined(self._next(), "another_agent")
                commit_now(self.ledger, records.refusal(other, self.ledger.ring))

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _call(self) -> Call:
        call = replace(world.call(self._next()), at=self.world.clock.now())
        if self.random.random() < 0.3:
            spec = replace(call.operation.spec, name="customers.update")
            call = replace(call, operation=replace(call.operation, spec=spec))
        return call

    def _moves(self) -> tuple[int | None, str | None]:
        if self.random.random() < 0.2:
            return None, None
        return self.random.randint(1, 90) * 1_000_000, self.random.choice(("USD", "EUR"))

    def _sent(self, call: Call, moves: tuple[int | None, str | None] | None = None) -> str:
        micros, currency = moves or self._moves()
        go = Forward(call, Facts(call.at, 1), "policy-1", ("stripe.refunds.create",), micros, currency)
        draft = records.intent(HeldWrite(go), wire(), self.ledger.ring, b"r" * 32)
        (intent,) = commit_now(self.ledger, draft)
        ends = self.random.choices((Applied.APPLIED, Applied.NOT_APPLIED, Applied.UNKNOWN, None), (80, 8, 8, 4))[0]
        if ends is not None:
            ended = records.write_outcome(call, intent.index, outcome(ends), Answered(), 99)
            commit_now(self.ledger, ended)
        if ends is Applied.APPLIED and self.random.random() < 0.5:
            self._reviewed(call)
        return call.id

    def _reviewed(self, call: Call) -> None:
        name, task = call.operation.spec.name, call.caller.task
        opened = IntentOpened(call.id, call.api, name, AGENT, task, call.at, None, 0, "")
        self.reviews.asked(opened, 500_000)
        if self.random.random() < 0.7:
            asked = Review(call.id, AGENT, call.caller.task, call.api, call.operation.spec.name, "")
            scores = {name: self.random.randint(1, 5) for name in ("needed", "care") if self.random.random() < 0.8}
            run(self.reviews.decided(asked, "ada", "a note", scores, ok=self.random.random() < 0.8))

    def _parked(self) -> None:
        call, moves, parks = self._call(), self._moves(), self.random.choice(PARKS)
        parked = Suggest(call, Facts(call.at, 1), "policy-1", parks, ("x",), *moves)
        shadow = any(one.id == "tier:shadow" for one in parks)
        new = Suggested(
            call.id, AGENT, call.caller.task, call.api, call.operation.spec.name, "f", call.at,
            call.at + timedelta(hours=24), "dig", tuple(one.id for one in parks), shadow=shadow,
        )  # fmt: skip
        run(self.approvals.requested(new, parked, b"shown", "stripe@1"))
        if self.random.random() < 0.15:
            edit = Edit("ada", "less", self.random.randint(1, 3), 7, None)
            new = replace(new, version=1)
            run(self.approvals.edited(new, parked, b"shown", "stripe@1", edit))
        if self.random.random() < 0.1:
            # What came up meanwhile parks it once more.
            again = replace(parked, parked=(*parks, Park(Cause.BREAKER, "api:stripe/read", "")))
            new = replace(new, answers=tuple(one.id for one in again.parked), version=2)
            run(self.approvals.requested(new, again, b"shown", "stripe@1"))
        self._decided(new, call, moves)

    def _decided(self, new: Suggested, call: Call, moves: tuple[int | None, str | None]) -> None:
        match self.random.choice(("approved", "approved", "approved", "lapsed", "rejected", "expired", "void", "open")):
            case "approved":
                run(self.approvals.decided(new, "approved", "ada"))
                sent = replace(self._call(), grant=Grant(new.id, "dig", frozenset(new.answers), "ada"))
                sent = replace(sent, operation=call.operation)
                into = self._sent(sent, moves)
                run(self.approvals.ended(replace(new, stage=Stage.EXECUTED, intent=into)))
            case "lapsed":
                run(self.approvals.decided(new, "approved", "ada"))
                run(self.approvals.ended(replace(new, stage=Stage.EXPIRED)))
            case "rejected":
                run(self.approvals.decided(new, "rejected", "ada", "no"))
            case "expired":
                run(self.approvals.ended(replace(new, stage=Stage.EXPIRED)))
            case "void":
                run(self.approvals.ended(replace(new, stage=Stage.VOID, why="policy")))
            case _:
                pass
        if self.random.random() < 0.3:
            said = Refuse(Reason.APPROVAL_PENDING, "approval", "It waits.")
            joined = replace(declined(self._next()), refuse=said, par=new.id)
            commit_now(self.ledger, records.refusal(joined, self.ledger.ring))

    def _refused(self) -> None:
        no = declined(self._next())
        if self.random.random() < 0.3:
            no = replace(no, operation=None, request=None)
        commit_now(self.ledger, records.refusal(no, self.ledger.ring))
        if self.random.random() < 0.2:
            commit_now(self.ledger, records.counted("agent.refused", {"not-allowed": 3}, f"{AGENT}/d", AGENT))


def run(work: Awaitable[object]) -> None:
    """Carry out what waits for nothing."""
    steps: Iterator[object] = work.__await__()
    for _ in steps:
        raise AssertionError("it waits")
