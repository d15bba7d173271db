"""
Answers that no server should send, byte by byte, for whoever has to survive them.

Each of `MANNERS` takes a good answer and returns what goes on the wire instead; `KEEPS_OPEN` are those after which the
connection stays open, because what they attack is the next request on it. `CONTENTS` are those where the message is
well formed and only what it carries is not.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from types import MappingProxyType

from loadtest.upstreams.answer import Answer

# Larger than any head that a client accepts by default.
_OVERSIZED = 1 << 20


def _head(answer: Answer, *lines: str) -> bytes:
    first = f"HTTP/1.1 {answer.status} Status"
    return "\r\n".join([first, "Content-Type: application/json", *lines, "", ""]).encode("latin-1")


def _whole(answer: Answer) -> bytes:
    return _head(answer, f"Content-Length: {len(answer.body)}") + answer.body


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def _two_lengths(answer: Answer) -> bytes:
    lengths = (f"Content-Length: {len(answer.body)}", f"Content-Length: {max(0, len(answer.body) - 1)}")
    return _head(answer, *lengths) + answer.body


def _length_and_chunked(answer: Answer) -> bytes:
    return _head(answer, f"Content-Length: {len(answer.body)}", "Transfer-Encoding: chunked") + _chunked(answer.body)


def _oversized_header(answer: Answer) -> bytes:
    return _head(answer, "X-Padding: " + "a" * _OVERSIZED, f"Content-Length: {len(answer.body)}") + answer.body


def _many_headers(answer: Answer) -> bytes:
    return _head(answer, *(f"X-{n}: 1" for n in range(10_000)), f"Content-Length: {len(answer.body)}") + answer.body


def _truncated_body(answer: Answer) -> bytes:
    return _head(answer, f"Content-Length: {len(answer.body)}") + answer.body[: len(answer.body) // 2]


def _truncated_chunk(answer: Answer) -> bytes:
    return _head(answer, "Transfer-Encoding: chunked") + _chunked(answer.body)[: len(answer.body) // 2]


def _bad_chunk(answer: Answer) -> bytes:
    return _head(answer, "Transfer-Encoding: chunked") + b"zz\r\n" + answer.body + b"\r\n0\r\n\r\n"


def _not_http(answer: Answer) -> bytes:
    return b"SSH-2.0-sandbox\r\n" + answer.body


def _garbage(answer: Answer) -> bytes:
    # Every byte there is, none where a parser would like it, and as many as a good answer has at least.
    return bytes(reversed(range(256))) * (1 + len(answer.body) // 256)


def _header_injection(answer: Answer) -> bytes:
    return _head(answer, "X-Bad: a\rX-Injected: b", f"Content-Length: {len(answer.body)}") + answer.body


def _switching_protocols(answer: Answer) -> bytes:
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n" + answer.body


def _early_hints(answer: Answer) -> bytes:
    return b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + _whole(answer)


def _second_response(answer: Answer) -> bytes:
    return _whole(answer) + _whole(Answer.of(200, {"id": "smuggled", "object": "smuggled"}))


MANNERS: Mapping[str, Callable[[Answer], bytes]] = MappingProxyType(
    {
        "two-lengths": _two_lengths,
        "length-and-chunked": _length_and_chunked,
        "oversized-header": _oversized_header,
        "many-headers": _many_headers,
        "truncated-body": _truncated_body,
        "truncated-chunk": _truncated_chunk,
        "bad-chunk": _bad_chunk,
        "not-http": _not_http,
        "garbage": _garbage,
        "header-injection": _header_injection,
        "switching-protocols": _switching_protocols,
        "early-hints": _early_hints,
        "second-response": _second_response,
    }
)

KEEPS_OPEN = frozenset({"switching-protocols", "second-response"})


def _gzip(answer: Answer) -> Answer:
    return Answer(answer.status, gzip.compress(answer.body, mtime=0), answer.headers | {"Content-Encoding": "gzip"})


def _gzip_broken(answer: Answer) -> Answer:
    whole = _gzip(answer)
    return Answer(whole.status, whole.body[:-12], whole.headers)


def _not_json(answer: Answer) -> Answer:
    return Answer(answer.status, b"not json\n", answer.headers)


CONTENTS: Mapping[str, Callable[[Answer], Answer]] = MappingProxyType(
    {"gzip": _gzip, "gzip-broken": _gzip_broken, "not-json": _not_json}
)
