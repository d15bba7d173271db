"""
A strict HTTP/1.1 request parser of our own, for judging the bytes that reached an upstream's socket.

It shares nothing with the program: no import, no table, no idea. It accepts only what has one meaning to every reader
of RFC 9112: one spelling of a line's end, one way to say how long a body is, names that are tokens and values that are
printable ASCII. Whatever else arrives is `Unparsable`, because an upstream may read it in another way than the next
one. `take` is pure: bytes in, at most one message out.

The two readings above it say the same in other words: `Message` is the framing, `tests.wire.reading` is the meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CRLF = b"\r\n"

# An origin server's own customary bounds; what leaves for one must stay far below them.
HEAD_BYTES_MAX = 32_768
HEADERS_MAX = 64
CHUNK_SIZE_DIGITS_MAX = 8

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.1")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~](?:[ \t!-~]*[!-~])?)?)[ \t]*")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,15}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,%d}" % CHUNK_SIZE_DIGITS_MAX)


class Unparsable(ValueError):
    """
    The bytes have no single meaning.
    """


@dataclass(frozen=True, slots=True)
class Message:
    """
    One request as it came: `raw` is all of it, `body` what it carried once its framing is taken off.
    """

    method: str
    target: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def values(self, name: str) -> list[str]:
        """
        Return every value of a header, in order.
        """
        return [value for other, value in self.headers if other.lower() == name.lower()]


def take(buffer: bytes) -> Message | None:
    """
    Return the message at the start of a buffer, or None while it is not whole.

    Raise `Unparsable` as soon as the bytes can no longer become one message.
    """
    end = buffer.find(CRLF + CRLF)
    _bound(buffer, end)
    if end < 0:
        return None
    lines = buffer[:end].split(CRLF)
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None:
        raise Unparsable("the request line")
    headers = _headers(lines[1:])
    start = end + 4
    body = _body(buffer, start, headers)
    if body is None:
        return None
    content, after = body
    return Message(line[1].decode(), line[2], headers, content, buffer[:after])


def take_all(buffer: bytes) -> tuple[list[Message], bytes]:
    """
    Return every whole message of a buffer and the bytes that are left.
    """
    messages = []
    while buffer and (message := take(buffer)) is not None:
        messages.append(message)
        buffer = buffer[len(message.raw) :]
    return messages, buffer


def _bound(buffer: bytes, end: int) -> None:
    head = buffer if end < 0 else buffer[:end]
    if len(head) > HEAD_BYTES_MAX:
        raise Unparsable("the head's size")
    bare = head.replace(CRLF, b"")
    # A carriage return that ends the buffer may be the first half of a line's end.
    if b"\n" in bare or b"\r" in (bare[:-1] if end < 0 else bare):
        raise Unparsable("a bare line end")


def _headers(lines: list[bytes]) -> tuple[tuple[str, str], ...]:
    if len(lines) > HEADERS_MAX:
        raise Unparsable("too many headers")
    found = []
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise Unparsable("a header line")
        found.append((match[1].decode(), match[2].decode()))
    if sum(name.lower() == "host" for name, _ in found) != 1:
        raise Unparsable("not one Host")
    return tuple(found)


def _body(buffer: bytes, start: int, headers: tuple[tuple[str, str], ...]) -> tuple[bytes, int] | None:
    """
    Return a body and where it ends, None while it is not whole.
    """
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    codings = [value for name, value in headers if name.lower() == "transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise Unparsable("two ways to say how long the body is")
    if codings:
        if codings[0].lower() != "chunked":
            raise Unparsable("a transfer coding")
        return _chunks(buffer, start)
    if not lengths:
        return b"", start
    if _LENGTH.fullmatch(lengths[0].encode()) is None:
        raise Unparsable("a length")
    after = start + int(lengths[0])
    return (buffer[start:after], after) if len(buffer) >= after else None


def _chunks(buffer: bytes, at: int) -> tuple[bytes, int] | None:
    """
    Return a chunked body and where it ends; extensions and trailers are none of ours to send.
    """
    content = b""
    while True:
        line = buffer.find(CRLF, at)
        if line < 0:
            if len(buffer) - at > CHUNK_SIZE_DIGITS_MAX + 1:
                raise Unparsable("a chunk's size")
            return None
        if _CHUNK_SIZE.fullmatch(buffer[at:line]) is None:
            raise Unparsable("a chunk's size")
        size, at = int(buffer[at:line], 16), line + 2
        if len(buffer) < at + size + 2:
            return None
        content += buffer[at : at + size]
        if buffer[at + size : at + size + 2] != CRLF:
            raise Unparsable("a chunk's end, or a trailer")
        at += size + 2
        if size == 0:
            return content, at
