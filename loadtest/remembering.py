"""
The upstream of scenarios with faults: it remembers what each write effected, and fails in the manner that it is told.

It is a raw protocol, as `answering.py` is, so that it can be asked for more than whoever is under test can send. Like
Stripe it makes one effect of all requests under one key, so a write that is sent again under its own key is no second
effect; what is counted is what was made for each *order*, the number that a caller puts into what it writes. Two
effects of one order are what must never be, whatever keys they came under.

A *manner* is in force from one moment to the next: a part of the requests fails, before the work or after it, by a
status or by a connection that ends; every answer may be delayed. Streams are chunked, as fast as they are taken.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

from loadtest.answering import SECRET, body_length, plain
from loadtest.scenario import CREATE, OPERATIONS, READ, answer

# Where it is asked and told what is no operation of the API.
COUNTS, EFFECTS, MANNER = "/_load/counts", "/_load/effects", "/_load/manner"

ORDER = re.compile(rb"metadata%5Border%5D=([0-9A-Za-z_-]+)")

_KEY = re.compile(rb"\r\nidempotency-key:[ \t]*([^\r\n]+)", re.IGNORECASE)
_CREATE, _READ = b"POST /v1/payment_intents ", b"GET /v1/charges/"
_STREAM = re.compile(rb"GET /v1/quotes/qt_(\d+)_(\d+)_(\d+)/pdf ")

# Of a stream: what is written at once where nothing else is asked for.
PIECE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Manner:
    """
    How calls are answered: `failing` is the part that fails, by `status` or, where that is 0, by the connection's end;
    `applied` says that the work was done by then. Reads never count as work.
    """

    failing: float = 0.0
    status: int = 503
    applied: bool = False
    delay_s: float = 0.0
    reads_too: bool = True


def stream_of(number: int, size: int) -> bytes:
    """
    Return a stream's whole body: as many bytes, different for each number.
    """
    line = _line(number)
    return (line * (size // len(line) + 1))[:size]


def _line(number: int) -> bytes:
    return b"%07d\n" % (number % 10**7)


class Remembered:
    """
    What was asked for, what was made of it, and the manner that is in force.
    """

    def __init__(self, secret: str, seed: int) -> None:
        self._credential = b"\r\nauthorization: bearer " + secret.lower().encode() + b"\r\n"
        self._random = random.Random(seed)
        self._answers = {kind: answer(operation) for kind, operation in OPERATIONS.items()}
        self.effects: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._numbers: dict[bytes, int] = {}
        self.manner = Manner()
        self.last_write_at = 0.0

    def __repr__(self) -> str:
        return f"<Remembered {self.counts['writes']} writes, {self.counts['effects']} effects, {self.manner}>"

    def answered(self, head: bytes, body: bytes) -> bytes | None:
        """
        Return the answer to a request, or None where its connection ends instead.
        """
        if self._credential not in head.lower():
            return plain("401 Unauthorized")
        writes = head.startswith(_CREATE)
        if not writes and not head.startswith(_READ):
            return plain("404 Not Found")
        self.counts["writes" if writes else "reads"] += 1
        if writes:
            self.last_write_at = time.monotonic()
        manner = self.manner
        fails = (writes or manner.reads_too) and self._random.random() < manner.failing
        done = None
        if not fails or manner.applied:
            done = self._written(head, body) if writes else self._answers[READ].at(self.counts["reads"])
        if not fails:
            return done
        self.counts["failed"] += 1
        return plain(f"{manner.status} Told To Fail", {"error": {"type": "api_error"}}) if manner.status else None

    def _written(self, head: bytes, body: bytes) -> bytes:
        found, key = ORDER.search(body), _KEY.search(head)
        if found is None:
            return plain("400 Bad Request")
        if key is not None and key[1] in self._numbers:
            self.counts["repeats"] += 1
            return self._answers[CREATE].at(self._numbers[key[1]])
        self.effects[found[1].decode()] += 1
        self.counts["effects"] += 1
        if key is not None:
            self._numbers[key[1]] = self.counts["effects"]
        return self._answers[CREATE].at(self.counts["effects"])

    def told(self, head: bytes, body: bytes) -> bytes | None:
        """
        Return what is said at its own door, or None where it was asked for something else.
        """
        path = head.split(b" ", 2)[1].decode("latin-1")
        if path == COUNTS:
            return plain("200 OK", {**self.counts, "last_write_at": self.last_write_at})
        if path == EFFECTS:
            return plain("200 OK", dict(self.effects))
        if path == MANNER:
            self.manner = Manner(**json.loads(body))
            return plain("200 OK", asdict(self.manner))
        return None


class Remembering(asyncio.Protocol):
    """
    One connection: one request after the other, in any pieces.
    """

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._kept = b""
        self._transport: asyncio.Transport | None = None
        self._streamed: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the connection.
        """
        # What uvloop hands over is one, and is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it ended, however it did
        """
        Forget the connection.
        """
        self._transport = None
        if self._streamed is not None:
            self._streamed.cancel()

    def pause_writing(self) -> None:
        """
        Write no more of a stream.
        """
        self._writable.clear()

    def resume_writing(self) -> None:
        """
        Go on with a stream.
        """
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """
        Answer every request that is whole, in order.
        """
        self._kept += data
        self._next()

    def _next(self) -> None:
        while not self._busy and self._transport is not None and (end := self._kept.find(b"\r\n\r\n")) >= 0:
            head = self._kept[: end + 2]
            length = body_length(head.lower())
            if length is None:
                self._transport.close()
                return
            if len(self._kept) < end + 4 + length:
                return
            body, self._kept = self._kept[end + 4 : end + 4 + length], self._kept[end + 4 + length :]
            self._handle(head, body)

    def _handle(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if (said := self._remembered.told(head, body)) is not None:
            self._transport.write(said)
            return
        if found := _STREAM.match(head):
            self._busy = True
            self._streamed = asyncio.get_running_loop().create_task(self._stream(*map(int, found.groups())))
            return
        answered, delay_s = self._remembered.answered(head, body), self._remembered.manner.delay_s
        if delay_s:
            self._busy = True
            asyncio.get_running_loop().call_later(delay_s, self._say, answered)
        else:
            self._say(answered)

    def _say(self, answered: bytes | None) -> None:
        if self._transport is None:
            return
        self._transport.abort() if answered is None else self._transport.write(answered)
        if self._busy:
            self._busy = False
            self._next()

    async def _stream(self, number: int, size: int, pause_ms: int) -> None:
        """
        Write a body in chunks, each as soon as the one before was taken.
        """
        assert self._transport is not None
        self._remembered.counts["streams"] += 1
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._transport.write(head.encode())
        # Every piece begins with a line, so that the next one is as the first.
        whole = stream_of(number, PIECE_BYTES)
        for start in range(0, size, PIECE_BYTES):
            piece = whole[: size - start]
            await self._writable.wait()
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if pause_ms:
                await asyncio.sleep(pause_ms / 1000)
        self._transport.write(b"0\r\n\r\n")
        self._busy = False
        self._next()


async def serve(secret: str, seed: int) -> None:
    """
    Serve until SIGTERM; the address is one line of JSON.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    remembered = Remembered(secret, seed)
    listener = await loop.create_server(lambda: Remembering(remembered), "127.0.0.1", 0, backlog=1024)
    host, port = listener.sockets[0].getsockname()
    print(json.dumps({"url": f"http://{host}:{port}", "pid": os.getpid()}), flush=True)
    # A collection would show up as somebody's latency.
    gc.disable()
    await stop.wait()
    listener.close()


def main(given: list[str]) -> Any:
    """
    Serve with the seed that is given, if one is.
    """
    return uvloop.run(serve(os.environ[SECRET], int(given[0]) if given else 0))


if __name__ == "__main__":
    main(sys.argv[1:])
