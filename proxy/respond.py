"""
Stage 10: an answer becomes HTTP, with its links made this door's.

A stream that breaks ends broken on this side too, never as if it were whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable

from aiohttp import HttpVersion10
from aiohttp.http import StreamWriter

from breakers.verdict import Reason
from proxy import framing
from proxy.answer import ALLOWED, REPLAYED, Answer, Streamed, Whole
from proxy.inbound import AgentRequest
from proxy.trail import Trail

DELIVER_WITHIN_S = 30.0
"""A peer that takes longer for one answer has stopped reading."""

CLOSING = frozenset({Reason.HEAD_MALFORMED, Reason.HEAD_TOO_LARGE, Reason.VERSION_UNSUPPORTED})

BODILESS = frozenset({204, 304})

_RESET = struct.pack("ii", 1, 0)
"""Of a socket: to wait for nothing when it is closed, which makes a reset of its end."""

SERVER = ("server", "breakwater")
"""Instead of the library's own line, which tells versions to whoever asks."""


def respond(request: AgentRequest, answer: Answer, trail: Trail) -> Awaitable[bool]:
    """
    Send the answer, note on the trail what was sent, and tell whether its connection serves another request.
    """
    note_answer(trail, answer)
    if isinstance(answer, Whole):
        return _respond_whole(request, answer, trail)
    return _respond_stream(request, answer, trail)


def note_answer(trail: Trail, answer: Answer) -> None:
    """
    Note on the trail what an answer says of the call.
    """
    ours = dict(answer.headers)
    trail.status = answer.status
    trail.outcome, trail.dispatched = ours.get("breakwater-outcome", ""), ours.get("breakwater-dispatched", "")
    decided = ours.get("breakwater-decision", "").partition(":")[2]
    trail.reason = "" if decided in {ALLOWED, REPLAYED} else decided


def last_words(answer: Whole, trail: Trail) -> bytes:
    """
    Return an answer of ours as bytes behind which the connection closes.
    """
    note_answer(trail, answer)
    headers, body = (*answer.headers, SERVER), framing.length(len(answer.body))
    return framing.head(answer.status, headers, trail.clock.now(), body, is_1_0=False, stays=False) + answer.body


async def _respond_whole(request: AgentRequest, answer: Whole, trail: Trail) -> bool:
    try:
        shown = request.links.shown(answer)
        stays, body = _stays(request, trail), shown.body
        if _is_bodiless(request, shown.status):
            request.write(_head(request, shown, "", trail, stays=stays))
        else:
            trail.answer_bytes = len(body)
            request.write(_head(request, shown, framing.length(len(body)), trail, stays=stays) + body)
        await _taken(request, DELIVER_WITHIN_S)
    except BaseException as error:
        # Whatever it was, and if nobody foresaw it: a retry must find that the answer did not arrive.
        _break_off(request)
        answer.on_broken()
        if isinstance(error, ConnectionError | TimeoutError):
            raise ConnectionResetError("the answer did not arrive") from None
        raise
    answer.on_reached()
    return stays


async def _respond_stream(request: AgentRequest, answer: Streamed, trail: Trail) -> bool:
    delivered, complete = 0, False
    is_1_0 = request.version == HttpVersion10
    # To who speaks HTTP/1.0 the end of a stream is the end of its connection.
    chunked, stays = not is_1_0, not is_1_0 and _stays(request, trail)
    bodiless = _is_bodiless(request, answer.status)
    try:
        # Inside, so that a read is on record whatever becomes of its answer here.
        shown = request.links.shown(answer)
        framed = framing.CHUNKED if chunked and not bodiless else ""
        request.write(_head(request, shown, framed, trail, stays=stays))
        await _taken(request, answer.stall_s)
        async for piece in answer.chunks:
            if piece and not bodiless:
                request.write(framing.chunk(piece) if chunked else piece)
                await _taken(request, answer.stall_s)
            delivered += len(piece)
        complete = answer.whole()
    except TimeoutError:
        complete = False
    finally:
        # Before the end is sent: where reads are durable, no agent has a whole answer that is not on record.
        trail.answer_bytes = delivered
        await answer.conclude(delivered, complete)
    try:
        if complete:
            if chunked and not bodiless:
                request.write(framing.LAST_CHUNK)
            await _taken(request, answer.stall_s)
            return stays
    except TimeoutError:
        pass  # a peer that stopped reading at the very end
    _break_off(request)
    raise ConnectionResetError("the answer broke off")


def _head(request: AgentRequest, shown: Answer, body: str, trail: Trail, *, stays: bool) -> bytes:
    """
    Return the head of an answer whose body is framed by this line, and empty where it has none.
    """
    # What the loop guard noticed is a header.
    noticed = (("breakwater-loop", trail.loop),) if trail.loop else ()
    is_1_0 = request.version == HttpVersion10
    headers = (*shown.headers, *noticed, SERVER)
    return framing.head(shown.status, headers, trail.clock.now(), body, is_1_0=is_1_0, stays=stays)


def _is_bodiless(request: AgentRequest, status: int) -> bool:
    return status in BODILESS or request.message.method == "HEAD"


async def _taken(request: AgentRequest, within_s: float) -> None:
    """
    Wait for a peer that does not read as fast as it is answered. Raise `TimeoutError` where it has stopped.
    """
    if request.connection.writing_paused:
        async with asyncio.timeout(within_s):
            await StreamWriter(request.connection, asyncio.get_running_loop()).drain()


def _stays(request: AgentRequest, trail: Trail) -> bool:
    """
    Tell whether the connection may serve another request: not where this one's beginning or end is in doubt.

    So it is behind a head that was refused as a head, a body that was not read, an upgrade that was not granted, and
    behind chunks, whose trailers the parser would add to the next request's headers.
    """
    if request.last or trail.reason in CLOSING or not request.content.is_eof():
        return False
    headers = request.message.headers
    return "Upgrade" not in headers and "Transfer-Encoding" not in headers


def _break_off(request: AgentRequest) -> None:
    transport = request.connection.transport
    if transport is None:
        return
    found = transport.get_extra_info("socket")
    if request.version == HttpVersion10 and found is not None:
        # A reset, not an end: to a client that reads until the end, an end would make it look whole.
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
