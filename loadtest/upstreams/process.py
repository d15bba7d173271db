"""A sandbox as a process: it prints its address as one line of JSON and serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from collections.abc import Callable

from loadtest.upstreams.sandbox import Sandbox


def arguments(name: str, secret_env: str) -> argparse.ArgumentParser:
    """
    Return the parser of what every sandbox takes; a vendor's own arguments can be added to it.
    """
    parser = argparse.ArgumentParser(prog=f"python -m loadtest.upstreams.{name}", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seeds ids and failures at a rate")
    parser.add_argument("--secret-env", default=secret_env, help="the variable that holds the account's key")
    return parser


def run(parser: argparse.ArgumentParser, build: Callable[[argparse.Namespace, str], Sandbox]) -> None:
    """
    Read the arguments, build the sandbox from them and the secret, and serve.
    """
    options = parser.parse_args()
    sandbox = build(options, os.environ.get(options.secret_env, "sandbox-secret"))
    asyncio.run(_serve(sandbox))


async def _serve(sandbox: Sandbox) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox as upstream:
        print(json.dumps({"url": upstream.url, "pid": os.getpid()}), flush=True)
        await stop.wait()
