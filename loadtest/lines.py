"""
An agent's half of HTTP: kept connections, one call on each at a time, and what an answer says of its call.

An answer is whole by its length; what ends without one, or is none, is no answer. A call that got none is not sent
again here: that is its caller's own decision.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from loadtest.framing import MalformedError
from loadtest.framing import field as header

# On which statuses one SDK or another asks again.
AGAIN = frozenset({409, 424, 429, *range(500, 600)})

# What is said of the API's own answer.
PASSED = "allowed"

# The write was made, and its answer is not kept: those with a member that may not be stored are kept in memory only.
NOT_KEPT = "answer-not-kept"

# Longer than any answer takes that comes at all: a write's caller is told after 12 s at the latest.
PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Told:
    """
    One answer: its status, who decided what, whether anything was sent, its call, and the call that it is about.
    """

    status: int
    decision: str
    dispatched: str
    call: str
    intent: str
    body: bytes = field(repr=False)
    closes: bool = False

    @property
    def verdict(self) -> str:
        """
        Return what its caller was told, in a word or two: the status, and ours where it is not the API's own answer.
        """
        reason = self.decision.partition(":")[2]
        return str(self.status) if reason in {"", PASSED} else f"{self.status} {reason}"

    @property
    def made(self) -> bool:
        """
        Tell whether its caller knows by it that the write was made, if without its answer.
        """
        return self.status == 200 or self.decision.endswith(f":{NOT_KEPT}")

    @property
    def ends(self) -> bool:
        """
        Tell whether an SDK asks no more after it.
        """
        return self.made or self.status not in AGAIN


def answer_in(data: bytes) -> tuple[Told, int] | None:
    """
    Return the answer at the beginning of what has arrived, with its length; None where some of it is still to come.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    raw = data[: end + 2]
    head = raw.lower()
    if not head.startswith(b"http/1.1 ") or not head[9:12].isdigit():
        raise MalformedError(f"no status line: {data[:40]!r}")
    length = header(head, b"\r\ncontent-length:")
    if not length.isdigit():
        raise MalformedError(f"an answer without a length: {data[:end]!r}")
    size = end + 4 + int(length)
    if len(data) < size:
        return None
    names = (b"decision", b"dispatched", b"call", b"intent")
    decision, dispatched, call, intent = (header(head, b"\r\nbreakwater-%b:" % name) for name in names)
    closes = b"\r\nconnection: close\r\n" in head
    body = data[end + 4 : size]
    return Told(int(head[9:12]), decision, dispatched, call.upper(), intent.upper(), body, closes), size


class Line(asyncio.Protocol):
    """
    One kept connection with at most one call on it.
    """

    def __init__(self) -> None:
        self._kept = b""
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Told] | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the connection.
        """
        # What uvloop hands over is one, and is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    async def call(self, data: bytes, within_s: float) -> Told:
        """
        Send a call and return its answer; raise `OSError` where none came, `TimeoutError` among them.
        """
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        patience = asyncio.get_running_loop().call_later(within_s, self._end, TimeoutError("no answer in time"))
        try:
            self._transport.write(data)
            return await self._waiting
        except BaseException:
            self.close()
            raise
        finally:
            patience.cancel()
            self._waiting = None

    def data_received(self, data: bytes) -> None:
        """
        Hand the answer on once it is whole.
        """
        self._kept += data
        try:
            found = answer_in(self._kept)
        except MalformedError as error:
            self._end(error)
            return
        if found is None:
            return
        told, size = found
        self._kept = self._kept[size:]
        if told.closes:
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(told)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Tell whoever waits that no answer comes.
        """
        self.open = False
        self._end(exc or ConnectionResetError("the connection was closed"))

    def _end(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error if isinstance(error, OSError | MalformedError) else OSError(str(error)))

    def close(self) -> None:
        """
        Close the connection.
        """
        self.open = False
        if self._transport is not None:
            self._transport.close()


class Lines:
    """
    A caller's connections to one door: as many as it has calls under way, `most` at once; a call beyond waits.
    """

    def __init__(self, url: str, most: int) -> None:
        at = urlsplit(url)
        self.host, self._address, self._port = at.netloc, at.hostname or "", at.port or 0
        self._idle: deque[Line] = deque()
        self._room = asyncio.Semaphore(most)
        self._all: set[Line] = set()
        self._left = False

    def leave(self) -> None:
        """
        Begin no call any more; those that wait for a connection get no answer, those that have one are left alone.
        """
        self._left = True

    def close(self) -> None:
        """
        Close every connection; calls that are under way get no answer.
        """
        self._left = True
        for line in self._all:
            line.close()

    async def call(self, data: bytes, within_s: float = PATIENCE_S) -> Told:
        """
        Send a call and return its answer; raise `OSError` where none came.
        """
        async with self._room:
            if self._left:
                raise ConnectionResetError("nobody listens there any more")
            line = await self._line(within_s)
            told = await line.call(data, within_s)
            if line.open:
                self._idle.append(line)
            return told

    async def _line(self, within_s: float) -> Line:
        while self._idle:
            # The newest is the least likely to be closed by the other side.
            line = self._idle.pop()
            if line.open:
                return line
            self._all.discard(line)
        async with asyncio.timeout(within_s):
            loop = asyncio.get_running_loop()
            _, line = await loop.create_connection(Line, self._address, self._port)
        self._all = {one for one in self._all if one.open} if len(self._all) > 4096 else self._all
        self._all.add(line)
        return line
