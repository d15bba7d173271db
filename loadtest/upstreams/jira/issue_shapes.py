"""What an issue and the things on it look like in answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from loadtest.upstreams.jira.account import Attachment, Comment, Issue, Link, Worklog
from loadtest.upstreams.jira.asked import View
from loadtest.upstreams.jira.documents import show_document, to_text
from loadtest.upstreams.jira.fields import FIELDS, STORY_POINTS
from loadtest.upstreams.jira.pages import Shape
from loadtest.upstreams.jira.site_shapes import issue_type, link_type, person, priority, project, status
from loadtest.upstreams.jira.times import span, stamp
from loadtest.upstreams.jira.words import ISSUE_TYPES, LINK_TYPES, STATUSES

_EXPAND = "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations"

# These are pages or lists of their own, which a search does not show unless it is asked to.
_NOT_NAVIGABLE = frozenset({"comment", "worklog", "attachment"})

# ------------------------------------------------------------------------------------------------- things on an issue


def comment(view: View, thing: Comment) -> Shape:
    """
    Show a comment.
    """
    shown: Shape = {
        "self": view.url(f"issue/{thing.issue}/comment/{thing.id}"),
        "id": thing.id,
        "author": person(view, thing.author),
        "body": show_document(view.version, thing.body),
        "updateAuthor": person(view, thing.author),
        "created": stamp(thing.created),
        "updated": stamp(thing.updated),
        "jsdPublic": True,
    }
    return shown if thing.visibility is None else shown | {"visibility": thing.visibility}


def worklog(view: View, thing: Worklog) -> Shape:
    """
    Show a worklog.
    """
    shown: Shape = {
        "self": view.url(f"issue/{thing.issue}/worklog/{thing.id}"),
        "author": person(view, thing.author),
        "updateAuthor": person(view, thing.author),
        "created": stamp(thing.created),
        "updated": stamp(thing.updated),
        "started": thing.started,
        "timeSpent": span(thing.seconds),
        "timeSpentSeconds": thing.seconds,
        "id": thing.id,
        "issueId": thing.issue,
    }
    return shown if thing.comment is None else shown | {"comment": show_document(view.version, thing.comment)}


def attachment(view: View, thing: Attachment) -> Shape:
    """
    Show an attachment as its issue does.
    """
    return {
        "self": view.url(f"attachment/{thing.id}"),
        "id": thing.id,
        "filename": thing.filename,
        "author": person(view, thing.author),
        "created": stamp(thing.created),
        "size": len(thing.data),
        "mimeType": thing.mime_type,
        "content": view.url(f"attachment/content/{thing.id}"),
    }


def linked(view: View, thing: Issue) -> Shape:
    """
    Show an issue as a link, a parent or a list of subtasks does.
    """
    names = ("summary", "status", "priority", "issuetype")
    fields = {name: _FIELDS[name](view, thing) for name in names}
    return {"id": thing.id, "key": thing.key, "self": view.url(f"issue/{thing.id}"), "fields": fields}


def link(view: View, thing: Link, seen_from: Issue | None = None) -> Shape:
    """
    Show a link: both its ends, or the other one.
    """
    ends = {"inwardIssue": view.account.issues[thing.issue], "outwardIssue": view.account.issues[thing.outward]}
    return {
        "id": thing.id,
        "self": view.url(f"issueLink/{thing.id}"),
        "type": link_type(view, LINK_TYPES[thing.type]),
        **{side: linked(view, end) for side, end in ends.items() if seen_from is None or end.id != seen_from.id},
    }


# ---------------------------------------------------------------------------------------------------- an issue's fields

Show = Callable[[View, Issue], object]


def _plain(name: str) -> Show:
    return lambda _view, issue: issue.values.get(name)


def _document(name: str) -> Show:
    return lambda view, issue: show_document(view.version, issue.values.get(name))


def _person(name: str) -> Show:
    return lambda view, issue: person(view, issue.values.get(name))


def _parent(view: View, issue: Issue) -> object:
    found = view.account.issues.get(str(issue.values.get("parent")))
    return None if found is None else linked(view, found)


def _comments(view: View, issue: Issue) -> object:
    shown = [comment(view, each) for each in view.account.notes_of(Comment, issue)]
    counts = {"maxResults": len(shown), "total": len(shown), "startAt": 0}
    return {"comments": shown, "self": view.url(f"issue/{issue.id}/comment"), **counts}


def _worklogs(view: View, issue: Issue) -> object:
    shown = [worklog(view, each) for each in view.account.notes_of(Worklog, issue)]
    return {"startAt": 0, "maxResults": 20, "total": len(shown), "worklogs": shown[:20]}


def _links(view: View, issue: Issue) -> object:
    return [link(view, each, issue) for each in view.account.all(Link) if issue.id in {each.issue, each.outward}]


def _spent(view: View, issue: Issue) -> int | None:
    return sum(each.seconds for each in view.account.notes_of(Worklog, issue)) or None


def _tracking(view: View, issue: Issue) -> object:
    seconds = _spent(view, issue)
    return {} if seconds is None else {"timeSpent": span(seconds), "timeSpentSeconds": seconds}


_FIELDS: Mapping[str, Show] = MappingProxyType(
    {
        "summary": _plain("summary"),
        "issuetype": lambda view, issue: issue_type(view, ISSUE_TYPES[issue.values["issuetype"]]),
        "project": lambda view, issue: project(view, view.account.projects[issue.project]),
        "description": _document("description"),
        "environment": _document("environment"),
        "labels": lambda _view, issue: list(issue.values["labels"]),
        "priority": lambda view, issue: priority(view, issue.values["priority"]),
        "assignee": _person("assignee"),
        "reporter": _person("reporter"),
        "creator": lambda view, _issue: person(view, view.account.me),
        "parent": _parent,
        "duedate": _plain("duedate"),
        STORY_POINTS: _plain(STORY_POINTS),
        "status": lambda view, issue: status(view, STATUSES[issue.status]),
        "statuscategorychangedate": lambda _view, issue: stamp(issue.status_changed),
        "resolution": lambda view, issue: (
            None
            if issue.resolved is None
            else {"self": view.url("resolution/10000"), "id": "10000", "description": "", "name": "Done"}
        ),
        "resolutiondate": lambda _view, issue: None if issue.resolved is None else stamp(issue.resolved),
        "created": lambda _view, issue: stamp(issue.created),
        "updated": lambda _view, issue: stamp(issue.updated),
        "comment": _comments,
        "worklog": _worklogs,
        "attachment": lambda view, issue: [attachment(view, each) for each in view.account.notes_of(Attachment, issue)],
        "issuelinks": _links,
        "subtasks": lambda view, issue: [linked(view, each) for each in view.account.subtasks(issue)],
        "timespent": _spent,
        "timetracking": _tracking,
        "watches": lambda view, issue: {
            "self": view.url(f"issue/{issue.key}/watchers"),
            "watchCount": 1,
            "isWatching": True,
        },
        "votes": lambda view, issue: {"self": view.url(f"issue/{issue.key}/votes"), "votes": 0, "hasVoted": False},
        "components": lambda _view, _issue: [],
        "versions": lambda _view, _issue: [],
        "fixVersions": lambda _view, _issue: [],
    }
)


def chosen(names: Iterable[str]) -> list[str]:
    """
    Return the fields that a list of names means: `*all`, `*navigable`, some, or all but some (`-comment`).
    """
    wanted = list(names)
    minus = {name[1:] for name in wanted if name.startswith("-")}
    plus = {name for name in wanted if not name.startswith("-")}
    if "*all" in plus or not plus:
        plus = set(_FIELDS)
    elif "*navigable" in plus:
        plus |= set(_FIELDS) - _NOT_NAVIGABLE
    return [name for name in _FIELDS if name in plus and name not in minus]


def issue(view: View, thing: Issue, names: Sequence[str], expand: Iterable[str] = ()) -> Shape:
    """
    Show an issue with the fields of those names; `expand` adds what their names and kinds are, and plain renderings.
    """
    wanted = [name for name in chosen(names) if name != "parent" or thing.values["parent"] is not None]
    shown: Shape = {
        "expand": _EXPAND,
        "id": thing.id,
        "self": view.url(f"issue/{thing.id}"),
        "key": thing.key,
        "fields": {name: _FIELDS[name](view, thing) for name in wanted},
    }
    known = [name for name in wanted if name in FIELDS]
    extras: dict[str, Callable[[], Shape]] = {
        "names": lambda: {name: FIELDS[name].name for name in known},
        "schema": lambda: {name: dict(FIELDS[name].schema) for name in known},
        "renderedFields": lambda: {
            name: f"<p>{to_text(thing.values[name])}</p>" if thing.values.get(name) else ""
            for name in ("description", "environment")
            if name in wanted
        },
    }
    return shown | {name: make() for name, make in extras.items() if name in expand}
