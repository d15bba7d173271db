"""Labels of a repository, and which of them an issue wears: by name, in any case, made where there is none."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, nothing, shown
from loadtest.upstreams.github.errors import GithubError, invalid, not_found, unprocessable
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Issue, Label, Repo

_COLOR = re.compile(r"[0-9a-fA-F]{6}")
_TYPES = {"name": "string", "new_name": "string", "color": "string", "description": "string|null"}


def label(urls: Urls, repo: Repo, thing: Label) -> View:
    """
    Show a label.
    """
    return {
        "id": thing.id,
        "node_id": f"LA_{thing.id}",
        "url": f"{repo_url(urls, repo)}/labels/{quote(thing.name, safe='')}",
        "name": thing.name,
        "color": thing.color,
        "default": thing.default,
        "description": thing.description,
        "archived_at": None,
        "archived_by": None,
    }


def _of(repo: Repo, name: str) -> Label:
    if name.lower() not in repo.labels:
        raise not_found()
    return repo.labels[name.lower()]


def _checked(repo: Repo, given: dict[str, Any], name: str | None, was: Label | None) -> None:
    if name is not None and repo.labels.get(name.lower()) not in {None, was}:
        raise invalid("Label", "name", "already_exists")
    if "color" in given and not _COLOR.fullmatch(given["color"]):
        raise invalid("Label", "color", "invalid")


def create(call: Call, repo: Repo) -> Answer:
    """
    Make a label.
    """
    given = call.given(_TYPES, "name")
    _checked(repo, given, given["name"], None)
    made = Label(call.world.mint(), given["name"], given.get("color", "ededed"), given.get("description"))
    repo.labels[made.name.lower()] = made
    call.world.done("label.created", repo, "label", made.name)
    return call.created(label(call.urls, repo, made))


def update(call: Call, repo: Repo, name: str) -> Answer:
    """
    Change a label, its name included, wherever it is worn.
    """
    thing, given = _of(repo, name), call.given(_TYPES)
    new = given.get("new_name")
    _checked(repo, given, new, thing)
    del repo.labels[thing.name.lower()]
    call.world.done("label.updated", repo, "label", thing.name)
    thing.name = new or thing.name
    thing.color, thing.description = given.get("color", thing.color), given.get("description", thing.description)
    repo.labels[thing.name.lower()] = thing
    return shown(label(call.urls, repo, thing))


def get(call: Call, repo: Repo, name: str) -> Answer:
    """
    Show a label.
    """
    return shown(label(call.urls, repo, _of(repo, name)))


def delete(call: Call, repo: Repo, name: str) -> Answer:
    """
    Delete a label and take it off every issue.
    """
    thing = repo.labels.pop(_of(repo, name).name.lower())
    for issue in repo.issues.values():
        issue.labels = [each for each in issue.labels if each is not thing]
    call.world.done("label.deleted", repo, "label", thing.name)
    return nothing()


def list_(call: Call, repo: Repo) -> Answer:
    """
    List a repository's labels.
    """
    return call.page(repo.labels.values(), lambda thing: label(call.urls, repo, thing))


# ------------------------------------------------------------------------------------------------------- on an issue


def named(call: Call, repo: Repo, names: list[Any]) -> list[Label]:
    """
    Return the labels that are named, each once, made where the repository has none; a name may stand in an object.
    """
    found: dict[str, Label] = {}
    for each in names:
        name = each.get("name") if isinstance(each, dict) else each
        if not isinstance(name, str) or not name:
            raise invalid("Label", "name", "invalid")
        if name.lower() not in repo.labels:
            repo.labels[name.lower()] = Label(call.world.mint(), name)
            call.world.done("label.created", repo, "label", name)
        found[name.lower()] = repo.labels[name.lower()]
    return list(found.values())


def _body(call: Call) -> list[Any]:
    body = call.json()
    names = body.get("labels", []) if isinstance(body, dict) else body
    if not isinstance(names, list):
        raise unprocessable("Invalid request.\n\nFor 'links/1/schema', it is not an array.")
    return names


def on_issue(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    List what an issue wears.
    """
    return call.page(thing.labels, lambda each: label(call.urls, repo, each))


def add(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Put labels on an issue beside those that it wears.
    """
    new = [each for each in named(call, repo, _body(call)) if each not in thing.labels]
    return _worn(call, repo, thing, [*thing.labels, *new])


def put(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Put labels on an issue instead of those that it wears.
    """
    return _worn(call, repo, thing, named(call, repo, _body(call)))


def remove(call: Call, repo: Repo, thing: Issue, name: str) -> Answer:
    """
    Take one label off an issue.
    """
    if name.lower() not in {each.name.lower() for each in thing.labels}:
        raise GithubError(404, "Label does not exist")
    return _worn(call, repo, thing, [each for each in thing.labels if each.name.lower() != name.lower()])


def clear(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Take every label off an issue.
    """
    _worn(call, repo, thing, [])
    return nothing()


def _worn(call: Call, repo: Repo, thing: Issue, after: list[Label]) -> Answer:
    before, thing.labels, thing.updated_at = thing.labels, after, call.world.now()
    for effect, some, others in (("issue.labeled", after, before), ("issue.unlabeled", before, after)):
        for each in some:
            if each not in others:
                call.world.done(effect, repo, "issue", thing.number)
    return shown([label(call.urls, repo, each) for each in after])
