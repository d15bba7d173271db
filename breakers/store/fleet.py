"""
The same verbs for a fleet: one script an atomic verb, over a link that sends everything once.

Every key of a deployment has one hash tag, `bw:{DEPLOYMENT}:…`, and every key that a script touches is declared to it:

| key | what it holds |
|---|---|
| `epoch` | under which replay of the ledger writes are held; `building` is the next one, while it is replayed |
| `versions` | the counter that every version of a name comes from |
| `name:NAME` | a name's version (`#`) and, by intent, the records that stand under it |
| `intent:ID` | the record of an intent (`packed.py`); without a TTL while it may have been sent and has not ended |
| `open` | by intent, the records of those |
| `answer:ID` | a sealed answer |

What calls are charged with stands beside it (`charged.py`), and so do tasks and revoked tokens (`envelopes.py`) and the
stop (`stopped.py`).

Scripts count and compare; what a record becomes is decided in `moves.py`, as in every store: `move` puts it there if
the record is still the one that was seen, and returns what it found if not. Leases are measured by the server's clock.

A script whose answer was lost may have run: each is idempotent by intent. An end that could not be noted is owed, and
is noted before anything else is judged here; until then whoever asks sees a write in flight, which sends nothing, and
what a call may take is held. A server that lost its data has no `epoch`: nothing is held until `start` has replayed the
ledger. A fleet has one ledger a process, and each replays its own; what another replica knows better stays.

A read without charges is judged by this process's own view of the stop, which concerns no read: it needs no server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from breakers.call import Call
from breakers.facts import Facts
from breakers.known import IN_FLIGHT, Earlier, Ended, Known, State
from breakers.spend import Alert, Total
from breakers.stops import ALL, Mode, Stop, Stops, scopes_of
from breakers.store import moves
from breakers.store.charged import GIVEN_UP_MS, Charged, keys_of, totals_of
from breakers.store.envelopes import Envelopes
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    Event,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    KillChanged,
    ReadHeld,
    ReadSettled,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
    WritesChanged,
    opened_by,
)
from breakers.store.history import History, ending, histories
from breakers.store.intents import Intents
from breakers.store.link import EMPTIED, Link, Shared, reading, text
from breakers.store.packed import Kept, Move, Packer, millis, pack_opened
from breakers.store.protocol import (
    LEASE_S,
    Exhausted,
    HeldRead,
    HeldWrite,
    OpenIntent,
    Permit,
    Reservation,
    Stale,
    StoreUnavailable,
)
from breakers.store.replaying import Replay
from breakers.store.stopped import Stopped, scoped
from breakers.store.waiters import Waiters
from breakers.task import Envelope, Task
from breakers.verdict import Forward

PAUSE_S, PAUSE_MAX_S = 0.02, 0.25
"""Between two looks at an intent that somebody waits for: short at first, because most writes end soon."""

_OTHER_NAMES = "others of this deployment have another key ring: give each the same `keyring`, or its own deployment"


class FleetStore:
    """
    The store of a fleet, over a client that never re-sends.
    """

    kind = "redis"

    def __init__(
        self,
        link: Link,
        deployment: str,
        now: Callable[[], datetime],
        retention: moves.Retention = moves.BY_DEFAULT,
        lease_s: float = LEASE_S,
    ) -> None:
        self._link, self._now, self._packer = link, now, Packer(now, retention)
        self._lease_ms = round(lease_s * 1000)
        self._shared = Shared(link, deployment)
        self._charged, self._envelopes = Charged(self._shared, now), Envelopes(self._shared, now)
        self._intents = Intents(self._shared, self._packer, self._charged)
        self._stopped = Stopped(self._shared, now)
        # The server that the ledger was replayed into.
        self._server = ""
        # What it has in flight, each with the record as it was left, and the ends that Redis has not taken yet.
        self._carried: dict[str, tuple[IntentOpened, bytes]] = {}
        self._owed: dict[str, tuple[IntentOpened, Ended, bytes | None]] = {}
        self._waiters = Waiters()

    def __repr__(self) -> str:
        owed = len(self._owed) + len(self._charged.owed)
        return (
            f"<FleetStore {self._shared.tag} generation={self._stopped.generation} "
            f"carried={len(self._carried)} owed={owed} emptied={self.emptied}>"
        )

    @property
    def emptied(self) -> bool:
        """
        Return whether what was replayed into it is lost.
        """
        return self._shared.emptied

    async def start(self, events: Iterable[Event], *, names_by: str = "", replica: str = "") -> None:
        """
        Replay the ledger over what is there, and hold writes under the epoch that Redis has, or under a new one.
        """
        server = await self._link.server()
        begun = await self._shared.run("begin", ("epoch", "building", "names-by"), names_by)
        if begun is None:
            raise StoreUnavailable(_OTHER_NAMES)
        epoch = text(begun)
        said = histories(events)
        for change in said.changes:
            await self._stopped.replay(_stop_by(change))
        await self._stopped.again(said.stops)
        replay = Replay(self._intents, self._charged, self._envelopes, frozenset(self._carried))
        await replay.tell(said, self._now(), self._packer.retention)
        if not self._server:
            # This process has held nothing yet, so that what the one before it left is not under way.
            self._charged.replica = replica
            await self._charged.undo_unknown(said.calls())
        await self._pay()
        if not await self._shared.run("ready", ("epoch", "building"), epoch):
            raise StoreUnavailable("Redis was emptied while the ledger was replayed into it")
        self._shared.epoch, self._shared.emptied, self._server = epoch, False, server

    async def close(self) -> None:
        await self._link.close()

    async def fault(self) -> str | None:
        try:
            policy = await self._link.eviction()
            if policy != "noeviction":
                return f"Redis may throw away what it holds: its maxmemory-policy is `{policy}`, set it to `noeviction`"
            server, found = await self._link.server(), await self._shared.ask("GET", "epoch")
            if server != self._server or found is None or text(found) != self._shared.epoch:
                # A server that was restarted, or a replica in its place, may lack the last of what was acknowledged.
                self._shared.emptied = True
            await self._pay()
            await self._charged.sweep()
        except StoreUnavailable as error:
            return str(error)
        return EMPTIED if self.emptied else None

    async def writes(self) -> WritesChanged:
        stops = await self._stopped.all()
        return WritesChanged(_is_stopped(stops, self._now()), stops.by_scope[ALL].epoch if ALL in stops.by_scope else 0)

    async def stops(self) -> Stops:
        return await self._stopped.all()

    async def facts(self, call: Call) -> Facts:
        if not call.operation.writes:
            at, stops = self._now(), self._stopped.known
            return Facts(at, self._stopped.generation, _is_stopped(stops, at, call), stops=stops)
        asked = () if call.names is None else call.names.asked
        keys = ("epoch", "stops", *(f"name:{name}" for name in asked))
        told = (self._shared.epoch, *scopes_of(call))
        with reading():
            word, *rest = await self._shared.run("facts", keys, *told)
            if word == b"known" and (self._owed or self._charged.owed):
                # It answers again: nobody is judged by what it was not told.
                await self._pay()
                word, *rest = await self._shared.run("facts", keys, *told)
            if word != b"known":
                raise self._shared.lost()
            at = self._now()
            now_ms, (generation, *records), *hashes = rest
            self._packer.ahead_ms = now_ms - millis(at)
            stops = self._stopped.of(call, generation, records)
            known = [self._packer.under(fields, now_ms, at) for fields in hashes]
        versions = {name: version for name, (version, _) in zip(asked, known, strict=True)}
        under = {name: records for name, (_, records) in zip(asked, known, strict=True) if records}
        stopped = _is_stopped(stops, at, call)
        return Facts(at, self._stopped.generation, stopped, known=Known(under, versions), stops=stops)

    async def reserve(self, go: Forward) -> Reservation | Stale | Exhausted:
        if not go.call.operation.writes:
            if go.charges and self._charged.is_held(go.call.id):
                return HeldRead(go)
            if go.facts.generation != self._stopped.generation:
                return Stale()
            if not go.charges:
                return HeldRead(go)
            self._charged.ask_again(go.call.id)
            if self._owed or self._charged.owed:
                await self._pay()
        if self.emptied:
            raise self._shared.lost()
        with reading():
            said = await (self._claim(go) if go.call.operation.writes else self._charged.hold(go.call.id, go.charges))
        match said:
            case "lost":
                raise self._shared.lost()
            case "held":
                return HeldWrite(go) if go.call.operation.writes else HeldRead(go)
            case Exhausted():
                return said
            case _:
                return Stale()

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> Permit:
        intent, names = held.go.call.id, () if opened.names is None else opened.names.held
        # What it takes was held with the claim, whatever is said of it now.
        opened = replace(opened, charges=held.go.charges)
        keys = (
            *("epoch", "stops", "versions", f"intent:{intent}", "open", "lapsing"),
            *(f"name:{name}" for name in names),
        )
        with reading():
            told = (self._shared.epoch, intent, pack_opened(opened), *scoped(held.go.call))
            word, *rest = await self._shared.run("dispatch", keys, *told)
            if word == b"lost-epoch":
                raise self._shared.lost()
            if word == b"lost":
                return Permit.LOST
            (value,) = rest
            self._carried[intent] = (opened, value)
            return Permit(text(word))

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        End a reservation. What Redis does not take now is owed; nobody who has an answer in hand is told about that.
        """
        call, charges = held.go.call, held.go.charges
        if isinstance(held, HeldRead):
            if charges:
                await self._charged.end(call.id, charges, ended)
            return
        if ended is None:
            return
        opened, seen = self._carried.pop(call.id, (opened_by(call, charges=charges), None))
        try:
            await self._intents.settle(opened, ended, answer, seen)
        except StoreUnavailable:
            self._owed[call.id] = (opened, ended, answer)
        except asyncio.CancelledError:
            self._owed[call.id] = (opened, ended, answer)
            raise
        finally:
            self._waiters.wake(call.id)

    async def resolve(self, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> bool:
        moved, kept = await self._intents.change(opened.intent, None, ending(opened, ended), answer)
        self._waiters.wake(opened.intent)
        if moved or kept is None or kept.record.state is not State.COMPLETED:
            return True
        return moves.says_the_same(kept.record, ended)

    async def delivered(self, intent: str, *, reached: bool) -> None:
        def decide(kept: Kept | None) -> Move | None:
            if kept is None or kept.record.state is not State.COMPLETED or kept.record.delivered is reached:
                return None
            return Move(replace(kept.record, delivered=reached), kept.opened, kept.standing)

        await self._intents.change(intent, None, decide)

    async def earlier(self, intent: str) -> Earlier | None:
        return await self._intents.earlier(intent)

    async def wait(self, intent: str, within_s: float) -> Earlier | None:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + within_s, PAUSE_S
        while True:
            record = await self.earlier(intent)
            left = until - loop.time()
            if record is None or record.state not in IN_FLIGHT or left <= 0:
                return record
            await self._waiters.woken(intent, min(pause, left))
            pause = min(2 * pause, PAUSE_MAX_S)

    async def answer(self, intent: str) -> bytes | None:
        kept: bytes | None = await self._shared.ask("GET", f"answer:{intent}")
        return kept

    async def open_intents(self) -> tuple[OpenIntent, ...]:
        return await self._intents.open()

    async def envelope(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        return await self._envelopes.of(task, tokens)

    async def tasks(self) -> tuple[Task, ...]:
        return await self._envelopes.open()

    async def totals(self, node: str = "") -> tuple[Total, ...]:
        return await self._charged.totals(node)

    async def alerts(self) -> tuple[Alert, ...]:
        return await self._charged.alerts()

    async def apply(self, event: Event) -> None:
        match event:
            case IntentOpened():
                await self._intents.replay(History(event), carried=event.intent in self._carried)
            case IntentEnded(intent, ended):
                await self._intents.change(intent, None, ending(None, ended))
            case IntentDelivered(intent, delivered):
                await self.delivered(intent, reached=delivered)
            case WritesChanged():
                await self._stopped.change(_stop_by(event))
            case KillChanged(stop):
                await self._stopped.change(stop)
            case ReadHeld(call, _, charges):
                await self._charged.count(call, charges, None)
            case ReadSettled(call, spent):
                await self._charged.count_end(call, spent)
            case AlertRaised(alert):
                await self._charged.raised(alert, waits=True)
            case AlertDelivered(alert):
                await self._charged.delivered(alert)
            case TaskOpened() | TaskClosed() | TokenRevoked():
                await self._envelopes.apply(event)

    async def _claim(self, go: Forward) -> str | Exhausted:
        """
        Claim a write's names and hold what it may take.
        """
        call, known = go.call, go.facts.known
        asked, held = ((), ()) if call.names is None else (call.names.asked, call.names.held)
        every = (record for records in known.under.values() for record in records)
        taken = {record.intent: record for record in every if moves.has_lapsed(record, go.facts.at)}
        further = sorted({name for record in taken.values() for name in moves.held(record)} - {*asked})
        # Whoever takes nothing of any cap does not wait for what others hold there: that lapses by itself.
        for intent in taken if go.charges else ():
            await self._charged.take_over(intent)
        keys = (
            *("epoch", "stops", "versions", f"intent:{call.id}", *keys_of(call.id)),
            *(f"name:{name}" for name in asked),
            *(f"intent:{intent}" for intent in taken),
            *(f"name:{name}" for name in further),
            *totals_of(go.charges),
        )
        claim = (self._shared.epoch, go.facts.generation, call.id, self._lease_ms, GIVEN_UP_MS)
        opened = pack_opened(opened_by(call, charges=go.charges))
        counts = (len(asked), len(taken), len(further))
        versions = tuple(known.versions.get(name, 0) for name in asked)
        rest: tuple[str | int, ...] = (*versions, *(int(name in held) for name in asked), *taken)

        def ask(last: int) -> Awaitable[Any]:
            charges = (self._charged.unrecorded(go.charges, "write"), *rest, *self._charged.told(go.charges, ask=True))
            return self._shared.run("reserve", keys, *claim, opened, *counts, self._charged.at(), last, *charges)

        return await self._charged.admitted(go.charges, ask)

    async def _pay(self) -> None:
        """
        Note the ends that are owed. Raise `StoreUnavailable` at the first that Redis does not take.
        """
        for intent, (opened, ended, answer) in list(self._owed.items()):
            await self._intents.settle(opened, ended, answer)
            self._owed.pop(intent, None)
            self._waiters.wake(intent)
        await self._charged.pay()


def _stop_by(change: WritesChanged) -> Stop:
    return Stop(ALL, Mode.STOP_WRITES if change.stopped else Mode.RUN, change.epoch)


def _is_stopped(stops: Stops, at: datetime, call: Call | None = None) -> bool:
    mode = stops.binding(() if call is None else scopes_of(call), at).mode_at(at)
    return ALL in stops.by_scope and mode.strictness >= Mode.STOP_WRITES.strictness
