"""What is being told of the ends of this process's own calls: whoever is judged next here waits until it was."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterator


class Ending:
    """
    The ends that are being told, by call, each with the names that it may free; told is also what could not be told.
    """

    __slots__ = ("_by_call",)

    def __init__(self) -> None:
        self._by_call: dict[str, tuple[frozenset[str], asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._by_call)

    @contextlib.contextmanager
    def telling(self, call: str, names: Collection[str]) -> Iterator[None]:
        """
        Have others wait while the end of a call is told.
        """
        over = asyncio.get_running_loop().create_future()
        mine = self._by_call[call] = (frozenset(names), over)
        try:
            yield
        finally:
            if self._by_call.get(call) is mine:
                del self._by_call[call]
            over.set_result(None)

    async def told(self, names: Collection[str] | None = None) -> bool:
        """
        Wait for every end that is being told now, or for those that may free any of these names; tell whether any was.
        """
        waited = [over for held, over in self._by_call.values() if names is None or not held.isdisjoint(names)]
        if waited:
            await asyncio.wait(waited)
        return bool(waited)
