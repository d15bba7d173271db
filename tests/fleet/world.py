"""Two programs of one deployment in this process, with a real Redis between them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.ledger.layout import KEY_RING
from tests.proxy.road import Road, road, soon
from tests.redis_server import RedisServer

OPERATORS = {
    "ana": {"roles": ["approver", "resume"]},
    "bob": {"roles": ["approver"]},
    "root": {"roles": ["admin"]},
    "eve": {"roles": []},
}


@dataclass(repr=False)
class Two:
    """
    Two programs, each of which knows that the other is there.
    """

    one: Road
    other: Road

    async def each_knows(self) -> None:
        """
        Wait until each has heard of the other.
        """
        for road, its in ((self.one, self.other), (self.other, self.one)):
            await soon(lambda road=road, its=its: ident(its) in {member.id for member in road.rooms.store.members()})


def ident(on: Road) -> str:
    """
    Return the id of a program's record.
    """
    return on.rooms.ledger.replica


@asynccontextmanager
async def two(folder: Path, server: RedisServer, url: str, **settings: Any) -> AsyncIterator[Two]:
    """
    Give two programs of one deployment, whose logs have one name.
    """
    said = {"operators": OPERATORS, "store": server.url, **settings}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(road(folder / "one", url, **said))
        (folder / "two" / "state").mkdir(parents=True, mode=0o700)
        shutil.copy(one.state / KEY_RING, folder / "two" / "state" / KEY_RING)
        both = Two(one, await stack.enter_async_context(road(folder / "two", url, **said)))
        await both.each_knows()
        yield both


async def looked(*roads: Road) -> None:
    """
    Have each look at the board now, instead of in half a second.
    """
    for on in roads:
        assert await on.rooms.board.try_look()
    await asyncio.sleep(0)
