"""
Suggestions that are over are ended: by their time, because what they were approved under is no more, or because they
were carried out.

What stands in the record of a process that is away for good would wait for ever: where its time is long over, whoever
sees that ends it in the store, and the process that has it on record puts the end there when it comes back.

That is looked at every few seconds. What is over is not carried out before somebody has looked, either: an execution
asks the same of its own.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta

from breakers.caveats import agent_of
from breakers.suggestion import LIVE, Stage, Suggested
from proxy.rooms import Rooms

LONG_OVER = timedelta(minutes=1)
"""How late its own process may be to end what is over, and how far two clocks may be apart."""

TIME = "time"
"""Why one has expired."""


class Lapsing:
    """
    What ends suggestions that nobody decides about.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def __repr__(self) -> str:
        return f"Lapsing({self._rooms.suggesting!r})"

    async def sweep(self) -> None:
        """
        End what is over, and tell the store what it could not be told.

        Raise `StoreUnavailable` or `LedgerUnavailable` where that must wait.
        """
        suggesting, closed = self._rooms.suggesting, dict[str, bool]()
        await suggesting.retell()
        for one in await self._rooms.store.suggestions():
            if one.id not in suggesting.own:
                await self._bury(one)
            elif one.id in suggesting.busy:
                continue
            elif one.stage is Stage.EXECUTED:
                await self.note_end(one.id)
            elif one.stage is Stage.EXPIRED:
                await self._note_buried(one.id)
            elif one.stage in {Stage.OPEN, Stage.APPROVED} and (over := await self._over(one, closed)) is not None:
                await self._end(one, *over)

    async def _bury(self, one: Suggested) -> None:
        now = self._rooms.clock.now()
        if one.stage in {Stage.OPEN, Stage.APPROVED} and one.expires + LONG_OVER <= now:
            after = replace(one, stage=Stage.EXPIRED, why=TIME, version=one.version + 1, changed_at=now)
            await self._rooms.store.turn(one, after)

    async def _note_buried(self, id_: str) -> None:
        async with self._rooms.suggesting.turn(id_) as now:
            if now is not None and now.stage is Stage.EXPIRED and id_ in self._rooms.suggesting.own:
                await self._rooms.suggesting.note_expired(now)

    async def note_end(self, id_: str) -> None:
        """
        Put on record that one was carried out, once it is known how that ended.
        """
        rooms = self._rooms
        async with rooms.suggesting.turn(id_) as now:
            if now is None or now.stage is not Stage.EXECUTED or id_ not in rooms.suggesting.own:
                return
            earlier = await rooms.store.earlier(now.intent)
            applied = None if earlier is None else earlier.applied
            why = "unknown" if applied is None else "applied" if applied else "not_applied"
            await rooms.suggesting.executed(replace(now, why=why))

    async def _end(self, one: Suggested, stage: Stage, why: str) -> None:
        suggesting = self._rooms.suggesting
        async with suggesting.turn(one.id) as now:
            # Whatever was decided meanwhile counts.
            if now is not None and now.stage in LIVE and now.version == one.version and one.id not in suggesting.busy:
                await suggesting.end(now, stage, why)

    async def _over(self, one: Suggested, closed: dict[str, bool]) -> tuple[Stage, str] | None:
        rooms = self._rooms
        if one.expires <= rooms.clock.now():
            return Stage.EXPIRED, TIME
        # One that is open is judged anew once somebody looks at it, or asks for it.
        if one.stage is Stage.APPROVED and await rooms.suggesting.shown_under(one) not in {None, rooms.policy.version}:
            return Stage.VOID, "policy"
        if one.task not in closed:
            closed[one.task] = await self._is_closed(one.task)
        return (Stage.VOID, "task") if closed[one.task] else None

    async def _is_closed(self, id_: str) -> bool:
        with contextlib.suppress(ValueError):
            # The task of a day is nobody's to close.
            agent_of(id_)
            task = (await self._rooms.store.envelope(id_, ())).task
            return task is None or not task.is_open(self._rooms.clock.now())
        return False
