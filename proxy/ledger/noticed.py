"""
What people have to be told of, on record: which records say something that is announced, and which were told.

A record that is announced says so itself: its `notice` has the kind and the id under which it is told. So whatever is
on record is told, and told again after a stop, until `notice.told` has its id. Nothing but the plain fields of the
entry is told then: what is sealed stays sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from breakers.breaker import Breaker
from proxy.ledger.drafts import read_stamp
from proxy.ledger.moved import CHANGED, note_moved

TOLD = "notice.told"

UNTOLD_MAX = 1_000
"""Of those that nobody could be told of, the newest: a receiver that is away for months is not told of every one."""

UNTOLD_AFTER = timedelta(days=30)
"""For how long something is news."""

# What every entry has, its links, and what only the record needs; the rest says what happened.
_OF_THE_LOG = frozenset({"v", "k", "i", "id", "ts", "task", "tn", "tp", "act", "tr", "notice", "blobs", "over", "hash"})

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """
    Something to be told: what kind of thing, the id under which it is told, when it was, and what there is to say.
    """

    id: str
    kind: str
    at: datetime
    fields: Mapping[str, str | int | bool | None]


@dataclass(slots=True, repr=False)
class Noticed:
    """
    The fold over these records, oldest first: how breakers stand, and of what nobody was told yet.
    """

    breakers: dict[str, Breaker] = field(default_factory=dict)
    untold: dict[str, Notice] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Noticed({len(self.breakers)} breakers, {len(self.untold)} untold)"

    def see(self, entry: Entry) -> None:
        """
        Take the next entry.

        Raise `KeyError`, `TypeError` or `ValueError` where it is not what its kind says.
        """
        if entry["k"] == CHANGED:
            note_moved(self.breakers, entry)
        elif entry["k"] == TOLD:
            self.untold.pop(entry["notice"], None)
            return
        if "notice" in entry:
            notice = notice_from(entry)
            self.untold[notice.id] = notice
            self._forget(notice.at - UNTOLD_AFTER)

    def _forget(self, before: datetime) -> None:
        while self.untold and (len(self.untold) > UNTOLD_MAX or next(iter(self.untold.values())).at < before):
            del self.untold[next(iter(self.untold))]


def noticed(kind: str, id_: str) -> dict[str, object]:
    """
    Return the field of a record that says that it is announced, as what kind of thing, and under which id.
    """
    return {"notice": {"kind": kind, "id": id_}}


def notice_from(entry: Entry) -> Notice:
    """
    Return what is to be told of a record.
    """
    said = {
        name: value
        for name, value in entry.items()
        if name not in _OF_THE_LOG and (value is None or isinstance(value, str | int))
    }
    return Notice(entry["notice"]["id"], entry["notice"]["kind"], read_stamp(entry["ts"]), said)
