"""
How long one decision waits for the shared state in all: a quarter of a second, whatever it has to ask.

It ends with the mark before the first byte: until that is granted nothing has left, so that to give up costs nothing;
what is asked after it is not cut short by what was asked before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from breakers.store.events import IntentOpened
from breakers.store.protocol import HeldWrite, Permit, Store, StoreUnavailable

_T = TypeVar("_T")
_Arguments = ParamSpec("_Arguments")

DECISION_S = 0.25
"""A healthy Redis answers in a thousandth of it; whoever calls must not wait longer to be told that there is none."""


class Patience:
    """
    What one call has waited for its store, out of `within_s` seconds.
    """

    __slots__ = ("_left_s", "_within_s")

    def __init__(self, within_s: float) -> None:
        self._within_s = self._left_s = within_s

    def __repr__(self) -> str:
        return f"Patience({self._left_s:.3f} of {self._within_s:g} s)"

    def ask(
        self, store: Store, verb: Callable[_Arguments, Awaitable[_T]], *of: _Arguments.args, **more: _Arguments.kwargs
    ) -> Awaitable[_T]:
        """
        Return what a verb says, to be awaited. That raises `StoreUnavailable` once all of the time is over.

        What is asked of this process's own memory answers without waiting.
        """
        said = verb(*of, **more)
        return said if store.kind == "memory" else self._in_time(said)

    async def _in_time(self, saying: Awaitable[_T]) -> _T:
        now = asyncio.get_running_loop().time
        began = now()
        within = asyncio.timeout_at(began + self._left_s)
        try:
            async with within:
                return await saying
        except TimeoutError:
            if not within.expired():
                raise
            said = f"the shared state did not answer within {round(self._within_s * 1000)} ms"
            raise StoreUnavailable(said) from None
        finally:
            self._left_s -= now() - began


def patient() -> Patience:
    """
    Return the patience of one decision.
    """
    return Patience(DECISION_S)


class Marking:
    """
    The mark before each first byte of one write: until one was granted, within the patience of its decision.
    """

    __slots__ = ("_granted", "_held", "_opened", "_patience", "_store")

    def __init__(self, store: Store, held: HeldWrite, opened: IntentOpened, patience: Patience | None) -> None:
        self._store, self._held, self._opened, self._patience = store, held, opened, patience
        self._granted = False

    async def __call__(self) -> Permit:
        """
        Say whether the next byte may leave. Raise `StoreUnavailable` where nobody can.
        """
        if self._granted or self._patience is None:
            return await self._mark()
        permit = await self._patience.ask(self._store, self._mark)
        self._granted = permit is Permit.GRANTED
        return permit

    async def _mark(self) -> Permit:
        return await self._store.dispatch(self._held, self._opened)
