"""
The upstream of the load: it answers a read and a create from prepared bytes, and counts what reached it. Told to hold,
it keeps its answers until it is told to let go of them.

It is a raw protocol, so that it is never what is measured: a request costs it a few searches in a buffer, and requests
that came in one piece are answered in one piece. It parses no more than the frames need, and it does not guess: another
line, another credential or another framing than the load's is answered 4xx and counts as nothing.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from loadtest.framing import whole_answer
from loadtest.scenario import CREATE, OPERATIONS, READ, answer

# Where the counts are read, and where it is told to hold its answers and to let go of them; no operations of the API.
COUNTS, HOLD, RELEASE = "/_load/counts", "/_load/hold", "/_load/release"

# How long an answer of its own may take.
ASK_S = 30.0

# As many connections as wait to be taken at once: a proxy that has thousands of calls opens thousands.
BACKLOG = 4096

# The variable that holds the only credential that is accepted.
SECRET = "LOADTEST_SECRET"

_LENGTH = b"\r\ncontent-length:"


class Counted:
    """
    How often each operation was asked for, with the right credential, and the answers that are held.
    """

    def __init__(self, secret: str) -> None:
        self._credential = b"\r\nauthorization: bearer " + secret.lower().encode() + b"\r\n"
        self._lines = {
            kind: f"{operation.method} {operation.target} HTTP/1.1\r\n".lower().encode()
            for kind, operation in OPERATIONS.items()
        }
        self._answers = {kind: answer(operation) for kind, operation in OPERATIONS.items()}
        self.counts = dict.fromkeys((READ, CREATE), 0)
        self.holding = False
        self.held: list[tuple[asyncio.Transport, bytes]] = []

    def __repr__(self) -> str:
        return f"<Counted {self.counts} {len(self.held)} held>"

    def answered(self, head: bytes) -> bytes:
        """
        Return the answer to a request by its head, in lower case and with its last line's end.
        """
        for kind, line in self._lines.items():
            if head.startswith(line):
                if self._credential not in head:
                    return plain("401 Unauthorized")
                self.counts[kind] += 1
                return self._answers[kind].at(self.counts[kind])
        return self._asked(head.split(b" ", 2)[1].decode("latin-1") if head.startswith(b"get ") else "")

    def _asked(self, path: str) -> bytes:
        if path not in {COUNTS, HOLD, RELEASE}:
            return plain("404 Not Found")
        if path != COUNTS:
            self.holding = path == HOLD
        if path == RELEASE:
            held, self.held = self.held, []
            for transport, answers in held:
                transport.write(answers)
        return plain("200 OK", {**self.counts, "held": len(self.held)})


def plain(status: str, document: Mapping[str, object] | None = None) -> bytes:
    """
    Return an answer that is no part of the load.
    """
    body = json.dumps(document or {})
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


class Answering(asyncio.Protocol):
    """
    One connection: any number of requests, in any pieces.
    """

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self._kept = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the connection.
        """
        # What uvloop hands over is one, and is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """
        Answer every request that is whole, in order.
        """
        assert self._transport is not None
        data = self._kept + data
        at = 0
        answers: list[bytes] = []
        while (end := data.find(b"\r\n\r\n", at)) >= 0:
            head = data[at : end + 2].lower()
            length = body_length(head)
            if length is None:
                self._transport.write(b"".join([*answers, plain("411 Length Required")]))
                self._transport.close()
                return
            if len(data) < end + 4 + length:
                break
            answers.append(self._counted.answered(head))
            at = end + 4 + length
        self._kept = data[at:]
        if not answers:
            return
        if self._counted.holding and not data.startswith(b"GET /_load/"):
            self._counted.held.append((self._transport, b"".join(answers)))
        else:
            self._transport.write(b"".join(answers))


def body_length(head: bytes) -> int | None:
    """
    Return how long the body behind a head is, or None where the head does not say so by a length.
    """
    if b"\r\ntransfer-encoding:" in head:
        return None
    at = head.find(_LENGTH)
    if at < 0:
        return 0
    value = head[at + len(_LENGTH) : head.index(b"\r\n", at + len(_LENGTH))].strip()
    return int(value) if value.isdigit() else None


@dataclass(frozen=True, slots=True)
class Upstream:
    """
    Where it is, for whoever asks it beside the load.
    """

    url: str

    def counts(self) -> dict[str, int]:
        """
        Return how often each operation reached it, and how many answers it holds.
        """
        return self._ask(COUNTS)

    def hold(self) -> None:
        """
        Have it hold its answers.
        """
        self._ask(HOLD)

    def release(self) -> None:
        """
        Have it answer all that it held, and hold no more.
        """
        self._ask(RELEASE)

    def _ask(self, path: str) -> dict[str, int]:
        # Not by urllib: the finalizers of its files swallow what a signal's handler raises, and a run that is told to
        # stop would go on.
        to, data = urlsplit(self.url), b""
        with socket.create_connection((to.hostname, to.port), ASK_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            while whole_answer(data) is None:
                piece = connection.recv(65536)
                if not piece:
                    raise ConnectionResetError("the upstream ended")
                data += piece
        counted: dict[str, Any] = json.loads(data.partition(b"\r\n\r\n")[2])
        return counted


async def serve(secret: str) -> None:
    """
    Serve until SIGTERM; the address is one line of JSON.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    counted = Counted(secret)
    listener = await loop.create_server(lambda: Answering(counted), "127.0.0.1", 0, backlog=BACKLOG)
    host, port = listener.sockets[0].getsockname()
    print(json.dumps({"url": f"http://{host}:{port}", "pid": os.getpid()}), flush=True)
    # Nothing here makes circles, and a collection would show up as somebody's latency.
    gc.disable()
    await stop.wait()
    listener.close()


if __name__ == "__main__":
    uvloop.run(serve(os.environ[SECRET]))
