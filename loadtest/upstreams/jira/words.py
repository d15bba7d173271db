"""
What a site comes with: people, issue types, priorities, statuses and the moves between them, kinds of link.

The workflow has no move to where an issue already is, and none from To Do back to itself or from Done to In Progress:
what may be done depends on where an issue is, as on most real sites.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Person:
    """
    Somebody with an account.
    """

    id: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Category:
    """
    What statuses have in common.
    """

    id: int
    key: str
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Status:
    """
    Where an issue can be.
    """

    id: str
    name: str
    category: Category


@dataclass(frozen=True, slots=True)
class Move:
    """
    A transition: from some statuses to one.
    """

    id: str
    name: str
    sources: frozenset[str]
    target: str


@dataclass(frozen=True, slots=True)
class IssueType:
    """
    What an issue can be.
    """

    id: str
    name: str
    description: str
    subtask: bool = False


@dataclass(frozen=True, slots=True)
class LinkType:
    """
    How two issues can hang together.
    """

    id: str
    name: str
    inward: str
    outward: str


_NEW = Category(2, "new", "To Do", "blue-gray")
_GOING = Category(4, "indeterminate", "In Progress", "yellow")
_DONE = Category(3, "done", "Done", "green")

FIRST_STATUS = "10000"
_IN_PROGRESS = "3"
DONE_STATUS = "10001"

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        FIRST_STATUS: Status(FIRST_STATUS, "To Do", _NEW),
        _IN_PROGRESS: Status(_IN_PROGRESS, "In Progress", _GOING),
        DONE_STATUS: Status(DONE_STATUS, "Done", _DONE),
    }
)

MOVES = (
    Move("11", "Stop progress", frozenset({_IN_PROGRESS}), FIRST_STATUS),
    Move("21", "Start progress", frozenset({FIRST_STATUS}), _IN_PROGRESS),
    Move("31", "Done", frozenset({FIRST_STATUS, _IN_PROGRESS}), DONE_STATUS),
    Move("41", "Reopen", frozenset({DONE_STATUS}), FIRST_STATUS),
)

ISSUE_TYPES: Mapping[str, IssueType] = MappingProxyType(
    {
        each.id: each
        for each in (
            IssueType("10001", "Task", "A small, distinct piece of work."),
            IssueType("10002", "Bug", "A problem or error."),
            IssueType("10003", "Story", "Functionality expressed as a user goal."),
            IssueType("10004", "Sub-task", "A small piece of work that is part of a larger task.", subtask=True),
        )
    }
)

PRIORITIES: Mapping[str, str] = MappingProxyType(
    {"1": "Highest", "2": "High", "3": "Medium", "4": "Low", "5": "Lowest"}
)
DEFAULT_PRIORITY = "3"

LINK_TYPES: Mapping[str, LinkType] = MappingProxyType(
    {
        each.id: each
        for each in (
            LinkType("10000", "Blocks", "is blocked by", "blocks"),
            LinkType("10002", "Duplicate", "is duplicated by", "duplicates"),
            LinkType("10003", "Relates", "relates to", "relates to"),
        )
    }
)

PROJECTS = (("SHOP", "Shop"), ("OPS", "Operations"), ("WEB", "Web site"))


def people(email: str) -> tuple[Person, ...]:
    """
    Return the people of a site: first the one behind the sandbox's own token.
    """
    return (
        Person("712020:bot", email, email.partition("@")[0].title()),
        Person("712020:mia", "mia@shop.test", "Mia Krystof"),
        Person("712020:omar", "omar@shop.test", "Omar Haddad"),
    )
