"""Issues: made one at a time or many at once, shown, edited, assigned, deleted."""

from __future__ import annotations

from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import issue_shapes as shapes
from loadtest.upstreams.jira import transitions
from loadtest.upstreams.jira.account import Issue
from loadtest.upstreams.jira.asked import Asked, View
from loadtest.upstreams.jira.edits import Edit, apply_edit, check_edited, read_edit
from loadtest.upstreams.jira.errors import JiraError, Wrong, bad_payload
from loadtest.upstreams.jira.fields import FIELDS, read_field
from loadtest.upstreams.jira.history import whole
from loadtest.upstreams.jira.pages import Shape
from loadtest.upstreams.jira.said import said, silence
from loadtest.upstreams.jira.site_shapes import field_meta, settable
from loadtest.upstreams.jira.words import DEFAULT_PRIORITY, ISSUE_TYPES

# Jira's own bound.
_BULK_MAX = 50

# What Jira says of a field that an issue cannot be without.
_REQUIRED = {
    "project": "Specify a valid project ID or key",
    "issuetype": "Specify an issue type",
    "summary": "You must specify a summary of the issue.",
}


def create(asked: Asked) -> Answer:
    """
    Make an issue.
    """
    return said(201, _create(asked.view, asked.mapping()))


def _create(view: View, body: dict[str, Any]) -> Shape:
    """
    Make an issue from a body, wholly or not at all.
    """
    account = view.account
    blank: dict[str, Any] = dict.fromkeys(each.id for each in settable())
    before = blank | {"labels": [], "priority": DEFAULT_PRIORITY, "reporter": account.me}
    edit = read_edit(view, body, before)
    _check_made(edit)
    if edit.errors:
        raise JiraError(400, errors=edit.errors)
    now, project = account.clock(), account.projects[edit.values.pop("project")]
    made = Issue("", f"{project.key}-{project.issues + 1}", project.id, now, now, status_changed=now)
    move = transitions.read_move(made, body["transition"]) if body.get("transition") else None
    project.issues += 1
    made.id = account.mint("issue")
    # What an issue begins with is no change of it.
    made.values = edit.values
    account.keep(made, "issue.created")
    apply_edit(view, made, edit)
    if move is not None:
        transitions.make(view, made, move)
        account.index.put(made)
    return {"id": made.id, "key": made.key, "self": view.url(f"issue/{made.id}")}


def _check_made(edit: Edit) -> None:
    for name, sentence in _REQUIRED.items():
        if edit.values[name] is None and name not in edit.errors:
            edit.errors[name] = sentence
    kind = ISSUE_TYPES.get(str(edit.values["issuetype"]))
    if kind is not None and kind.subtask and edit.values["parent"] is None and "parent" not in edit.errors:
        edit.errors["issuetype"] = "Issue type is a sub-task but parent issue key or id not specified."


def create_bulk(asked: Asked) -> Answer:
    """
    Make issues one after the other; those that are wrong are told apart by their place in the list.
    """
    bodies = asked.mapping().get("issueUpdates")
    if not isinstance(bodies, list) or not all(isinstance(each, dict) for each in bodies):
        raise bad_payload()
    if not 0 < len(bodies) <= _BULK_MAX:
        raise JiraError(400, f"The number of issues must be from 1 to {_BULK_MAX}.")
    made, errors = [], []
    for position, body in enumerate(bodies):
        try:
            made.append(_create(asked.view, body))
        except JiraError as error:
            failure = {"status": error.status, "elementErrors": error.body(), "failedElementNumber": position}
            errors.append(failure)
    return said(201 if made else 400, {"issues": made, "errors": errors})


def retrieve(asked: Asked) -> Answer:
    """
    Show an issue.
    """
    return said(200, _shown(asked, asked.issue))


def _shown(asked: Asked, issue: Issue) -> Shape:
    expand, account = asked.names("expand"), asked.account
    shown = shapes.issue(asked.view, issue, asked.names("fields"), expand)
    kept = account.properties.get(issue.id, {})
    wanted = asked.names("properties")
    if wanted:
        shown["properties"] = {key: value for key, value in kept.items() if "*all" in wanted or key in wanted}
    if "transitions" in expand:
        shown["transitions"] = transitions.show_moves(asked.view, issue)
    if "changelog" in expand:
        shown["changelog"] = whole(asked.view, issue)
    return shown


def edit_meta(asked: Asked) -> Answer:
    """
    Show what of an issue can be edited.
    """
    issue = asked.issue
    fields = [each for each in settable() if each.id != "project"]
    fields += [FIELDS[name] for name in ("comment", "worklog", "issuelinks")]
    metas = {each.id: field_meta(asked.view, each, asked.account) for each in fields}
    if not ISSUE_TYPES[issue.values["issuetype"]].subtask:
        del metas["parent"]
    return said(200, {"fields": metas})


def edit(asked: Asked) -> Answer:
    """
    Edit an issue; with `returnIssue` the answer shows it.
    """
    issue, body = asked.issue, asked.mapping()
    wanted = read_edit(asked.view, body, issue.values)
    check_edited(wanted, issue)
    apply_edit(asked.view, issue, wanted)
    asked.account.keep(issue, "issue.updated")
    if asked.flag("returnIssue"):
        return said(200, _shown(asked, issue))
    return silence()


def assign(asked: Asked) -> Answer:
    """
    Give an issue to somebody, to nobody (null), or to whoever gets it by default (-1), which is nobody here.
    """
    issue, body = asked.issue, asked.mapping()
    try:
        named = None if str(body.get("accountId")) == "-1" else body
        person = read_field(asked.account, asked.view.version, "assignee", named)
    except Wrong as wrong:
        raise JiraError(400, errors={"assignee": str(wrong)}) from wrong
    apply_edit(asked.view, issue, Edit(issue.values | {"assignee": person}))
    asked.account.keep(issue, "issue.assigned")
    return silence()


def delete(asked: Asked) -> Answer:
    """
    Delete an issue, and its subtasks if that was asked for.
    """
    issue = asked.issue
    below = asked.account.subtasks(issue)
    if below and not asked.flag("deleteSubtasks"):
        raise JiraError(
            400,
            f"The issue '{issue.key}' has subtasks.  You must specify the 'deleteSubtasks' parameter to delete this "
            "issue and all its subtasks.",
        )
    for each in [*below, issue]:
        asked.account.drop(each)
    return silence()
