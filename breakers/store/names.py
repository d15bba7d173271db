"""
What stands under the names of writes in one process, and the version of each name.

Under each name stands one tuple, `(version, newest, …)`; versions come from one counter, so that a version that was
seen once never comes back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from breakers.known import Earlier, Known, Names
from breakers.store import moves

# A version and the records under a name, newest first; typed loosely because a flat tuple is half the size of two.
Entry = tuple[Any, ...]


class NameTable:
    """
    Every name that was used and under which something stands, or stood a moment ago.
    """

    __slots__ = ("_answers", "_retention", "_version", "entries")

    def __init__(self, retention: moves.Retention) -> None:
        self._retention, self._answers = retention, retention.answers
        self._version = 0
        self.entries: dict[str, Entry] = {}

    def known(self, names: Names, at: datetime) -> Known:
        """
        Return what stands under the names of a call at this moment.
        """
        under: dict[str, tuple[Earlier, ...]] = {}
        versions: dict[str, int] = {}
        for name in names.held if len(names.fingerprints) == 1 else names.asked:
            entry = self.entries.get(name)
            if entry is None:
                versions[name] = 0
                continue
            versions[name] = entry[0]
            records: tuple[Earlier, ...] = entry[1:]
            horizon = at - self._answers
            for record in records:
                if record.ended_at is not None and record.ended_at <= horizon:
                    records = tuple(now for one in records if (now := self._as_of(one, at)) is not None)
                    break
            if records:
                under[name] = records
        return Known(under, versions)

    def are_current(self, names: Names, known: Known) -> bool:
        """
        Tell whether nothing under these names has moved since it was read.
        """
        for name in names.held if len(names.fingerprints) == 1 else names.asked:
            entry = self.entries.get(name)
            if (0 if entry is None else entry[0]) != known.versions.get(name, 0):
                return False
        return True

    def put(self, record: Earlier) -> None:
        """
        Put a record under its names, in the place of what it was before.
        """
        self._version += 1
        for name in moves.held(record):
            others = self.entries.get(name, ())[1:]
            if others and (len(others) > 1 or others[0].intent != record.intent):
                self.entries[name] = (self._version, *moves.under_name(others, record))
            else:
                # As nearly always: nothing else stands there.
                self.entries[name] = (self._version, record)

    def take_away(self, record: Earlier) -> None:
        """
        Take a record from under its names, which are left behind with a new version.
        """
        self._version += 1
        for name in moves.held(record):
            entry = self.entries.get(name, ())
            self.entries[name] = (self._version, *(one for one in entry[1:] if one.intent != record.intent))

    def forget(self, record: Earlier) -> None:
        """
        Forget the names of a record under which nothing stands any more.
        """
        for name in moves.held(record):
            if len(self.entries.get(name, ())) == 1:
                del self.entries[name]

    def _as_of(self, record: Earlier, at: datetime) -> Earlier | None:
        return moves.as_of(record, at, self._retention, standing=True)
