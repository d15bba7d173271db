"""
Tasks that were opened and tokens that were revoked, in one process.

A task is known until it is closed, and for a day after its time: whoever still names it is told that it is over. A
token that was revoked is, until a day after no such token can be valid anyway.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from breakers.store.events import TaskClosed, TaskOpened, TokenRevoked
from breakers.task import STANDING, Envelope, Task
from config.tasks import LIFE_MAX_S

KEPT = timedelta(days=1)

LIFE_MAX = timedelta(seconds=LIFE_MAX_S)
"""After this much a task that was closed is over anyway, whoever opened it."""


class Opened:
    """
    Every task and every revocation that still says something.
    """

    __slots__ = ("_closed", "_ended", "_open", "_revoked")

    def __init__(self) -> None:
        self._open: dict[str, Task] = {}
        self._closed: dict[str, Task] = {}
        # Those of which only the end is known: another process opened them, in whose ledger that stands.
        self._ended: dict[str, TaskClosed] = {}
        self._revoked: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._closed) + len(self._ended) + len(self._revoked)

    def envelope(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        """
        Return how a task stands, and whether any of these token ids was revoked.
        """
        found = self._open.get(task) or self._closed.get(task)
        revoked = bool(self._revoked) and any(token in self._revoked for token in tokens)
        return STANDING if found is None and not revoked else Envelope(found, revoked)

    def tasks(self) -> tuple[Task, ...]:
        """
        Return the tasks that are not closed, oldest first.
        """
        return tuple(sorted(self._open.values(), key=lambda task: (task.opened_at, task.id)))

    def apply(self, event: TaskOpened | TaskClosed | TokenRevoked, now: datetime) -> None:
        """
        Note what an operator or the time has done; forget what is long over.
        """
        match event:
            case TaskOpened(task):
                ended = self._ended.pop(task.id, None)
                if ended is not None:
                    self._closed[task.id] = replace(task, closed_at=ended.at, closed=ended.why)
                elif task.id not in self._closed:
                    self._open.setdefault(task.id, task)
            case TaskClosed(task, at, why):
                known = self._open.pop(task, None)
                if known is not None:
                    self._closed[task] = replace(known, closed_at=at, closed=why)
                elif task not in self._closed:
                    self._ended.setdefault(task, event)
                self._forget_tasks(now)
            case TokenRevoked(token, until):
                self._revoked[token] = max(until, self._revoked.get(token, until))
                self._forget_tokens(now)

    def _forget_tasks(self, now: datetime) -> None:
        while self._ended and (one := next(iter(self._ended.values()))).at + LIFE_MAX + KEPT <= now:
            del self._ended[one.task]
        # They are closed about in the order in which they end, and the first that was closed stands first.
        while self._closed:
            first = next(iter(self._closed.values()))
            if max(first.expires_at, first.closed_at or first.expires_at) + KEPT > now:
                return
            del self._closed[first.id]

    def _forget_tokens(self, now: datetime) -> None:
        # A person revokes: this is no road that many are on.
        for token, until in list(self._revoked.items()):
            if until + KEPT <= now:
                del self._revoked[token]
