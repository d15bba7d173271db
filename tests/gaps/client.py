"""One write through the door, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtest.installation import STOP_S
from tests.crash.site import Site

_STEP_S = 0.005

# As long as a program that does not wait could need to go on.
_STILL_S = 0.3


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a client was told; `ours` holds Breakwater's own headers.
    """

    status: int
    ours: Mapping[str, str]
    body: Any


async def write(
    site: Site,
    headers: Mapping[str, str] | None = None,
    path: str = "/v1/customers",
    form: Mapping[str, str] | None = None,
) -> Answer | None:
    """
    Send one write, a new customer unless told otherwise; return None where the connection broke without an answer.
    """
    said = {"Authorization": f"Bearer {site.keys[0]}", **(headers or {})}
    url = site.doors["stripe"] + path
    try:
        async with (
            aiohttp.ClientSession(headers=said) as session,
            session.post(url, data=form or {"name": "a"}) as answer,
        ):
            ours = {n.lower().removeprefix("breakwater-"): v for n, v in answer.headers.items()}
            return Answer(answer.status, ours, await answer.json(content_type=None))
    except (aiohttp.ClientError, OSError):
        return None


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """
    Wait until something of another process holds; fail if it does not.
    """
    end = time.monotonic() + STOP_S
    while time.monotonic() < end:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(_STEP_S)
    raise AssertionError(f"{holds} did not come true within {STOP_S} s")


async def still(holds: Callable[[], Awaitable[bool]]) -> None:
    """
    Fail if something of another process stops holding within a moment.
    """
    end = time.monotonic() + _STILL_S
    while time.monotonic() < end:
        assert await holds()
        await asyncio.sleep(_STEP_S)
