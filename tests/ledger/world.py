"""What the ledger's tests are set in: a clock and randomness that stand still, a call, and how it ended."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from breakers.call import Applied, Call, Caller, Form, Health, Operation, Outcome, Request, Retry, Sent
from breakers.facts import Facts
from breakers.store.protocol import HeldRead, HeldWrite
from breakers.verdict import Forward, Reason, Refuse
from config.catalog import NO_ARGUMENTS, Content, Effect, OperationSpec, Reversibility
from config.dialect import Credential as Slot
from config.settings import LedgerSettings
from proxy.held import Held, Holder
from proxy.ledger import records
from proxy.ledger.book import Declined, Delivered, Ledger
from proxy.ledger.disk import Disk
from proxy.ledger.drafts import Draft, system
from proxy.ledger.log import commit
from proxy.ledger.read import last_records
from proxy.ledger.recovery import say_closed
from proxy.ledger.tail import Batch, Written
from proxy.secret import Secret
from proxy.wire import Wire
from tests.canary.forms import secret
from tests.ledger.memory_disk import MemoryDisk

FOLDER = Path("/state")
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SETTINGS = LedgerSettings()


@dataclass
class StillClock:
    """A clock that moves only when it is told to."""

    at: datetime = START
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def thread_cpu(self) -> float:
        return 0.0

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += max(0.0, seconds)


@dataclass
class Counted:
    """Randomness that is the same in every run and never repeats."""

    count: int = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(str(self.count).encode()).digest(size)


@dataclass
class World:
    """One machine: what is on its disk outlives a program."""

    disk: Any = field(default_factory=MemoryDisk)
    clock: StillClock = field(default_factory=StillClock)
    randomness: Counted = field(default_factory=Counted)
    settings: Any = SETTINGS
    folder: Path = FOLDER
    answer_bytes_max: int = 1024 * 1024
    remembered_s: float = 30 * 86_400.0

    def open(self, *, new_epoch: str | None = None, disk: Disk | None = None) -> Ledger:
        return Ledger.open(
            self.folder,
            settings=self.settings,
            clock=self.clock,
            randomness=self.randomness,
            disk=disk or self.disk,
            config_hash="c0ffee",
            software="0.1.0",
            new_epoch=new_epoch,
            answer_bytes_max=self.answer_bytes_max,
            remembered_s=self.remembered_s,
        )

    def started(self) -> Ledger:
        ledger = self.open()
        ledger.start(asyncio.get_running_loop())
        return ledger


@dataclass(frozen=True)
class Answered:
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    body: bytes = b'{"id": "re_1"}'


def spec(*, effect: Effect = Effect.WRITE, never_store: tuple[str, ...] = ()) -> OperationSpec:
    return OperationSpec(
        api="stripe",
        name="refunds.create" if effect is not Effect.READ else "refunds.retrieve",
        method="POST" if effect is not Effect.READ else "GET",
        path="/v1/refunds",
        base="api",
        effect=effect,
        contents={"application/x-www-form-urlencoded": Content.FORM},
        arguments=NO_ARGUMENTS,
        reversibility=Reversibility.IRREVERSIBLE,
        never_store=never_store,
    )


def call(number: int = 1, *, effect: Effect = Effect.WRITE, task: str = "", **more: Any) -> Call:
    pairs = more.pop("pairs", (("charge", "ch_1"), ("amount", str(number))))
    operation = Operation(spec(effect=effect, never_store=more.pop("never_store", ())), {})
    request = Request("api", operation.spec.method, ("v1", "refunds"), body=Form(pairs))
    return Call(
        id=f"CALL{number:022d}",
        at=START,
        api="stripe",
        caller=Caller("support_refund_agent", "k1", task or "support_refund_agent/2026-11-21"),
        operation=operation,
        request=request,
        **more,
    )


def write(number: int = 1, **more: Any) -> HeldWrite:
    return HeldWrite(_forward(call(number, **more)))


def read(number: int = 1, **more: Any) -> HeldRead:
    return HeldRead(_forward(call(number, effect=Effect.READ, **more)))


def _forward(of: Call) -> Forward:
    return Forward(of, Facts(START, 1), "policy-1", ("stripe.refunds.create",), 12_000_000, "USD")


def held(text: str = secret("held"), ref: str = "stripe") -> Held:
    """A credential, in its one version."""
    holder = Holder(Slot())
    holder.turn([(ref, Secret(text))])
    return holder.current()


HELD = held()


def wire(body: bytes = b"charge=ch_1&amount=1") -> Wire:
    return Wire("POST", "/v1/refunds", (("host", "api.stripe.com"), ("idempotency-key", "bw1_x")), body, HELD)


def outcome(applied: Applied = Applied.APPLIED, body: bytes = b'{"id": "re_1"}', **more: Any) -> Outcome:
    said = {"headers": (("content-type", "application/json"),), "body_bytes": len(body), "request_id": "req_1"}
    return Outcome(applied, Health.OK, Retry.NEVER, Sent.YES, status=200, body=body, **{**said, **more})


def declined(number: int = 1, agent: str = "support_refund_agent") -> Declined:
    refused = call(number)
    return Declined(
        call=refused.id,
        at=START,
        api="stripe",
        caller=Caller(agent, "k1", f"{agent}/2026-11-21"),
        method="POST",
        operation=refused.operation.spec,
        request=refused.request,
        refuse=Refuse(Reason.LIMIT_EXCEEDED, "limits", "It is over the limit.", (("limit", "100.00 USD"),)),
        status=403,
        policy_version="policy-1",
    )


def delivered(body: bytes = b'{"id": "re_1"}') -> Delivered:
    return Delivered(200, body, len(body), complete=True)


async def one_write(ledger: Ledger, number: int = 1, **more: Any) -> None:
    intent = await ledger.intend(write(number, **more), wire())
    await ledger.conclude(intent, outcome(), Answered())


ANY_ROOM = SETTINGS.model_copy(
    update={"disk": SETTINGS.disk.model_copy(update={"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0})}
)
"""Settings that do not ask how full the machine that runs the tests is."""


def small_segments(max_bytes: int) -> Any:
    """Settings under which a segment is sealed after so many bytes, fewer than the configuration allows."""
    segment = SETTINGS.segment.model_copy(update={"max_bytes": max_bytes})
    return SETTINGS.model_copy(update={"segment": segment})


def drafts(number: int, ledger: Ledger) -> tuple[Draft, ...]:
    """An intent and a refusal of two calls, to be committed without the writer's thread."""
    refused = records.refusal(declined(1000 + number), ledger.ring)
    return records.intent(write(number), wire(), ledger.ring, b"r" * 32), refused


def commit_now(ledger: Ledger, *batch: Draft) -> tuple[Written, ...]:
    """Commit a batch as the writer's thread would."""
    return commit(Batch(ledger._state.log, batch, ledger._clock.now()), ledger._disk)


def close_now(ledger: Ledger) -> None:
    """Say that the log was closed as a clean stop does, without the writer's thread."""
    commit_now(ledger, system("log.closed", reason="stopped"))
    say_closed(ledger._disk, ledger._state.log)


def calls_in(disk: Any, folder: Path = FOLDER) -> list[str]:
    """The calls of every entry of the newest epoch, in order."""
    found = last_records(disk, folder / "ledger", 10**6)
    return [record.entry["call"] for record in found if "call" in record.entry]


def kinds_in(disk: Any, folder: Path = FOLDER) -> list[str]:
    """The kinds of every entry of the newest epoch, in order."""
    return [record.kind for record in last_records(disk, folder / "ledger", 10**6)]
