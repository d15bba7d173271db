"""
The last order of a stop that went to all workers, for one that serves later.

One that was just starting was not asked; it learns of the order from the shared state before it serves. Where that is
away it would let through what was stopped, so its parent tells it once more. What a worker knows of as new an order or
of a newer one, as of a resume, it is not told: the epoch says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from breakers.stops import ALL
from proxy.control.workers import LOOK_S, STOPPED_S, Answered, Asked, Workers
from proxy.errors import StartRefused
from proxy.logline import Log
from proxy.seats import Seat

AGAIN_S = 1.0
"""Until a worker is asked again that serves and does not answer."""


class LastStop:
    """
    What was ordered last of each scope, and whoever is to be told of it; `house` reads the token of the state folder.

    It is told by that token: whose the order was stands in the records of those who heard it first.
    """

    def __init__(self, workers: Workers, house: Callable[[], str], log: Log) -> None:
        self._workers, self._house, self._log = workers, house, log
        self._orders: dict[str, tuple[int, bytes]] = {}

    def __repr__(self) -> str:
        return f"LastStop({sorted(self._orders)})"

    def __bool__(self) -> bool:
        return bool(self._orders)

    def went(self, asked: Asked, said: dict[str, Any]) -> None:
        """
        Keep an order that at least one worker took, by what came of it.
        """
        self._orders[str(said.get("scope", ALL))] = int(said["epoch"]), asked.body

    async def tell(self, seat: Seat) -> None:
        """
        Tell a worker what it does not know of, until it has heard it or its process is another one.
        """
        process = seat.process
        # What is ordered meanwhile it is asked like all others.
        for scope in list(self._orders):
            said: str | None = None
            while process is not None and seat.process is process:
                why = await self._why_untold(seat, scope)
                if why is None:
                    break
                if why != said:
                    self._log.event("stop-untold", worker=seat.number, pid=process.pid, scope=scope, why=why)
                said = why
                await asyncio.sleep(AGAIN_S)

    async def _why_untold(self, seat: Seat, scope: str) -> str | None:
        try:
            headers = {"Authorization": f"Bearer {self._house()}", "Content-Type": "application/json"}
        except StartRefused as no:
            return no.error
        look = Asked("GET", f"/v1/kill?here=1&scope={quote(scope, safe='')}", headers)
        known = await self._workers.ask(seat.number, look, LOOK_S)
        # The newest there is by now.
        epoch, body = self._orders[scope]
        if known is not None and _epoch(known) >= epoch:
            return None
        answer = await self._workers.ask(seat.number, Asked("POST", "/v1/kill", headers, body), STOPPED_S)
        if answer is None:
            return "it does not answer"
        self._log.event("stop-told", worker=seat.number, pid=seat.pid, scope=scope, status=answer.status)
        return None


def _epoch(answer: Answered) -> int:
    """
    Return up to which order a worker knows.
    """
    said = answer.json() if answer.is_good else None
    return int(said["record"]["epoch"]) if isinstance(said, dict) else -1
