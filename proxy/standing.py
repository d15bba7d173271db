"""
Whether the store can be relied on: asked at the start, and for ever after; no write is begun while it cannot.

A store that several share is asked every second. One that lost what it knew is told the record again: from the moment
at which that was noticed nothing is held in it, then the replay begins, and only what is read of the record after that
is told; so nothing that was sent before is missed. It stays out of use until it knows all that everyone knows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

from breakers.store.events import Event
from breakers.store.members import Presence, Roll
from breakers.store.protocol import Store, StoreUnavailable
from proxy.fleetnews import FleetNews
from proxy.logline import Log

EVERY_S = 60.0
"""Between two looks at a store of one's own, which has nothing to lose."""

PAUSE_S = 1.0
"""Between two looks at one that others share: what it lost is noticed before much is judged by it."""

PUT_OFF_MAX = 32
"""Of looks that a replay waits for after others failed: to tell a store everything is work for both."""

NOT_BEGUN = "it has not begun"


class Standing:
    """
    What is wrong with the store at the moment, in words, or None.

    `roll` is whom this replica has on record, where the store is shared; `news` tells people what was lost.
    """

    def __init__(
        self,
        store: Store,
        events: Callable[[], Iterable[Event]],
        log: Log,
        names_by: str = "",
        replica: str = "",
        roll: Roll | None = None,
        news: FleetNews | None = None,
    ) -> None:
        self._store, self._events, self._log = store, events, log
        self._names_by, self._replica, self._roll, self._news = names_by, replica, roll, news
        self._begun = False
        # How many replays failed in a row, and how many looks the next one waits for.
        self._failed = self._put_off = 0
        self._hurried = asyncio.Event()
        self.fault: str | None = NOT_BEGUN

    def __repr__(self) -> str:
        return f"Standing({self.fault or 'well'})"

    async def begin(self, events: Iterable[Event]) -> None:
        """
        Tell the store what the record says, and see whether it can be relied on. Nothing is under way yet.
        """
        await self._say(await self._told(lambda: _at_once(events)))

    async def look(self) -> None:
        """
        Ask the store once; one that does not know what the record says is told.
        """
        why = await self._asked()
        # A record is told for as long as that takes: until then this is how it stands.
        await (self._see(why) if why is None else self._say(why))
        if self._store.untold or (not self._begun and why is None):
            if self._put_off:
                self._put_off -= 1
            else:
                why = await self._told(lambda: asyncio.to_thread(self._events))
        await self._say(why)

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
            if self._store.kind == "memory":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurried.wait(), EVERY_S)
            await asyncio.sleep(PAUSE_S)
            self._hurried.clear()
            try:
                await self.look()
            except Exception as error:  # whatever it is: a store that nobody can ask about is not relied on
                self._log.failure("", error)
                await self._say("it could not be asked")

    async def beat(self, presence: Presence, *, stops: bool = False) -> None:
        """
        Say once that this replica is here, or about to stop, and take note of who else is.
        """
        with contextlib.suppress(StoreUnavailable):
            await self._store.beat(presence, stops=stops)
        self.hurry()

    async def _asked(self) -> str | None:
        try:
            return await self._store.fault()
        except StoreUnavailable as error:
            return str(error)

    async def _told(self, read: Callable[[], Awaitable[Iterable[Event]]]) -> str | None:
        """
        Tell the store the record, and return what is wrong with it then.
        """
        try:
            # One that cannot be reached is not told: the record is long, and nobody would listen.
            await self._store.begin(names_by=self._names_by, roll=self._roll)
            await self._see("")
            self._failed = min(PUT_OFF_MAX, 2 * self._failed or 1)
            self._put_off = self._failed - 1
            await self._store.start(await read(), names_by=self._names_by, replica=self._replica)
        except StoreUnavailable as error:
            if not self._store.untold:
                # It knows all of it, and others have to tell theirs.
                self._begun, self._failed, self._put_off = True, 0, 0
            return str(error)
        self._begun, self._failed, self._put_off = True, 0, 0
        return await self._asked()

    async def _see(self, fault: str | None) -> None:
        if self._news is not None:
            await self._news.see(self._store.lost, fault)

    async def _say(self, why: str | None) -> None:
        if why != self.fault and (why is not None or self.fault != NOT_BEGUN):
            self._log.event("store", fault=why)
        self.fault = why
        await self._see(why)


async def _at_once(events: Iterable[Event]) -> Iterable[Event]:
    return events
