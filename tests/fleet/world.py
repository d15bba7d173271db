"""Two programs of one deployment in this process, with a real Redis between them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.clock import system_randomness
from proxy.keys import make_operator_token
from proxy.ledger.layout import KEY_RING
from proxy.letters import Question
from tests.canary.plugin import watch
from tests.proxy.approving import ALLOW, SUGGEST
from tests.proxy.road import SECRET, Road, road, soon
from tests.redis_server import RedisServer

OPERATORS: Mapping[str, Any] = {
    "ana": {"roles": ["approver", "resume"]},
    "rita": {"roles": ["admin"]},
    "eve": {"roles": []},
}

AGENTS: Mapping[str, Any] = {"support": agent({"stripe": ALLOW}, loops=False), "careful": SUGGEST}
"""One whose writes are made, and one whose writes are parked."""


def ident(on: Road) -> str:
    """
    Return the id of a program's record.
    """
    return on.rooms.ledger.replica


@dataclass(repr=False)
class Two:
    """
    Two programs, each of which knows that the other is there, and a personal token for each operator.
    """

    one: Road
    other: Road
    sandbox: StripeSandbox
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def roads(self) -> tuple[Road, Road]:
        """
        Return both.
        """
        return self.one, self.other

    async def each_knows(self) -> None:
        """
        Wait until each has heard of the other, and may write.
        """
        pairs = (self.roads, self.roads[::-1])
        await soon(
            lambda: all(ident(its) in {one.id for one in on.rooms.store.members() if one.live} for on, its in pairs)
        )
        await soon(lambda: all(on.rooms.standing.fault is None for on in self.roads))

    async def token(self, name: str) -> str:
        """
        Give an operator a personal token that both know.
        """
        if name not in self.tokens:
            token, text = make_operator_token(name, system_randomness)
            await self.one.rooms.ledger.access.operator_minted(name, token.kid, token.digest, "test")
            self.one.rooms.operators.tokens.minted(token)
            watch.minted(text)
            self.tokens[name] = text
            await looked(*self.roads)
        return self.tokens[name]

    def heard_of(self) -> list[Question]:
        """
        Return the list into which what is asked of the other one goes from now on.
        """
        letters, asked = self.other.rooms.letters, list[Question]()
        answer = letters.answering

        async def noted(question: Question, sender: str) -> Any:
            asked.append(question)
            return await answer(question, sender)

        letters.answering = noted
        return asked


@asynccontextmanager
async def two(folder: Path, server: RedisServer, **settings: Any) -> AsyncIterator[Two]:
    """
    Give two programs of one deployment, whose logs have one name.
    """
    said = {"operators": OPERATORS, "agents": AGENTS, "store": server.url, **settings}
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(StripeSandbox(secret=SECRET))
        one = await stack.enter_async_context(road(folder / "one", sandbox.url, **said))
        (folder / "two" / "state").mkdir(parents=True, mode=0o700)
        shutil.copy(one.state / KEY_RING, folder / "two" / "state" / KEY_RING)
        both = Two(one, await stack.enter_async_context(road(folder / "two", sandbox.url, **said)), sandbox)
        await both.each_knows()
        yield both


async def looked(*roads: Road) -> None:
    """
    Have each look at the board now, instead of in half a second.
    """
    for on in roads:
        assert await on.rooms.board.try_look()
    await asyncio.sleep(0)
