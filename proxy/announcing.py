"""
What people have to be told of beside caps: a breaker that moved, a stop, a suggestion that waits, a drift.

Each is on record before it is announced, and its record says so (`notice`, with its kind and id). The log and the
metric are told at once; the webhook is told at least once, under that id, and what it does not take is offered again,
ever more rarely. Once it was told, that is on record too; what a stop left untold, the next start tells, with as much
of it as stands in the record in plain words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.ledger.noticed import Notice
from proxy.logline import Log
from proxy.turns import AGAIN_AFTER_S, Post, Turns

EVERY_S = 1.0
"""Between two looks at what the webhook did not take; what is new is told at once."""

WAITING_MAX = 1_000
"""Of what a webhook did not take, the newest are kept in mind; the others stand in the record."""


class Records(Protocol):
    """
    The record, as far as announcements go; `untold` is what it had at the start that nobody was told of.
    """

    @property
    def untold(self) -> Sequence[Notice]:
        """
        Return what it had at the start.
        """

    async def told(self, notice: str) -> None:
        """
        Record that everyone was told of one.
        """


class Announcer:
    """
    Tells people what happened. `post` is None where there is no webhook, `count` what the metrics are told.
    """

    def __init__(
        self,
        log: Log,
        count: Callable[[str], None],
        records: Records,
        clock: Clock,
        again_after_s: Sequence[float] = AGAIN_AFTER_S,
    ) -> None:
        self._log, self._count, self._records, self._clock = log, count, records, clock
        self.post: Post | None = None
        self._waiting: dict[str, dict[str, object]] = {}
        self._turns = Turns(again_after_s)
        self._bell = asyncio.Event()

    def __repr__(self) -> str:
        return f"Announcer({len(self._waiting)} to be told, {len(self._turns)} not taken by the webhook)"

    def begin(self) -> None:
        """
        Announce again what the record has that nobody was told of.
        """
        for notice in self._records.untold:
            self._announce(notice.kind, notice.id, {**notice.fields, "at": notice.at.isoformat()})

    def say(self, kind: str, id_: str, fields: Mapping[str, object]) -> None:
        """
        Announce something that is on record: its kind, kebab-case, and the id under which it is told again.
        """
        self._announce(kind, id_, {**fields, "at": self._clock.now().isoformat()})

    def _announce(self, kind: str, id_: str, fields: Mapping[str, object]) -> None:
        self._count(kind)
        said = {name: value for name, value in fields.items() if value is not None}
        self._log.event(kind, **{**said, "id": id_})
        self._waiting[id_] = {**said, "id": id_, "kind": kind}
        while len(self._waiting) > WAITING_MAX:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._turns.over(oldest)
        self._bell.set()

    async def watch(self) -> None:
        """
        Tell for ever.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(EVERY_S if self._waiting else None):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()
            try:
                await self.look(loop.time())
            except Exception as error:  # whatever it is: the next second is another attempt
                self._log.failure("", error)

    async def look(self, now: float) -> None:
        """
        Tell what there is to tell at this moment (monotonic, in seconds).
        """
        for id_, message in list(self._waiting.items()):
            if self._turns.is_due(id_, now) and not await self._is_told(id_, message, now):
                # There is one receiver: what comes behind is for the next look, so that nothing new waits for it.
                return

    async def _is_told(self, id_: str, message: dict[str, object], now: float) -> bool:
        why = None if self.post is None else await self.post(message)
        if why is not None:
            self._turns.put_off(id_, now)
            self._log.event("webhook", notice=id_, why=why)
            return False
        self._turns.over(id_)
        self._waiting.pop(id_, None)
        # Stop here: told, and that is not on record. The next start tells it again, under the same id.
        try:
            await self._records.told(id_)
        except LedgerUnavailable:
            self._log.event("untold", notice=id_, why="that it was told could not be recorded")
        return True
