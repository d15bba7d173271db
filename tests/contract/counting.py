"""A link to a Redis that counts what is asked of it, by whom it is waited for, and that hangs when it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.proxy.road import Road, soon


class Counting:
    """
    The commands that calls wait for, and those that are told behind them, each by its verb, in order.

    While it hangs nothing that is asked is answered. What a process asks by itself, by time, is to be ended before.
    """

    def __init__(self, on: Road) -> None:
        self._rooms, self._link = on.rooms, on.rooms.store._shared.link  # type: ignore[attr-defined] # of a fleet's store
        self.waited: list[str] = []
        self.behind: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        on.rooms.store._shared.link = self  # type: ignore[attr-defined] # as above

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def ask(self, command: str, *told: Any, **more: Any) -> Any:
        """
        Ask once, and count it.
        """
        await self._noted(command)
        return await self._link.ask(command, *told, **more)

    async def run(self, verb: str, *told: Any, **more: Any) -> Any:
        """
        Run one script once, and count it.
        """
        await self._noted(verb)
        return await self._link.run(verb, *told, **more)

    async def _noted(self, verb: str) -> None:
        behind = self._rooms.settling._behind._tasks
        (self.behind if asyncio.current_task() in behind else self.waited).append(verb)
        await self.answers.wait()

    async def counted(self) -> tuple[list[str], list[str]]:
        """
        Return what was asked since this was asked last, once nothing is told any more.
        """
        rooms = self._rooms
        await soon(lambda: not (len(rooms.settling) or len(rooms.inflight) or len(rooms.pending)))
        said = self.waited, self.behind
        self.waited, self.behind = [], []
        return said


async def counting(on: Road) -> Counting:
    """
    End all that a program asks by time, and count the rest.
    """
    await on.rooms.killswitch.poll()
    await on.rooms.store.breakers()
    await on.program.end(*on.program.tasks)
    on.program.tasks.clear()
    counting = Counting(on)
    await counting.counted()
    return counting
