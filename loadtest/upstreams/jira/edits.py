"""
What a body wants done to an issue: `fields` set, `update` changes, `properties` kept.

Everything is read before anything is changed: one wrong field, and nothing of the edit happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtest.upstreams.jira import comments, links, worklogs
from loadtest.upstreams.jira.account import Issue
from loadtest.upstreams.jira.asked import View, inner
from loadtest.upstreams.jira.errors import JiraError, Wrong, bad_payload
from loadtest.upstreams.jira.fields import FIELDS, read_field, read_label
from loadtest.upstreams.jira.history import changed, record
from loadtest.upstreams.jira.properties import keep, read_properties
from loadtest.upstreams.jira.words import ISSUE_TYPES


@dataclass(slots=True)
class Edit:
    """
    An edit that was read: the values as they will be, and what is to be hung on the issue.
    """

    values: dict[str, Any]
    notes: list[Callable[[Issue], object]] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None
    errors: dict[str, str] = field(default_factory=dict)


def read_edit(view: View, body: dict[str, Any], before: dict[str, Any]) -> Edit:
    """
    Read a body against the values as they are; what is wrong with it is in the edit's `errors`, by field.
    """
    fields, update = ({} if body.get(name) is None else body[name] for name in ("fields", "update"))
    if not isinstance(fields, dict) or not isinstance(update, dict):
        raise bad_payload()
    edit = Edit(
        dict(before), properties=read_properties(body.get("properties")), metadata=inner(body, "historyMetadata")
    )
    for name, value in fields.items():
        try:
            edit.values[name] = read_field(view.account, view.version, name, value)
        except Wrong as wrong:
            edit.errors[name] = str(wrong)
    for name, operations in update.items():
        try:
            if name in fields:
                raise Wrong(f"Field '{name}' cannot appear in both 'fields' and 'update'")
            for operation in operations if isinstance(operations, list) else [operations]:
                _operate(view, edit, name, operation)
        except Wrong as wrong:
            edit.errors[name] = str(wrong)
    return edit


def _operate(view: View, edit: Edit, name: str, operation: object) -> None:
    if not isinstance(operation, dict) or len(operation) != 1:
        raise Wrong("Each operation must be an object with one member.")
    ((verb, value),) = operation.items()
    if name not in FIELDS or not FIELDS[name].operations:
        raise Wrong(f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown.")
    if verb not in FIELDS[name].operations:
        raise Wrong(f"Field with id '{name}' and name '{FIELDS[name].name}' does not support operation '{verb}'")
    match name, verb:
        case _, "set":
            edit.values[name] = read_field(view.account, view.version, name, value)
        case "labels", _:
            label = read_label(value)
            rest = [each for each in edit.values["labels"] if each != label]
            if verb == "remove":
                edit.values["labels"] = rest
            elif label not in edit.values["labels"]:
                edit.values["labels"] = [*rest, label]
        case _:
            edit.notes.append(_note(view, name, value))


def _note(view: View, name: str, value: object) -> Callable[[Issue], object]:
    """
    Read what is to be hung on an issue, and return how.
    """
    if not isinstance(value, dict):
        raise Wrong("data was not an object")
    match name:
        case "comment":
            return comments.read(view, value)
        case "worklog":
            return worklogs.read(view, value)
        case _:
            if not value.keys() & {"inwardIssue", "outwardIssue"}:
                raise Wrong("A link needs another issue.")
            return links.read(view, value)


def check_edited(edit: Edit, issue: Issue) -> None:
    """
    Find what an edit cannot change: the project, and whether the issue is a subtask.
    """
    if edit.values.pop("project", issue.project) != issue.project:
        edit.errors["project"] = "Field 'project' cannot be set. It is not on the appropriate screen, or unknown."
    kind = ISSUE_TYPES[edit.values["issuetype"]]
    if kind.subtask != ISSUE_TYPES[issue.values["issuetype"]].subtask:
        edit.errors["issuetype"] = "The issue type selected is invalid."


def apply_edit(view: View, issue: Issue, edit: Edit) -> None:
    """
    Make an edit's changes, unless something is wrong with it.
    """
    if edit.errors:
        raise JiraError(400, errors=edit.errors)
    before, issue.values = issue.values, edit.values
    record(view.account, issue, changed(view.account, before, edit.values), edit.metadata)
    for note in edit.notes:
        note(issue)
    for key, value in edit.properties.items():
        keep(view.account, issue, key, value)
