"""
An answer as bytes: its head in one piece, and the chunks of a body whose length nobody knows yet.

How an answer is framed is ours to say, whatever its upstream said of another body on another connection.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus

Headers = tuple[tuple[str, str], ...]

CHUNKED = "Transfer-Encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"

_FRAMING = frozenset({"connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade"})

# With one of these a header would be two, or none.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search

_OCTETS = "content-type: application/octet-stream"


def head(status: int, headers: Headers, at: datetime, framing: str, *, is_1_0: bool, stays: bool) -> bytes:
    """
    Return the head of an answer: `framing` is the line that says where its body ends, and empty where it has none.

    Raise `ValueError` where a header would be more than one.
    """
    named = dict(headers)
    lines = [f"HTTP/1.{0 if is_1_0 else 1} {_spelled(status)}"]
    lines += [f"{name}: {value}" for name, value in headers if name not in _FRAMING]
    if framing:
        lines.append(framing)
        if "content-type" not in named and framing != length(0):
            lines.append(_OCTETS)
    if "date" not in named:
        lines.append(_date(int(at.timestamp())))
    if stays == is_1_0:
        # What is not said is that HTTP/1.1 stays and HTTP/1.0 does not.
        lines.append("Connection: keep-alive" if stays else "Connection: close")
    together = "".join(lines)
    if not together.isprintable() and _CONTROL(together):
        raise ValueError("a header of an answer holds a control character")
    lines += ("", "")
    # Half of a surrogate pair has no bytes.
    return "\r\n".join(lines).encode("utf-8", "ignore")


def length(count: int) -> str:
    """
    Return the line that says how many bytes a body has.
    """
    return f"Content-Length: {count}"


def chunk(piece: bytes) -> bytes:
    """
    Return a piece of a body, of at least one byte, as a chunk.
    """
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@lru_cache(maxsize=128)
def _spelled(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"{status} {phrase}"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)}"
