"""Run the sandbox as a process: it prints its address as one line of JSON and serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal

from loadtest.upstreams.stripe.server import StripeSandbox


async def serve(port: int, secret: str, seed: int) -> None:
    """
    Serve until SIGTERM or SIGINT.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with StripeSandbox(secret=secret, seed=seed, port=port) as upstream:
        print(json.dumps({"url": upstream.url, "pid": os.getpid()}), flush=True)
        await stop.wait()


def main() -> None:
    """
    Read the arguments and serve.
    """
    parser = argparse.ArgumentParser(prog="python -m loadtest.upstreams.stripe", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seeds ids and failures at a rate")
    parser.add_argument("--secret-env", default="STRIPE_SECRET", help="the variable that holds the account's key")
    options = parser.parse_args()
    asyncio.run(serve(options.port, os.environ.get(options.secret_env, "sandbox-secret"), options.seed))


if __name__ == "__main__":
    main()
