"""What one process knows of a write: what stands under its names, what was freed, what a start put away unread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from breakers.known import Earlier, Known, Names
from breakers.store import moves
from breakers.store.history import History
from breakers.store.names import NameTable
from breakers.store.past import Past


class Recalled:
    """
    The part of a store that finds a write again, by its id or by one of its names.
    """

    _now: Callable[[], datetime]

    def __init__(self, retention: moves.Retention) -> None:
        self._retention, self._names, self._past = retention, NameTable(retention), Past()
        # By intent: what stands under its names, and what ended without keeping them.
        self._standing: dict[str, Earlier] = {}
        self._freed: dict[str, Earlier] = {}

    def _found(self, intent: str) -> Earlier | None:
        return self._standing.get(intent) or self._freed.get(intent) or self._recall(self._past.taken_out(intent))

    def _known(self, names: Names, at: datetime) -> Known:
        """
        Return what stands under names, having recalled what was put away under them.
        """
        if self._past:
            for name in names.asked:
                self._recall(self._past.taken_out_by(name))
        return self._names.known(names, at)

    def _recall(self, history: History | None) -> Earlier | None:
        if history is None or history.is_over(self._now(), self._retention):
            return None
        told = history.told(None, standing=True, carried=False)
        assert told is not None
        self._put(told[0])
        return told[0]

    def _put(self, record: Earlier) -> None:
        self._standing[record.intent] = record
        self._names.put(record)

    def _as_of(self, record: Earlier, at: datetime) -> Earlier | None:
        return moves.as_of(record, at, self._retention, standing=record.intent in self._standing)
