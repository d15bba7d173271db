"""A read that is read whole and cut by a stop: its connection is given up and the record says that nothing came."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from breakers.call import Applied, Health, Outcome, Retry, Sent
from breakers.policy import Policy
from proxy.ledger.book import Delivered
from proxy.ownread import OwnRead
from proxy.wholeread import read_whole

BEGUN = Outcome(Applied.NOT_APPLIED, Health.OK, Retry.NEVER, Sent.YES, status=200)


class Stalled:
    """An answer of which a piece has come, and no more."""

    def __init__(self) -> None:
        self.outcome, self.closed, self.waiting = BEGUN, False, asyncio.Event()

    async def rest(self, _bytes_max: int) -> bytes:
        self.waiting.set()
        await asyncio.Event().wait()
        return b""

    async def close(self) -> None:
        self.closed = True


async def test_cut() -> None:
    """It is cancelled where it waits, and has its one record."""
    recorded: list[tuple[Outcome, Delivered]] = []

    async def read_done(_held: object, outcome: Outcome, seen: Delivered) -> None:
        recorded.append((outcome, seen))

    async def settle(*_: object) -> None:
        return

    rooms: Any = SimpleNamespace(
        settings=SimpleNamespace(limits=SimpleNamespace(rewrite_max_bytes=100)),
        ledger=SimpleNamespace(read_done=read_done),
        settling=SimpleNamespace(settle=settle),
    )
    held: Any = SimpleNamespace(go=SimpleNamespace(call=SimpleNamespace(id="call"), charges=()))
    account: Any = SimpleNamespace(dialect=None, title="")
    reading: Any = Stalled()
    watch: Any = SimpleNamespace(read=lambda *_: None)
    task = asyncio.create_task(
        read_whole(OwnRead(held, Policy("1", {}, {}), watch, rooms), reading, "", account, rooms)
    )
    await reading.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reading.closed
    assert recorded == [(BEGUN, Delivered(200, b"", 0, complete=False))]
