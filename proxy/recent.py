"""
What was looked up a moment ago, or is being looked up: one read for all who ask the same at once.

An answer is used again for a few seconds, and only while no write to that account has begun or ended since it was asked
for: what a write changes must not be judged by what was there before it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from breakers.facts import Fetched

KEPT_MAX = 512
"""Answers that are kept at once; they are kept for seconds."""

KEPT_BYTES_MAX = 64 * 1024
"""Of one answer that is kept; a larger one is asked for anew."""

Key = tuple[str, str, str, tuple[tuple[str, str], ...], str]
"""API account, base, request target, the headers that choose whose object it is, the version of the credential."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a look-up showed, and how many bytes of it came.
    """

    fetched: Fetched
    size: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """
    An answer, until when it may be used again, and how many writes there had been when it was asked for.
    """

    fetched: Fetched
    until: float
    writes: int


@dataclass(slots=True)
class _Flight:
    """
    A look-up under way: how many writes there had been when it began, and how many wait for it.
    """

    task: asyncio.Task[Answer]
    writes: int
    waiting: int = 0


class Recent:
    """
    The look-ups that are under way, and those that were made a moment ago.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._flights: dict[Key, _Flight] = {}

    def __repr__(self) -> str:
        return f"Recent({len(self._kept)} kept, {len(self._flights)} under way)"

    async def once(
        self,
        key: Key,
        make: Callable[[], Coroutine[Any, Any, Answer]],
        writes: Callable[[], int],
        monotonic: Callable[[], float],
        cache_s: float,
    ) -> Fetched:
        """
        Return what is known of a key, else make it, or join who makes it; `writes` tells how many there have been.

        It is cut short only where nobody waits for it any more.
        """
        now, kept = writes(), self._kept.get(key)
        if kept is not None and kept.writes == now and kept.until > monotonic():
            return kept.fetched
        flight = self._flights.get(key)
        if flight is None or flight.writes != now:
            flight = self._flights[key] = _Flight(asyncio.get_running_loop().create_task(make()), now)
        flight.waiting += 1
        try:
            answer = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                flight.task.cancel()
            if self._flights.get(key) is flight and (flight.waiting == 0 or flight.task.done()):
                del self._flights[key]
        self._keep(key, answer, flight.writes, monotonic() + cache_s, stale=writes() != flight.writes)
        return answer.fetched

    def _keep(self, key: Key, answer: Answer, writes: int, until: float, *, stale: bool) -> None:
        known = self._kept.get(key)
        if stale or answer.fetched.failed is not None or answer.size > KEPT_BYTES_MAX:
            return
        if known is not None and known.fetched is answer.fetched:
            # Of several who waited the first has kept it; time runs from there.
            return
        self._kept[key] = _Kept(answer.fetched, until, writes)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
