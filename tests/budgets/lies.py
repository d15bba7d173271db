"""
Stores that do not keep a promise about charges, to see that the machine finds each one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from breakers.known import Ended, State
from breakers.spend import Charge
from breakers.store.budgets import Budgets
from breakers.store.events import Event, IntentOpened, ReadHeld
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Exhausted, HeldWrite, Permit

Patch = tuple[object, str, Callable[..., Any]]

_TAKE, _HOLD, _END, _SETTLE, _START = Budgets.take, Budgets.hold, Budgets.end, Budgets._settle, MemoryStore.start


def _first_only(
    self: Budgets, call: str, made_at: datetime, charges: tuple[Charge, ...], now: datetime
) -> Exhausted | None:
    if call not in self.calls and charges and (full := _TAKE(self, call, made_at, charges[:1], now)) is not None:
        return full
    self.give_up(call)
    self.hold(call, made_at, charges, replayed=False)
    return None


def _counts_again(
    self: Budgets, call: str, made_at: datetime, charges: tuple[Charge, ...], *, replayed: bool = True
) -> None:
    self.calls.pop(call, None)
    _HOLD(self, call, made_at, charges, replayed=False)


def _hopeful(self: Budgets, call: str, ended: Ended | None, now: datetime, *, sent: bool = True) -> None:
    unknown = ended is not None and ended.state is not State.COMPLETED
    _END(self, call, None if unknown else ended, now, sent=sent)


def _no_more_than_held(self: Budgets, call: str, held: Any, spent: tuple[int, ...], now: datetime) -> None:
    _SETTLE(self, call, held, tuple(min(one.amount, took) for one, took in zip(held.charges, spent, strict=True)), now)


def _forgets_end(self: Budgets, call: str, held: Any, spent: tuple[int, ...], now: datetime) -> None:
    _SETTLE(self, call, held, spent, now)
    del self.calls[call]


async def _always(self: MemoryStore, held: HeldWrite, opened: IntentOpened) -> Permit:
    return Permit.GRANTED


async def _without_reads(self: MemoryStore, events: Iterable[Event], **more: str) -> None:
    await _START(self, (event for event in events if not isinstance(event, ReadHeld)), **more)


def _nothing(*arguments: object, **more: object) -> Any:
    return None


LIES: Mapping[str, Patch] = {
    "one node is enough": (Budgets, "take", _first_only),
    "what is replayed counts again": (Budgets, "hold", _counts_again),
    "what is not known is given back": (Budgets, "end", _hopeful),
    "no more than was held": (Budgets, "_settle", _no_more_than_held),
    "an end is forgotten": (Budgets, "_settle", _forgets_end),
    "a claim is held for ever": (Budgets, "give_up", _nothing),
    "what was given up is sent": (MemoryStore, "dispatch", _always),
    "reads that a crash cut off are free": (MemoryStore, "start", _without_reads),
    "writes that a crash cut off are free": (Budgets, "hold", _nothing),
}
"""Each with what it replaces."""
