"""
Whose turn it is with an object: calls that write to the same one, in the order in which they came.

A write's turn begins before its objects are read and ends once what it changed was seen, long after its answer: a
before-image that is taken in between would tell one write of another's effect. Whoever comes later waits for those
ahead of it as long as it likes, and then goes on: nothing here is a lock, and nobody waits for whoever came after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from proxy.inflight import InFlight

Touched = tuple[str, str, str]
"""An object: API account, type, id."""


_NO_TURN = nullcontext()


@dataclass(slots=True)
class _Turn:
    """
    A call's turn with its objects: what was ahead of it, what ends with it, and how many still need it.
    """

    objects: frozenset[Touched]
    ahead: frozenset[asyncio.Future[None]]
    over: asyncio.Future[None]
    holders: int = 1


class _Holding:
    """
    A call's turn while it is held.
    """

    __slots__ = ("_call", "_held", "_pending", "_turn")

    def __init__(self, pending: Pending, call: str, held: frozenset[Touched]) -> None:
        self._pending, self._call, self._held = pending, call, held

    def __enter__(self) -> None:
        self._turn = self._pending.begin(self._call, self._held)

    def __exit__(self, *_: object) -> None:
        self._pending.let_go(self._call, self._turn)


class Pending:
    """
    The turns of calls by object, and the work that goes on after they were answered.
    """

    def __init__(self) -> None:
        self._running = InFlight()
        self._turns: dict[str, _Turn] = {}
        self._by_object: dict[Touched, set[asyncio.Future[None]]] = {}

    def __repr__(self) -> str:
        return f"Pending({len(self._running)} after {len(self._turns)} turns on {len(self._by_object)} objects)"

    def __len__(self) -> int:
        return len(self._running)

    def turn(self, call: str, objects: Iterable[Touched]) -> AbstractContextManager[None]:
        """
        Give a call its turn with these objects, until this is left and nothing keeps it any more.
        """
        held = frozenset(objects)
        return _Holding(self, call, held) if held else _NO_TURN

    def begin(self, call: str, held: frozenset[Touched]) -> _Turn:
        """
        Begin a call's turn, behind those that have these objects now.
        """
        ahead = frozenset(over for one in held for over in self._by_object.get(one, ()))
        turn = self._turns[call] = _Turn(held, ahead, asyncio.get_running_loop().create_future())
        for one in held:
            self._by_object.setdefault(one, set()).add(turn.over)
        return turn

    async def come(self, call: str, timeout_s: float) -> None:
        """
        Wait until everything ahead of a call is over, or this many seconds.
        """
        turn = self._turns.get(call)
        if turn is not None and turn.ahead:
            await asyncio.wait(turn.ahead, timeout=timeout_s)

    def keep(self, call: str, task: asyncio.Task[Any]) -> None:
        """
        Let a call's turn last until this task has ended.
        """
        turn = self._turns.get(call)
        if turn is not None:
            turn.holders += 1
            task.add_done_callback(lambda _: self.let_go(call, turn))

    def start(self, call: str, work: Coroutine[None, None, None]) -> None:
        """
        Run work that goes on after a call's answer in a task of the process; the call's turn lasts as long.
        """
        self.keep(call, self._running.start(work))

    def let_go(self, call: str, turn: _Turn) -> None:
        """
        End a turn where nobody else needs it.
        """
        turn.holders -= 1
        if turn.holders:
            return
        del self._turns[call]
        turn.over.set_result(None)
        for one in turn.objects:
            held = self._by_object[one]
            held.discard(turn.over)
            if not held:
                del self._by_object[one]

    async def drain(self, timeout_s: float) -> int:
        """
        Wait for all of it; cancel what is late, and return how many that were.
        """
        return await self._running.drain(timeout_s)
