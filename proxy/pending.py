"""Work on objects that goes on after a write was answered, and a way to wait for it before looking at them again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable

from proxy.inflight import InFlight

Touched = tuple[str, str, str]
"""An object: API account, type, id."""


class Pending:
    """
    Tasks by the objects that they look at.
    """

    def __init__(self) -> None:
        self._running = InFlight()
        self._by_object: dict[Touched, set[asyncio.Task[None]]] = {}

    def __repr__(self) -> str:
        return f"Pending({len(self._running)} on {len(self._by_object)} objects)"

    def __len__(self) -> int:
        return len(self._running)

    def start(self, objects: Iterable[Touched], work: Coroutine[None, None, None]) -> None:
        """
        Run work that looks at these objects, in a task of the process.
        """
        held = frozenset(objects)
        task = self._running.start(work)
        for one in held:
            self._by_object.setdefault(one, set()).add(task)
        task.add_done_callback(lambda ended: self._forget(held, ended))

    def _forget(self, held: frozenset[Touched], task: asyncio.Task[None]) -> None:
        for one in held:
            tasks = self._by_object[one]
            tasks.discard(task)
            if not tasks:
                del self._by_object[one]

    async def settled(self, objects: Iterable[Touched], timeout_s: float) -> None:
        """
        Wait until nothing looks at these objects any more, or this many seconds.
        """
        running = {task for one in objects for task in self._by_object.get(one, ())}
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    async def drain(self, timeout_s: float) -> int:
        """
        Wait for all of it; cancel what is late, and return how many that were.
        """
        return await self._running.drain(timeout_s)
