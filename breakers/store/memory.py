"""
The shared state of one process: the embedded default, plain Python that never awaits, so that no verb is cut in half.

What is known of a write is in `recalled.py`, what stands under names in `names.py`, what caps have left in
`budgets.py`, tasks and revoked tokens in `opened.py`, what keeps writes back in `brakes.py`; here they move together.
What has ended is forgotten in the order in which it ended, a few at each write: no call ever pays for all of it.
Whether an answer is still kept is asked when somebody looks, exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from breakers.call import Call
from breakers.facts import NO_IMAGES, NO_LOOKS, NOTHING_FETCHED, Facts
from breakers.known import IN_FLIGHT, NOTHING_KNOWN, Earlier, Ended, State
from breakers.spend import Alert, Total
from breakers.stops import ALL
from breakers.store import moves
from breakers.store.alone import Alone
from breakers.store.brakes import Brakes
from breakers.store.budgets import Budgets
from breakers.store.bundle import Bundled
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    BreakerMoved,
    Event,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    KillChanged,
    ReadHeld,
    ReadSettled,
    SuggestionNoted,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
    opened_by,
)
from breakers.store.history import Told, histories, setting_aside
from breakers.store.notices import last_judged
from breakers.store.opened import Opened
from breakers.store.past import Past
from breakers.store.protocol import LEASE_S, Exhausted, HeldRead, HeldWrite, OpenIntent, Permit, Reservation, Stale
from breakers.store.recalled import Recalled
from breakers.store.waiters import Waiters
from breakers.task import Envelope, News, Task
from breakers.verdict import Forward

SWEPT_A_WRITE = 4
"""How many records each write looks at to forget them: more than it can add, so that what is kept stays bounded."""


class MemoryStore(Alone, Brakes, Recalled):
    """
    The store of one process, empty until the ledger is replayed into it.
    """

    kind = "memory"
    emptied = False

    def __init__(
        self,
        now: Callable[[], datetime],
        retention: moves.Retention = moves.BY_DEFAULT,
        lease_s: float = LEASE_S,
    ) -> None:
        super().__init__(now)
        Recalled.__init__(self, retention)
        self._lease = timedelta(seconds=lease_s)
        self._open: dict[str, IntentOpened] = {}
        # What will be forgotten, the next one first: claims and freed ones within minutes, the others after months.
        self._soon: deque[str] = deque()
        self._later: deque[str] = deque()
        self._waiters = Waiters()
        self._budgets, self._opened = Budgets(), Opened()
        # Charged claims, each with when it is given up: in the order in which they were made.
        self._claims: deque[tuple[datetime, str]] = deque()

    def __repr__(self) -> str:
        flying = sum(self._standing[intent].state is State.DISPATCHED for intent in self._open)
        kept = len(self._standing) + len(self._past) - len(self._open)
        return (
            f"<MemoryStore generation={self._generation} all={self._stops.by_scope[ALL].mode} "
            f"in_flight={flying} in_doubt={len(self._open) - flying} kept={kept}>"
        )

    async def start(self, events: Iterable[Event], *, names_by: str = "", replica: str = "") -> None:  # noqa: ARG002 nobody else is in it
        others: list[Event] = []
        at, said, past = self._now(), Told(), Past()
        # One that knows something already is told each by itself.
        is_new = not (self._standing or self._freed or self._past) and self._budgets.is_new
        told = events.bundled() if is_new and isinstance(events, Bundled) else events
        histories(past.put_away(setting_aside(told, others), said, at, self._retention), said)
        if past:
            self._past = past
            self._later.extend(past.intents)
        self._budgets.summed(past.spent, past.counted)
        for intent, history in said.by_intent.items():
            opened = history.opened
            if opened.charges:
                self._budgets.hold(intent, opened.at, opened.charges)
                if history.ended is not None:
                    self._budgets.end(intent, history.ended, at)
            record = self._found(intent)
            flies = record is not None and record.state in IN_FLIGHT
            found = history.told(record, standing=intent not in self._freed, carried=flies)
            if found is not None and (record is not None or not history.is_over(at, self._retention)):
                self._place(found[0], standing=found[1], opened=opened)
        for event in others:
            await self.apply(event)
        self._replay_executions(said.by_intent.values())
        reads = ((event.at, event.charges) for event in others if isinstance(event, ReadHeld))
        writes = ((history.opened.at, history.opened.charges) for history in said.by_intent.values())
        self._budgets.replayed(at, last_judged(chain(past.charges(), writes, reads)))

    async def close(self) -> None:
        """
        Give up nothing: all that it holds is this process's own.
        """

    async def fault(self) -> str | None:
        return None

    def seen(self, call: Call) -> Facts | None:  # noqa: ARG002 to ask costs nothing here
        return None

    async def facts(self, call: Call) -> Facts:
        at = self._now()
        known = NOTHING_KNOWN if call.names is None or not call.operation.writes else self._known(call.names, at)
        suggested = self._parked.of(call.names, at) if call.operation.writes else None
        return Facts(
            at,
            self._generation,
            NO_LOOKS,
            NO_IMAGES,
            known,
            NOTHING_FETCHED,
            None,
            self._stops,
            self._gauges.of(call),
            None,
            suggested,
        )

    async def reserve(self, go: Forward) -> Reservation | Stale | Exhausted:
        call = go.call
        if not call.operation.writes:
            if go.charges and call.id in self._budgets.calls:
                return HeldRead(go)
            if not (go.charges or go.wishes or call.grant):
                return HeldRead(go) if go.facts.generation == self._generation else Stale()
            now = self._now()
            if go.facts.generation != self._generation or not self._has(go, now):
                return Stale()
            full = self._charge(go, now) if go.charges else None
            if full is None:
                self._take(go, now)
            return full or HeldRead(go)
        if self._found(call.id) is not None:
            return HeldWrite(go)
        moved = call.names is not None and not self._names.are_current(call.names, go.facts.known)
        if moved or go.facts.generation != self._generation:
            return Stale()
        now = self._now()
        self._sweep(now)
        for records in go.facts.known.under.values():
            for record in records:
                if moves.has_lapsed(record, go.facts.at) and record.intent in self._standing:
                    self._forget(record.intent)
        if not self._has(go, now):
            return Stale()
        if go.charges:
            full = self._charge(go, now)
            if full is not None:
                return full
            self._claims.append((now + self._lease + moves.GIVEN_UP, call.id))
        self._take(go, now)
        self._put(moves.claimed(call, now + self._lease))
        self._soon.append(call.id)
        return HeldWrite(go)

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> Permit:
        intent = held.go.call.id
        record = self._standing.get(intent)
        if record is None or record.state not in IN_FLIGHT:
            return Permit.LOST
        if record.state is State.CLAIMED:
            if moves.is_given_up(record, self._now()):
                self._forget(intent)
                return Permit.LOST
            # Marked even where it is stopped: the intent is durable and stays open until it is settled.
            self._open[intent] = opened
            self._put(moves.from_opened(opened, State.DISPATCHED))
        return Permit.STOPPED if self._is_held_back(held.go.call) else Permit.GRANTED

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:  # noqa: ARG002 the ledger keeps it
        call, charges = held.go.call, held.go.charges
        if isinstance(held, HeldRead):
            if charges:
                self._budgets.end(call.id, ended, self._now())
            return
        if ended is None:
            return
        # Whoever lost its claim has ended all the same; what it did is kept, whoever holds the names now.
        found, known = self._found(call.id), self._open.get(call.id)
        opened = known or opened_by(call, charges=charges)
        record = found or moves.from_opened(opened, State.DISPATCHED)
        was_sent = found is not None and found.state is not State.CLAIMED
        if self._end(record, ended, None if known is not None else opened):
            self._settle(opened, ended, let_go=not was_sent and moves.is_let_go(ended))
            if charges:
                self._budgets.hold(call.id, call.at, charges, replayed=False)
                self._budgets.end(call.id, ended, self._now(), sent=was_sent)

    async def resolve(self, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> bool:  # noqa: ARG002 as above
        record = self._found(opened.intent)
        if record is None:
            record = moves.from_opened(opened, State.DISPATCHED)
        if self._end(record, ended, opened):
            self._budgets.hold(opened.intent, opened.at, opened.charges)
            self._budgets.end(opened.intent, ended, self._now())
            self._settle(opened, ended)
            return True
        return record.state is not State.COMPLETED or moves.says_the_same(record, ended)

    async def delivered(self, intent: str, *, reached: bool) -> None:
        record = self._found(intent)
        if record is None or record.state is not State.COMPLETED or record.delivered is reached:
            return
        after = replace(record, delivered=reached)
        if intent in self._standing:
            self._put(after)
        else:
            self._freed[intent] = after

    async def earlier(self, intent: str) -> Earlier | None:
        record = self._found(intent)
        return None if record is None else self._as_of(record, self._now())

    async def wait(self, intent: str, within_s: float) -> Earlier | None:
        record = self._found(intent)
        if record is not None and record.state in IN_FLIGHT and within_s > 0:
            await self._waiters.woken(intent, within_s)
        return await self.earlier(intent)

    async def answer(self, intent: str) -> bytes | None:  # noqa: ARG002 the ledger keeps answers
        return None

    async def open_intents(self) -> tuple[OpenIntent, ...]:
        states = [(opened, self._standing[intent].state) for intent, opened in self._open.items()]
        states.sort(key=lambda one: (one[0].at, one[0].intent))
        return tuple(
            OpenIntent(opened, suspended=state is not State.DISPATCHED, parked=state is State.PARKED)
            for opened, state in states
        )

    async def envelope(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        return self._opened.envelope(task, tokens)

    async def news(self) -> News:
        return News()

    async def tasks(self) -> tuple[Task, ...]:
        return self._opened.tasks()

    async def totals(self, node: str = "") -> tuple[Total, ...]:
        now = self._now()
        self._give_up(now, len(self._claims))
        return self._budgets.totals(node, now)

    async def alerts(self) -> tuple[Alert, ...]:
        return tuple(self._budgets.notices.pending.values())

    async def apply(self, event: Event) -> None:
        match event:
            case IntentOpened():
                # Whoever carried what is only known from a replay is gone.
                if self._found(event.intent) is None:
                    self._place(moves.from_opened(event, State.UNKNOWN), standing=True, opened=event)
                    self._budgets.hold(event.intent, event.at, event.charges)
                    self._note_opened(event)
            case IntentEnded(intent, ended):
                record = self._found(intent)
                if record is not None and self._end(record, ended, None):
                    self._budgets.end(intent, ended, self._now())
                    self._note_end(intent, ended)
            case IntentDelivered(intent, delivered):
                await self.delivered(intent, reached=delivered)
            case KillChanged() | BreakerMoved() | SuggestionNoted():
                self._tell(event)
            case TaskOpened() | TaskClosed() | TokenRevoked():
                self._opened.apply(event, self._now())
            case ReadHeld():
                self._budgets.read_held(event, self._now())
            case ReadSettled():
                self._budgets.read_settled(event, self._now())
            case AlertRaised(alert):
                self._budgets.raised(alert)
            case AlertDelivered(alert):
                self._budgets.notices.delivered(alert)

    def _charge(self, go: Forward, now: datetime) -> Exhausted | None:
        """
        Take every charge of a call, or say which cap has no room, although every claim that is over was given up.
        """
        self._give_up(now, SWEPT_A_WRITE)
        call = go.call
        full = self._budgets.take(call.id, call.at, go.charges, now)
        if full is not None and self._give_up(now, len(self._claims)):
            full = self._budgets.take(call.id, call.at, go.charges, now)
        if full is not None:
            self._budgets.denied(full, now)
        return full

    def _give_up(self, now: datetime, at_most: int) -> bool:
        """
        Give up charged claims that nobody may dispatch any more, and tell whether there were any.
        """
        found = False
        for _ in range(at_most):
            if not self._claims or self._claims[0][0] > now:
                break
            record = self._standing.get(self._claims.popleft()[1])
            if record is not None and record.state is State.CLAIMED:
                self._forget(record.intent)
                found = True
        return found

    def _end(self, record: Earlier, ended: Ended, opened: IntentOpened | None) -> bool:
        after = moves.ended(record, ended)
        if after is None:
            return False
        self._place(after, standing=moves.stands(ended), opened=opened)
        return True

    def _place(self, record: Earlier, *, standing: bool, opened: IntentOpened | None) -> None:
        intent = record.intent
        if record.state is State.COMPLETED:
            self._open.pop(intent, None)
            (self._later if standing else self._soon).append(intent)
        elif opened is not None:
            self._open.setdefault(intent, opened)
        if standing:
            self._put(record)
        else:
            self._standing.pop(intent, None)
            self._names.take_away(record)
            self._freed[intent] = record
        self._waiters.wake(intent)

    def _forget(self, intent: str) -> None:
        record = self._found(intent)
        if record is None:
            return
        if self._standing.pop(intent, None) is not None:
            self._names.take_away(record)
        if record.state is State.CLAIMED:
            self._budgets.give_up(intent)
            self._give_back(intent)
        self._freed.pop(intent, None)
        self._names.forget(record)
        self._waiters.wake(intent)

    def _sweep(self, now: datetime) -> None:
        for queue in (self._soon, self._later):
            for _ in range(SWEPT_A_WRITE):
                if not queue:
                    break
                intent = queue[0]
                freed, record = self._freed.get(intent), self._found(intent)
                due = None if record is None else moves.forgotten_at(record, self._retention, standing=freed is None)
                if due is not None and due > now and (queue is self._later or not self._is_settled(intent)):
                    break
                queue.popleft()
                if due is not None and due <= now:
                    self._forget(intent)

    def _is_settled(self, intent: str) -> bool:
        record = self._standing.get(intent)
        return record is not None and record.state is State.COMPLETED
