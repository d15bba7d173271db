"""
Programs that promise what they do not keep, to see that the checks of a kill find each one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from breakers import decide
from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.store.events import Event, IntentOpened, KillChanged, ReadHeld
from breakers.store.memory import MemoryStore
from proxy.forward import Forwarder
from proxy.ledger.book import Ledger
from proxy.ledger.disk import Handle, RealDisk
from proxy.ledger.doubts import Doubts
from proxy.ledger.entries import Entry

LATE_S = 0.1
BEHIND = 5

Verb = Callable[..., Awaitable[Any]]


def _later(verb: str, instead: object = None) -> None:
    """Answer first, and record it a moment later."""
    original: Verb = getattr(Ledger, verb)
    tasks: list[asyncio.Task[Any]] = []

    async def late(self: Ledger, *arguments: object) -> object:
        async def record() -> None:
            await asyncio.sleep(LATE_S)
            await original(self, *arguments)

        tasks.append(asyncio.get_running_loop().create_task(record()))
        return instead

    setattr(Ledger, verb, late)


def _twice(room: type, verb: str) -> None:
    original: Verb = getattr(room, verb)

    async def repeated(self: object, *arguments: object) -> Any:
        await original(self, *arguments)
        return await original(self, *arguments)

    setattr(room, verb, repeated)


def _forgetful() -> None:
    """Begin with nothing that the record says of writes."""
    original: Verb = MemoryStore.start

    async def start(self: MemoryStore, events: Iterable[Event], **more: str) -> None:
        await original(self, (event for event in events if isinstance(event, KillChanged)), **more)

    setattr(MemoryStore, "start", start)  # noqa: B010 a method is replaced


def _generous() -> None:
    """Begin with nothing that the record says of what was spent."""
    original: Verb = MemoryStore.start

    async def start(self: MemoryStore, events: Iterable[Event], **more: str) -> None:
        free = (replace(one, charges=()) if isinstance(one, IntentOpened) else one for one in events)
        await original(self, (one for one in free if not isinstance(one, ReadHeld)), **more)

    setattr(MemoryStore, "start", start)  # noqa: B010 a method is replaced


def _unnamed() -> None:
    """Say that a write is in doubt as often as somebody looks for it."""
    original: Verb = Doubts.opened

    async def opened(self: Doubts, of: IntentOpened) -> None:
        self._named.discard(of.intent)
        await original(self, of)

    setattr(Doubts, "opened", opened)  # noqa: B010 a method is replaced


def _deaf() -> None:
    """Take every repeat for a new call."""

    def passing(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed:
        return passed

    decide.GATES = (passing, *(gate for gate in decide.GATES if gate.__name__ not in {"repeats", "duplicates"}))


def _write_behind() -> None:
    """Call batches durable that still stand in memory, from the first write on."""
    held: defaultdict[Handle, deque[Sequence[bytes]]] = defaultdict(deque)
    original, intend = RealDisk.append, Ledger.intend
    armed = False

    async def arming(self: Ledger, *arguments: Any) -> Any:
        nonlocal armed
        armed = True
        return await intend(self, *arguments)

    def append(self: RealDisk, handle: Handle, pieces: Sequence[bytes]) -> None:
        if armed:
            held[handle].append(tuple(pieces))
            pieces = held[handle].popleft() if len(held[handle]) > BEHIND else ()
        original(self, handle, pieces)

    for room, verb, lying in ((Ledger, "intend", arming), (RealDisk, "append", append)):
        setattr(room, verb, lying)


ENTRY = Entry("", 0, b"")

DONE_TWICE = r"was done \d times|a write was done twice|a write has two intents"

LIES: Mapping[str, tuple[Callable[[], None], str, int]] = {
    "outcome recorded late": (lambda: _later("conclude", ENTRY), "before its outcome was|before the end was", 1),
    "refusal recorded late": (lambda: _later("decline"), "has 0 decisions on record", 1),
    "sent twice": (lambda: _twice(Forwarder, "write"), "was sent more often than is on record", 1),
    "sent twice where nobody knows keys": (lambda: _twice(Forwarder, "write"), DONE_TWICE, 2),
    "doubt named twice": (_unnamed, "is not named exactly once", 1),
    # What was called durable is missing, or, where the kill came between a batch and what stands behind it, misplaced.
    "batch not durable": (_write_behind, "on record|'tampered'", 1),
    "start forgets": (_forgetful, f"{DONE_TWICE}|shows other doubts", 2),
    "repeats unknown": (_deaf, DONE_TWICE, 2),
    "what was spent forgotten": (_generous, "the store says .*, the record", 2),
}
"""Each with what the check says that finds it, and in which kind of folder."""
