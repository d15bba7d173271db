"""One write in doubt while it is looked for: how far that has come, what was tried, when it is looked at next."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from breakers.known import State
from breakers.store.events import IntentOpened
from proxy.doubt.course import Course, Terms
from proxy.doubt.ways import Told
from proxy.ledger.drafts import stamp

TRIED_MAX = 20
"""Looks that are told of; a day has some thirty, and all of them are on record."""


@dataclass(frozen=True, slots=True)
class Tried:
    """
    One look: when, by which way, what it found and of how many things, or why it taught nothing.
    """

    at: datetime
    way: str
    found: str
    count: int = 0
    failed: str | None = None


@dataclass(slots=True)
class Case:
    """
    A write in doubt.

    `due_at` is when it is looked at next, `parked` tells whether a person decides, `failures` how many looks in a row
    taught nothing. `how` says, once something was concluded, what and why.
    """

    opened: IntentOpened
    course: Course
    terms: Terms
    due_at: datetime
    parked: bool = False
    how: str = ""
    failures: int = 0
    tried: deque[Tried] = field(default_factory=lambda: deque(maxlen=TRIED_MAX))

    def note(self, told: Told) -> None:
        """
        Take what a way said into what is told of the looks.
        """
        evidence = told.evidence
        self.tried.append(Tried(evidence.at, told.way, str(evidence.found), evidence.count, told.failed))

    @property
    def next_at(self) -> datetime | None:
        """
        Return when it is looked at next by itself: never again once a person decides.
        """
        return None if self.parked else self.due_at

    def said(self) -> dict[str, Any]:
        """
        Return what an operator is told of it.
        """
        opened = self.opened
        return {
            "intent": opened.intent,
            "state": str(State.PARKED if self.parked else State.UNKNOWN),
            "api": opened.api,
            "operation": opened.operation,
            "agent": opened.agent,
            "task": opened.task,
            "at": stamp(opened.at),
            "tried": [
                {"at": stamp(one.at), "way": one.way, "found": one.found, "n": one.count, "failed": one.failed}
                for one in self.tried
            ],
            "how": self.how or None,
            "next": stamp(self.next_at) if self.next_at is not None else None,
        }
