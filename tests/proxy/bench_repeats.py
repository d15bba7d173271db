"""
How many repeats a second are answered: recognised at the store, through the pipeline without sockets, and with them.

A figure counts a second of this process's processors, the writer of the record among them, so that a machine that does
something else at once does not change it. `python -m tests.proxy.bench_repeats` prints the figures.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts
from breakers.verdict import Again, Repeat
from loadtest.upstreams.stripe import StripeSandbox
from proxy.canonical.heads import canonical_head
from proxy.canonical.target import parse_target
from proxy.inbound import Inbound
from proxy.pipeline import handle
from proxy.rooms import Rooms
from proxy.trail import Trail
from tests.proxy.road import SECRET, Road, charged, road
from tests.proxy.rows import FORM

FLOORS = Path(__file__).with_name("floors.json")
STORE, PIPELINE, SOCKET = "repeats a second: store", "repeats a second: pipeline", "repeats a second: socket"
COUNTS = {STORE: 64_000, PIPELINE: 16_000, SOCKET: 1_600}

# Behind each other on a lane; a batch of the record is as many as came while the last was written.
AT_ONCE = 32

# The best of so many is what it costs; what is above it is what else the machine does to its caches.
ROUNDS = 4

TARGET = "/v1/refunds"

Lane = Callable[[int], Callable[[], Awaitable[None]]]
"""Make so many requests ready, and return what sends them."""


class Given:
    """
    What the pipeline needs of a request that came without a socket: a body, and somebody who waits.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.content = self
        self.connection = SimpleNamespace(transport=SimpleNamespace(is_closing=lambda: False))

    def is_eof(self) -> bool:
        """
        Tell that it is all there.
        """
        return True

    def read_nowait(self) -> bytes:
        """
        Return the body.
        """
        return self._body


async def figures(folder: Path) -> dict[str, float]:
    """
    Return each figure; fail if a repeat is answered otherwise than as one.
    """
    async with StripeSandbox(secret=SECRET) as sandbox, road(folder, sandbox.url) as on:
        body = urlencode({"charge": charged(sandbox), "amount": 500}).encode()
        headers = [("Authorization", f"Bearer {on.keys['support']}"), ("Idempotency-Key", "bench")]
        head = on.head("POST", TARGET, headers, len(body), FORM)
        connection = await on.connect()
        await connection.send(head + body)
        first = await connection.answer()
        await connection.end()
        assert first is not None
        assert first.header("Idempotent-Replayed") is None
        return {
            STORE: await _rate(COUNTS[STORE], await _at_the_store(on.rooms, head, body)),
            PIPELINE: await _rate(COUNTS[PIPELINE], _in_the_pipeline(on.rooms, head, body)),
            SOCKET: await _rate(COUNTS[SOCKET], _through_a_socket(on, head + body)),
        }


async def _rate(count: int, lane: Lane) -> float:
    await lane(count // 10)()
    took = []
    for _ in range(ROUNDS):
        lanes = [lane(count // AT_ONCE // ROUNDS) for _ in range(AT_ONCE)]
        # What was made ready here is not what the road leaves behind.
        gc.freeze()
        began = time.process_time()
        await asyncio.gather(*(go() for go in lanes))
        took.append(time.process_time() - began)
    return count / ROUNDS / min(took)


async def _at_the_store(rooms: Rooms, head: bytes, body: bytes) -> Lane:
    calls: list[Call] = []
    facts = rooms.store.facts

    async def caught(call: Call) -> Facts:
        calls.append(call)
        return await facts(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms.store, "facts", caught)
        await handle(_inbound(rooms, head, body), rooms)
    (call,) = calls

    def lane(count: int) -> Callable[[], Awaitable[None]]:
        async def go() -> None:
            for _ in range(count):
                said = decide(call, rooms.policy, await facts(call))
                assert isinstance(said, Repeat)
                assert said.again is Again.REPLAY

        return go

    return lane


def _in_the_pipeline(rooms: Rooms, head: bytes, body: bytes) -> Lane:
    def lane(count: int) -> Callable[[], Awaitable[None]]:
        came = [_inbound(rooms, head, body) for _ in range(count)]

        async def go() -> None:
            for inbound in came:
                answer = await handle(inbound, rooms)
                assert answer.headers[-1] == ("idempotent-replayed", "true")

        return go

    return lane


def _inbound(rooms: Rooms, head: bytes, body: bytes) -> Inbound:
    """
    Return the request as it stands once its head was read.
    """
    _, *lines = head.rstrip().split(b"\r\n")
    raw = tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))
    trail = Trail(rooms.ids.new(), rooms.clock, rooms.clock.monotonic(), door="stripe", api="stripe")
    request: Any = Given(body)
    return Inbound(rooms.doors["stripe"], canonical_head("POST", (1, 1), raw), parse_target(TARGET), request, trail)


def _through_a_socket(on: Road, request: bytes) -> Lane:
    def lane(count: int) -> Callable[[], Awaitable[None]]:
        async def go() -> None:
            connection = await on.connect()
            for _ in range(count):
                await connection.send(request)
                answer = await connection.answer()
                assert answer is not None
                assert answer.header("Idempotent-Replayed") == "true"
            await connection.end()

        return go

    return lane


def main() -> int:
    """
    Print the figures beside their floors.
    """
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for name, rate in asyncio.run(figures(Path(folder))).items():
            sys.stdout.write(f"{name:30} {rate:>9,.0f}   floor {floors[name]:>9,}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
