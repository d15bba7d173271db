"""Which method and path is which handler."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import (
    attachments,
    comments,
    history,
    issues,
    links,
    properties,
    search,
    site,
    transitions,
    worklogs,
)
from loadtest.upstreams.jira.asked import Asked

Handler = Callable[[Asked], Answer]

# Below `/rest/api/VERSION/`; a literal segment goes before `{}`, so it stands first.
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "serverInfo", site.server_info),
    ("GET", "myself", site.myself),
    ("GET", "user", site.user),
    ("GET", "user/search", site.user_search),
    ("GET", "project", site.projects),
    ("GET", "project/search", site.project_search),
    ("GET", "project/{}", site.project),
    ("GET", "project/{}/statuses", site.project_statuses),
    ("GET", "issuetype", site.issue_types),
    ("GET", "issuetype/{}", site.issue_type),
    ("GET", "status", site.statuses),
    ("GET", "status/{}", site.status),
    ("GET", "priority", site.priorities),
    ("GET", "field", site.fields),
    ("GET", "issue/createmeta", site.create_meta),
    ("GET", "issue/createmeta/{}/issuetypes", site.create_meta_types),
    ("GET", "issue/createmeta/{}/issuetypes/{}", site.create_meta_fields),
    ("POST", "issue", issues.create),
    ("POST", "issue/bulk", issues.create_bulk),
    ("GET", "issue/{}", issues.retrieve),
    ("PUT", "issue/{}", issues.edit),
    ("DELETE", "issue/{}", issues.delete),
    ("PUT", "issue/{}/assignee", issues.assign),
    ("GET", "issue/{}/editmeta", issues.edit_meta),
    ("GET", "issue/{}/changelog", history.list_),
    ("GET", "issue/{}/transitions", transitions.list_),
    ("POST", "issue/{}/transitions", transitions.do),
    ("GET", "issue/{}/comment", comments.list_),
    ("POST", "issue/{}/comment", comments.create),
    ("GET", "issue/{}/comment/{}", comments.retrieve),
    ("PUT", "issue/{}/comment/{}", comments.update),
    ("DELETE", "issue/{}/comment/{}", comments.delete),
    ("GET", "issue/{}/worklog", worklogs.list_),
    ("POST", "issue/{}/worklog", worklogs.create),
    ("GET", "issue/{}/worklog/{}", worklogs.retrieve),
    ("PUT", "issue/{}/worklog/{}", worklogs.update),
    ("DELETE", "issue/{}/worklog/{}", worklogs.delete),
    ("GET", "issue/{}/properties", properties.keys),
    ("GET", "issue/{}/properties/{}", properties.retrieve),
    ("PUT", "issue/{}/properties/{}", properties.put),
    ("DELETE", "issue/{}/properties/{}", properties.delete),
    ("POST", "issue/{}/attachments", attachments.create),
    ("GET", "attachment/meta", attachments.meta),
    ("GET", "attachment/content/{}", attachments.content),
    ("GET", "attachment/{}", attachments.retrieve),
    ("DELETE", "attachment/{}", attachments.delete),
    ("POST", "issueLink", links.create),
    ("GET", "issueLink/{}", links.retrieve),
    ("DELETE", "issueLink/{}", links.delete),
    ("GET", "issueLinkType", site.link_types),
    ("GET", "search/jql", search.enhanced),
    ("POST", "search/jql", search.enhanced),
    ("GET", "search", search.classic),
    ("POST", "search", search.classic),
    ("POST", "search/approximate-count", search.count),
)

_TABLE = tuple((method, tuple(path.split("/")), handler) for method, path, handler in ROUTES)

PREFIX = "/rest/api/"


def route(path: str) -> tuple[dict[str, Handler], tuple[str, ...]]:
    """
    Return the handlers of a raw path below its version, by method, and the ids in it, decoded.
    """
    segments = tuple(path.split("/"))
    found: dict[str, Handler] = {}
    ids: tuple[str, ...] = ()
    first: tuple[str, ...] | None = None
    for method, template, handler in _TABLE:
        fits = len(template) == len(segments) and all(
            part in {"{}", segment} for part, segment in zip(template, segments, strict=True)
        )
        if not fits or (first is not None and template != first):
            continue
        first, found[method] = template, handler
        ids = tuple(unquote(segment) for part, segment in zip(template, segments, strict=True) if part == "{}")
    return found, ids
