"""
What one GitHub remembers: people, repositories and everything in them, and a count of every effect.

Objects hold each other, not ids: a repository that is renamed is the same one. Everything happens in one step of one
thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.upstreams.effects import Effects
from loadtest.upstreams.github.git import Git


@dataclass(slots=True, eq=False)
class Person:
    """
    A user or an organisation.
    """

    id: int
    login: str
    kind: str
    created_at: int


@dataclass(slots=True, eq=False)
class Label:
    """
    A label of a repository.
    """

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None
    default: bool = False


@dataclass(slots=True, eq=False)
class Comment:
    """
    A comment on an issue or a pull request.
    """

    id: int
    author: Person
    body: str
    created_at: int
    updated_at: int
    issue: Issue


@dataclass(slots=True, eq=False)
class Review:
    """
    A review of a pull request.
    """

    id: int
    author: Person
    body: str
    state: str
    commit_id: str
    submitted_at: int | None


@dataclass(slots=True, eq=False)
class Pull:
    """
    What a pull request has beyond its issue; the ids of both ends stay as they were once it is closed.
    """

    id: int
    head: str
    base: str
    head_sha: str
    base_sha: str
    draft: bool = False
    maintainer_can_modify: bool = False
    merged_at: int | None = None
    merged_by: Person | None = None
    merge_commit_sha: str | None = None
    reviews: dict[int, Review] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Issue:
    """
    An issue, or the issue that every pull request also is.
    """

    id: int
    number: int
    author: Person
    title: str
    body: str | None
    created_at: int
    updated_at: int
    state: str = "open"
    state_reason: str | None = None
    labels: list[Label] = field(default_factory=list)
    assignees: list[Person] = field(default_factory=list)
    closed_at: int | None = None
    closed_by: Person | None = None
    pull: Pull | None = None


@dataclass(slots=True, eq=False)
class Asset:
    """
    A file that was uploaded to a release.
    """

    id: int
    name: str
    label: str | None
    content_type: str
    data: bytes
    uploader: Person
    at: int


@dataclass(slots=True, eq=False)
class Release:
    """
    A release of a tag.
    """

    id: int
    author: Person
    tag_name: str
    target_commitish: str
    created_at: int
    name: str | None = None
    body: str | None = None
    draft: bool = False
    prerelease: bool = False
    published_at: int | None = None
    assets: dict[int, Asset] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Workflow:
    """
    A workflow that can be dispatched.
    """

    id: int
    name: str
    path: str
    at: int


@dataclass(slots=True, eq=False)
class Repo:
    """
    A repository. Labels stand under their lowered names, since GitHub finds them so.
    """

    id: int
    owner: Person
    name: str
    created_at: int
    updated_at: int
    default_branch: str = "main"
    git: Git = field(default_factory=Git)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    releases: dict[int, Release] = field(default_factory=dict)
    workflows: dict[int, Workflow] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """
        Return owner and name.
        """
        return f"{self.owner.login}/{self.name}"


class World:
    """
    Everything that one sandbox holds.
    """

    def __init__(self, clock: Callable[[], float], login: str) -> None:
        self._clock = clock
        self._ids = itertools.count(1001)
        self.effects = Effects()
        self.people: dict[str, Person] = {}
        # By organisation and team, both in small letters.
        self.teams: dict[tuple[str, str], list[Person]] = {}
        self.repos: dict[str, Repo] = {}
        # Where a repository is found under a name that it had before.
        self.renamed: dict[str, Repo] = {}
        # How many requests count against the rate limit.
        self.requests = 0
        # For how long a list does not show yet what was made; reading it by itself does at once.
        self.list_lag_s = 0.0
        self.me = self.person(login)

    def now(self) -> int:
        """
        Return this second.
        """
        return int(self._clock())

    def mint(self) -> int:
        """
        Return a fresh id; no two objects of any kind share one.
        """
        return next(self._ids)

    def person(self, login: str, kind: str = "User") -> Person:
        """
        Return the user or organisation of that name, made if need be.
        """
        if login.lower() not in self.people:
            self.people[login.lower()] = Person(self.mint(), login, kind, self.now())
        return self.people[login.lower()]

    def done(self, effect: str, repo: Repo, kind: str, id_: object) -> None:
        """
        Count an effect on an object of a repository, which changed it.
        """
        self.effects.add(effect, f"{kind}:{repo.full_name}/{id_}")
        repo.updated_at = self.now()

    def repo(self, full_name: str) -> Repo:
        """
        Return a repository that is there, made with one commit if need be.
        """
        if full_name.lower() in self.repos:
            return self.repos[full_name.lower()]
        login, _, name = full_name.partition("/")
        owner = self.me if login.lower() == self.me.login.lower() else self.person(login, "Organization")
        made = Repo(self.mint(), owner, name, self.now(), self.now())
        made.git.refs["refs/heads/main"] = made.git.commit(
            "Initial commit",
            {"README.md": made.git.blob(f"# {name}\n".encode())},
            (),
            (self.me.login, mail(self.me)),
            self.now(),
        ).sha
        for label, color in (("bug", "d73a4a"), ("enhancement", "a2eeef"), ("question", "d876e3")):
            made.labels[label] = Label(self.mint(), label, color, default=True)
        workflow = Workflow(self.mint(), "CI", ".github/workflows/ci.yml", self.now())
        made.workflows[workflow.id] = workflow
        self.repos[full_name.lower()] = made
        return made

    def rename(self, old: str, new: str) -> None:
        """
        Give a repository another name of the same owner; the old one leads to it from now on.
        """
        repo = self.repos.pop(old.lower())
        self.renamed[old.lower()] = repo
        repo.name = new
        self.repos[repo.full_name.lower()] = repo


def mail(person: Person) -> str:
    """
    Return the address that a person commits with.
    """
    return f"{person.id}+{person.login}@users.noreply.github.com"
