"""Waiting for what another process does: until it holds, or as long as it must go on holding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from loadtest.installation import STOP_S

_STEP_S = 0.005

# As long as a program that does not wait could need to go on.
_STILL_S = 0.3


async def until(holds: Callable[[], bool | Awaitable[bool]], within_s: float = STOP_S) -> None:
    """
    Wait until something of another process holds; fail if it does not.
    """
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(_STEP_S)
    raise AssertionError(f"{holds} did not come true within {within_s} s")


async def still(holds: Callable[[], Awaitable[bool]]) -> None:
    """
    Fail if something of another process stops holding within a moment.
    """
    end = time.monotonic() + _STILL_S
    while time.monotonic() < end:
        assert await holds()
        await asyncio.sleep(_STEP_S)
