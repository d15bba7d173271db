"""A wire to a Redis that loses answers when it is told to, and the store behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from breakers.store.fleet import FleetStore
from breakers.store.redis import Access, redis_store
from config.store import RedisAddress
from tests.breakers.world import AT
from tests.redis_server import RedisServer

WHO = b"*1\r\n$4\r\nINFO\r\n"


@dataclass(slots=True)
class Cutter:
    """
    A wire that can lose answers: with `cut`, what is asked arrives, and its answer is dropped with the connection.

    Who answers is asked of each new connection first, and is always told: that is none of what is `asked`.
    """

    upstream: int
    port: int = 0
    cut: bool = False
    asked: list[bytes] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    introduced: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Carry one connection.
        """
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            # Nobody is there: whoever came is hung up on.
            writer.close()
            self.running.discard(task)
            return
        asking = asyncio.create_task(self.pass_on(reader, back))
        try:
            while (answer := await there.read(1 << 20)) and (not self.cut or back in self.introduced):
                writer.write(answer)
        finally:
            asking.cancel()
            for end in (writer, back):
                end.close()
            self.running.discard(task)

    async def pass_on(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """
        Carry what is asked, in however many pieces it comes.
        """
        while data := await reader.read(1 << 20):
            if data == WHO:
                self.introduced.add(back)
            else:
                self.introduced.discard(back)
                self.asked.append(data)
            back.write(data)
        back.close()

    def move_to(self, port: int) -> None:
        """
        Lead to another server from here on: every connection ends.
        """
        self.upstream = port
        for task in self.running:
            task.cancel()

    @contextlib.contextmanager
    def losing(self) -> Iterator[None]:
        """
        Lose every answer inside.
        """
        self.cut, self.asked = True, []
        try:
            yield
        finally:
            self.cut = False


@pytest.fixture
async def cutter(redis_server: RedisServer) -> AsyncIterator[Cutter]:
    """
    Return a wire to the Redis.
    """
    made = Cutter(redis_server.port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    for task in list(made.running):
        task.cancel()
    await asyncio.gather(*made.running, return_exceptions=True)


@pytest.fixture
async def fragile(cutter: Cutter) -> AsyncIterator[FleetStore]:
    """
    Return a store behind that wire.
    """
    store = redis_store(RedisAddress("127.0.0.1", cutter.port), Access(), f"cut-{cutter.port}", lambda: AT)
    await store.start(())
    yield store
    await store.close()
