"""
The connections of one purpose: a bounded number, each lent to one asker at a time, and dialled gently.

Nobody who asks dials: connections are made by tasks of their own, few at once, so that an asker that gives up leaves no
half-made one behind and a server that comes back is not overrun by those who waited. After a failure the next attempt
waits, longer each time and by chance, because every process of a fleet lost its server at the same moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from breakers.store.connection import Connection
from breakers.store.protocol import StoreUnavailable

DIALLING_MAX = 2
"""How many connections of a purpose are being made at once: a server that comes back is busy enough."""

WAITING_MAX = 1024
"""Who would stand behind so many is told at once: its turn would not come within its time."""

PAUSE_S, PAUSE_MAX_S = 0.05, 1.0
"""After the first failure, and at most: as long as an operator would call at once."""

TOO_MANY = "Redis is slower than it is asked: too many wait for a connection to it"


class Pool:
    """
    At most so many connections, of which `dial` makes one.
    """

    def __init__(self, dial: Callable[[], Awaitable[Connection]], most: int, chance: Callable[[], float]) -> None:
        self._dial, self._most, self._chance = dial, most, chance
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._failed, self._failures, self._again_at = "", 0, 0.0

    def __repr__(self) -> str:
        counts = f"idle={len(self._idle)} lent={len(self._lent)} dialling={len(self._dialling)}"
        return f"<Pool {counts} waiting={len(self._waiting)} failures={self._failures}>"

    @contextlib.asynccontextmanager
    async def lent(self, until: float) -> AsyncIterator[Connection]:
        """
        Lend a connection. Raise `StoreUnavailable` where there will be none by that second of the loop's clock.
        """
        connection = await self._ready() or await self._next(until)
        try:
            yield connection
        finally:
            self._take_back(connection)

    def drop_all(self) -> None:
        """
        Use no connection of before again: those that are lent are dropped when they come back.
        """
        for connection in self._idle:
            connection.drop()
        self._idle.clear()
        self._lent.clear()

    async def close(self) -> None:
        """
        Drop every connection, and stop making new ones.
        """
        for connection in self._lent:
            connection.drop()
        self.drop_all()
        dialling = list(self._dialling)
        for task in dialling:
            task.cancel()
        await asyncio.gather(*dialling, return_exceptions=True)
        self._fail("Redis is not asked any more")
        # What was dropped is closed in the loop's next turn.
        await asyncio.sleep(0)

    async def _ready(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if await connection.is_fit():
                self._lent.add(connection)
                return connection
        return None

    async def _next(self, until: float) -> Connection:
        if len(self._waiting) >= WAITING_MAX:
            raise StoreUnavailable(TOO_MANY)
        if self._failed and self._again_at >= until and not self._lent:
            raise StoreUnavailable(self._failed)
        turn: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._dial_more()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # It came in the moment in which its asker gave up.
                self._take_back(turn.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)

    def _dial_more(self) -> None:
        room = min(DIALLING_MAX, self._most - len(self._lent)) - len(self._dialling)
        for _ in range(min(room, len(self._waiting) - len(self._dialling))):
            task = asyncio.create_task(self._dial_one())
            self._dialling.add(task)

    async def _dial_one(self) -> None:
        connection, why = None, ""
        try:
            await asyncio.sleep(max(0.0, self._again_at - asyncio.get_running_loop().time()))
            connection = await self._dial()
        except StoreUnavailable as error:
            why = str(error)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._dialling.discard(task)
        if connection is None:
            self._missed(why)
        else:
            self._offer(connection)
        self._dial_more()

    def _missed(self, why: str) -> None:
        """
        Note that the server could not be used; tell those who wait, unless a connection may yet be theirs.
        """
        pause = min(PAUSE_MAX_S, PAUSE_S * 2**self._failures)
        self._failed, self._failures = why, min(self._failures + 1, 10)
        self._again_at = asyncio.get_running_loop().time() + pause * (1 + self._chance()) / 2
        if not self._lent and not self._dialling:
            self._fail(why)

    def _fail(self, why: str) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(StoreUnavailable(why))

    def _take_back(self, connection: Connection) -> None:
        if connection not in self._lent:
            connection.drop()
            return
        self._lent.discard(connection)
        if connection.open:
            self._failed, self._failures = "", 0
            self._offer(connection)
        elif connection.failed and not connection.answered:
            # It was made, and carried nothing: to make the next at once would be the storm that dialling avoids.
            self._missed(self._failed or "Redis cannot be reached: it hangs up on whoever asks")
        self._dial_more()

    def _offer(self, connection: Connection) -> None:
        """
        Lend it to who waits longest, or keep it.
        """
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._lent.add(connection)
                turn.set_result(connection)
                return
        self._idle.append(connection)
