"""
Upstreams that are only sockets: they keep the exact bytes of every request, and answer each with a small JSON 200.

One listens for each base of each API, so that the socket says what was addressed and nobody has to be asked. They run
on an event loop of their own in a thread, so that blocking tests can look at them. Every answer carries its serial
number, in its body and as the request id that each vendor would send, so that an answer, a ledger record and the bytes
on these sockets can be told to be one call's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.wire.parser import Message, Unparsable, take

# What `STRIPE`, GitHub and Jira call the id that they give to a request.
ID_HEADERS = ("Request-Id", "X-GitHub-Request-Id", "Atl-TraceId")

# What a read that a limit needs would look for: a hundred dollars, of which nothing was given back.
MONEY = {"currency": "usd", "amount": 10_000, "amount_refunded": 0, "amount_captured": 0}

_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """
    One request that arrived: at which base, and on which connection.
    """

    serial: int
    at: str
    connection: int
    message: Message


@dataclass(slots=True)
class Echo:
    """
    The upstreams: what they received, in order, and what they could not read; `urls` are their addresses.
    """

    urls: dict[str, str]

    received: list[Received] = field(default_factory=list)
    unparsable: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def mark(self) -> int:
        """
        Return how many requests have come so far.
        """
        return len(self.received) + len(self.unparsable)

    def since(self, mark: int) -> list[Message]:
        """
        Return the requests that came after a mark; one that could not be read fails the test that asks.
        """
        assert self.unparsable == [], "bytes reached the upstream that have no single meaning"
        return [one.message for one in self.received[mark:]]

    async def listen(self, at: str) -> asyncio.Server:
        """
        Listen on a free loopback port for one base.
        """
        server = await asyncio.start_server(lambda reader, writer: self._serve(at, reader, writer), "127.0.0.1", 0)
        self.urls[at] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, at: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection, buffer = self.connections, b""
        self._writers.add(writer)
        try:
            while data := await reader.read(65_536):
                buffer += data
                while buffer and (message := self._take(buffer)) is not None:
                    buffer = buffer[len(message.raw) :]
                    self.received.append(Received(len(self.received), at, connection, message))
                    writer.write(_answer(message, len(self.received) - 1))
                await writer.drain()
        except (ConnectionError, Unparsable):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, buffer: bytes) -> Message | None:
        try:
            return take(buffer)
        except Unparsable as broken:
            self.unparsable.append((str(broken), buffer[:4096]))
            raise

    def drop(self) -> None:
        """
        Close every connection.
        """
        for writer in list(self._writers):
            writer.close()


def _answer(message: Message, serial: int) -> bytes:
    path = unquote(message.target.decode().partition("?")[0])
    said = {"object": "echo", "serial": serial, "path": path, **MONEY}
    body = json.dumps(said).encode()
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: req_{serial}" for name in ID_HEADERS]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if message.method == "HEAD" else head + body


@contextlib.contextmanager
def echoing(bases: Sequence[str]) -> Iterator[Echo]:
    """
    Run an upstream for each of these bases.
    """
    echo, ready = Echo({}), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()

    async def run() -> None:
        servers = [await echo.listen(base) for base in bases]
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        for server in servers:
            server.close()
        echo.drop()
        for server in servers:
            await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="echo")
    thread.start()
    try:
        assert ready.wait(_START_S), "the upstream did not start"
        yield echo
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(_START_S)
