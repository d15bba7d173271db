"""
The way of each process to Redis: slow, lossy, cut, or leading to another server; and the `Link` over it.

A command is asked for once and takes its time there and back. Whoever asked waits for a quarter of a second; what was
on its way by then arrives all the same, and is carried out. Of what is cut on the way there nothing is carried out; of
what is cut on the way back nobody is told. Each purpose has its own connection, and a new one first asks who answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from breakers.store import redis as product
from breakers.store.link import Purpose, Server, purpose_of
from breakers.store.protocol import StoreUnavailable
from tests.sim.loop import ProcessLoop, Scheduler
from tests.sim.redis_data import Reply
from tests.sim.redis_link import Asked, answered, seen, telling
from tests.sim.redis_model import RedisModel, encoded

DIALS_S = 0.000_5

LOOKS_S = 0.5
"""Between two looks at a list that somebody waits for."""


@dataclass(slots=True)
class Way:
    """
    How it is between one process and Redis at the moment: seconds for one way, how much gets lost, whether it is cut.
    """

    least_s: float = 0.000_1
    most_s: float = 0.001
    lost_there: float = 0.0
    lost_back: float = 0.0
    cut: bool = False


@dataclass(slots=True)
class Shore:
    """
    The Redis of the deployment: the server that answers now, None where none does.
    """

    scheduler: Scheduler
    loop: ProcessLoop
    model: RedisModel
    is_up: bool = True
    on_run: Callable[[str, str, Reply], None] = lambda _process, _what, _said: None
    runs: int = 0
    counted: dict[str, int] = field(default_factory=dict)

    def current(self) -> RedisModel | None:
        """
        Return the server that a new connection leads to.
        """
        return self.model if self.is_up else None


class SimLink:
    """
    The link of one process.
    """

    def __init__(self, process: str, shore: Shore, way: Way) -> None:
        self._process, self._shore, self.way = process, shore, way
        self._rng: Random = shore.scheduler.rng
        self._trusted = ""
        self._connected: dict[Purpose, RedisModel] = {}
        self.moved = False

    def __repr__(self) -> str:
        return f"<SimLink of {self._process} moved={self.moved}>"

    def trust(self, server: str) -> None:
        self._trusted, self.moved = server, False
        self._connected.clear()

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        if command == "BLPOP":
            return await self._waits(key, float(arguments[-1]), purpose)
        told = encoded((key, *arguments))
        return answered(command, await self._asked(purpose, command, lambda model: model.execute(command, *told)))

    async def _waits(self, key: str, within_s: float, purpose: Purpose) -> Any:
        """
        Take from a list, or wait for it: the server is asked now and then, which is as good.
        """
        until = self._shore.scheduler.now + within_s
        while True:
            found = await self._asked(purpose, "BLPOP", lambda model: model.execute("LPOP", key.encode()))
            if found is not None or self._shore.scheduler.now >= until:
                return None if found is None else [key.encode(), found]
            await asyncio.sleep(LOOKS_S)

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        asked = Asked.of(verb, keys, arguments)
        return await self._asked(purpose or purpose_of(verb), verb, asked.on)

    async def eviction(self) -> str:
        return str(await self._asked(Purpose.BEHIND, "policy", lambda model: model.policy))

    async def look(self) -> Server:
        found = await self._asked(Purpose.BEHIND, "look", seen)
        assert isinstance(found, Server)
        return found

    async def server(self) -> str:
        self._connected.pop(Purpose.BEHIND, None)
        return str(await self._asked(Purpose.BEHIND, "server", lambda model: model.run_id, anyone=True))

    async def close(self) -> None:
        self._connected.clear()

    async def _asked(
        self, purpose: Purpose, what: str, work: Callable[[RedisModel], Reply], *, anyone: bool = False
    ) -> Reply:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProcessLoop)
        future: asyncio.Future[Reply] = loop.create_future()
        self._dial(purpose, loop, future, what, work, anyone=anyone)
        try:
            async with asyncio.timeout(product.ANSWERS_WITHIN_S):
                return await future
        except TimeoutError:
            self._connected.pop(purpose, None)
            said = f"Redis did not answer within {round(product.ANSWERS_WITHIN_S * 1000)} ms"
            raise StoreUnavailable(said) from None
        except asyncio.CancelledError:
            self._connected.pop(purpose, None)
            raise

    def _way_s(self) -> float:
        return self._rng.uniform(self.way.least_s, self.way.most_s)

    def _dial(
        self,
        purpose: Purpose,
        loop: ProcessLoop,
        future: asyncio.Future[Reply],
        what: str,
        work: Callable[[RedisModel], Reply],
        *,
        anyone: bool,
    ) -> None:
        """
        Ask over the connection of a purpose; where there is none to the server of now, dial, and see who answers.
        """
        model, pause_s = self._shore.current(), 0.0
        if model is None:
            loop.call_later(DIALS_S, _fails, future, "Redis cannot be reached (ConnectionError)")
            return
        if self._connected.get(purpose) is not model:
            if self.way.cut or self._rng.random() < self.way.lost_there:
                return
            pause_s = 2 * self._way_s()
            if not anyone and ((self._trusted and model.run_id != self._trusted) or model.role != "master"):
                loop.call_later(pause_s, self._has_moved, future)
                return
            self._connected[purpose] = model
        lost = self.way.cut or self._rng.random() < self.way.lost_there
        if not lost:
            self._shore.loop.call_later(pause_s + self._way_s(), self._arrives, model, loop, future, what, work)

    def _has_moved(self, future: asyncio.Future[Reply]) -> None:
        self.moved = True
        _fails(future, "Redis is another server than the one that the ledger was replayed into")

    def _arrives(
        self,
        model: RedisModel,
        loop: ProcessLoop,
        future: asyncio.Future[Reply],
        what: str,
        work: Callable[[RedisModel], Reply],
    ) -> None:
        if self.way.cut:
            return
        if self._shore.current() is not model:
            loop.call_later(self._way_s(), _fails, future, "Redis cannot be reached (ConnectionError)")
            return
        self._shore.runs += 1
        try:
            said = telling(lambda: work(model))
        except StoreUnavailable as refused:
            self._shore.on_run(self._process, what, str(refused))
            self._comes_back(loop, _fails, future, str(refused))
            return
        self._shore.on_run(self._process, what, said)
        self._comes_back(loop, _succeeds, future, said)

    def _comes_back(
        self, loop: ProcessLoop, tell: Callable[..., None], future: asyncio.Future[Reply], said: Any
    ) -> None:
        if not self.way.cut and self._rng.random() >= self.way.lost_back:
            loop.call_later(self._way_s(), tell, future, said)


def _fails(future: asyncio.Future[Reply], why: str) -> None:
    if not future.done():
        future.set_exception(StoreUnavailable(why))


def _succeeds(future: asyncio.Future[Reply], said: Reply) -> None:
    if not future.done():
        future.set_result(said)
