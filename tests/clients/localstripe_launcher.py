"""
Run localstripe, another author's fake Stripe, as a process of its own on a free loopback port.

Started as a script and never imported: it is licensed under the GPL. As shipped it pickles its store into the system's
temporary folder on every change and listens on every interface; here it does neither. It also sorts by the second in
which an object was made, so that two recordings of one script could differ; here every object gets its own second.

Every request's head is appended to the file named by the first argument; our address is printed as one line of JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web

# How long a stop waits for connections that SDKs keep alive.
_STOP_S = 0.2


async def serve(app: web.Application) -> None:
    """
    Serve on a free port until the parent closes our standard input.
    """
    runner = web.AppRunner(app, shutdown_timeout=_STOP_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


def main() -> None:
    """
    Take the store off the disk, tell it the time, write down what it is sent, and serve.
    """
    resources: Any = importlib.import_module("localstripe.resources")
    resources.Store.dump_to_disk = lambda _store: None
    resources.time = SimpleNamespace(time=partial(next, itertools.count(int(time.time()))))
    app = importlib.import_module("localstripe.server").app

    with Path(sys.argv[1]).open("a") as seen:

        @web.middleware
        async def written_down(request: web.Request, handler: Any) -> Any:
            print(json.dumps([request.method, request.path_qs, dict(request.headers)]), file=seen, flush=True)
            return await handler(request)

        app.middlewares.insert(0, written_down)
        asyncio.run(serve(app))


if __name__ == "__main__":
    main()
