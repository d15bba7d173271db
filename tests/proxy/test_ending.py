"""What goes on for as long as the process does ends with it, though a library takes what says so for its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from breakers.store.redis import RedisLink
from proxy.server import Program


async def test_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that goes on although it was told to end is told again, and ends with the others."""
    monkeypatch.setattr("proxy.server.CANCELLED_AGAIN_S", 0.001)
    told = 0

    async def deaf() -> None:
        nonlocal told
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            told += 1
        await asyncio.Event().wait()

    async def fails() -> None:
        raise OSError("whatever it is")

    tasks = [asyncio.create_task(work) for work in (deaf(), fails())]
    await asyncio.sleep(0)
    await Program.end(*tasks)
    await Program.end()
    assert (told, tasks[0].cancelled(), tasks[1].done()) == (2, True, True)


class Deaf:
    """A client that takes it for its own when whoever asks is told to end."""

    async def execute_command(self, *_: object) -> bytes:
        """
        Answer all the same.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return b"answered"


@pytest.mark.parametrize("how", ["told to end", "too late"])
async def test_not_lost_in_the_link(how: str) -> None:
    """Whoever asks Redis and is told to end, or has no time left, is told so although the client answers."""
    link = RedisLink(cast("Redis", cast("Any", Deaf())))

    async def ask() -> None:
        if how == "too late":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await link.ask("HGETALL", "stops")
        else:
            await link.ask("HGETALL", "stops")

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    if how == "told to end":
        asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled() is (how == "told to end")
    if how == "too late":
        assert asking.exception() is None
