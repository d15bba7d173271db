"""
The same verbs for a fleet: one script an atomic verb, over a link that sends everything once.

Every key of a deployment has one hash tag, `bw:{DEPLOYMENT}:…`, and every key that a script touches is declared to it:

| key | what it holds |
|---|---|
| `epoch` | under which replay of the ledger writes are held; `building` is the next one, while it is replayed |
| `writes` | whether writes may pass: `stopped`, `epoch`, `generation` |
| `versions` | the counter that every version of a name comes from |
| `name:NAME` | a name's version (`#`) and, by intent, the records that stand under it |
| `intent:ID` | the record of an intent (`packed.py`); without a TTL while it may have been sent and has not ended |
| `open` | by intent, the records of those |
| `answer:ID` | a sealed answer |

Scripts count and compare; what a record becomes is decided in `moves.py`, as in every store: `move` puts it there if
the record is still the one that was seen, and returns what it found if not. Leases are measured by the server's clock.

A script whose answer was lost may have run: each is idempotent by intent. The end of a write that could not be noted is
owed, and is noted before anything else is judged here; until then whoever asks sees it in flight, which sends nothing.
A server that lost its data has no `epoch`: nothing is held until `start` has replayed the ledger. A fleet has one
ledger a process, and each replays its own; what another replica knows better stays.

A read is judged by this process's own view of the stop, which concerns no read: reads need no server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from breakers.call import Call
from breakers.facts import Facts
from breakers.known import IN_FLIGHT, Earlier, Ended, Known, State
from breakers.store import moves
from breakers.store.history import Decide, History, ending, histories
from breakers.store.packed import Kept, Move, Packer, millis, pack_opened
from breakers.store.protocol import (
    LEASE_S,
    REMEMBERED_S,
    Event,
    HeldRead,
    HeldWrite,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    OpenIntent,
    Permit,
    Reservation,
    Stale,
    StoreUnavailable,
    WritesChanged,
    opened_by,
)
from breakers.store.waiters import Waiters
from breakers.verdict import Forward

ANSWER_BYTES_MAX = 256 * 1024
"""A larger answer stays in the ledger of the process that has it."""

ROUNDS = 16
"""How often a move is decided anew because the record moved meanwhile: it has few states, so more is no coincidence."""

REPLAYED_AT_ONCE = 16
"""How many intents of a replay are under way at once, so that judgement has connections left."""

PAUSE_S, PAUSE_MAX_S = 0.02, 0.25
"""Between two looks at an intent that somebody waits for: short at first, because most writes end soon."""

_OTHER_NAMES = "others of this deployment have another key ring: give each the same `keyring`, or its own deployment"
_EMPTIED = "Redis does not hold what was replayed into it: the ledger has to be replayed first"


class Link(Protocol):
    """
    A connection to the server. Everything raises `StoreUnavailable`, and nothing is sent twice.
    """

    async def ask(self, command: str, key: str, *arguments: str) -> Any:
        """
        Return the answer to one command that changes nothing.
        """

    async def run(self, verb: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        """
        Run one script once, and return its answer.
        """

    async def eviction(self) -> str:
        """
        Return the policy by which the server makes room.
        """

    async def close(self) -> None:
        """
        Close every connection.
        """


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
        self._tag = f"bw:{{{deployment}}}:"
        self.emptied = True
        # What this process knows: the replay that writes are held under, and the stop.
        self._epoch, self._generation = "", 0
        self._writes = WritesChanged(stopped=False, epoch=0)
        # What it has in flight, each with the record as it was left, and the ends that Redis has not taken yet.
        self._carried: dict[str, tuple[IntentOpened, bytes]] = {}
        self._owed: dict[str, tuple[IntentOpened, Ended, bytes | None]] = {}
        self._waiters = Waiters()

    def __repr__(self) -> str:
        return (
            f"<FleetStore {self._tag} generation={self._generation} stopped={self._writes.stopped} "
            f"carried={len(self._carried)} owed={len(self._owed)} emptied={self.emptied}>"
        )

    async def start(self, events: Iterable[Event], *, names_by: str = "") -> None:
        """
        Replay the ledger over what is there, and hold writes under the epoch that Redis has, or under a new one.
        """
        begun = await self._run("begin", ("epoch", "building", "names-by"), names_by)
        if begun is None:
            raise StoreUnavailable(_OTHER_NAMES)
        epoch = _text(begun)
        said = histories(events)
        for change in (*said.changes, self._writes):
            await self._change_writes(change)
        lingering = {_text(intent) for intent in await self._ask("HKEYS", "open")}
        at, retention = self._now(), self._packer.retention
        told = [one for intent, one in said.by_intent.items() if intent in lingering or not one.is_over(at, retention)]
        for first in range(0, len(told), REPLAYED_AT_ONCE):
            some = told[first : first + REPLAYED_AT_ONCE]
            for lost in await asyncio.gather(*(self._replay(one) for one in some), return_exceptions=True):
                if lost is not None:
                    raise lost
        for intent in lingering & said.ends.keys():
            await self._change(intent, None, ending(None, said.ends[intent]))
        await self._pay()
        if not await self._run("ready", ("epoch", "building"), epoch):
            raise StoreUnavailable("Redis was emptied while the ledger was replayed into it")
        self._epoch, self.emptied = epoch, False

    async def close(self) -> None:
        await self._link.close()

    async def fault(self) -> str | None:
        try:
            policy = await self._link.eviction()
            if policy != "noeviction":
                return f"Redis may throw away what it holds: its maxmemory-policy is `{policy}`, set it to `noeviction`"
            found = await self._ask("GET", "epoch")
            self.emptied = self.emptied or found is None or _text(found) != self._epoch
            await self._pay()
        except StoreUnavailable as error:
            return str(error)
        return _EMPTIED if self.emptied else None

    async def writes(self) -> WritesChanged:
        stopped, epoch = await self._ask("HMGET", "writes", "stopped", "epoch")
        with _reading():
            held = WritesChanged(stopped == b"1", int(epoch or 0))
        # A Redis that lost its data lifts no stop.
        return held if held.epoch >= self._writes.epoch else self._writes

    async def facts(self, call: Call) -> Facts:
        if not call.operation.writes:
            return Facts(self._now(), self._generation, self._writes.stopped)
        asked = () if call.names is None else call.names.asked
        keys = ("epoch", "writes", *(f"name:{name}" for name in asked))
        with _reading():
            word, *rest = await self._run("facts", keys, self._epoch)
            if self._owed and word == b"known":
                # It answers again: nobody is judged by what it was not told.
                await self._pay()
                word, *rest = await self._run("facts", keys, self._epoch)
            if word != b"known":
                raise self._lost()
            at = self._now()
            now_ms, stopped, generation, *hashes = rest
            self._packer.ahead_ms, self._generation = now_ms - millis(at), int(generation)
            known = [self._packer.under(fields, now_ms, at) for fields in hashes]
        versions = {name: version for name, (version, _) in zip(asked, known, strict=True)}
        under = {name: records for name, (_, records) in zip(asked, known, strict=True) if records}
        return Facts(at, self._generation, stopped == b"1", known=Known(under, versions))

    async def reserve(self, go: Forward) -> Reservation | Stale:
        call, facts = go.call, go.facts
        if not call.operation.writes:
            return HeldRead(go) if facts.generation == self._generation else Stale()
        asked = () if call.names is None else call.names.asked
        held = () if call.names is None else call.names.held
        every = (record for records in facts.known.under.values() for record in records)
        taken = {record.intent: record for record in every if moves.has_lapsed(record, facts.at)}
        further = {name for record in taken.values() for name in moves.held(record)} - {*asked}
        said = await self._run(
            "reserve",
            (
                *("epoch", "writes", "versions", f"intent:{call.id}"),
                *(f"name:{name}" for name in asked),
                *(f"intent:{intent}" for intent in taken),
                *(f"name:{name}" for name in sorted(further)),
            ),
            *(self._epoch, facts.generation, call.id, self._lease_ms, round(REMEMBERED_S * 1000)),
            *(pack_opened(opened_by(call)), len(asked), len(taken)),
            *(facts.known.versions.get(name, 0) for name in asked),
            *(int(name in held) for name in asked),
            *taken,
        )
        if said == b"lost":
            raise self._lost()
        return HeldWrite(go) if said == b"held" else Stale()

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> Permit:
        intent, names = held.go.call.id, () if opened.names is None else opened.names.held
        keys = ("epoch", "writes", "versions", f"intent:{intent}", "open", *(f"name:{name}" for name in names))
        with _reading():
            word, *rest = await self._run("dispatch", keys, self._epoch, intent, pack_opened(opened))
            if word == b"lost-epoch":
                raise self._lost()
            if word == b"lost":
                return Permit.LOST
            (value,) = rest
            self._carried[intent] = (opened, value)
            return Permit(_text(word))

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        End a reservation. What Redis does not take now is owed; nobody who has an answer in hand is told about that.
        """
        if ended is None or isinstance(held, HeldRead):
            return
        call = held.go.call
        opened, seen = self._carried.pop(call.id, (opened_by(call), None))
        try:
            await self._end(opened, ended, answer, seen)
        except StoreUnavailable:
            self._owed[call.id] = (opened, ended, answer)
        except asyncio.CancelledError:
            self._owed[call.id] = (opened, ended, answer)
            raise
        finally:
            self._waiters.wake(call.id)

    async def resolve(self, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> bool:
        moved, kept = await self._end(opened, ended, answer, None)
        self._waiters.wake(opened.intent)
        if moved or kept is None or kept.record.state is not State.COMPLETED:
            return True
        return moves.says_the_same(kept.record, ended)

    async def delivered(self, intent: str, *, reached: bool) -> None:
        def decide(kept: Kept | None) -> Move | None:
            if kept is None or kept.record.state is not State.COMPLETED or kept.record.delivered is reached:
                return None
            return Move(replace(kept.record, delivered=reached), kept.opened, kept.standing)

        await self._change(intent, None, decide)

    async def earlier(self, intent: str) -> Earlier | None:
        value = await self._ask("GET", f"intent:{intent}")
        with _reading():
            kept = self._packer.read(value)
        return None if kept is None else self._packer.as_of(kept, self._now())

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
        kept: bytes | None = await self._ask("GET", f"answer:{intent}")
        return kept

    async def open_intents(self) -> tuple[OpenIntent, ...]:
        values = await self._ask("HVALS", "open")
        with _reading():
            every = [self._packer.read(value) for value in values]
        known = sorted((kept for kept in every if kept is not None), key=lambda kept: moves.newest_first(kept.record))
        return tuple(
            OpenIntent(kept.opened, kept.record.state not in IN_FLIGHT, kept.record.state is State.PARKED)
            for kept in known
        )

    async def apply(self, event: Event) -> None:
        match event:
            case IntentOpened():
                await self._replay(History(event))
            case IntentEnded(intent, ended):
                await self._change(intent, None, ending(None, ended))
            case IntentDelivered(intent, delivered):
                await self.delivered(intent, reached=delivered)
            case WritesChanged():
                await self._change_writes(event)

    async def _change_writes(self, change: WritesChanged) -> None:
        with _reading():
            said = await self._run("writes", ("writes",), int(change.stopped), change.epoch)
            stopped, epoch, generation = said
            self._writes, self._generation = WritesChanged(stopped == b"1", int(epoch)), int(generation)

    async def _replay(self, history: History) -> None:
        carried = history.opened.intent in self._carried

        def decide(kept: Kept | None) -> Move | None:
            record, standing = (None, True) if kept is None else (kept.record, kept.standing)
            told = history.told(record, standing=standing, carried=carried)
            return None if told is None else Move(told[0], history.opened, told[1])

        # Most are new to an emptied Redis: to take each for new spares a question.
        await self._change(history.opened.intent, b"", decide)

    async def _end(
        self, opened: IntentOpened, ended: Ended, answer: bytes | None, seen: bytes | None
    ) -> tuple[bool, Kept | None]:
        return await self._change(opened.intent, seen, ending(opened, ended), answer)

    async def _pay(self) -> None:
        """
        Note the ends that are owed. Raise `StoreUnavailable` at the first that Redis does not take.
        """
        for intent, (opened, ended, answer) in list(self._owed.items()):
            await self._end(opened, ended, answer, None)
            self._owed.pop(intent, None)
            self._waiters.wake(intent)

    async def _change(
        self, intent: str, seen: bytes | None, decide: Decide, answer: bytes | None = None
    ) -> tuple[bool, Kept | None]:
        """
        Move a record as `decide` says, from what it is when it moves. Return whether it moved, and from or at what.

        `seen` is what it is taken to be; None asks first.
        """
        small = answer if answer is not None and len(answer) <= ANSWER_BYTES_MAX else b""
        with _reading():
            value: bytes = seen if seen is not None else await self._ask("GET", f"intent:{intent}") or b""
            for _ in range(ROUNDS):
                kept = self._packer.read(value)
                move = decide(kept)
                if move is None:
                    return False, kept
                names = (f"name:{name}" for name in moves.held(move.record))
                keys = ("versions", f"intent:{intent}", "open", f"answer:{intent}", *names)
                done, value = await self._run("move", keys, *self._packer.arguments(value, move, small))
                if done:
                    return True, kept
        raise StoreUnavailable("the record of an intent did not hold still")

    async def _ask(self, command: str, key: str, *arguments: str) -> Any:
        return await self._link.ask(command, self._tag + key, *arguments)

    async def _run(self, verb: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        return await self._link.run(verb, [self._tag + key for key in keys], *arguments)

    def _lost(self) -> StoreUnavailable:
        self.emptied = True
        return StoreUnavailable(_EMPTIED)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """
    Turn a reply that is not what was written there into a sentence.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        raise StoreUnavailable("what stands in Redis was not written by this version") from None


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError("this is no text")
    return value.decode()
