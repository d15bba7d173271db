"""An answer as bytes: one head, framed by us, whatever its headers hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.framing import CHUNKED, LAST_CHUNK, chunk, head, length

AT = datetime(2026, 11, 21, 12, 0, 0, 999_999, tzinfo=UTC)
JSON = ("content-type", "application/json")
DATE = "Date: Sat, 21 Nov 2026 12:00:00 GMT"
OCTETS = "content-type: application/octet-stream"


@pytest.mark.parametrize(
    ("status", "headers", "framing", "is_1_0", "stays", "lines"),
    [
        (200, (JSON,), length(3), False, True, ["HTTP/1.1 200 OK", f"{JSON[0]}: {JSON[1]}", "Content-Length: 3", DATE]),
        (200, (JSON,), CHUNKED, False, False,
         ["HTTP/1.1 200 OK", f"{JSON[0]}: {JSON[1]}", CHUNKED, DATE, "Connection: close"]),
        (200, (), length(3), False, True, ["HTTP/1.1 200 OK", "Content-Length: 3", OCTETS, DATE]),
        (200, (), length(0), False, True, ["HTTP/1.1 200 OK", "Content-Length: 0", DATE]),
        (204, (), "", False, True, ["HTTP/1.1 204 No Content", DATE]),
        (599, (), "", False, True, ["HTTP/1.1 599 ", DATE]),
        (200, (("date", "then"),), "", False, True, ["HTTP/1.1 200 OK", "date: then"]),
        (200, (), "", True, False, ["HTTP/1.0 200 OK", DATE]),
        (200, (), "", True, True, ["HTTP/1.0 200 OK", DATE, "Connection: keep-alive"]),
        (200, (("content-length", "9"), ("transfer-encoding", "x"), ("connection", "x"), ("trailer", "x")), length(0),
         False, True, ["HTTP/1.1 200 OK", "Content-Length: 0", DATE]),
        (200, (("x", "ü\t"),), "", False, True, ["HTTP/1.1 200 OK", "x: ü\t", DATE]),
        (200, (("x", "a\ud800b"),), "", False, True, ["HTTP/1.1 200 OK", "x: ab", DATE]),
    ],
)  # fmt: skip
def test_head(
    status: int, headers: tuple[tuple[str, str], ...], framing: str, is_1_0: bool, stays: bool, lines: list[str]
) -> None:
    """A head has its status, what is shown, our framing and no other, and what is missing of type and date."""
    spelled = head(status, headers, AT, framing, is_1_0=is_1_0, stays=stays)
    assert spelled.decode().split("\r\n") == [*lines, "", ""]


@given(st.tuples(st.just("x"), st.text()) | st.tuples(st.text(), st.just("x")))
def test_one_line(header: tuple[str, str]) -> None:
    """Whatever a header holds, it is one line of the head or there is no head."""
    try:
        spelled = head(200, (header,), AT, length(0), is_1_0=False, stays=True)
    except ValueError:
        assert any(sign < " " or sign == "\x7f" for text in header for sign in text)
    else:
        assert spelled.count(b"\n") == spelled.count(b"\r") == spelled.count(b"\r\n") == 5


def test_chunks() -> None:
    """A chunk says its length in hexadecimal, and the last one that there are no more."""
    assert chunk(b"x" * 17) + LAST_CHUNK == b"11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n"
