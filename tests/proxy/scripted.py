"""
An upstream that is only a socket: it writes down what it was sent and answers with the bytes that a test lays out.

A script is a sequence of pieces: bytes are sent, an event is waited for, `HANG_UP` closes. Each request plays the next
script; when none is left, `OK` answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

Piece = bytes | asyncio.Event
HANG_UP = b""


def answer(status: int, body: bytes, *headers: str) -> bytes:
    """
    Return a whole answer as bytes.
    """
    lines = [f"HTTP/1.1 {status} Status", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


OK = answer(200, b'{"ok":true}')


@dataclass(frozen=True, slots=True)
class Asked:
    """
    One request as it arrived.
    """

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """
        Return the body as JSON.
        """
        return json.loads(self.body)


class Scripted:
    """
    What was sent to it, and what it will say.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self.url = ""
        self._scripts: list[Sequence[Piece]] = []

    def then(self, *pieces: Piece) -> None:
        """
        Lay out the answer to one more request.
        """
        self._scripts.append(pieces)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer the requests of one connection.
        """
        self.connections += 1
        try:
            while await self._once(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(Asked(line, headers, body))
        for piece in self._scripts.pop(0) if self._scripts else (OK,):
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif piece == HANG_UP:
                return False
            else:
                writer.write(piece)
                await writer.drain()
        return True


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """
    Give one that listens on loopback.
    """
    upstream = Scripted()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    upstream.url = f"http://{host}:{port}"
    try:
        yield upstream
    finally:
        server.close()
