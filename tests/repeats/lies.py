"""
Stores and gates that do not keep a promise, to see that the machine finds each one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from breakers import duplicates, idempotency
from breakers.known import Ended, State
from breakers.store.events import Event, IntentEnded, IntentOpened
from breakers.store.memory import MemoryStore
from breakers.store.names import NameTable
from breakers.store.protocol import HeldWrite, Permit, Reservation

Patch = tuple[object, str, Callable[..., Any]]

_START, _SETTLE, _RESOLVE, _DELIVERED = (
    MemoryStore.start,
    MemoryStore.settle,
    MemoryStore.resolve,
    MemoryStore.delivered,
)


async def _always(self: MemoryStore, held: HeldWrite, opened: IntentOpened) -> Permit:
    return Permit.GRANTED


async def _forgetful(self: MemoryStore, events: Iterable[Event]) -> None:
    every = list(events)
    over = {event.intent for event in every if isinstance(event, IntentEnded)}
    await _START(self, (event for event in every if not isinstance(event, IntentOpened) or event.intent in over))


async def _hopeful(self: MemoryStore, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
    if ended is not None and ended.state is State.UNKNOWN:
        ended = replace(ended, state=State.COMPLETED, applied=False)
    await _SETTLE(self, held, ended, answer)


async def _stubborn(self: MemoryStore, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> bool:
    return await _RESOLVE(self, opened, replace(ended, state=State.PARKED, applied=None), answer)


async def _deaf(self: MemoryStore, intent: str, *, reached: bool) -> None:
    await _DELIVERED(self, intent, reached=True)


def _no(*arguments: object) -> Any:
    return None


def _yes(*arguments: object) -> bool:
    return True


LIES: Mapping[str, Patch] = {
    "lost claims are sent": (MemoryStore, "dispatch", _always),
    "a start forgets what has no end": (MemoryStore, "start", _forgetful),
    "what is not known is free again": (MemoryStore, "settle", _hopeful),
    "what is found is not believed": (MemoryStore, "resolve", _stubborn),
    "two on one state": (NameTable, "are_current", _yes),
    "nobody hangs up": (MemoryStore, "delivered", _deaf),
    "a key fits everything": (idempotency, "_under_key", _no),
    "effects have no names": (duplicates, "_same_effect", _no),
    "a re-send is a new call": (idempotency, "_is_resent", _no),
    "a claim never lapses": (idempotency, "_has_lapsed", _no),
    "whatever was refused stays refused": (idempotency, "_is_definite", _yes),
}
"""Each with what it replaces."""
