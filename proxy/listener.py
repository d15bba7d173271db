"""
The agents' side of the socket: aiohttp's server with every dangerous default off.

aiohttp's own error pages quote what came in, and its server drops every setting when one keyword is misspelt; so both
are replaced here, by public names: `RequestHandler.handle_error` and `Server.__call__`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong

from breakers.verdict import Reason, Refuse
from config.dialect import Dialect
from proxy.answer import Whole, refusal
from proxy.inbound import AgentRequest
from proxy.respond import SERVER

HEAD_WITHIN_S = 15.0
"""A head that takes longer is an attack or a dead peer; also how long an idle connection is kept."""

LINGER_S = 1.0
"""How long a body that nobody wants is read on, so that the peer sees the answer instead of a reset."""

LINE_BYTES_MAX = 8190

HEADERS_PARSED_MAX = 256
"""Twice what the canonical head accepts, so that one header too many is refused there, as what it is."""

METHOD_LINE = re.compile(r"b['\"][A-Za-z0-9!#$%&*+.^_`|~-]+ ")
"""In what the parser says of a request line: a token and a space, so that it is the method that is wrong."""

SPOKEN = frozenset({HttpVersion10, HttpVersion11})

Serve = Callable[[AgentRequest], Awaitable[web.StreamResponse]]


class Crowd:
    """
    The agents' connections over all doors, and how many there may be; once it is `leaving`, each ends with its answer.
    """

    def __init__(self, connections_max: int) -> None:
        self._max, self._now = connections_max, 0
        self.leaving = False
        self._gone = asyncio.Event()

    def __repr__(self) -> str:
        return f"Crowd({self._now} of {self._max})"

    def enter(self) -> bool:
        """
        Count one more connection in, unless there are too many.
        """
        if self._now >= self._max:
            return False
        self._now += 1
        return True

    def leave(self) -> None:
        """
        Count one connection out.
        """
        self._now -= 1
        if self.leaving and self._now == 0:
            self._gone.set()

    async def left(self, within_s: float) -> int:
        """
        Let every connection end with its next answer, or idle; return how many are there still after so long.
        """
        self.leaving = True
        if self._now:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), within_s)
        return self._now


class AgentConnection(web.RequestHandler):
    """
    One agent's connection: bounded in time, closed on doubt, with error answers of ours.
    """

    def __init__(self, server: AgentServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=HEAD_WITHIN_S,
            tcp_keepalive=True,
            logger=logging.getLogger("breakwater.http"),
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to say that nobody wants one
            debug=False,
            max_line_size=LINE_BYTES_MAX,
            max_headers=HEADERS_PARSED_MAX,
            max_field_size=LINE_BYTES_MAX,
            lingering_time=LINGER_S,
            auto_decompress=False,
            timeout_ceil_threshold=float("inf"),
        )
        self._agent_server = server
        self._admitted = False
        self._began: asyncio.TimerHandle | None = None
        self._loop_of_connection = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Accept the connection, unless there are too many, and give its first head a deadline.
        """
        super().connection_made(transport)
        self._admitted = self._agent_server.crowd.enter()
        if not self._admitted:
            self.force_close()
            return
        self._began = self._loop_of_connection.call_later(HEAD_WITHIN_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        self._began = None
        self.force_close()

    def spoke(self) -> None:
        """
        Note that a whole head arrived: from here on aiohttp's keep-alive bounds the next one.
        """
        if self._began is not None:
            self._began.cancel()
            self._began = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """
        Forget the connection.
        """
        self.spoke()
        if self._admitted:
            self._admitted = False
            self._agent_server.crowd.leave()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """
        Answer what did not parse, or an exception that nobody foresaw, with words of ours and close the connection.

        Where an answer has begun, or an exchange was broken off, nothing more may be said on this connection.
        """
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionError("the exchange was broken off")
        answer = self._agent_server.on_error(exc, status)
        response = web.Response(status=answer.status, headers=dict((*answer.headers, SERVER)), body=answer.body)
        response.force_close()
        return response


class AgentServer(web.Server):
    """
    Builds an `AgentConnection` for every peer of one door.
    """

    def __init__(self, serve: Serve, *, crowd: Crowd, on_error: Callable[[BaseException | None, int], Whole]) -> None:
        # The factory beside it builds no other requests.
        super().__init__(serve, request_factory=self._request, handler_cancellation=False)  # type: ignore[arg-type]
        self.crowd = crowd
        self.on_error = on_error
        self._event_loop = asyncio.get_running_loop()

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> AgentRequest:
        """
        Build a request that is answered in a version that is spoken here, whatever version it names.
        """
        answered_in = message
        if message.version not in SPOKEN or self.crowd.leaving:
            spoken = message.version if message.version in SPOKEN else HttpVersion11
            answered_in = message._replace(version=spoken, should_close=message.should_close or self.crowd.leaving)
        request = AgentRequest(answered_in, payload, protocol, writer, task, self._event_loop)
        request.said_version = message.version
        return request

    def __call__(self) -> web.RequestHandler:
        """
        Build the protocol here, so that no keyword can be dropped on the way.
        """
        return AgentConnection(self, self._event_loop)


def malformed(exc: BaseException | None, status: int, call: str, dialect: Dialect | None) -> Whole:
    """
    Return the answer to a request that aiohttp could not parse, in the shape of its door's API where it has one.
    """
    if isinstance(exc, BadHttpMethod) and METHOD_LINE.search(exc.message):
        no = Refuse(Reason.METHOD_NOT_ALLOWED, "inbound", "The request line begins with another method.")
    elif isinstance(exc, LineTooLong):
        no = Refuse(Reason.HEAD_TOO_LARGE, "inbound", "A line of the head is too long.")
    elif isinstance(exc, HttpProcessingError) or status == 400:  # aiohttp's own number for both
        no = Refuse(Reason.HEAD_MALFORMED, "inbound", "The request is not well-formed HTTP/1.1.")
    else:
        no = Refuse(Reason.INTERNAL, "inbound", "Breakwater failed; the operator has the call's id in the log.")
    return refusal(no, call, dialect)
