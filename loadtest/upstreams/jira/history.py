"""An issue's changelog: what was changed, from what to what, in ids and in words."""

from __future__ import annotations

from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira.account import Account, History, Issue
from loadtest.upstreams.jira.asked import Asked, View
from loadtest.upstreams.jira.documents import to_text
from loadtest.upstreams.jira.fields import FIELDS
from loadtest.upstreams.jira.pages import Shape, bean
from loadtest.upstreams.jira.said import said
from loadtest.upstreams.jira.site_shapes import person
from loadtest.upstreams.jira.times import stamp
from loadtest.upstreams.jira.words import ISSUE_TYPES, PRIORITIES, STATUSES

_PAGE = 100


def record(account: Account, issue: Issue, items: list[Shape], metadata: dict[str, Any] | None) -> None:
    """
    Write down one change, if it was one.
    """
    if items:
        account.hang(
            History(account.mint("history"), issue.id, account.me, account.clock(), items=items, metadata=metadata)
        )


def changed(account: Account, before: dict[str, Any], after: dict[str, Any]) -> list[Shape]:
    """
    Return an item for every field that differs.
    """
    return [
        item(name, (_id(name, before.get(name)), _words(account, name, before.get(name))),
             (_id(name, after.get(name)), _words(account, name, after.get(name))))
        for name in FIELDS
        if before.get(name) != after.get(name)
    ]  # fmt: skip


def moved(before: str, after: str) -> list[Shape]:
    """
    Return the item of a transition.
    """
    return [item("status", (before, STATUSES[before].name), (after, STATUSES[after].name))]


def item(name: str, before: tuple[str | None, str], after: tuple[str | None, str]) -> Shape:
    """
    Return what one field was and is: an id where it has one, and the words for it.
    """
    custom = FIELDS[name].custom
    ids = {side: value for side, (value, _) in (("from", before), ("to", after)) if value is not None}
    return {
        "field": FIELDS[name].name if custom else name,
        "fieldtype": "custom" if custom else "jira",
        "fieldId": name,
        "fromString": before[1],
        "toString": after[1],
        **ids,
    }


def _id(name: str, value: Any) -> str | None:
    return None if value is None or name not in {"priority", "issuetype", "assignee", "reporter", "parent"} else value


def _words(account: Account, name: str, value: Any) -> str:
    if value is None:
        return ""
    match name:
        case "priority":
            return PRIORITIES[value]
        case "issuetype":
            return ISSUE_TYPES[value].name
        case "assignee" | "reporter":
            return account.people[value].name
        case "parent":
            return account.issues[value].key if value in account.issues else ""
        case "labels":
            return " ".join(value)
        case "description" | "environment":
            return to_text(value)
        case _:
            return str(value)


def shown(view: View, thing: History) -> Shape:
    """
    Show one change.
    """
    entry: Shape = {
        "id": thing.id,
        "author": person(view, thing.author),
        "created": stamp(thing.created),
        "items": thing.items,
    }
    return entry if thing.metadata is None else entry | {"historyMetadata": thing.metadata}


def whole(view: View, issue: Issue) -> Shape:
    """
    Show every change of an issue, newest first, as an issue that is asked for it does.
    """
    found = [shown(view, each) for each in reversed(view.account.notes_of(History, issue))]
    return {"startAt": 0, "maxResults": len(found), "total": len(found), "histories": found}


def list_(asked: Asked) -> Answer:
    """
    List an issue's changes, oldest first, a page at a time.
    """
    issue = asked.issue
    found = asked.account.notes_of(History, issue)
    path = f"issue/{issue.id}/changelog"
    return said(200, bean(asked, path, found, lambda each: shown(asked.view, each), default=_PAGE))
