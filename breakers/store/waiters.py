"""Who waits, in this process, for an intent to end."""

from __future__ import annotations

import asyncio


class Waiters:
    """
    Whoever waits, by intent. Nobody who gave up waiting is left in it.
    """

    __slots__ = ("_by_intent",)

    def __init__(self) -> None:
        self._by_intent: dict[str, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._by_intent.values())

    def wake(self, intent: str) -> None:
        """
        Wake everyone who waits for this intent.
        """
        for future in self._by_intent.pop(intent, ()):
            if not future.done():
                future.set_result(None)

    async def woken(self, intent: str, within_s: float) -> None:
        """
        Return once it is woken, or after `within_s` seconds.
        """
        future = asyncio.get_running_loop().create_future()
        self._by_intent.setdefault(intent, set()).add(future)
        try:
            await asyncio.wait((future,), timeout=within_s)
        finally:
            waiting = self._by_intent.get(intent)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._by_intent[intent]
