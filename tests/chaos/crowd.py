"""
Agents at a fleet: each asks whichever replica is next, goes to another one where a connection breaks, and now and then
hangs up before the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp

from tests.chaos.fleet import Fleet
from tests.crash.load import AGAIN, ATTEMPTS, Load, Said, Seen
from tests.crash.mixes import Asked

WRITERS = 4

# Between two calls of a writer, and before it asks again: what is wanted is faults met, not a processor kept busy.
PAUSE_S, AGAIN_S = 0.5, 0.6

# A crowd that nobody answers at all for so long will not be answered.
GIVES_UP_S = 60.0

# How often somebody hangs up, and after how long.
HANGS_UP, PATIENCE_S = 0.06, 0.03


class Crowd(Load):
    """
    Writers against a whole fleet.
    """

    def __init__(
        self, fleet: Fleet, said: Said, seed: int, *, writers: int = WRITERS, pause_s: float = PAUSE_S
    ) -> None:
        super().__init__(fleet.sites[0], fleet.mix, said, seed, writers=writers, pause_s=pause_s)
        self._fleet, self._draw = fleet, random.Random(f"{seed}/crowd")
        self._agents = fleet.names
        self._turns = itertools.count()
        self.counted = Counter[str]()
        self._work: asyncio.Task[None] | None = None

    def _at(self, asked: Asked) -> tuple[str, str]:
        up = sorted(self._fleet.up)
        if not up:
            raise ConnectionError("nobody is there")
        number = up[next(self._turns) % len(up)]
        return self._fleet.door(number, asked.path), self._fleet.key(number, asked.agent)

    async def _until_told(self, number: int, asked: Asked, session: aiohttp.ClientSession) -> None:
        for _ in range(ATTEMPTS):
            seen = await self._tried(asked, session)
            if not asked.writes or (seen is not None and seen.status not in AGAIN):
                return
            await asyncio.sleep(AGAIN_S)
        self._said.broken[number].append(asked)

    async def _tried(self, asked: Asked, session: aiohttp.ClientSession) -> Seen | None:
        patience = PATIENCE_S * self._draw.random() if self._draw.random() < HANGS_UP else None
        try:
            async with asyncio.timeout(patience):
                return await self._send(asked, session)
        except TimeoutError:
            self.counted["hung up"] += 1
            self._said.left[asked.name] += 1
        except (aiohttp.ClientError, OSError):
            self.counted["broken"] += 1
        return None

    async def more(self, answers: int) -> None:
        """
        Wait for so many answers more.
        """
        assert self._work is not None
        reached = self.answered(len(self._said.answers) - self._began + answers)
        enough = asyncio.ensure_future(reached.wait())
        await asyncio.wait({self._work, enough}, timeout=GIVES_UP_S, return_when=asyncio.FIRST_COMPLETED)
        enough.cancel()
        assert reached.is_set(), "nobody is answered any more"

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """
        Let every writer work meanwhile, and end with what it is at.
        """
        self._work = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self._stopped = True
            await self._work
