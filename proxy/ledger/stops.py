"""
The stop on record: what an operator, or the program itself, ordered for a scope.

| record | says |
|---|---|
| `kill.changed` | a scope's mode from here on, under which epoch, by whom; the words that were said of it are sealed |
| `kill.asked` | that an operator wants what takes two: the other one's same word does it |

A stop is written with the reserve given up, so that a full disk does not keep it from the record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from breakers.stops import ALL, Mode, Stop, Stops
from proxy.ledger.blobs import Kept
from proxy.ledger.drafts import SYSTEM_TASK, Draft, Part
from proxy.ledger.noticed import noticed
from proxy.ledger.pen import Pen
from proxy.ledger.reread import Reread
from proxy.ledger.stopped import CHANGED, kind_of, notice_of, stop_fields
from proxy.ledger.tail import Written
from proxy.ledger.writer import Rank

REASON = "reason"
"""The part that holds an operator's words."""


class StopRecords:
    """
    What is written of stops, and what is on record of each scope by now.
    """

    def __init__(self, pen: Pen, known: Stops) -> None:
        self._pen, self._known = pen, known

    def __repr__(self) -> str:
        return f"StopRecords({self._pen!r})"

    async def changed(self, stop: Stop) -> Written:
        """
        Record what is in force for a scope from now on.
        """
        draft, kind = stop_draft(stop), kind_of(stop)
        if kind:
            draft = replace(draft, fields={**draft.fields, **noticed(kind, notice_of(stop))})
        return await self._write(draft, stop)

    async def learned(self, stop: Stop) -> Written:
        """
        Record what is in force for a scope, and what nobody has to be told of any more.
        """
        return await self._write(stop_draft(stop), stop)

    async def _write(self, draft: Draft, stop: Stop) -> Written:
        written = await self._pen.durable(draft, Rank.END)
        self._known = self._known.changed(stop)
        return written

    def newest(self) -> Stops:
        """
        Return the newest record of every scope.
        """
        return self._known

    async def asked(self, scope: str, mode: Mode, epoch: int, by: str, reason: str) -> None:
        """
        Record that an operator wants a scope in this mode, in place of the record of this epoch.
        """
        fields = {"scope": scope, "mode": str(mode), "epoch": epoch, "by": by}
        await self._pen.durable(Draft("kill.asked", SYSTEM_TASK, fields, parts=_words(reason)), Rank.WRITE)


def stop_draft(stop: Stop) -> Draft:
    """
    Return the record of a stop.
    """
    return Draft(CHANGED, SYSTEM_TASK, stop_fields(stop), parts=_words(stop.reason))


def first_stop() -> Draft:
    """
    Return the record with which an empty folder begins: writes may pass.
    """
    return stop_draft(Stop(ALL, Mode.RUN, 1))


def worded(stops: Stops, places: Mapping[str, str], reread: Reread) -> Stops:
    """
    Return stops with what was said of each, as far as its record opens; it reads files.
    """
    found = {}
    for scope, stop in stops.by_scope.items():
        found[scope] = stop
        with contextlib.suppress(LookupError, OSError):
            _, opened = reread.opened(places.get(scope, "") if stop.mode is not Mode.RUN else "", frozenset({CHANGED}))
            words = opened.get(REASON)
            if isinstance(words, Kept):
                found[scope] = replace(stop, reason=words.data.decode(errors="backslashreplace"))
    return Stops(MappingProxyType(found))


def _words(reason: str) -> tuple[Part, ...]:
    return (Part(REASON, Kept(reason.encode())),) if reason else ()
