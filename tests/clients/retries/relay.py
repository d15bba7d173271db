"""
A fixed address before a process that comes and goes: a connection that finds nobody waits for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

_STEP_S = 0.005


class Relay:
    """
    Passes on to wherever `behind` says the process listens now; what breaks on one side breaks on the other.
    """

    def __init__(self, behind: Callable[[], str | None]) -> None:
        self._behind = behind
        self._running: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering, asking = await self._connected()
        try:
            ways = {asyncio.create_task(_pump(reader, asking)), asyncio.create_task(_pump(answering, writer))}
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            asking.transport.abort()
            writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            # A process that is gone is still named here for a moment.
            if (url := self._behind()) is not None:
                with contextlib.suppress(OSError):
                    return await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
            await asyncio.sleep(_STEP_S)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
