"""What goes on for as long as the process does ends with it, though a library takes what says so for its own."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

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
