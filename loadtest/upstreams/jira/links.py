"""Links between two issues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import comments
from loadtest.upstreams.jira import issue_shapes as shapes
from loadtest.upstreams.jira.account import Issue, Link
from loadtest.upstreams.jira.asked import Asked, View, inner
from loadtest.upstreams.jira.errors import JiraError, Wrong, missing_issue
from loadtest.upstreams.jira.said import said, silence
from loadtest.upstreams.jira.words import LINK_TYPES


def read(view: View, asked: dict[str, Any]) -> Callable[[Issue | None], Link]:
    """
    Read a link, and return what makes it; an end that is left out is the issue that is being edited.
    """
    inward, outward = _end(view, inner(asked, "inwardIssue")), _end(view, inner(asked, "outwardIssue"))
    kind = inner(asked, "type") or {}
    types = [each.id for each in LINK_TYPES.values() if kind.get("id") == each.id or kind.get("name") == each.name]
    if not types:
        raise JiraError(404, f"No issue link type with name '{kind.get('name')}' found.")

    def write(issue: Issue | None) -> Link:
        first, second = inward or issue, outward or issue
        if first is None or second is None:
            raise missing_issue()
        id_, now = view.account.mint("link"), view.account.clock()
        made = Link(id_, first.id, view.account.me, now, outward=second.id, type=types[0])
        return view.account.add(made, "link.created")

    return write


def _end(view: View, named: dict[str, Any] | None) -> Issue | None:
    return view.account.issue(str(named.get("key", named.get("id", "")))) if named else None


def create(asked: Asked) -> Answer:
    """
    Link two issues, and comment the first if there is something to say.
    """
    body = asked.mapping()
    comment = inner(body, "comment")
    try:
        say = None if comment is None else comments.read(asked.view, comment)
    except Wrong as wrong:
        raise JiraError(400, errors={"comment": str(wrong)}) from wrong
    made = read(asked.view, body)(None)
    if say is not None:
        say(asked.account.issues[made.issue])
    return silence(201)


def _found(asked: Asked) -> Link:
    found = asked.account.note(Link, asked.ids[0])
    if found is None:
        raise JiraError(404, f"No issue link with id '{asked.ids[0]}' exists.")
    return found


def retrieve(asked: Asked) -> Answer:
    """
    Show a link with both its ends.
    """
    return said(200, shapes.link(asked.view, _found(asked)))


def delete(asked: Asked) -> Answer:
    """
    Cut a link.
    """
    asked.account.remove(_found(asked), "link.deleted")
    return silence()
