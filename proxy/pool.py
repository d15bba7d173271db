"""
The connections to one origin: dialled by aiohttp's connector, kept by us from one exchange to the next.

A connection is used again only where it is certainly at rest: its last answer came to its end, every byte of that
request has left, and nothing has come since; an upstream that speaks unasked would be taken for the answer to the next
request. The one that was used last goes out first, because its upstream is the least likely to have given it up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

_PATIENT = aiohttp.ClientTimeout(total=None, ceil_threshold=float("inf"))
"""The connector bounds nothing: whoever dials does."""

TLS_BYTES_MAX = 16 * 1024
"""Of a request under TLS, where nobody can ask what still waits to leave: as much as every socket takes at once."""


class Pool:
    """
    Connections to one origin, each for one exchange at a time; one that was idle for longer than `idle_s` is closed.
    """

    def __init__(self, connector: aiohttp.BaseConnector, origin: URL, idle_s: float) -> None:
        self._connector, self._idle_s, self.loop = connector, idle_s, asyncio.get_running_loop()
        self.host = str(origin.host_port_subcomponent)
        # All that the connector wants to know of a request is where it leads.
        self._request = aiohttp.ClientRequest("GET", origin, loop=self.loop)
        # The longest idle first.
        self._idle: deque[_Idle] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"Pool({self.host}, {len(self._idle)} idle)"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def take(self) -> Connection | None:
        """
        Return a connection that stands and is at rest, where there is one.
        """
        since = self.loop.time() - self._idle_s
        while self._idle:
            idle = self._idle.pop()
            if idle.since >= since and idle.is_at_rest:
                return idle.woken()
            idle.connection.close()
        return None

    async def dial(self) -> Connection:
        """
        Return a new connection.
        """
        return await self._connector.connect(self._request, [], _PATIENT)

    def keep(self, connection: Connection, sent: int) -> None:
        """
        Take a connection back whose exchange has come to its end; one that is not at rest is closed.

        `sent` is how many bytes the body of its request has.
        """
        protocol = connection.protocol
        transport = None if protocol is None else protocol.transport
        if protocol is None or transport is None or self._closed or not _is_done(protocol, transport, sent):
            connection.close()
            return
        self._idle.append(_Idle(connection, protocol, transport, self.loop.time()))
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._idle_s, self._close_idle)

    def _close_idle(self) -> None:
        """
        Close what was idle for too long, and come back for the rest.
        """
        self._sweep, now = None, self.loop.time()
        while self._idle and now - self._idle[0].since >= self._idle_s:
            self._idle.popleft().connection.close()
        if self._idle:
            self._sweep = self.loop.call_at(self._idle[0].since + self._idle_s, self._close_idle)

    def drop_idle(self) -> None:
        """
        Close every connection that is not in use.
        """
        while self._idle:
            self._idle.pop().connection.close()

    async def close(self) -> None:
        """
        Close every connection, and dial no more.
        """
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        # It knows all of them, idle or not, and waits for their ends.
        await self._connector.close()
        self.drop_idle()


class _Idle(asyncio.Protocol):
    """
    A connection between two exchanges. It listens in the place of the protocol, whose parser would keep what comes.
    """

    __slots__ = ("_protocol", "_transport", "_unasked", "connection", "since")

    def __init__(
        self, connection: Connection, protocol: ResponseHandler, transport: asyncio.Transport, since: float
    ) -> None:
        self.connection, self.since = connection, since
        self._protocol, self._transport, self._unasked = protocol, transport, False
        transport.set_protocol(self)

    @property
    def is_at_rest(self) -> bool:
        """
        Tell whether it stands, and nothing came.
        """
        return not self._unasked and self._protocol.is_connected()

    def woken(self) -> Connection:
        """
        Return the connection for an exchange, which hears what comes from here on.
        """
        self._transport.set_protocol(self._protocol)
        return self.connection

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 whatever it is, nobody asked for it
        """
        Close the connection: what was said unasked would be taken for an answer.
        """
        self._unasked = True
        self._transport.close()

    def eof_received(self) -> None:
        """
        Let it be closed.
        """
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Pass on that it is lost.
        """
        self._protocol.connection_lost(exc)


def _is_done(protocol: ResponseHandler, transport: asyncio.Transport, sent: int) -> bool:
    """
    Tell whether all of an answer has come and no more, and all of its request has left.
    """
    if not protocol.is_connected() or protocol.should_close or transport.get_write_buffer_size():
        return False
    # Under TLS that is the size of what is not encrypted yet, not of what waits behind it.
    return sent <= TLS_BYTES_MAX or transport.get_extra_info("sslcontext") is None
