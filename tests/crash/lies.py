"""
Programs that promise what they do not keep, to see that the checks of a kill find each one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from proxy.forward import Forwarder
from proxy.ledger.book import Ledger
from proxy.ledger.disk import Handle, RealDisk

LATE_S = 0.1
BEHIND = 5

Verb = Callable[..., Awaitable[Any]]


def _later(verb: str) -> None:
    """Answer first, and record it a moment later."""
    original: Verb = getattr(Ledger, verb)
    tasks: list[asyncio.Task[Any]] = []

    async def late(self: Ledger, *arguments: object) -> None:
        async def record() -> None:
            await asyncio.sleep(LATE_S)
            await original(self, *arguments)

        tasks.append(asyncio.get_running_loop().create_task(record()))

    setattr(Ledger, verb, late)


def _twice(room: type, verb: str) -> None:
    original: Verb = getattr(room, verb)

    async def repeated(self: object, *arguments: object) -> Any:
        await original(self, *arguments)
        return await original(self, *arguments)

    setattr(room, verb, repeated)


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


LIES: Mapping[str, tuple[Callable[[], None], str]] = {
    "outcome recorded late": (lambda: _later("conclude"), "answered before its outcome was on record"),
    "refusal recorded late": (lambda: _later("decline"), "has 0 decisions on record"),
    "sent twice": (lambda: _twice(Forwarder, "write"), "the upstream saw a write twice"),
    "doubt named twice": (lambda: _twice(Ledger, "recovery_opened"), "is not named exactly once"),
    "batch not durable": (_write_behind, "on record"),
}
"""Each with what the check says that finds it."""
