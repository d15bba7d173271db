"""
The library's own reader of answers, within bounds: garbage, or an answer without end, costs a connection, no memory.

Its faster reader, hiredis, makes room for as many members as a list claims to have before one of them has come: a
header of thirteen bytes would take gigabytes. This one holds what has arrived.
"""

from __future__ import annotations

from typing import Any

from redis._parsers import _AsyncRESP2Parser
from redis.exceptions import InvalidResponse

BULK_BYTES_MAX = 32 * 2**20
"""The longest that is written is a sealed answer, of 8 MiB at most."""

ANSWER_BYTES_MAX = 64 * 2**20
"""All records of a deployment that are open at once, with room for a hundred thousand."""

ELEMENTS_MAX = 2**20
"""The same, counted."""

DEPTH_MAX = 8
"""Scripts answer lists of lists of fields; twice that is nobody's."""

_SIZED = (b"$", b"*")


class Bounded(_AsyncRESP2Parser):
    """
    Reads one answer at a time. Raise `InvalidResponse` at what is none, and at one that is too large.
    """

    def __init__(self, socket_read_size: int) -> None:
        super().__init__(socket_read_size)
        self._deep = self._members = self._bytes = 0

    async def read_response(self, disable_decoding: bool = False) -> Any:  # noqa: FBT001, FBT002 # as it is called
        """
        Return the next answer.
        """
        self._deep = self._members = self._bytes = 0
        try:
            return await super().read_response(disable_decoding)
        except ValueError:
            # A number that is none, or a line longer than any.
            raise InvalidResponse("this is no answer") from None

    async def _read_response(self, disable_decoding: bool = False) -> Any:  # noqa: FBT001, FBT002 # as it is called
        self._deep += 1
        if self._deep > DEPTH_MAX + 1:
            raise InvalidResponse("lists in lists")
        answer = await super()._read_response(disable_decoding)
        self._deep -= 1
        return answer

    async def _readline(self) -> bytes:
        line: bytes = await super()._readline()
        if line[:1] in _SIZED and line[1:] != b"-1":
            if not line[1:].isdigit() or len(line) > 12:
                raise InvalidResponse("no size")
            self._admit(int(line[1:]), is_text=line[:1] == b"$")
        return line

    def _admit(self, size: int, *, is_text: bool) -> None:
        if is_text:
            self._bytes += size
        else:
            self._members += size
        if size > BULK_BYTES_MAX or self._bytes > ANSWER_BYTES_MAX or self._members > ELEMENTS_MAX:
            raise InvalidResponse("too large")
