"""
The store is told how reservations ended, behind the road where it is shared; what it cannot be told is told again.

By then the record has it, so nobody waits and nothing is lost: a process that ends before replays it from the record.
Of one call it is told one thing after another, as it happened, and the first at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

from breakers.known import Ended, State
from breakers.spend import released
from breakers.store.events import IntentOpened
from breakers.store.protocol import HeldRead, HeldWrite, Reservation, Store, StoreUnavailable
from proxy.clock import Clock
from proxy.inflight import InFlight
from proxy.logline import Log

AGAIN_AFTER_S = (0.2, 1.0, 5.0, 15.0, *[60.0] * 7 * 24 * 60)
"""A week of trying: one that was only cut off has lost nothing, so that nothing tells it anew; then the next start."""

Tell = Callable[[], Awaitable[object]]


class Settling:
    """
    What the store has to be told of how a call ended.
    """

    def __init__(self, store: Store, clock: Clock, log: Log, again_after_s: Sequence[float] = AGAIN_AFTER_S) -> None:
        self._store, self._clock, self._log = store, clock, log
        self._again_after_s = again_after_s
        self._behind = InFlight()
        # What is told last of each call that is behind: one thing after another, as it happened.
        self._last: dict[str, asyncio.Task[None]] = {}
        # The writes whose end is known, and may not be there yet.
        self._completed: set[str] = set()

    def __repr__(self) -> str:
        return f"Settling({len(self._behind)} behind)"

    def __len__(self) -> int:
        return len(self._behind)

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        Tell how a reservation ended; it never fails, and waits for nobody else's memory.
        """
        call = held.go.call.id
        if isinstance(held, HeldRead) and not held.go.charges:
            # It held nothing that anybody could be told of.
            return
        if ended is not None and ended.state is State.COMPLETED:
            self._completed.add(call)
        await self._told(call, lambda: self._store.settle(held, ended, answer))
        if call not in self._last:
            self._completed.discard(call)

    async def is_completed(self, intent: str) -> bool:
        """
        Tell whether a write has ended, as far as that can be known.
        """
        if intent in self._completed:
            return True
        with contextlib.suppress(StoreUnavailable):
            known = await self._store.earlier(intent)
            return known is not None and known.state is State.COMPLETED
        return False

    async def let_go(self, held: HeldWrite) -> None:
        """
        Give a write's claim back, and what it was charged: nothing of it was sent.
        """
        spent = released(held.go.charges)
        ended = Ended(State.COMPLETED, self._clock.now(), applied=False, delivered=False, spent=spent)
        await self.settle(held, ended)

    async def doubt(self, held: HeldWrite) -> None:
        """
        Say of a write that nobody knows how it ended: what it was charged stays held.
        """
        await self.settle(held, Ended(State.UNKNOWN, self._clock.now(), delivered=False))

    async def resolve(self, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> None:
        """
        Tell how a write in doubt stands by what was found out since; it never fails.
        """
        await self._told(opened.intent, lambda: self._store.resolve(opened, ended, answer), waits=True)

    async def missed(self, intent: str) -> None:
        """
        Note that the answer of an intent did not reach its caller.
        """
        await self._told(intent, lambda: self._store.delivered(intent, reached=False))

    def noted(self, intent: str, *, reached: bool) -> None:
        """
        Note whether the answer of an intent reached its caller, without anyone's waiting for that.
        """
        self._behind.start(self._told(intent, lambda: self._store.delivered(intent, reached=reached)))

    def see_to(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """
        Carry out what must be on record or told, whoever leaves meanwhile; a stop waits for it.
        """
        return self._behind.start(work)

    async def _told(self, intent: str, tell: Tell, *, waits: bool = False) -> None:
        before = self._last.get(intent)
        if before is None and (waits or self._store.kind == "memory"):
            try:
                await tell()
            except StoreUnavailable:
                pass  # it is told again, behind the road
            else:
                return
            pauses: Iterator[float] = iter(self._again_after_s)
        elif self._store.kind != "memory":
            pauses = chain((0.0,), self._again_after_s)
        else:
            pauses = iter(self._again_after_s)
        task = self._last[intent] = self._behind.start(self._again(intent, tell, before, pauses))
        task.add_done_callback(partial(self._is_told, intent))

    def _is_told(self, intent: str, task: asyncio.Task[None]) -> None:
        if self._last.get(intent) is task:
            del self._last[intent]
            self._completed.discard(intent)

    async def _again(self, intent: str, tell: Tell, before: asyncio.Task[None] | None, pauses: Iterator[float]) -> None:
        if before is not None:
            await asyncio.wait({before})
        for after_s in pauses:
            if after_s:
                await asyncio.sleep(after_s)
            try:
                await tell()
            except StoreUnavailable:
                continue
            except Exception as error:  # whatever it is: nobody waits to hear of it, and the end is not told yet
                self._log.failure(intent, error)
                continue
            return
        self._log.event("unsettled", call=intent)

    async def drain(self, timeout_s: float) -> int:
        """
        Wait this long for what is behind, and leave the rest to the next start.
        """
        return await self._behind.drain(timeout_s)
