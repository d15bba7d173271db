"""
When calls begin and when it is enough: callers at a rate, for a time or until they are told to end.

An open loop's clockwork is in `arrivals.py`; here it drives callers. None waits for another: a call begins when it is
meant to, whether those before it were answered or not, and is told when that was, so that what it waits behind others
is its latency.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from loadtest.arrivals import Schedule
from loadtest.calls import Agent

# How often something is looked at that is waited for.
LOOK_S = 0.05

# More than any scenario begins: what ends it is that it is over.
_ALL = 10**9


async def until(holds: Callable[[], bool], within_s: float) -> bool:
    """
    Look until something holds, off the loop; tell whether it did in time.
    """
    ends = time.monotonic() + within_s
    while not await asyncio.to_thread(holds):
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(LOOK_S)
    return True


async def at_rate(
    per_second: float, over: Callable[[], bool], begin: Callable[[float], Coroutine[Any, Any, object]]
) -> None:
    """
    Begin calls at a fixed rate until it is over, whether those before were answered or not, and wait for all; each is
    told when it was meant to begin.
    """
    schedule = Schedule(time.monotonic(), per_second, _ALL)
    async with asyncio.TaskGroup() as calls:
        for number in itertools.count():
            if (wait := schedule.intended(number) - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if over():
                return
            calls.create_task(begin(schedule.intended(number)))


def after(seconds: float) -> Callable[[], bool]:
    """
    Return what tells whether so many seconds have passed since now.
    """
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() >= ends


class Patience:
    """
    Tells callers whether it is enough: never, until it is said how much longer.
    """

    def __init__(self) -> None:
        self._ends = float("inf")

    def __repr__(self) -> str:
        return f"Patience(until {self._ends:.1f})"

    def __call__(self) -> bool:
        return time.monotonic() >= self._ends

    def lasts(self, seconds: float) -> None:
        """
        Have it end so many seconds from now.
        """
        self._ends = time.monotonic() + seconds


@contextlib.asynccontextmanager
async def writing(agent: Agent, per_second: float, settled_s: float) -> AsyncIterator[None]:
    """
    Write at a rate meanwhile, each caller asking until it is told; behind it nobody begins anew, and all are waited for
    this long.
    """
    over, enough = asyncio.Event(), Patience()

    async def write(since: float) -> None:
        await agent.insist(agent.order(), enough, since)

    async with asyncio.TaskGroup() as callers:
        callers.create_task(at_rate(per_second, over.is_set, write))
        yield
        over.set()
        enough.lasts(settled_s)


@contextlib.asynccontextmanager
async def calling(per_second: float, begin: Callable[[float], Coroutine[Any, Any, object]]) -> AsyncIterator[None]:
    """
    Call at a rate meanwhile, and wait for every call behind it.
    """
    over = asyncio.Event()
    async with asyncio.TaskGroup() as callers:
        callers.create_task(at_rate(per_second, over.is_set, begin))
        yield
        over.set()
