"""
The fields of an issue that a client can set: how each is read, and what kind of thing it holds.

A value is kept in its simplest form (an id, a text, a document); `issue_shapes` dresses it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any

from loadtest.upstreams.jira.account import Account
from loadtest.upstreams.jira.documents import read_document
from loadtest.upstreams.jira.errors import Wrong
from loadtest.upstreams.jira.words import ISSUE_TYPES, PRIORITIES

# The account, the version of the API, and what was sent.
Reader = Callable[[Account, int, object], object]

# Jira's own bound.
_SUMMARY_CHARS_MAX = 255

STORY_POINTS = "customfield_10016"


@dataclass(frozen=True, slots=True)
class Field:
    """
    A field: `operations` are what an edit's `update` may do to it.
    """

    id: str
    name: str
    schema: Mapping[str, object]
    read: Reader | None = None
    required: bool = False
    operations: tuple[str, ...] = ("set",)

    @property
    def custom(self) -> bool:
        """
        Tell whether somebody added it to the site.
        """
        return "custom" in self.schema


def _summary(_account: Account, _version: int, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong("You must specify a summary of the issue.")
    if "\n" in value or "\r" in value:
        raise Wrong("The summary is invalid because it contains newline characters.")
    if len(value) > _SUMMARY_CHARS_MAX:
        raise Wrong("Summary must be less than 255 characters.")
    return value


def _document(_account: Account, version: int, value: object) -> object:
    return read_document(version, value)


def read_label(value: object) -> str:
    """
    Return a label, which has no spaces in it.
    """
    if not isinstance(value, str) or not value:
        raise Wrong("Operation value must be a string")
    if " " in value:
        raise Wrong(f"The label '{value}' contains spaces which is invalid.")
    return value


def _labels(_account: Account, _version: int, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Wrong("data was not an array")
    return list(dict.fromkeys(read_label(each) for each in value))


def _person(account: Account, _version: int, value: object) -> str | None:
    if value is None:
        return None
    asked = value if isinstance(value, dict) else {}
    if not asked.keys() & {"accountId", "id"}:
        raise Wrong("'accountId' must be the only user identifying query parameter in GDPR strict mode.")
    id_ = asked.get("accountId", asked.get("id"))
    if id_ is not None and str(id_) not in account.people:
        raise Wrong(f"Account '{id_}' does not exist.")
    return None if id_ is None else str(id_)


def _named(names: Mapping[str, str], noun: str, _account: Account, _version: int, value: object) -> str:
    asked = value if isinstance(value, dict) else {}
    if str(asked.get("id")) in names:
        return str(asked["id"])
    for id_, name in names.items():
        if asked.get("name") == name:
            return id_
    raise Wrong(f"Specify a valid {noun}")


def _parent(account: Account, _version: int, value: object) -> str | None:
    if value is None:
        return None
    asked = value if isinstance(value, dict) else {}
    found = account.find(str(asked.get("id", asked.get("key", ""))))
    if found is None:
        raise Wrong("Could not find issue by id or key.")
    return found.id


def _project(account: Account, _version: int, value: object) -> str:
    asked = value if isinstance(value, dict) else {}
    for project in account.projects.values():
        if str(asked.get("id")) == project.id or asked.get("key") == project.key:
            return project.id
    raise Wrong("Specify a valid project ID or key")


def _due(_account: Account, _version: int, value: object) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise Wrong("Error parsing date string: " + str(value)) from error


def _number(_account: Account, _version: int, value: object) -> object:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Wrong("Operation value must be a number")
    return value


def _system(id_: str, type_: str, **more: object) -> dict[str, object]:
    return {"type": type_, "system": id_, **more}


_TYPE_NAMES = {each.id: each.name for each in ISSUE_TYPES.values()}
_POINTS = {
    "type": "number",
    "custom": "com.pyxis.greenhopper.jira:jsw-story-points",
    "customId": int(STORY_POINTS.rpartition("_")[2]),
}

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        each.id: each
        for each in (
            Field("summary", "Summary", _system("summary", "string"), _summary, required=True),
            Field("project", "Project", _system("project", "project"), _project, required=True),
            Field(
                "issuetype",
                "Issue Type",
                _system("issuetype", "issuetype"),
                partial(_named, _TYPE_NAMES, "issue type"),
                required=True,
            ),
            Field("description", "Description", _system("description", "string"), _document),
            Field("environment", "Environment", _system("environment", "string"), _document),
            Field(
                "labels",
                "Labels",
                _system("labels", "array", items="string"),
                _labels,
                operations=("add", "set", "remove"),
            ),
            Field(
                "priority", "Priority", _system("priority", "priority"), partial(_named, PRIORITIES, "priority name")
            ),
            Field("assignee", "Assignee", _system("assignee", "user"), _person),
            Field("reporter", "Reporter", _system("reporter", "user"), _person),
            Field("parent", "Parent", _system("parent", "issuelink"), _parent),
            Field("duedate", "Due date", _system("duedate", "date"), _due),
            Field(STORY_POINTS, "Story point estimate", _POINTS, _number),
            Field("status", "Status", _system("status", "status"), operations=()),
            Field("resolution", "Resolution", _system("resolution", "resolution"), operations=()),
            Field("resolutiondate", "Resolved", _system("resolutiondate", "datetime"), operations=()),
            Field("created", "Created", _system("created", "datetime"), operations=()),
            Field("updated", "Updated", _system("updated", "datetime"), operations=()),
            Field("comment", "Comment", _system("comment", "comments-page"), operations=("add",)),
            Field("worklog", "Log Work", _system("worklog", "array", items="worklog"), operations=("add",)),
            Field("attachment", "Attachment", _system("attachment", "array", items="attachment"), operations=()),
            Field(
                "issuelinks", "Linked Issues", _system("issuelinks", "array", items="issuelinks"), operations=("add",)
            ),
            Field("subtasks", "Sub-tasks", _system("subtasks", "array", items="issuelinks"), operations=()),
            Field("timespent", "Time Spent", _system("timespent", "number"), operations=()),
            Field("timetracking", "Time tracking", _system("timetracking", "timetracking"), operations=()),
            Field("watches", "Watchers", _system("watches", "watches"), operations=()),
            Field("votes", "Votes", _system("votes", "votes"), operations=()),
        )
    }
)


def read_field(account: Account, version: int, name: str, value: object) -> Any:
    """
    Return what may be kept under a field's name.
    """
    field = FIELDS.get(name)
    if field is None or field.read is None:
        raise Wrong(f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown.")
    return field.read(account, version, value)
