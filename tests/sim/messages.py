"""Just enough of HTTP/1.1 for both ends of a simulated wire: messages with a length or in chunks, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """
    One request or answer: its first line's words, its headers in small letters, its body.
    """

    first: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes


class Reader:
    """
    Bytes in, whole messages out.
    """

    def __init__(self) -> None:
        self._data = bytearray()

    def __repr__(self) -> str:
        return f"<Reader {len(self._data)} bytes>"

    def feed(self, data: bytes) -> list[Message]:
        """
        Return the messages that are whole by now.
        """
        self._data += data
        found: list[Message] = []
        while (message := self._take()) is not None:
            found.append(message)
        return found

    def _take(self) -> Message | None:
        end = self._data.find(END)
        if end < 0:
            return None
        lines = self._data[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        begins = end + len(END)
        if headers.get("transfer-encoding") == "chunked":
            body, over = _chunks(self._data, begins)
        else:
            over = begins + int(headers.get("content-length", "0"))
            body = bytes(self._data[begins:over]) if len(self._data) >= over else None
        if body is None:
            return None
        del self._data[:over]
        return Message(tuple(lines[0].split(" ", 2)), headers, body)


def _chunks(data: bytearray, at: int) -> tuple[bytes | None, int]:
    """
    Return a body in chunks, once it is whole, and where it ends.
    """
    pieces: list[bytes] = []
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line], 16)
        at = line + 2
        if len(data) < at + size + 2:
            break
        if size == 0:
            return b"".join(pieces), at + 2
        pieces.append(bytes(data[at : at + size]))
        at += size + 2
    return None, at


class Server(asyncio.Protocol):
    """
    The server's end of one connection: each request is given to `serve`, with whom to answer.
    """

    def __init__(self, serve: Callable[[Message, asyncio.Transport], None]) -> None:
        self._serve, self._reader = serve, Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        for message in self._reader.feed(data):
            self._serve(message, self._transport)


class Client(asyncio.Protocol):
    """
    The client's end: `answer` is the one answer that is waited for, or None where the connection ended before it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = Reader()
        self.answer: asyncio.Future[Message | None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            if not self.answer.done():
                self.answer.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_result(None)


def request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """
    Return a request as bytes.
    """
    said = dict(headers) | ({"Content-Length": str(len(body))} if body or method != "GET" else {})
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def response(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """
    Return an answer as bytes.
    """
    said = {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
