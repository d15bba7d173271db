"""
Proof at start, on loopback, that the libraries underneath send nothing a second time by themselves.

Over a connection that drops, a session of aiohttp re-sends GET, HEAD, PUT and DELETE, and clients of Redis re-send
commands. Of aiohttp only what is below sessions is used here, but whether that still sends nothing by itself depends on
the versions that are installed: so each start drops a fresh and a reused connection under every method, and under a
command to Redis, and counts what arrives. It takes a few hundredths of a second, and a start that fails here has
touched nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from yarl import URL

from breakers.store.redis import Access, redis_link
from config.dialect import Credential
from config.store import MEMORY, RedisAddress
from proxy.dial import Dialer
from proxy.errors import Broken, StartRefused
from proxy.exchange import Budget, Exchange, Gate
from proxy.held import Holder
from proxy.secret import Secret
from proxy.wire import Wire

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

HOST = "127.0.0.1"
KEPT = "/kept"
_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_SAID = b"redis_version:6.2.0\r\nrun_id:self-test\r\nrole:master\r\n"
_SELF = b"$%d\r\n%s\r\n" % (len(_SAID), _SAID)
_BUDGET = Budget(connect_s=5, first_byte_s=5, idle_s=5, total_s=5)
_IDLE_S = 5.0
WITHIN_S = 10.0
"""A hundred times what it takes; a machine that needs longer cannot reach itself."""

_UNPROVED = f"this machine must reach itself at {HOST}: see its firewall and its limit of open files"
_HINT = "install the versions that requirements/ pins; the ones here do more than they are asked to"


class Commander(Protocol):
    """
    A client of Redis, as far as it is tested here.
    """

    def ask(self, command: str, key: str) -> Awaitable[Any]:
        """
        Send one command and return its answer.
        """

    async def close(self) -> None:
        """
        Close its connections.
        """


class Dropping:
    """
    A peer that keeps the connection for what is named `kept`, and hangs up on everything else once it has read it.

    `seen` counts what it has read, by name and by whether it came over a connection that had been used.
    """

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, bool]] = Counter()

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Serve requests on one connection.
        """
        used = False
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.decode("latin-1").split(" ")
            if target != KEPT:
                self.seen[method, used] += 1
                return
            used = True
            writer.write(_EMPTY)

    async def resp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Serve commands on one connection: what a client says of itself first is taken as it comes.
        """
        used = False
        while True:
            count = int((await reader.readline())[1:])
            words = [await self._word(reader) for _ in range(count)]
            if words[0] == b"ECHO" and words[1] != KEPT.encode():
                self.seen["ECHO", used] += 1
                return
            used = used or words[0] == b"ECHO"
            writer.write(_SELF if words[0] == b"INFO" else b"+OK\r\n")

    @staticmethod
    async def _word(reader: asyncio.StreamReader) -> bytes:
        length = int((await reader.readline())[1:])
        return (await reader.readexactly(length + 2))[:-2]


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Send = Callable[[str, str], Awaitable[None]]
"""Sends one request, by its method and its target, and reads what comes."""


async def check_sends_once(store: str) -> None:
    """
    Prove it of the exchanges by which upstreams are called, and of the client of a store of another kind than `memory`.

    Raise `StartRefused` where it is not so, and where it cannot be proved.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            await check_requests()
            if store != MEMORY:
                await check_commands(lambda port: redis_link(RedisAddress(HOST, port), Access(), ""))
    except (TimeoutError, OSError) as error:
        raise StartRefused(f"that nothing is sent twice could not be proved on loopback ({error})", _UNPROVED) from None


@asynccontextmanager
async def exchanging(port: int) -> AsyncIterator[Send]:
    """
    Give what sends requests to a port of this machine just as upstreams are sent theirs.
    """
    holder, origin = Holder(Credential()), URL(f"http://{HOST}:{port}")
    holder.turn([("self-test", Secret("self-test"))])
    async with Dialer(list).pool(origin, None, idle_s=_IDLE_S) as pool:

        async def send(method: str, target: str) -> None:
            exchange = Exchange(pool, Wire(method, target, (), b"", holder.current()), _BUDGET, Gate())
            with contextlib.suppress(Broken):  # it was hung up on: what counts is what arrived
                await exchange.open()
                await exchange.rest([], 0)
            exchange.close()

        yield send


async def check_requests(sending: Callable[[int], AbstractAsyncContextManager[Send]] = exchanging) -> None:
    """
    Drop every method over a fresh and over a reused connection; raise `StartRefused` where one is sent again.
    """
    peer = Dropping()
    async with _listening(peer.http) as port, sending(port) as send:
        for method in METHODS:
            for target in ("/fresh", KEPT, "/reused"):
                await send(method, target)
    for method in METHODS:
        _judge(peer, method, f"aiohttp sends a {method} again by itself")


async def check_commands(connect: Callable[[int], Commander]) -> None:
    """
    Drop a command over a fresh and over a reused connection to a port; raise `StartRefused` where it is sent again.
    """
    peer = Dropping()
    async with _listening(peer.resp) as port:
        client = connect(port)
        for word in ("/fresh", KEPT, "/reused"):
            with contextlib.suppress(Exception):  # it was hung up on: what counts is what arrived
                await client.ask("ECHO", word)
        await client.close()
    _judge(peer, "ECHO", "the client of Redis sends a command again by itself")


def _judge(peer: Dropping, name: str, error: str) -> None:
    # Two were sent. Which of them a re-send belongs to, and over what connection it came, is all the same.
    arrived = peer.seen[name, False] + peer.seen[name, True]
    if arrived > 2:
        raise StartRefused(f"{error} over a connection that dropped", _HINT)
    if arrived < 2:
        raise StartRefused(f"of two of {name} on loopback {arrived} arrived, so nothing is proved", _UNPROVED)


@asynccontextmanager
async def _listening(peer: Peer) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, HOST, 0)
    except OSError as error:
        raise StartRefused(f"the self-test cannot listen on {HOST}: {error.strerror}", "check the loopback") from None
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
