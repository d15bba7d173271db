"""Stage 10: an answer becomes HTTP. A stream that breaks ends broken on this side too, never as if it were whole."""

from __future__ import annotations

from aiohttp import web
from multidict import CIMultiDict

from proxy.answer import ALLOWED, Answer, Streamed, Whole
from proxy.trail import Trail

BODILESS = frozenset({204, 304})
SERVER = ("server", "breakwater")
"""Instead of the library's own line, which tells versions to whoever asks."""


async def respond(request: web.BaseRequest, answer: Answer, trail: Trail) -> web.StreamResponse:
    """
    Send the answer, note on the trail what was sent, and return what aiohttp closes the exchange with.
    """
    ours = dict(answer.headers)
    trail.status = answer.status
    trail.outcome, trail.dispatched = ours.get("breakwater-outcome", ""), ours.get("breakwater-dispatched", "")
    decided = ours.get("breakwater-decision", "").partition(":")[2]
    trail.reason = "" if decided == ALLOWED else decided
    if isinstance(answer, Whole):
        return await _respond_whole(request, answer, trail)
    return await _respond_stream(request, answer, trail)


async def _respond_whole(request: web.BaseRequest, answer: Whole, trail: Trail) -> web.StreamResponse:
    body = None if answer.status in BODILESS or request.method == "HEAD" else answer.body
    response = web.Response(status=answer.status, headers=CIMultiDict((*answer.headers, SERVER)), body=body)
    if not answer.keep_open:
        response.force_close()
    trail.answer_bytes = len(body or b"")
    await response.prepare(request)
    await response.write_eof()
    return response


async def _respond_stream(request: web.BaseRequest, answer: Streamed, trail: Trail) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=CIMultiDict((*answer.headers, SERVER)))
    delivered, complete = 0, False
    try:
        await response.prepare(request)
        async for piece in answer.chunks:
            await response.write(piece)
            delivered += len(piece)
        complete = answer.whole()
    finally:
        trail.answer_bytes = delivered
        await answer.conclude(delivered, complete)
    if not complete:
        raise ConnectionResetError("the upstream's answer broke off")
    await response.write_eof()
    return response
