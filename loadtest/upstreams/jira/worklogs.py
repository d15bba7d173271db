"""Worklogs: the work that was done on an issue, whose sum is the issue's time spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import issue_shapes as shapes
from loadtest.upstreams.jira.account import Issue, Worklog
from loadtest.upstreams.jira.asked import Asked, View
from loadtest.upstreams.jira.documents import read_document
from loadtest.upstreams.jira.errors import JiraError, Wrong
from loadtest.upstreams.jira.pages import Shape, page
from loadtest.upstreams.jira.properties import read_properties
from loadtest.upstreams.jira.said import said, silence
from loadtest.upstreams.jira.times import read_span, read_started, stamp

# Jira's own default and bound for a page.
_PAGE = 5000


def read_seconds(asked: dict[str, Any]) -> int:
    """
    Return how long the work took: `timeSpentSeconds`, or `timeSpent` in words.
    """
    seconds = asked.get("timeSpentSeconds")
    if seconds is None:
        return read_span(asked.get("timeSpent"))
    if isinstance(seconds, bool) or not str(seconds).isdigit() or int(seconds) == 0:
        raise Wrong("Worklog must not be null.")
    return int(seconds)


def read(view: View, asked: dict[str, Any]) -> Callable[[Issue], Worklog]:
    """
    Read a worklog, and return what writes it on an issue.
    """
    now = view.account.clock()
    started = stamp(now) if asked.get("started") is None else read_started(asked["started"])
    comment, seconds = read_document(view.version, asked.get("comment")), read_seconds(asked)
    properties = read_properties(asked.get("properties"))

    def write(issue: Issue) -> Worklog:
        made = Worklog(
            view.account.mint("worklog"),
            issue.id,
            view.account.me,
            now,
            comment=comment,
            updated=now,
            started=started,
            seconds=seconds,
            properties=properties,
        )
        return view.account.add(made, "worklog.created")

    return write


def _shown(asked: Asked, thing: Worklog) -> Shape:
    shown = shapes.worklog(asked.view, thing)
    if "properties" not in asked.names("expand"):
        return shown
    return shown | {"properties": [{"key": key, "value": value} for key, value in thing.properties.items()]}


def create(asked: Asked) -> Answer:
    """
    Log work on an issue.
    """
    issue, body = asked.issue, asked.mapping()
    try:
        made = read(asked.view, body)(issue)
    except Wrong as wrong:
        raise JiraError(400, errors={"timeLogged": str(wrong)}) from wrong
    return said(201, _shown(asked, made))


def list_(asked: Asked) -> Answer:
    """
    List the work on an issue, oldest first.
    """
    found = asked.account.notes_of(Worklog, asked.issue)
    return said(200, page(asked, "worklogs", found, lambda each: _shown(asked, each), default=_PAGE))


def _found(asked: Asked) -> Worklog:
    issue = asked.issue
    found = asked.account.note(Worklog, asked.ids[1])
    if found is None or found.issue != issue.id:
        raise JiraError(404, f"Cannot find worklog with id: '{asked.ids[1]}'.")
    return found


def retrieve(asked: Asked) -> Answer:
    """
    Show a worklog.
    """
    return said(200, _shown(asked, _found(asked)))


def update(asked: Asked) -> Answer:
    """
    Change a worklog where the body says something.
    """
    found, body = _found(asked), asked.mapping()
    try:
        seconds = read_seconds(body) if body.keys() & {"timeSpent", "timeSpentSeconds"} else found.seconds
        comment = read_document(asked.view.version, body["comment"]) if "comment" in body else found.comment
        started = read_started(body["started"]) if "started" in body else found.started
    except Wrong as wrong:
        raise JiraError(400, errors={"timeLogged": str(wrong)}) from wrong
    found.seconds, found.comment, found.started = seconds, comment, started
    found.updated = asked.account.clock()
    asked.account.effects.add("worklog.updated", found.id)
    return said(200, shapes.worklog(asked.view, found))


def delete(asked: Asked) -> Answer:
    """
    Delete a worklog.
    """
    asked.account.remove(_found(asked), "worklog.deleted")
    return silence()
