"""Comments on issues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import issue_shapes as shapes
from loadtest.upstreams.jira.account import Comment, Issue
from loadtest.upstreams.jira.asked import Asked, View, inner
from loadtest.upstreams.jira.documents import Document, read_document
from loadtest.upstreams.jira.errors import JiraError, Wrong
from loadtest.upstreams.jira.pages import Shape, page
from loadtest.upstreams.jira.properties import read_properties
from loadtest.upstreams.jira.said import said, silence

# Jira's own default and bound for a page.
_PAGE = 100
_PAGE_MAX = 5000


def read_body(view: View, value: object) -> Document:
    """
    Return a comment's text, which cannot be empty.
    """
    if value is None or value == "":
        raise Wrong("Comment body can not be empty!")
    body = read_document(view.version, value)
    if body is None:
        raise Wrong("Comment body can not be empty!")
    return body


def read(view: View, asked: dict[str, Any]) -> Callable[[Issue], Comment]:
    """
    Read a comment, and return what writes it on an issue.
    """
    body, properties = read_body(view, asked.get("body")), read_properties(asked.get("properties"))
    visibility = inner(asked, "visibility")

    def write(issue: Issue) -> Comment:
        now = view.account.clock()
        made = Comment(
            view.account.mint("comment"),
            issue.id,
            view.account.me,
            now,
            body=body,
            updated=now,
            visibility=visibility,
            properties=properties,
        )
        return view.account.add(made, "comment.created")

    return write


def _shown(asked: Asked, thing: Comment) -> Shape:
    shown = shapes.comment(asked.view, thing)
    if "properties" not in asked.names("expand"):
        return shown
    return shown | {"properties": [{"key": key, "value": value} for key, value in thing.properties.items()]}


def create(asked: Asked) -> Answer:
    """
    Comment an issue.
    """
    issue, body = asked.issue, asked.mapping()
    try:
        made = read(asked.view, body)(issue)
    except Wrong as wrong:
        raise JiraError(400, errors={"comment": str(wrong)}) from wrong
    return said(201, _shown(asked, made))


def list_(asked: Asked) -> Answer:
    """
    List an issue's comments, oldest first unless `orderBy` says otherwise.
    """
    found = asked.account.notes_of(Comment, asked.issue)
    order = asked.text("orderBy") or "created"
    if order.lstrip("+-") != "created":
        raise JiraError(400, f"The orderBy value '{order}' is not valid.")
    if order.startswith("-"):
        found.reverse()
    shown = page(asked, "comments", found, lambda each: _shown(asked, each), default=_PAGE, most=_PAGE_MAX)
    return said(200, shown)


def _found(asked: Asked) -> Comment:
    issue = asked.issue
    found = asked.account.note(Comment, asked.ids[1])
    if found is None or found.issue != issue.id:
        raise JiraError(404, f"Can not find a comment for the id: {asked.ids[1]}.")
    return found


def retrieve(asked: Asked) -> Answer:
    """
    Show a comment.
    """
    return said(200, _shown(asked, _found(asked)))


def update(asked: Asked) -> Answer:
    """
    Write a comment anew.
    """
    found, body = _found(asked), asked.mapping()
    visibility = inner(body, "visibility")
    try:
        found.body = read_body(asked.view, body.get("body"))
    except Wrong as wrong:
        raise JiraError(400, errors={"comment": str(wrong)}) from wrong
    found.visibility = visibility if "visibility" in body else found.visibility
    found.updated = asked.account.clock()
    asked.account.effects.add("comment.updated", found.id)
    return said(200, _shown(asked, found))


def delete(asked: Asked) -> Answer:
    """
    Delete a comment.
    """
    asked.account.remove(_found(asked), "comment.deleted")
    return silence()
