"""The site itself: what it runs, who asks, its people, projects, issue types, statuses and fields."""

from __future__ import annotations

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import site_shapes as shapes
from loadtest.upstreams.jira.account import Project
from loadtest.upstreams.jira.asked import Asked
from loadtest.upstreams.jira.errors import JiraError
from loadtest.upstreams.jira.fields import FIELDS
from loadtest.upstreams.jira.pages import Shape, bean, page
from loadtest.upstreams.jira.said import said
from loadtest.upstreams.jira.times import stamp
from loadtest.upstreams.jira.words import ISSUE_TYPES, LINK_TYPES, PRIORITIES, STATUSES

_PROJECTS_MAX = 50
_META_MAX = 50


def server_info(asked: Asked) -> Answer:
    """
    Say what the site runs.
    """
    return said(
        200,
        {
            "baseUrl": asked.view.base,
            "version": "1001.0.0-SNAPSHOT",
            "versionNumbers": [1001, 0, 0],
            "deploymentType": "Cloud",
            "buildNumber": 100_290,
            "buildDate": stamp(0),
            "serverTime": stamp(asked.account.clock()),
            "scmInfo": "0" * 40,
            "serverTitle": "Jira",
        },
    )


def myself(asked: Asked) -> Answer:
    """
    Show who asks.
    """
    shown = shapes.person(asked.view, asked.account.me) or {}
    return said(200, shown | {"locale": "en_US", "expand": "groups,applicationRoles"})


def user(asked: Asked) -> Answer:
    """
    Show somebody.
    """
    id_ = asked.text("accountId")
    if id_ not in asked.account.people:
        raise JiraError(404, f"Specified user with accountId '{id_}' does not exist.")
    return said(200, shapes.person(asked.view, id_))


def user_search(asked: Asked) -> Answer:
    """
    Find people by the beginning of a name or an address.
    """
    query = (asked.text("query") or "").lower()
    found = [
        shapes.person(asked.view, who.id)
        for who in asked.account.people.values()
        if who.id == asked.text("accountId")
        or (query and any(text.lower().startswith(query) for text in (who.id, who.email, *who.name.split(), who.name)))
    ]
    start = asked.integer("startAt", 0)
    return said(200, found[start : start + asked.integer("maxResults", 50)])


def projects(asked: Asked) -> Answer:
    """
    List every project.
    """
    return said(200, [shapes.project_listed(asked.view, each) for each in asked.account.projects.values()])


def project_search(asked: Asked) -> Answer:
    """
    Find projects, a page at a time.
    """
    keys, query = asked.names("keys"), (asked.text("query") or "").lower()
    found = [
        each
        for each in sorted(asked.account.projects.values(), key=lambda each: each.key)
        if (not keys or each.key in keys) and (query in each.key.lower() or query in each.name.lower())
    ]

    def show(thing: Project) -> Shape:
        return shapes.project_listed(asked.view, thing)

    return said(200, bean(asked, "project/search", found, show, default=_PROJECTS_MAX))


def project(asked: Asked) -> Answer:
    """
    Show a project.
    """
    return said(200, shapes.project_whole(asked.view, asked.account.project(asked.ids[0])))


def project_statuses(asked: Asked) -> Answer:
    """
    Show where issues of a project can be, for each issue type.
    """
    asked.account.project(asked.ids[0])
    statuses = [shapes.status(asked.view, each) for each in STATUSES.values()]
    shown = [
        {
            "self": asked.view.url(f"issuetype/{each.id}"),
            "id": each.id,
            "name": each.name,
            "subtask": each.subtask,
            "statuses": statuses,
        }
        for each in ISSUE_TYPES.values()
    ]
    return said(200, shown)


def issue_types(asked: Asked) -> Answer:
    """
    List what issues can be.
    """
    return said(200, [shapes.issue_type(asked.view, each) for each in ISSUE_TYPES.values()])


def issue_type(asked: Asked) -> Answer:
    """
    Show an issue type.
    """
    found = ISSUE_TYPES.get(asked.ids[0])
    if found is None:
        raise JiraError(404, "The issue type was not found.")
    return said(200, shapes.issue_type(asked.view, found))


def statuses(asked: Asked) -> Answer:
    """
    List where issues can be.
    """
    return said(200, [shapes.status(asked.view, each) for each in STATUSES.values()])


def status(asked: Asked) -> Answer:
    """
    Show a status, by id or by name.
    """
    for each in STATUSES.values():
        if asked.ids[0].lower() in {each.id, each.name.lower()}:
            return said(200, shapes.status(asked.view, each))
    raise JiraError(404, f"The status with id '{asked.ids[0]}' does not exist")


def priorities(asked: Asked) -> Answer:
    """
    List priorities.
    """
    return said(200, [shapes.priority(asked.view, id_) for id_ in PRIORITIES])


def link_types(asked: Asked) -> Answer:
    """
    List kinds of link.
    """
    return said(200, {"issueLinkTypes": [shapes.link_type(asked.view, each) for each in LINK_TYPES.values()]})


def fields(_asked: Asked) -> Answer:
    """
    List fields.
    """
    return said(200, [shapes.field(each) for each in FIELDS.values()])


# ------------------------------------------------------------------------------------------- what making an issue takes


def create_meta(asked: Asked) -> Answer:
    """
    Show what can be made in which project; the fields only when they are asked for.
    """
    keys, ids, types = asked.names("projectKeys"), asked.names("projectIds"), asked.names("issuetypeNames")
    deep = "projects.issuetypes.fields" in asked.names("expand")
    shown = []
    for each in asked.account.projects.values():
        if (keys or ids) and each.key not in keys and each.id not in ids:
            continue
        kinds = [
            shapes.issue_type(asked.view, kind) | ({"fields": _metas(asked)} if deep else {})
            for kind in ISSUE_TYPES.values()
            if not types or kind.name in types
        ]
        small = {key: shapes.project(asked.view, each)[key] for key in ("self", "id", "key", "name", "avatarUrls")}
        shown.append(small | {"issuetypes": kinds})
    return said(200, {"expand": "projects", "projects": shown})


def _metas(asked: Asked) -> Shape:
    return {each.id: shapes.field_meta(asked.view, each, asked.account) for each in shapes.settable()}


def create_meta_types(asked: Asked) -> Answer:
    """
    Show what can be made in one project.
    """
    asked.account.project(asked.ids[0])
    kinds = list(ISSUE_TYPES.values())
    cut = page(asked, "issueTypes", kinds, lambda each: shapes.issue_type(asked.view, each), default=_META_MAX)
    return said(200, cut)


def create_meta_fields(asked: Asked) -> Answer:
    """
    Show the fields of what can be made in one project.
    """
    asked.account.project(asked.ids[0])
    if asked.ids[1] not in ISSUE_TYPES:
        raise JiraError(400, "The issue type was not found.")
    metas = [shapes.field_meta(asked.view, each, asked.account) | {"fieldId": each.id} for each in shapes.settable()]
    return said(200, page(asked, "fields", metas, lambda each: each, default=_META_MAX))
