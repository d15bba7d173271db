"""A server that speaks the protocol of Redis, and says whatever a test has it say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from breakers.store.connection import Connection
from breakers.store.redis import Access, RedisLink, redis_link
from config.store import Node, RedisAddress

HOST = "127.0.0.1"
ID = "a" * 40
FIT = {"redis_version": "6.2.0", "run_id": ID, "role": "master", "loading": "0", "maxmemory_policy": "noeviction"}

Words = list[bytes]
Says = Callable[[Words], bytes | None]


async def until(holds: Callable[[], object]) -> None:
    """
    Let everything else go on until something holds.
    """
    while not holds():  # noqa: ASYNC110 # it is looked at in each turn, whoever brings it about
        await asyncio.sleep(0)


async def closed(connection: Connection) -> None:
    """
    Let everything else go on until a connection carries nothing more.
    """
    while await connection.is_fit():  # noqa: ASYNC110 # as above
        await asyncio.sleep(0)


def bulk(data: bytes) -> bytes:
    """
    Return a text as it is answered.
    """
    return b"$%d\r\n%s\r\n" % (len(data), data)


def info(**said: str) -> bytes:
    """
    Return what a server says of itself, these lines otherwise than a fit one.
    """
    return bulk("".join(f"{name}:{value}\r\n" for name, value in (FIT | said).items()).encode())


def echo(words: Words) -> bytes | None:
    """
    Answer with the last word that was sent.
    """
    return bulk(words[-1])


@dataclass(slots=True)
class Fake:
    """
    A server: `says` is asked for each answer, and nothing is answered to what it says nothing to.
    """

    says: Says = echo
    told: Callable[[], bytes] = info
    port: int = 0
    seen: list[Words] = field(default_factory=list)
    dialled: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    readers: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Serve one connection.
        """
        task = asyncio.current_task()
        assert task is not None
        self.dialled += 1
        self.writers.add(writer)
        self.readers.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                words = await _command(reader)
                if words == [b"INFO"]:
                    answer: bytes | None = self.told()
                else:
                    self.seen.append(words)
                    answer = self.says(words)
                if answer is not None:
                    writer.write(answer)
        self.writers.discard(writer)
        self.readers.discard(task)
        writer.close()

    def hang_up(self) -> None:
        """
        End every connection.
        """
        for writer in self.writers:
            writer.transport.abort()

    def hung_up(self, *_: object) -> bytes:
        """
        Hang up instead of an answer.
        """
        self.hang_up()
        return b""

    def link(self, access: Access | None = None) -> RedisLink:
        """
        Return a link to it.
        """
        return redis_link(RedisAddress(HOST, self.port), access or Access(), "shop")

    @property
    def node(self) -> Node:
        """
        Return where it is.
        """
        return Node(HOST, self.port)


async def _command(reader: asyncio.StreamReader) -> Words:
    count = int((await reader.readline() or b"*0")[1:])
    if count == 0:
        raise ConnectionError
    words = []
    for _ in range(count):
        length = int((await reader.readline())[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


@contextlib.asynccontextmanager
async def faking(says: Says = echo, told: Callable[[], bytes] = info) -> AsyncIterator[Fake]:
    """
    Run such a server.
    """
    fake = Fake(says, told)
    server = await asyncio.start_server(fake.serve, HOST, 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        fake.hang_up()
        await asyncio.gather(*fake.readers)


@contextlib.asynccontextmanager
async def linked(fake: Fake, access: Access | None = None) -> AsyncIterator[RedisLink]:
    """
    Return a link to such a server for a while.
    """
    link = fake.link(access)
    try:
        yield link
    finally:
        await link.close()
