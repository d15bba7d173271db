"""
The agents' side of the socket: aiohttp's server with every dangerous default off.

aiohttp's own error pages quote what came in, and its server drops every setting when one keyword is misspelt; so both
are replaced here, by public names: `RequestHandler.start` and `Server.__call__`. The former also keeps a connection in
one task, in which each request is answered: with a task, a request and a response of the library's own it costs twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong

from breakers.verdict import Reason, Refuse
from config.dialect import Dialect
from proxy.answer import Whole, refusal
from proxy.canonical.heads import LastHead
from proxy.inbound import AgentRequest

HEAD_WITHIN_S = 15.0
"""A head that takes longer is an attack or a dead peer; also how long an idle connection is kept."""

LINGER_S = 1.0
"""How long a body that nobody wants is read on, so that the peer sees the answer instead of a reset."""

LINE_BYTES_MAX = 8190

HEADERS_PARSED_MAX = 256
"""Twice what the canonical head accepts, so that one header too many is refused there, as what it is."""

METHOD_LINE = re.compile(r"b['\"][A-Za-z0-9!#$%&*+.^_`|~-]+ ")
"""In what the parser says of a request line: a token and a space, so that it is the method that is wrong."""

Serve = Callable[[AgentRequest], Awaitable[bool]]
"""Answers a request, and tells whether its connection serves another."""


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
        self._heads = LastHead()
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

    async def start(self) -> None:
        """
        Answer one request after the other, each in this one task, until one of them is the last.
        """
        while not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, content = self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            if self._began is not None:
                self.spoke()
            if not await self._answered(message, content) or self._close or self._force_close:
                break
            self._next_keepalive_close_time = self._loop.time() + HEAD_WITHIN_S
            if self._keepalive_handle is None:
                self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
            if self._messages:
                # A refusal waits for nothing: thousands that came together would keep everybody else out for a second.
                await asyncio.sleep(0)
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _answered(self, message: RawRequestMessage | Any, content: StreamReader) -> bool:
        """
        Answer a request, or say why it did not parse, and tell whether the connection serves another.
        """
        self._request_in_progress = True
        try:
            if not isinstance(message, RawRequestMessage):
                if self.transport is not None:
                    self.transport.write(self._agent_server.on_error(message.exc, message.status))
                return False
            request = AgentRequest(message, content, self, self._heads, leaving=self._agent_server.crowd.leaving)
            # What ends the connection meanwhile ends the waiting for the rest of its body.
            self._current_request = request  # type: ignore[assignment] # all that is asked of it is to be cancelled
            stays = await self._agent_server.serve(request)
            if not content.is_eof():
                await self._linger(content)
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:  # whatever it is: nothing more may be said on this connection
            self.log_exception("unhandled", exc_info=error)
            return False
        finally:
            self._current_request, self._request_in_progress = None, False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        return stays

    async def _linger(self, content: StreamReader) -> None:
        """
        Read on a body that nobody wants, for a moment.
        """
        with contextlib.suppress(TimeoutError, web.RequestPayloadError):
            async with asyncio.timeout(LINGER_S):
                while not content.is_eof():
                    await content.readany()


async def _nobody(_: web.BaseRequest) -> web.StreamResponse:
    raise RuntimeError("a request was built that no connection of ours builds")


class AgentServer(web.Server):
    """
    Builds an `AgentConnection` for every peer of one door.
    """

    def __init__(self, serve: Serve, *, crowd: Crowd, on_error: Callable[[BaseException | None, int], bytes]) -> None:
        super().__init__(_nobody, handler_cancellation=False)
        self.serve, self.crowd = serve, crowd
        self.on_error = on_error
        self._event_loop = asyncio.get_running_loop()

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
