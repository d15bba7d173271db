"""
Whether the store can be relied on: asked at the start, every minute, and more often while it is away; no write is begun
while it cannot be relied on.

A store that lost what it knew is told the record again. It stays out of use until it knows all of it: a write that it
does not know of would be made twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from breakers.store.events import Event
from breakers.store.protocol import Store, StoreUnavailable
from proxy.logline import Log

EVERY_S = 60.0
"""A store that begins to evict loses what it knows in minutes, not in seconds."""

AWAY_S = 5.0
"""While something is wrong: writes are refused until somebody has asked again."""

PAUSE_S = 1.0
"""Between two attempts at least: whatever is wrong, to tell a store everything is work for both."""

NOT_BEGUN = "it has not begun"


class Standing:
    """
    What is wrong with the store at the moment, in words, or None.
    """

    def __init__(
        self, store: Store, events: Callable[[], Iterable[Event]], log: Log, names_by: str = "", replica: str = ""
    ) -> None:
        self._store, self._events, self._log = store, events, log
        self._names_by, self._replica = names_by, replica
        self._begun = False
        self._hurried = asyncio.Event()
        self.fault: str | None = NOT_BEGUN

    def __repr__(self) -> str:
        return f"Standing({self.fault or 'well'})"

    async def begin(self, events: Iterable[Event]) -> None:
        """
        Tell the store what the record says, and see whether it can be relied on.
        """
        self._say(await self._asked(events))

    async def look(self) -> None:
        """
        Ask the store once; one that does not know what the record says is told.
        """
        why = await self._asked(None)
        # One that cannot be reached is not told: the record is long, and nobody would listen.
        if self._store.emptied or (not self._begun and why is None):
            why = await self._asked(await asyncio.to_thread(self._events))
        self._say(why)

    def hurry(self) -> None:
        """
        Ask soon, where a verb found that the store does not know what it should.
        """
        if self._store.emptied:
            self._hurried.set()

    async def watch(self) -> None:
        """
        Ask for ever.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), self.pause_s)
            await asyncio.sleep(PAUSE_S)
            self._hurried.clear()
            try:
                await self.look()
            except Exception as error:  # whatever it is: a store that nobody can ask about is not relied on
                self._log.failure("", error)
                self._say("it could not be asked")

    @property
    def pause_s(self) -> float:
        """
        Return after how long it is asked again.
        """
        # To tell a store everything is no work for every few seconds.
        return AWAY_S if self.fault is not None and not self._store.emptied else EVERY_S

    async def _asked(self, events: Iterable[Event] | None) -> str | None:
        try:
            if events is not None:
                await self._store.start(events, names_by=self._names_by, replica=self._replica)
                self._begun = True
            return await self._store.fault()
        except StoreUnavailable as error:
            return str(error)

    def _say(self, why: str | None) -> None:
        if why != self.fault and (why is not None or self.fault != NOT_BEGUN):
            self._log.event("store", fault=why)
        self.fault = why
