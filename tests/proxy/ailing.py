"""A road on which breakers count, in front of an upstream that is unwell on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from breakers.breaker import Breaker, State
from loadtest.installation import agent, stripe_api
from loadtest.upstreams.faults import Act, Fault, Status
from loadtest.upstreams.stripe import StripeSandbox
from tests.proxy.road import SECRET, SOON_S, Road, marks, road, soon
from tests.wire.client import Answer

READS, WRITES = "api:stripe/read", "api:stripe/write"
PASSED, PARKED, BLOCKED = "executed", "suggested", "denied"
BROKEN = Status(500)

CLERK = {
    **agent({"stripe": {"customers.*": {}, "refunds.create": {"limit": {"amount": "1..100 USD"}}}}, loops=False),
    "breaker": {},
}
CARDS = {"clerk": CLERK, "scribe": CLERK}

_NUMBERS = count(1)

# Longer than the first waiting time, wherever in its range that was drawn.
WAITED_S = 40.0


@dataclass
class Ailing:
    """A running Breakwater with breakers, and its upstream."""

    on: Road
    upstream: StripeSandbox

    def break_(self, act: Act = BROKEN, method: str = "*", **more: Any) -> None:
        """
        Have every request of a method fail from now on.
        """
        self.upstream.faults.add(Fault(act, method=method, times=None, **more))

    def heal(self) -> None:
        """
        Have all of them succeed again.
        """
        self.upstream.faults.clear()

    async def read(self, agent: str = "clerk", **more: Any) -> Answer:
        """
        Make a read.
        """
        return await self.on.ask("GET", "/v1/customers", agent=agent, **more)

    async def write(self, agent: str = "clerk", **more: Any) -> Answer:
        """
        Make a write that no other is equal to.
        """
        form = {"name": f"customer {next(_NUMBERS)}"}
        return await self.on.ask("POST", "/v1/customers", agent=agent, form=form, **more)

    async def delete(self, agent: str = "clerk") -> Answer:
        """
        Make a write that cannot be undone.
        """
        return await self.on.ask("DELETE", f"/v1/customers/cus_{next(_NUMBERS)}", agent=agent)

    async def look(self, seconds: float = 0.0) -> None:
        """
        Let time pass, and have what has happened taken in.
        """
        self.on.clock.move(seconds)
        await self.on.rooms.observer.look()

    def of(self, key: str) -> Breaker:
        """
        Return how a breaker stands.
        """
        return next((one for one in self.on.rooms.observer.all() if one.key == key), Breaker(key))

    def state(self, key: str) -> State:
        """
        Return its state.
        """
        return self.of(key).state

    async def blocked(self) -> None:
        """
        Have reads fail until they are refused, and then succeed again.
        """
        self.break_()
        async with asyncio.timeout(SOON_S):
            while self.state(READS) is not State.BLOCKED:
                await self.read()
                await self.look()
        self.heal()

    async def tripped(self, key: str = WRITES) -> None:
        """
        Have writes fail until their breaker has tripped, and then succeed again.
        """
        self.break_(method="POST")
        await self.write()
        await soon(lambda: self.state(key) is not State.PASSING)
        self.heal()


def outcome(answer: Answer) -> str:
    """
    Return what became of a call.
    """
    return str(marks(answer)[1])


@asynccontextmanager
async def ailing(
    folder: Path,
    *,
    agents: Mapping[str, object] | None = None,
    breaker: object = None,
    url: str | None = None,
    **more: Any,
) -> AsyncIterator[Ailing]:
    """
    Give one, with breakers as they are by default.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        apis = {"stripe": {**stripe_api(url or upstream.url), "breaker": {} if breaker is None else breaker}}
        async with road(folder, upstream.url, apis=apis, agents=agents or CARDS, **more) as on:
            yield Ailing(on, upstream)
