"""The store of a process is that of the next: whatever was done, a restart by snapshots leaves it saying the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from breakers.call import Applied, Outcome, Sent
from breakers.idempotency import ended_by
from breakers.known import Earlier, Ended, State
from breakers.spend import CALLS, WRITES, Charge, spent_by
from breakers.stops import ALL
from breakers.store.events import AlertDelivered, IntentOpened, TaskClosed, TaskOpened, TokenRevoked
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Exhausted, HeldRead, HeldWrite, Permit, Stale
from breakers.task import Closed, Task
from config.money import Money
from proxy.ledger.book import Ledger
from proxy.ledger.doubts import Resolved
from tests.breakers.stopping import halted, running
from tests.ledger.histories import CAPS
from tests.ledger.test_remembered import names
from tests.ledger.world import Answered, World, delivered, outcome, read, small_segments, wire, write
from tests.ledger.world import call as a_call

HOUR = timedelta(hours=1)

ENDS: dict[str, Outcome] = {
    "applied": outcome(),
    "refused": replace(outcome(Applied.NOT_APPLIED), status=402),
    "busy": replace(outcome(Applied.NOT_APPLIED), status=429),
    "not sent": replace(outcome(Applied.NOT_APPLIED), sent=Sent.NO, status=None),
    "unknown": replace(outcome(Applied.UNKNOWN), status=500),
}  # fmt: skip

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *ENDS, *ENDS, "again", "missed", "found", "absent", "parked", "read", "read whole", "task", "over",
                "revoked", "told", "stop", "an hour", "restart", "crash",
            ]
        ),
        st.integers(0, 5),
    ),
    min_size=5,
    max_size=30,
)  # fmt: skip

MOVED_MAX, CALLS_MAX, WRITES_MAX = 70_000_000, 9, 6
"""Caps that some histories meet."""


@dataclass
class Shop:
    """A process: its ledger and its store, told of everything in the order of the road."""

    world: World
    ledger: Ledger = field(init=False)
    store: MemoryStore = field(init=False)
    calls: list[int] = field(default_factory=list)
    doubts: list[IntentOpened] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    count: int = 0

    async def begin(self) -> None:
        self.ledger, self.store = self.world.started(), MemoryStore(self.world.clock.now)
        await self.store.start(self.ledger.recovered.events)
        await self._alerted()

    async def take(self, step: str, which: int) -> None:
        """Let something happen, to its end."""
        self.count += 1
        self.world.clock.move(1)
        if step in ENDS:
            await self._write(self.count, ENDS[step], which)
        elif step in {"read", "read whole"}:
            await self._read(step, which)
        elif step in {"again", "missed"} and self.calls:
            number = self.calls[which % len(self.calls)]
            await self._again(number, missed=step == "missed")
        elif step in {"found", "absent", "parked"} and self.doubts:
            await self._resolved(self.doubts[which % len(self.doubts)], step)
        elif step in {"restart", "crash"}:
            await self.restart(clean=step == "restart")
        else:
            await self._operator(step, which)
        await self._alerted()

    def _charges(self, which: int, *, writes: bool) -> tuple[Charge, ...]:
        at = self.world.clock.at
        until = at.replace(day=1, month=12, hour=0, minute=0, second=0)
        task = Charge(f"task:{self.tasks[-1].id if self.tasks else 'a/day'}", "life", CALLS, 1, CALLS_MAX, None, (50,))
        if not writes:
            return (task,) if which % 2 else ()
        moved = Charge("agent:a", f"{at:%Y-%m}", "moved:USD", 5_000_000 * which, MOVED_MAX, until, (50, 100))
        return (task, moved, Charge("team:t", f"{at:%Y-%m-%dT%H}+00:00", WRITES, 1, WRITES_MAX, until, (100,)))[
            : which % 4
        ]

    async def _write(self, number: int, ended: Outcome, which: int) -> None:
        call = replace(write(number, names=names(number)).go.call, at=self.world.clock.at)
        charges = self._charges(which, writes=True)
        go = replace(write(number).go, call=call, facts=await self.store.facts(call), charges=charges)
        held = await self.store.reserve(go)
        assert not isinstance(held, Stale | HeldRead)
        if isinstance(held, Exhausted):
            return
        intent = await self.ledger.intend(held, wire())
        if await self.store.dispatch(held, intent.opened) is Permit.STOPPED:
            ended = ENDS["not sent"]
        applied = {Applied.APPLIED: True, Applied.NOT_APPLIED: False}.get(ended.applied)
        took = () if applied is None else self._took(charges, ended, applied)
        entry = await self.ledger.conclude(intent, ended, Answered(), took)
        await self.store.settle(held, ended_by(ended, self.world.clock.now(), entry.place, delivered=True, spent=took))
        self.calls.append(number)
        if applied is None:
            await self.ledger.doubt_opened(intent.opened)
            self.doubts.append(intent.opened)

    def _took(self, charges: tuple[Charge, ...], ended: Outcome, applied: bool) -> tuple[int, ...]:
        return spent_by(charges, sent=ended.sent is Sent.YES, applied=applied, moved=Money(4_000_000, "USD"))

    async def _read(self, step: str, which: int) -> None:
        call = replace(read(self.count).go.call, at=self.world.clock.at)
        charges = self._charges(which, writes=False)
        held = await self.store.reserve(
            replace(read(1).go, call=call, facts=await self.store.facts(call), charges=charges)
        )
        assert not isinstance(held, Stale | HeldWrite)
        if isinstance(held, Exhausted) or not charges:
            return
        await self.ledger.charged_reads.held(held)
        took = (1,) if step == "read whole" else (0,)
        await self.ledger.charged_reads.ended(held, outcome(), delivered(), took)
        ended = Ended(State.COMPLETED, self.world.clock.now(), spent=took)
        await self.store.settle(held, ended)

    async def _again(self, number: int, *, missed: bool) -> None:
        intent = a_call(number).id
        known = await self.store.earlier(intent)
        if known is None or known.state is not State.COMPLETED or not (missed or known.answered):
            return
        if missed:
            self.ledger.delivery_aborted(a_call(number), 0)
        else:
            self.ledger.delivered(a_call(9000 + self.count), intent)
        await self.store.delivered(intent, reached=not missed)

    async def _resolved(self, opened: IntentOpened, step: str) -> None:
        known = await self.store.earlier(opened.intent)
        if known is None or known.state in {State.COMPLETED, State.PARKED if step == "parked" else State.COMPLETED}:
            return
        if step == "parked":
            said, ended = Resolved(Applied.UNKNOWN, State.PARKED, "reconciler", "ambiguous"), None
        else:
            applied = Applied.APPLIED if step == "found" else Applied.NOT_APPLIED
            took = self._took(opened.charges, outcome(), step == "found")
            said = Resolved(applied, State.COMPLETED, "operator", "said", keeps=step == "found", status=200, spent=took)
        entry = await self.ledger.doubt_resolved(opened, said)
        at, kept = self.world.clock.now(), said.keeps
        ended = Ended(State.PARKED, at, status=None, place=entry.place, delivered=False)
        if step != "parked":
            ended = Ended(State.COMPLETED, at, kept, kept, 200, entry.place, delivered=False, spent=said.spent)
        await self.store.resolve(opened, ended)

    async def _operator(self, step: str, which: int) -> None:
        now, durable = self.world.clock.now(), self.ledger.tasks
        match step:
            case "task":
                self.tasks.append(Task(f"a/{self.count}", "a", now, now + 2 * HOUR, CAPS, model="m-7"))
                await durable.opened(self.tasks[-1])
                await self.store.apply(TaskOpened(self.tasks[-1]))
            case "over" if self.tasks:
                task = self.tasks[which % len(self.tasks)]
                await durable.closed(task, Closed.DONE)
                await self.store.apply(TaskClosed(task.id, now, Closed.DONE))
            case "revoked":
                self.tokens.append(f"tid{self.count}")
                await durable.revoked(self.tokens[-1], now + HOUR)
                await self.store.apply(TokenRevoked(self.tokens[-1], now + HOUR))
            case "told":
                for alert in (await self.store.alerts())[:1]:
                    await self.ledger.alerted.told(alert.id)
                    await self.store.apply(AlertDelivered(alert.id))
            case "stop":
                epoch = (await self.store.stops()).by_scope[ALL].epoch + 1
                changed = halted(epoch) if which > 3 else running(epoch)
                await self.ledger.stops.changed(changed.stop)
                await self.store.apply(changed)
            case "an hour":
                self.world.clock.move(3600)
            case _:
                pass

    async def _alerted(self) -> None:
        """Put on record what was raised, as the road does behind itself."""
        on_record = set(self.alerted)
        for alert in await self.store.alerts():
            if alert.id not in on_record:
                self.alerted.append(alert.id)
                await self.ledger.alerted.raised(alert)

    alerted: list[str] = field(default_factory=list)

    async def restart(self, *, clean: bool) -> None:
        """End this process, begin the next, and compare what their stores say."""
        before = await self.said()
        if clean:
            await self.ledger.close("stopped")
        else:
            self.ledger._writer.stop()
            self.ledger._state.snapshots.close(whole=False)
        self.world = replace(self.world, disk=self.world.disk.after_kill())
        await self.begin()
        after = await self.said()
        if not clean:
            # Whether the last answers arrived nobody knows: they count as missed.
            before, after = _arrived(before), _arrived(after)
        assert after == before

    async def said(self) -> dict[str, Any]:
        """All that the store says."""
        store, said = self.store, dict[str, Any]()
        for number in range(1, self.count + 1):
            call = replace(a_call(number, names=names(number)), at=self.world.clock.at)
            under = (await store.facts(call)).known.under
            said[f"under {number}"] = {name: [_of(one) for one in found] for name, found in under.items()}
            found = await store.earlier(call.id)
            # What left its names free is remembered for those who wait for it: nobody waits over a restart.
            if found is not None and any(found in standing for standing in under.values()):
                said[f"intent {number}"] = _of(found)
        said["open"] = [replace(one, opened=_uncapped(one.opened)) for one in await store.open_intents()]
        said["totals"] = [replace(total, cap=0) for total in await store.totals()]
        said["tasks"], said["stops"] = await store.tasks(), await store.stops()
        said["envelopes"] = [_over((await store.envelope(task.id, ())).task) for task in self.tasks]
        said["revoked"] = [(await store.envelope("", (token,))).revoked for token in self.tokens]
        said["alerts"] = sorted(await store.alerts(), key=lambda alert: alert.id)
        return said


def _of(record: Earlier) -> Earlier:
    """A record without the microseconds by which its moment in the store and that of its record differ."""
    ended = record.ended_at and record.ended_at.replace(microsecond=0)
    return replace(record, ended_at=ended)


def _over(task: Task | None) -> Task | None:
    """The same of a task."""
    if task is None or task.closed_at is None:
        return task
    return replace(task, closed_at=task.closed_at.replace(microsecond=0))


def _uncapped(opened: IntentOpened) -> IntentOpened:
    """An intent as it is told again: by which caps it was judged is not on record."""
    return replace(opened, charges=tuple(replace(charge, cap=0, alerts=()) for charge in opened.charges))


def _arrived(said: Any) -> Any:
    match said:
        case dict():
            return {name: _arrived(one) for name, one in said.items()}
        case list():
            return [_arrived(one) for one in said]
        case Earlier():
            return replace(said, delivered=False)
        case _:
            return said


@settings(max_examples=60)
@given(STEPS)
def test_store_again(steps: list[tuple[str, int]]) -> None:
    """After any history, the store after a restart says of everything what it said before."""

    async def run() -> None:
        shop = Shop(World(settings=small_segments(5000)))
        await shop.begin()
        for step, which in steps:
            await shop.take(step, which)
        await shop.restart(clean=True)
        await shop.ledger.close("stopped")

    asyncio.run(run())
