"""
What one Jira site remembers: its people, projects, issues and what hangs on them, and a count of every effect.

An effect is `KIND.VERB` (`issue.created`, `comment.deleted`), by issue key or by the object's id. The search index is
kept beside the issues and lags behind them on command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from loadtest.upstreams.effects import Effects
from loadtest.upstreams.jira.documents import Document
from loadtest.upstreams.jira.errors import JiraError, missing_issue
from loadtest.upstreams.jira.index import Index
from loadtest.upstreams.jira.words import FIRST_STATUS, Person

# Jira counts every kind of object on its own, from here.
_FIRST_ID = 10_000


@dataclass(slots=True)
class Project:
    """
    A project; `issues` is the number of its last issue, which is never used again.
    """

    id: str
    key: str
    name: str
    issues: int = 0


@dataclass(slots=True)
class Issue:
    """
    An issue. `values` holds every field that a client can set, each under the name that the API gives it.
    """

    id: str
    key: str
    project: str
    created: float
    updated: float
    status: str = FIRST_STATUS
    status_changed: float = 0.0
    resolved: float | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """
        Return the number in its key.
        """
        return int(self.key.rpartition("-")[2])


@dataclass(slots=True)
class Note:
    """
    What hangs on an issue and was made by somebody at some time.
    """

    id: str
    issue: str
    author: str
    created: float


@dataclass(slots=True)
class Comment(Note):
    """
    A comment.
    """

    body: Document = ""
    updated: float = 0.0
    visibility: dict[str, Any] | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Worklog(Note):
    """
    Work that was done on an issue.
    """

    comment: Document | None = None
    updated: float = 0.0
    started: str = ""
    seconds: int = 0
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Attachment(Note):
    """
    A file on an issue.
    """

    filename: str = ""
    mime_type: str = ""
    data: bytes = b""


@dataclass(slots=True)
class History(Note):
    """
    One change of an issue: each item names a field and its values before and after.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class Link(Note):
    """
    A link: `issue` is its inward end.
    """

    outward: str = ""
    type: str = ""


N = TypeVar("N", bound=Note)


class Account:
    """
    The state of one site. Everything that happens to it happens in one step of one thread.
    """

    def __init__(
        self, clock: Callable[[], float], people: Iterable[Person], projects: Iterable[tuple[str, str]]
    ) -> None:
        self.clock = clock
        self.people = {person.id: person for person in people}
        self.me = next(iter(self.people))
        self.projects = {
            str(_FIRST_ID + position): Project(str(_FIRST_ID + position), key, name)
            for position, (key, name) in enumerate(projects)
        }
        self.issues: dict[str, Issue] = {}
        self.properties: dict[str, dict[str, Any]] = {}
        self.notes: dict[type[Note], dict[str, Note]] = {}
        self._ids: dict[str, str] = {}
        self._hung: dict[str, dict[tuple[type[Note], str], Note]] = {}
        self.effects = Effects()
        self.index = Index(clock)
        self._last: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Account {len(self.issues)} issues, {self.effects.total()} effects>"

    def mint(self, kind: str) -> str:
        """
        Return a fresh id.
        """
        self._last[kind] = self._last.get(kind, _FIRST_ID - 1) + 1
        return str(self._last[kind])

    # ---------------------------------------------------------------------------------------------- projects, issues

    def project(self, id_or_key: str) -> Project:
        """
        Return a project, or refuse as Jira does.
        """
        for project in self.projects.values():
            if id_or_key == project.id or id_or_key.upper() == project.key:
                return project
        raise JiraError(404, f"No project could be found with key '{id_or_key}'.")

    def find(self, id_or_key: str) -> Issue | None:
        """
        Return an issue, if there is one.
        """
        return self.issues.get(self._ids.get(id_or_key.upper(), id_or_key))

    def issue(self, id_or_key: str) -> Issue:
        """
        Return an issue, or refuse as Jira does.
        """
        found = self.find(id_or_key)
        if found is None:
            raise missing_issue()
        return found

    def subtasks(self, issue: Issue) -> list[Issue]:
        """
        Return the issues below one.
        """
        return [each for each in self.issues.values() if each.values.get("parent") == issue.id]

    def keep(self, issue: Issue, effect: str) -> None:
        """
        Keep an issue as it is now, let the index hear of it, and count the effect.
        """
        issue.updated = self.clock()
        self.issues[issue.id] = issue
        self._ids[issue.key] = issue.id
        self.index.put(issue)
        self.effects.add(effect, issue.key)

    def drop(self, issue: Issue) -> None:
        """
        Forget an issue and all that hangs on it.
        """
        del self.issues[issue.id]
        self.properties.pop(issue.id, None)
        for kind, id_ in list(self._hung.pop(issue.id, {})):
            del self.notes[kind][id_]
        for link in [each for each in self.all(Link) if each.outward == issue.id]:
            self._unhang(link)
        self.index.remove(issue)
        self.effects.add("issue.deleted", issue.key)

    # -------------------------------------------------------------------------------------------------------- notes

    def add(self, note: N, effect: str) -> N:
        """
        Keep something new that hangs on an issue.
        """
        self.hang(note)
        self.effects.add(effect, note.id)
        return note

    def hang(self, note: Note) -> None:
        """
        Keep something on an issue that is no effect of its own.
        """
        self.notes.setdefault(type(note), {})[note.id] = note
        self._hung.setdefault(note.issue, {})[type(note), note.id] = note

    def _unhang(self, note: Note) -> None:
        del self.notes[type(note)][note.id]
        del self._hung[note.issue][type(note), note.id]

    def all(self, kind: type[N]) -> list[N]:
        """
        Return everything of a kind, oldest first.
        """
        return [each for each in self.notes.get(kind, {}).values() if isinstance(each, kind)]

    def note(self, kind: type[N], id_: str) -> N | None:
        """
        Return what hangs on some issue under that id.
        """
        found = self.notes.get(kind, {}).get(id_)
        return found if isinstance(found, kind) else None

    def notes_of(self, kind: type[N], issue: Issue) -> list[N]:
        """
        Return what hangs on an issue, oldest first.
        """
        return [each for each in self._hung.get(issue.id, {}).values() if isinstance(each, kind)]

    def remove(self, note: Note, effect: str) -> None:
        """
        Forget something that hangs on an issue.
        """
        self._unhang(note)
        self.effects.add(effect, note.id)
