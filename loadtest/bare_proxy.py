"""The yardstick: a reverse proxy that does nothing but pass bytes on, both ways as they come, and says nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

# They belong to one connection, not to what passes through it.
HOP = frozenset({"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})


async def forward(session: aiohttp.ClientSession, upstream: str, request: web.BaseRequest) -> web.StreamResponse:
    """
    Pass one request on and its answer back.
    """
    url = URL(upstream + request.raw_path, encoded=True)
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP]
    body = request.content if request.body_exists else None
    async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
        kept = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in HOP)
        response = web.StreamResponse(status=answer.status, headers=kept)
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def serve(upstream: str) -> None:
    """
    Serve until SIGTERM; the address is one line of JSON.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    connector, no_cookies = aiohttp.TCPConnector(limit=0), aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=no_cookies, auto_decompress=False) as session:
        server = web.Server(lambda request: forward(session, upstream, request), access_log=None)
        listener = await loop.create_server(server, "127.0.0.1", 0)
        host, port = listener.sockets[0].getsockname()
        print(json.dumps({"url": f"http://{host}:{port}", "pid": os.getpid()}), flush=True)
        await stop.wait()
        listener.close()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
