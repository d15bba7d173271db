"""
Stage 10: an answer becomes HTTP, with its links made this door's.

A stream that breaks ends broken on this side too, never as if it were whole.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from multidict import CIMultiDict

from breakers.verdict import Reason
from proxy.answer import ALLOWED, REPLAYED, Answer, Streamed, Whole
from proxy.links import NO_LINKS, Links
from proxy.trail import Trail

DELIVER_WITHIN_S = 30.0
"""A peer that takes longer for one answer has stopped reading."""

LINKS = web.RequestKey("links", Links)
"""Under which a request holds how URLs change for its caller, once that is known."""

CLOSING = frozenset({Reason.HEAD_MALFORMED, Reason.HEAD_TOO_LARGE, Reason.VERSION_UNSUPPORTED})

BODILESS = frozenset({204, 304})
SERVER = ("server", "breakwater")
"""Instead of the library's own line, which tells versions to whoever asks."""


async def respond(request: web.BaseRequest, answer: Answer, trail: Trail) -> web.StreamResponse:
    """
    Send the answer, note on the trail what was sent, and return what aiohttp closes the exchange with.
    """
    note_answer(trail, answer)
    if isinstance(answer, Whole):
        return await _respond_whole(request, answer, trail)
    return await _respond_stream(request, answer, trail)


def note_answer(trail: Trail, answer: Answer) -> None:
    """
    Note on the trail what an answer says of the call.
    """
    ours = dict(answer.headers)
    trail.status = answer.status
    trail.outcome, trail.dispatched = ours.get("breakwater-outcome", ""), ours.get("breakwater-dispatched", "")
    decided = ours.get("breakwater-decision", "").partition(":")[2]
    trail.reason = "" if decided in {ALLOWED, REPLAYED} else decided


async def _respond_whole(request: web.BaseRequest, answer: Whole, trail: Trail) -> web.StreamResponse:
    try:
        shown = request.get(LINKS, NO_LINKS).shown(answer)
        body = None if shown.status in BODILESS or request.method == "HEAD" else shown.body
        headers = CIMultiDict((*shown.headers, *_noticed(trail), SERVER))
        response = web.Response(status=shown.status, headers=headers, body=body)
        _close_if_in_doubt(request, response, trail)
        trail.answer_bytes = len(body or b"")
        async with asyncio.timeout(DELIVER_WITHIN_S):
            await response.prepare(request)
            await response.write_eof()
    except BaseException as error:
        # Whatever it was, and if nobody foresaw it: a retry must find that the answer did not arrive.
        _break_off(request)
        answer.on_broken()
        if isinstance(error, ConnectionError | TimeoutError):
            raise ConnectionResetError("the answer did not arrive") from None
        raise
    answer.on_reached()
    return response


async def _respond_stream(request: web.BaseRequest, answer: Streamed, trail: Trail) -> web.StreamResponse:
    delivered, complete, response = 0, False, None
    try:
        # Inside, so that a read is on record whatever becomes of its answer here.
        shown = request.get(LINKS, NO_LINKS).shown(answer)
        headers = CIMultiDict((*shown.headers, *_noticed(trail), SERVER))
        response = web.StreamResponse(status=shown.status, headers=headers)
        _close_if_in_doubt(request, response, trail)
        async with asyncio.timeout(answer.stall_s):
            await response.prepare(request)
        async for piece in answer.chunks:
            async with asyncio.timeout(answer.stall_s):
                await response.write(piece)
            delivered += len(piece)
        complete = answer.whole()
    except TimeoutError:
        complete = False
    finally:
        # Before the end is sent: where reads are durable, no agent has a whole answer that is not on record.
        trail.answer_bytes = delivered
        await answer.conclude(delivered, complete)
    try:
        if complete and response is not None:
            async with asyncio.timeout(answer.stall_s):
                await response.write_eof()
            return response
    except TimeoutError:
        pass  # a peer that stopped reading at the very end
    _break_off(request)
    raise ConnectionResetError("the answer broke off")


def _noticed(trail: Trail) -> tuple[tuple[str, str], ...]:
    """
    Return what the loop guard noticed, as a header.
    """
    return (("breakwater-loop", trail.loop),) if trail.loop else ()


def _close_if_in_doubt(request: web.BaseRequest, response: web.StreamResponse, trail: Trail) -> None:
    """
    Let a connection serve no further request where that request's beginning is in doubt.

    So it is behind a head that was refused as a head, a body that was not read, an upgrade that was not granted, and
    behind chunks, whose trailers the parser would add to the next request's headers.
    """
    doubtful = trail.reason in CLOSING or not request.content.is_eof()
    if doubtful or "Upgrade" in request.headers or "Transfer-Encoding" in request.headers:
        response.force_close()


def _break_off(request: web.BaseRequest) -> None:
    # A reset, not an end: to a client that reads until the end, an end would make it look whole.
    if request.transport is not None:
        request.transport.abort()
