"""
Equal writes are judged one after the other: of fifty at once the first has its claim before the second is judged.

Nothing here keeps a write from being sent twice; the store does that. But without it each of them would look up what it
touches before the first has claimed anything. A turn ends with the judgement, so that nobody waits for a send, and
whoever has waited for as long as its caller does is judged all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from breakers.known import Names


@dataclass(slots=True)
class _Line:
    """
    The calls under one name: whose turn it is, and how many are in the line.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Judging:
    """
    The lines of calls that are judged, by the agent's key or, without one, by what the call says.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def __repr__(self) -> str:
        return f"Judging({sum(line.length for line in self._lines.values())} calls in {len(self._lines)} lines)"

    @contextlib.asynccontextmanager
    async def turn(self, names: Names | None, within_s: float) -> AsyncIterator[None]:
        """
        Give a call its turn, or go on without it after this many seconds; a read has no name and never waits.
        """
        if names is None:
            yield
            return
        name = names.key or names.fingerprint
        line = self._lines.setdefault(name, _Line())
        line.length += 1
        came = False
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    came = await line.lock.acquire()
            yield
        finally:
            if came:
                line.lock.release()
            line.length -= 1
            if not line.length:
                del self._lines[name]
