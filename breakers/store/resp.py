"""
The protocol of Redis, RESP2: how a command is written, and how an answer is read in whatever pieces it comes.

What is read is bounded before it is held: a server that has gone mad, or another program at its address, can neither
fill the memory nor end the process. After an answer that breaks the protocol nobody knows where the next one begins, so
that its connection is worth nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from breakers.store.protocol import StoreUnavailable

BULK_BYTES_MAX = 32 * 2**20
"""The longest that is written is a sealed answer, of 8 MiB at most."""

ANSWER_BYTES_MAX = 64 * 2**20
"""All records of a deployment that are open at once, with room for a hundred thousand."""

ELEMENTS_MAX = 2**20
"""The same, counted: an array of that many is 8 MiB before anything is in it."""

DEPTH_MAX = 8
"""Scripts answer lists of lists of fields; twice that is nobody's."""

LINE_BYTES_MAX = 64 * 2**10
"""A line is a number, a word, or the sentence of an error, in which a script may be quoted."""

GARBAGE = "what answers at `store` does not speak the protocol of Redis"


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    An error that the server answered with.
    """

    said: str


class More:
    """
    The answer is not whole yet.
    """


MORE: Final = More()

Reply = bytes | int | None | list["Reply"] | Refusal


def pack(words: Sequence[str | int | bytes]) -> bytes:
    """
    Return a command as it is sent.
    """
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts += (b"$%d\r\n" % len(raw), raw, b"\r\n")
    return b"".join(parts)


class Answer:
    """
    One answer, as it arrives.
    """

    __slots__ = ("_at", "_bulk", "_data", "_elements", "_open", "_searched")

    def __init__(self) -> None:
        self._data, self._at, self._searched = bytearray(), 0, 0
        # How long the text is that is being read, and the arrays that are, each with how many are still to come.
        self._bulk: int | None = None
        self._open: list[tuple[int, list[Reply]]] = []
        self._elements = 0

    def feed(self, data: bytes) -> Reply | More:
        """
        Take what has arrived. Return the answer where that was the last of it.

        Raise `StoreUnavailable` at what is no answer, at one that is too large, and at what comes after its end.
        """
        if len(self._data) + len(data) > ANSWER_BYTES_MAX:
            raise StoreUnavailable(GARBAGE)
        self._data += data
        while not isinstance(one := self._next(), More):
            if self._open and self._open[-1][1] is one:
                # It has only begun.
                continue
            if not isinstance(whole := self._placed(one), More):
                if self._at != len(self._data):
                    raise StoreUnavailable(GARBAGE)
                return whole
        return MORE

    def _placed(self, value: Reply) -> Reply | More:
        """
        Put a value where it belongs. Return the outermost where it was the last of it.
        """
        while self._open:
            left, into = self._open.pop()
            into.append(value)
            if left > 1:
                self._open.append((left - 1, into))
                return MORE
            value = into
        return value

    def _next(self) -> Reply | More:
        if self._bulk is not None:
            return self._text(self._bulk)
        end = self._data.find(b"\r\n", max(self._at, self._searched - 1))
        if end < 0:
            self._searched = len(self._data)
            if self._searched - self._at > LINE_BYTES_MAX:
                raise StoreUnavailable(GARBAGE)
            return MORE
        line = bytes(self._data[self._at : end])
        self._at = end + 2
        match line[:1]:
            case b"$":
                return self._begun_text(_number(line[1:]))
            case b":":
                return _number(line[1:])
            case b"*":
                return self._begun_list(_number(line[1:]))
            case b"+":
                return line[1:]
            case b"-":
                return Refusal(line[1:].decode("utf-8", "replace"))
            case _:
                raise StoreUnavailable(GARBAGE)

    def _begun_text(self, length: int) -> Reply | More:
        if length == -1:
            return None
        if not 0 <= length <= BULK_BYTES_MAX:
            raise StoreUnavailable(GARBAGE)
        self._bulk = length
        return self._text(length)

    def _text(self, length: int) -> bytes | More:
        end = self._at + length
        if len(self._data) < end + 2:
            return MORE
        if self._data[end : end + 2] != b"\r\n":
            raise StoreUnavailable(GARBAGE)
        text = bytes(self._data[self._at : end])
        self._at, self._bulk = end + 2, None
        return text

    def _begun_list(self, length: int) -> Reply | More:
        if length == -1:
            return None
        self._elements += max(0, length)
        if length < -1 or self._elements > ELEMENTS_MAX or len(self._open) >= DEPTH_MAX:
            raise StoreUnavailable(GARBAGE)
        begun: list[Reply] = []
        if length:
            self._open.append((length, begun))
        return begun


def _number(line: bytes) -> int:
    # `int` would take spaces, underscores and a plus, and thousands of digits slowly.
    if len(line) > 20 or not line.removeprefix(b"-").isdigit():
        raise StoreUnavailable(GARBAGE)
    return int(line)
