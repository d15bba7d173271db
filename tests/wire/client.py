"""
A client that is only a socket: it sends the bytes it is given and reads whatever comes back.

It never repairs, retries or follows anything. Answers are read by rules of their own, because what must be shown about
them is small: their status, their headers, that their framing is sound, and whether the connection was closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# An answer that is due comes within milliseconds; a machine that does everything else at once may need seconds.
ANSWER_S = 15.0

# How long a connection that owes nothing more is watched for bytes or its end.
QUIET_S = 0.3

Address = tuple[str, int]


def address(url: str) -> Address:
    """
    Return the host and port of a door's address.
    """
    host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
    return host, int(port)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    One answer: `raw` is all of it.
    """

    version: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        """
        Return a header's value, None where it is absent.
        """
        return next((value for other, value in self.headers if other.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        """
        Return the body as JSON.
        """
        return json.loads(self.body)

    @property
    def last(self) -> bool:
        """
        Tell whether it says that the connection ends with it.
        """
        said = (self.header("Connection") or "").lower()
        return said == "close" or (self.version == "HTTP/1.0" and said != "keep-alive")

    @property
    def reason(self) -> str:
        """
        Return why it is not the upstream's, as the header says.
        """
        return (self.header("Breakwater-Decision") or "").rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """
    What one connection gave: its answers in order, whether it was closed, and bytes that are no answer.
    """

    answers: tuple[Answer, ...]
    closed: bool
    rest: bytes = b""

    @property
    def raw(self) -> bytes:
        """
        Return every byte that came back.
        """
        return b"".join(answer.raw for answer in self.answers) + self.rest


class Connection:
    """
    One connection to a door.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._buffer = b""
        self.closed = False

    @classmethod
    async def to(cls, where: Address) -> Connection:
        """
        Connect.
        """
        return cls(*await asyncio.open_connection(*where))

    async def send(self, data: bytes) -> None:
        """
        Send bytes; a peer that has already gone is not an error here.
        """
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self, *, head: bool = False, wait_s: float = ANSWER_S) -> Answer | None:
        """
        Return the next final answer, None if the connection ends or stays silent first.
        """
        while True:
            found = _take(self._buffer, head=head, closed=self.closed)
            if found is not None:
                self._buffer = self._buffer[len(found.raw) :]
                if found.status >= 200:
                    return found
                continue
            if not await self._more(wait_s):
                return None

    async def interim(self) -> bytes:
        """
        Return the next head, a 100 for instance, without waiting for a body.
        """
        while b"\r\n\r\n" not in self._buffer and await self._more(ANSWER_S):
            pass
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    async def rest(self, wait_s: float = QUIET_S) -> bytes:
        """
        Return what else comes until the connection ends or is quiet.
        """
        while await self._more(wait_s):
            pass
        left, self._buffer = self._buffer, b""
        return left

    async def _more(self, wait_s: float) -> bool:
        if self.closed:
            return False
        try:
            data = await asyncio.wait_for(self._reader.read(262_144), wait_s)
        except TimeoutError:
            return False
        except ConnectionError:
            data = b""
        self.closed = not data
        self._buffer += data
        return bool(data)

    async def end(self) -> None:
        """
        Close it.
        """
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def exchange(
    where: Address, data: bytes, *, due: int = 1, head: bool = False, wait_s: float = ANSWER_S, quiet_s: float = QUIET_S
) -> Ended:
    """
    Send bytes on a connection of their own; read the answers that are due, then whatever else comes.
    """
    connection = await Connection.to(where)
    try:
        await connection.send(data)
        answers: list[Answer] = []
        while len(answers) < due and (answer := await connection.answer(head=head, wait_s=wait_s)) is not None:
            answers.append(answer)
        while (answer := await connection.answer(wait_s=quiet_s)) is not None:
            answers.append(answer)
        return Ended(tuple(answers), connection.closed, await connection.rest(quiet_s))
    finally:
        await connection.end()


async def drip(where: Address, data: bytes) -> Ended:
    """
    Send bytes one at a time, each in a segment of its own as far as the kernel agrees.
    """
    connection = await Connection.to(where)
    try:
        for index in range(len(data)):
            await connection.send(data[index : index + 1])
            await asyncio.sleep(0)
        answer = await connection.answer()
        return Ended((answer,) if answer else (), connection.closed)
    finally:
        await connection.end()


def _take(buffer: bytes, *, head: bool, closed: bool) -> Answer | None:
    """
    Return the whole answer at the start of a buffer; one that states no length ends with its connection.
    """
    top, separator, rest = buffer.partition(b"\r\n\r\n")
    if not separator:
        return None
    line, *fields = top.decode("latin-1").split("\r\n")
    version, status, *_ = line.split(" ", 2)
    assert version.startswith("HTTP/"), f"an answer begins with {line!r}"
    headers = tuple((n, v.strip()) for n, _, v in (one.partition(":") for one in fields))
    body = _body(rest, int(status), headers, head=head, closed=closed)
    if body is None:
        return None
    content, length = body
    return Answer(version, int(status), headers, content, buffer[: len(top) + 4 + length])


def _body(
    rest: bytes, status: int, headers: Sequence[tuple[str, str]], *, head: bool, closed: bool
) -> tuple[bytes, int] | None:
    named = {name.lower(): value for name, value in headers}
    if head or status < 200 or status in {204, 304}:
        return b"", 0
    if named.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(rest)
    if "content-length" not in named:
        return (rest, len(rest)) if closed else None
    length = int(named["content-length"])
    return (rest[:length], length) if len(rest) >= length else None


def _chunks(rest: bytes) -> tuple[bytes, int] | None:
    content, at = b"", 0
    while True:
        line = rest.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(rest[at:line].partition(b";")[0], 16)
        if len(rest) < line + 4 + size:
            return None
        content += rest[line + 2 : line + 2 + size]
        at = line + 4 + size
        if size == 0:
            return content, at
