"""
Equal writes are judged one after the other: of fifty at once the first has its claim before the second is judged.

Nothing here keeps a write from being sent twice; the store does that. But without it each of them would look up what it
touches before the first has claimed anything. A turn ends with the judgement, so that nobody waits for a send, and
whoever has waited for as long as its caller does is judged all the same.
"""

from __future__ import annotations

import asyncio
from collections import deque

from breakers.known import Names


class Judging:
    """
    The lines of calls that are judged, by the agent's key or, without one, by what the call says.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def __repr__(self) -> str:
        return f"Judging({sum(line.length for line in self._lines.values())} calls in {len(self._lines)} lines)"

    def turn(self, names: Names | None, within_s: float) -> Turn:
        """
        Return a call's turn, which begins without it after this many seconds; a read has no name and never waits.
        """
        return Turn(self._lines, "" if names is None else names.key or names.fingerprint, within_s)


class Line:
    """
    The calls under one name: whose turn it is, and how many are in the line.
    """

    __slots__ = ("is_taken", "length", "waiting")

    def __init__(self) -> None:
        self.is_taken, self.length = False, 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def next(self) -> None:
        """
        Give the turn to whoever came first of those who still wait for it.
        """
        while self.waiting:
            one = self.waiting.popleft()
            if not one.done():
                one.set_result(None)
                return
        self.is_taken = False


class Turn:
    """
    One call's place in a line; entered once.
    """

    __slots__ = ("_came", "_line", "_lines", "_name", "_within_s")

    def __init__(self, lines: dict[str, Line], name: str, within_s: float) -> None:
        self._lines, self._name, self._within_s = lines, name, within_s
        self._line: Line | None = None
        self._came = False

    async def __aenter__(self) -> None:
        if not self._name:
            return
        line = self._lines.get(self._name)
        if line is None:
            line = self._lines[self._name] = Line()
        self._line = line
        line.length += 1
        if not line.is_taken:
            line.is_taken = self._came = True
            return
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await asyncio.wait({turn}, timeout=self._within_s)
        except BaseException:
            self._came = turn.done()
            turn.cancel()
            self._leave(line)
            raise
        self._came = turn.done()
        turn.cancel()

    async def __aexit__(self, *_: object) -> None:
        if self._line is not None:
            self._leave(self._line)

    def _leave(self, line: Line) -> None:
        if self._came:
            line.next()
        line.length -= 1
        if not line.length:
            del self._lines[self._name]
