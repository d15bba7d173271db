"""
Large answers, which are read whole, are in memory a few at a time: whoever has one more waits for its turn.

What is small is never asked. A turn lasts from the moment that an answer proves to be large until its agent has it, or
never will: by then it is in memory as it came, as it is shown, and as it waits on the socket.
"""

from __future__ import annotations

import asyncio

LARGE_BYTES = 256 * 1024
"""An answer that is larger than this waits for a turn. Below it the number of connections is bound enough."""


class LargeAnswers:
    """
    How many large answers may be in memory at once; those that wait have their turn in the order in which they came.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self.now = 0

    def __repr__(self) -> str:
        return f"LargeAnswers({self.now} now)"

    async def enter(self) -> None:
        """
        Wait for a turn.
        """
        await self._free.acquire()
        self.now += 1

    def leave(self) -> None:
        """
        Let the next one have its turn.
        """
        self.now -= 1
        self._free.release()


class Turn:
    """
    One answer's turn: taken once it proves to be large, given back once, however often it is said.
    """

    __slots__ = ("_answers", "_has_it")

    def __init__(self, answers: LargeAnswers) -> None:
        self._answers, self._has_it = answers, False

    def __repr__(self) -> str:
        return f"Turn({'has' if self._has_it else 'has not'} it)"

    async def enter(self) -> None:
        """
        Wait for it.
        """
        await self._answers.enter()
        self._has_it = True

    def leave(self) -> None:
        """
        Give it back, where it was had.
        """
        if self._has_it:
            self._has_it = False
            self._answers.leave()
