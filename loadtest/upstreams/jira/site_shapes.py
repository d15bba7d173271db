"""What the site itself looks like in answers: people, projects, issue types, statuses, priorities, kinds of link."""

from __future__ import annotations

from loadtest.upstreams.jira.account import Account, Project
from loadtest.upstreams.jira.asked import View
from loadtest.upstreams.jira.fields import FIELDS, Field
from loadtest.upstreams.jira.pages import Shape
from loadtest.upstreams.jira.words import ISSUE_TYPES, PRIORITIES, Category, IssueType, LinkType, Person, Status

_SIZES = ("48x48", "24x24", "16x16", "32x32")

# People's pictures stand elsewhere on the web, as Jira's do: an origin that is not the site's own.
_AVATARS = "https://avatars.test/initials"


def person(view: View, id_: str | None) -> Shape | None:
    """
    Show somebody, or nobody.
    """
    if id_ is None:
        return None
    who: Person = view.account.people[id_]
    return {
        "self": f"{view.url('user')}?accountId={who.id}",
        "accountId": who.id,
        "emailAddress": who.email,
        "avatarUrls": {size: f"{_AVATARS}/{who.name[:1]}-{size}.png" for size in _SIZES},
        "displayName": who.name,
        "active": True,
        "timeZone": "Etc/UTC",
        "accountType": "atlassian",
    }


def project(view: View, thing: Project) -> Shape:
    """
    Show a project as issues and lists do.
    """
    avatar = view.url("universal_avatar/view/type/project/avatar/10400")
    return {
        "self": view.url(f"project/{thing.id}"),
        "id": thing.id,
        "key": thing.key,
        "name": thing.name,
        "projectTypeKey": "software",
        "simplified": False,
        "avatarUrls": dict.fromkeys(_SIZES, avatar),
    }


def project_listed(view: View, thing: Project) -> Shape:
    """
    Show a project as lists of projects do.
    """
    return project(view, thing) | {
        "expand": "description,lead,issueTypes,url,projectKeys,permissions,insight",
        "style": "classic",
        "isPrivate": False,
        "properties": {},
    }


def project_whole(view: View, thing: Project) -> Shape:
    """
    Show a project with everything about it.
    """
    return project_listed(view, thing) | {
        "description": "",
        "lead": person(view, view.account.me),
        "components": [],
        "issueTypes": [issue_type(view, each) for each in ISSUE_TYPES.values()],
        "assigneeType": "UNASSIGNED",
        "versions": [],
        "roles": {},
    }


def issue_type(view: View, thing: IssueType) -> Shape:
    """
    Show an issue type.
    """
    return {
        "self": view.url(f"issuetype/{thing.id}"),
        "id": thing.id,
        "description": thing.description,
        "iconUrl": view.url("universal_avatar/view/type/issuetype/avatar/10300?size=medium"),
        "name": thing.name,
        "subtask": thing.subtask,
        "avatarId": 10300,
        "hierarchyLevel": -1 if thing.subtask else 0,
    }


def category(view: View, thing: Category) -> Shape:
    """
    Show a category of statuses.
    """
    return {
        "self": view.url(f"statuscategory/{thing.id}"),
        "id": thing.id,
        "key": thing.key,
        "colorName": thing.color,
        "name": thing.name,
    }


def status(view: View, thing: Status) -> Shape:
    """
    Show a status.
    """
    return {
        "self": view.url(f"status/{thing.id}"),
        "description": "",
        "iconUrl": f"{view.base}/images/icons/statuses/generic.png",
        "name": thing.name,
        "id": thing.id,
        "statusCategory": category(view, thing.category),
    }


def priority(view: View, id_: str) -> Shape:
    """
    Show a priority.
    """
    name = PRIORITIES[id_]
    return {
        "self": view.url(f"priority/{id_}"),
        "iconUrl": f"{view.base}/images/icons/priorities/{name.lower()}_new.svg",
        "name": name,
        "id": id_,
    }


def link_type(view: View, thing: LinkType) -> Shape:
    """
    Show a kind of link.
    """
    return {
        "id": thing.id,
        "name": thing.name,
        "inward": thing.inward,
        "outward": thing.outward,
        "self": view.url(f"issueLinkType/{thing.id}"),
    }


def field(thing: Field) -> Shape:
    """
    Show a field as the list of fields does.
    """
    names = [f"cf[{thing.schema['customId']}]", thing.name] if thing.custom else [thing.id]
    return {
        "id": thing.id,
        "key": thing.id,
        "name": thing.name,
        "custom": thing.custom,
        "orderable": thing.read is not None,
        "navigable": True,
        "searchable": True,
        "clauseNames": names,
        "schema": dict(thing.schema),
    }


def field_meta(view: View, thing: Field, account: Account) -> Shape:
    """
    Show a field as the screen for making or editing an issue does.
    """
    allowed: dict[str, list[Shape]] = {
        "project": [project(view, each) for each in account.projects.values()],
        "issuetype": [issue_type(view, each) for each in ISSUE_TYPES.values()],
        "priority": [priority(view, id_) for id_ in PRIORITIES],
    }
    values = {"allowedValues": allowed[thing.id]} if thing.id in allowed else {}
    return {
        "required": thing.required,
        "schema": dict(thing.schema),
        "name": thing.name,
        "key": thing.id,
        "hasDefaultValue": thing.id in {"priority", "reporter"},
        "operations": list(thing.operations),
        **values,
    }


def settable() -> list[Field]:
    """
    Return the fields that a client can set.
    """
    return [each for each in FIELDS.values() if each.read is not None]
