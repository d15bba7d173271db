"""
A task: one unit of an agent's work, opened by an operator or a platform, with caps and labels of its own.

A call without one belongs to its agent's standing task of the day (`AGENT/2026-11-21`, UTC), of which there is no
record: it is nobody's choice and has only the caps of the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from config.caps import Caps


class Closed(StrEnum):
    """
    Why a task is over.
    """

    DONE = "done"
    EXPIRED = "expired"
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True)
class Above:
    """
    A task that another is part of, as it was when that was opened: whatever the part takes is taken of it as well.
    """

    id: str
    caps: Caps
    until: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """
    An opened task, `AGENT/ULID`. `record` links it to the business (`stripe:ch_…`, `ticket:…`), `trace` to a trace;
    `model` and `prompt` are the versions that its calls are recorded with. `above` are its parents, the nearest first.
    """

    id: str
    agent: str
    opened_at: datetime
    expires_at: datetime
    caps: Caps
    record: str | None = None
    trace: str | None = None
    model: str | None = None
    prompt: str | None = None
    above: tuple[Above, ...] = ()
    closed_at: datetime | None = None
    closed: Closed | None = None

    def is_open(self, at: datetime) -> bool:
        """
        Tell whether calls may still be made under it.
        """
        return self.closed is None and at < self.expires_at


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    How the task and the token behind a call stand: `task` is None where none was opened under that id.
    """

    task: Task | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """
    What is new of tasks and tokens since it was asked for last: `tasks` by id, None for one that is not open any more,
    and the ids of `tokens` that were revoked. Some may be missing where it is not `whole`; with `anew` it is told from
    the beginning.
    """

    tasks: Mapping[str, Task | None] = field(default_factory=dict)
    tokens: frozenset[str] = frozenset()
    whole: bool = True
    anew: bool = False


STANDING = Envelope()
"""Of a call under an agent's key that names no task."""
