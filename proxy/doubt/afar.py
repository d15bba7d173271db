"""Writes in doubt that stand in another process's record: what the store knows of them, whoever is heard."""

from __future__ import annotations

from datetime import timedelta

from breakers.known import State
from breakers.store.members import id_of
from breakers.store.protocol import OpenIntent, StoreUnavailable
from proxy.doubt.doubts import Doubts
from proxy.ledger.drafts import stamp
from proxy.rooms import Rooms


class Afar:
    """
    The doubts of one process beside all those of its deployment.
    """

    def __init__(self, doubts: Doubts, rooms: Rooms) -> None:
        self._doubts, self._rooms = doubts, rooms

    def __repr__(self) -> str:
        return f"Afar({self._doubts!r})"

    async def owns(self, intent: str) -> bool | None:
        """
        Tell whether a write in doubt is this process's; None where none is known to be in doubt.
        """
        if self._doubts.has(intent):
            return True
        every = (one for one in await self._rooms.store.open_intents() if self._is_in_doubt(one))
        return False if any(one.opened.intent == intent for one in every) else None

    async def listed(self) -> list[dict[str, object]]:
        """
        Return what an operator is told of every doubt: of one that is another's only what the store knows.
        """
        own = self._doubts.said()
        if self._rooms.store.kind == "memory":
            return own
        try:
            opened = await self._rooms.store.open_intents()
        except StoreUnavailable:
            return own
        others = [one for one in opened if self._is_in_doubt(one) and not self._doubts.has(one.opened.intent)]
        return own + [_said(one) for one in others]

    def _is_in_doubt(self, one: OpenIntent) -> bool:
        # What was on its way when its process was killed is marked as that until it has started again.
        longest = timedelta(seconds=self._rooms.settings.timeouts.drain_s)
        return one.suspended or self._rooms.clock.now() - one.opened.at > longest


def _said(one: OpenIntent) -> dict[str, object]:
    opened = one.opened
    return {
        "intent": opened.intent,
        "state": str(State.PARKED if one.parked else State.UNKNOWN),
        "api": opened.api,
        "operation": opened.operation,
        "agent": opened.agent,
        "task": opened.task,
        "at": stamp(opened.at),
        "tried": [],
        "how": None,
        "next": None,
        "mine": False,
        "owner": id_of(opened.replica) or None,
    }
