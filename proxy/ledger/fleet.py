"""
The fleet as a replica has it on record (`fleet.changed`): whom it knows of, by name, and how each stands.

This is the last known set: after a loss of the shared state nothing is held before everyone in it has told what it
knows. A name that was forgotten is forgotten for good; whoever comes back has another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from breakers.store.members import Known

CHANGED = "fleet.changed"


class How(StrEnum):
    """
    What happened, as a record says it.
    """

    JOINED = "joined"
    LEARNED = "learned"
    FORGOT = "forgot"
    RETURNED = "returned"
    LOST = "lost"
    REBUILT = "rebuilt"


class Stands(StrEnum):
    """
    How a name stands: one's `own` before and after one belongs to the fleet, another's, or forgotten (by `order` here).
    """

    BACK = "back"
    OWN = "own"
    IN = "in"
    OUT = "out"
    ORDERED = "ordered"


GONE = frozenset({Stands.OUT, Stands.ORDERED})


def note_fleet(fleet: dict[str, Stands], entry: Mapping[str, Any]) -> None:
    """
    Take the next record; one of a kind that this program does not know changes nothing.
    """
    names = [str(name) for name in entry.get("names", ())]
    match entry["how"]:
        case How.JOINED:
            fleet.update((name, Stands.OWN) for name in names if fleet.get(name) not in GONE)
        case How.LEARNED:
            for name in names:
                fleet.setdefault(name, Stands.IN)
        case How.FORGOT:
            stands = Stands.OUT if entry.get("by") is None else Stands.ORDERED
            fleet.update((name, stands) for name in names if fleet.get(name) is not Stands.ORDERED)
        case How.RETURNED:
            fleet[str(entry["was"])] = Stands.OUT
            fleet.update((name, Stands.BACK) for name in names)
        case _:
            pass


def own_name(fleet: Mapping[str, Stands], replica: str) -> str:
    """
    Return the name of the replica whose record it is: its id, while it was never forgotten.
    """
    # The newest stands last.
    own = [name for name, stands in fleet.items() if stands in {Stands.OWN, Stands.BACK}]
    return own[-1] if own else replica


def known_by(fleet: Mapping[str, Stands], replica: str) -> Known:
    """
    Return whom a replica has on record.
    """
    names = frozenset(name for name, stands in fleet.items() if stands in {Stands.OWN, Stands.IN})
    return Known(own_name(fleet, replica), names, frozenset(name for name, stands in fleet.items() if stands in GONE))


def next_name(name: str) -> str:
    """
    Return the name of whoever comes back after it was forgotten under this one.
    """
    id_, _, times = name.partition(".")
    return f"{id_}.{int(times or 0) + 1}"
