"""An answer onto the wire: whole, dripping, malformed, or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

from loadtest.upstreams import malformed
from loadtest.upstreams.answer import Answer
from loadtest.upstreams.faults import Act, Drip, HangUp, Malformed

# How long a connection that must stay open is held open after a malformed answer.
_LINGER_S = 2.0
_LINGER_STEP_S = 0.01


def plain(answer: Answer) -> web.Response:
    """
    Send an answer as a good server does.
    """
    return web.Response(status=answer.status, body=answer.body, headers=_headers(answer))


def _headers(answer: Answer) -> dict[str, str]:
    return ({"Content-Type": "application/json"} if answer.body else {}) | answer.headers


def hang_up(request: web.BaseRequest, act: HangUp) -> web.Response:
    """
    Send nothing and close.
    """
    transport = request.transport
    if transport is not None:
        if act.reset:
            # Closing with a linger of nought sends RST instead of FIN.
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def deliver(request: web.BaseRequest, answer: Answer, act: Act) -> web.StreamResponse:
    """
    Send an answer as its fault says.
    """
    match act:
        case Malformed(manner) if manner in malformed.CONTENTS:
            return plain(malformed.CONTENTS[manner](answer))
        case Malformed(manner):
            return await _malformed(request, answer, manner)
        case Drip(head=True):
            return await _dripped(request, answer, act)
        case Drip(chunk, pause_s):
            slow = web.StreamResponse(status=answer.status, headers=_headers(answer))
            slow.content_length = len(answer.body)
            await slow.prepare(request)
            for start in range(0, len(answer.body), chunk):
                await slow.write(answer.body[start : start + chunk])
                await asyncio.sleep(pause_s)
            return slow
        case _:
            return plain(answer)


async def _dripped(request: web.BaseRequest, answer: Answer, act: Drip) -> web.Response:
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        lines = [f"{name}: {value}" for name, value in _headers(answer).items()]
        head = [f"HTTP/1.1 {answer.status} Status", *lines, f"Content-Length: {len(answer.body)}", "", ""]
        whole = "\r\n".join(head).encode("latin-1") + answer.body
        for start in range(0, len(whole), act.chunk):
            if transport.is_closing():
                break
            transport.write(whole[start : start + act.chunk])
            await asyncio.sleep(act.pause_s)
        transport.close()
    return web.Response()


async def _malformed(request: web.BaseRequest, answer: Answer, manner: str) -> web.Response:
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        transport.write(malformed.MANNERS[manner](answer))
        if manner in malformed.KEEPS_OPEN:
            for _ in range(int(_LINGER_S / _LINGER_STEP_S)):
                await asyncio.sleep(_LINGER_STEP_S)
                if request.transport is None or transport.is_closing():
                    break
        transport.close()
    return web.Response()
