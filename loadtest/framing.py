"""Where an answer ends in what has arrived, its status, and the call that it names: the generator's half of HTTP."""

from __future__ import annotations

from typing import NamedTuple

_LENGTH, _CHUNKED = b"\r\ncontent-length:", b"\r\ntransfer-encoding: chunked\r\n"
_CALL, _DECISION = b"\r\nbreakwater-call:", b"\r\nbreakwater-decision:"

# Decisions that say nothing but that the call was passed on.
_PASSED = frozenset({"", "allowed"})


class MalformedError(Exception):
    """
    What arrived is no answer with a certain end.
    """


class Answered(NamedTuple):
    """
    One whole answer: its status, the reason where Breakwater gives one, the call that it names, and how many bytes it
    had on the wire. A tuple, as there is one for each call of a loop that must not be what is measured.
    """

    status: int
    reason: str
    call: str
    size: int

    @property
    def verdict(self) -> str:
        """
        Return what the caller was told, in a word or two.
        """
        return f"{self.status} {self.reason}" if self.reason else str(self.status)


def whole_answer(data: bytes) -> Answered | None:
    """
    Return the answer at the beginning of what has arrived, or None where some of it is still to come.

    Raise `MalformedError` where its end is not certain.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 2].lower()
    if not head.startswith(b"http/1.1 ") or not head[9:12].isdigit():
        raise MalformedError(f"no status line: {data[:40]!r}")
    if b"\r\nconnection: close\r\n" in head:
        raise MalformedError(f"the connection is not kept: {data[:end]!r}")
    size = _size(data, head, end + 4)
    if size is None:
        return None
    reason = field(head, _DECISION).partition(":")[2]
    return Answered(int(head[9:12]), "" if reason in _PASSED else reason, field(head, _CALL).upper(), size)


def _size(data: bytes, head: bytes, body: int) -> int | None:
    if _CHUNKED in head:
        return _chunks_end(data, body)
    length = field(head, _LENGTH)
    if not length.isdigit():
        raise MalformedError(f"neither a length nor chunks: {head!r}")
    return body + int(length) if len(data) >= body + int(length) else None


def _chunks_end(data: bytes, at: int) -> int | None:
    """
    Return where the chunks end, or None where the last one is still to come; trailers are not expected.
    """
    while (line := data.find(b"\r\n", at)) >= 0:
        try:
            size = int(data[at:line], 16)
        except ValueError:
            raise MalformedError(f"no chunk: {data[at:line]!r}") from None
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if size == 0:
            return at
    return None


def field(head: bytes, name: bytes) -> str:
    """
    Return a header's value by its line's beginning, in lower case as the head is; empty where it is not there.
    """
    at = head.find(name)
    return head[at + len(name) : head.index(b"\r\n", at + 2)].strip().decode("latin-1") if at >= 0 else ""
