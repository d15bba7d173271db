"""
Agents at a fleet: each asks whichever replica is next, goes to another one where a connection breaks, and now and then
hangs up before the answer.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from typing import cast

import aiohttp

from tests.chaos.fleet import Fleet
from tests.crash.load import AGAIN, ATTEMPTS, Load, Said, Seen
from tests.crash.mixes import Asked, Mix
from tests.crash.site import Site

WRITERS = 6

# Between two calls of a writer, and before it asks again: what is wanted is faults met, not a processor kept busy.
PAUSE_S, AGAIN_S = 0.12, 0.08

# How often somebody hangs up, and after how long.
HANGS_UP, PATIENCE_S = 0.06, 0.03


class Crowd(Load):
    """
    Writers against a whole fleet.
    """

    def __init__(self, fleet: Fleet, said: Said, seed: int, *, writers: int = WRITERS) -> None:
        first = fleet.sites[0]
        super().__init__(cast(Site, first), cast(Mix, fleet.mix), said, seed, writers=writers, pause_s=PAUSE_S)
        self._fleet, self._draw = fleet, random.Random(f"{seed}/crowd")
        self._agents = fleet.names
        self._refused = dict.fromkeys(self._agents, 0)
        self._turns = itertools.count()
        self.counted = Counter[str]()

    def _at(self, asked: Asked) -> tuple[str, str]:
        up = sorted(self._fleet.up)
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
        except (aiohttp.ClientError, OSError):
            self.counted["broken"] += 1
        return None

    def stop(self) -> None:
        """
        Let every writer end with what it is at.
        """
        self._stopped = True
