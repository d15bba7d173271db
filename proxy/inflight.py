"""
Writes under way, owned by the process: neither a caller that hangs up nor a stop can cut one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def over(task: asyncio.Task[Any], within_s: float) -> None:
    """
    Wait until a task is over, or this many seconds; it goes on, whatever becomes of whoever waits.
    """
    # As `asyncio.wait` does, at half of its cost: every write waits so.
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    late = loop.call_later(within_s, _wake, waiter)
    task.add_done_callback(wake := partial(_wake, waiter))
    try:
        await waiter
    finally:
        late.cancel()
        task.remove_done_callback(wake)


def _wake(waiter: asyncio.Future[None], _: object = None) -> None:
    if not waiter.done():
        waiter.set_result(None)


class InFlight:
    """
    The set of tasks that a stop waits for.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"InFlight({len(self._tasks)})"

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """
        Run the work as a task that nobody's request owns.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen here, so that a caller who left does not make it a warning

    async def drain(self, timeout_s: float) -> int:
        """
        Wait for all of it; after `timeout_s` cancel the rest, which ends its exchange as unknown. Return how many.
        """
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(set(self._tasks), timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=GRACE_AFTER_CANCEL_S)
        return len(late)


GRACE_AFTER_CANCEL_S = 5.0
"""Enough to make the outcome `unknown` durable on a slow disk; recovery finds whatever is not."""
