"""Issues: made, changed, listed, assigned; every pull request is one of them too."""

from __future__ import annotations

from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, shown
from loadtest.upstreams.github.errors import invalid, not_found
from loadtest.upstreams.github.labels import label, named
from loadtest.upstreams.github.people import iso, iso_or_null, simple
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Issue, Person, Repo

_TYPES = {
    "title": "string",
    "body": "string|null",
    "state": "string",
    "state_reason": "string|null",
    "labels": "array",
    "assignees": "array",
    "assignee": "string|null",
}
_REASONS = frozenset({None, "completed", "not_planned", "reopened", "duplicate"})
_REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def reactions(url: str) -> View:
    """
    Show that nobody reacted.
    """
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(_REACTIONS, 0)}


def issue(urls: Urls, repo: Repo, thing: Issue) -> View:
    """
    Show an issue.
    """
    url, kind = f"{repo_url(urls, repo)}/issues/{thing.number}", "pull" if thing.pull else "issues"
    assignees = [simple(urls, person) for person in thing.assignees]
    view: View = {
        "url": url,
        "repository_url": repo_url(urls, repo),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": f"{urls.html}/{repo.full_name}/{kind}/{thing.number}",
        "id": thing.id,
        "node_id": f"I_{thing.id}",
        "number": thing.number,
        "title": thing.title,
        "user": simple(urls, thing.author),
        "labels": [label(urls, repo, each) for each in thing.labels],
        "state": thing.state,
        "state_reason": thing.state_reason,
        "locked": False,
        "active_lock_reason": None,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": sum(comment.issue is thing for comment in repo.comments.values()),
        "created_at": iso(thing.created_at),
        "updated_at": iso(thing.updated_at),
        "closed_at": iso_or_null(thing.closed_at),
        "closed_by": simple(urls, thing.closed_by) if thing.closed_by else None,
        "author_association": "OWNER",
        "body": thing.body,
        "reactions": reactions(url),
        "performed_via_github_app": None,
        "sub_issues_summary": {"total": 0, "completed": 0, "percent_completed": 0},
    }
    if thing.pull:
        address = f"{repo_url(urls, repo)}/pulls/{thing.number}"
        html = f"{urls.html}/{repo.full_name}/pull/{thing.number}"
        ends = {"html_url": html, "diff_url": f"{html}.diff", "patch_url": f"{html}.patch"}
        view["draft"] = thing.pull.draft
        view["pull_request"] = {"url": address, **ends, "merged_at": iso_or_null(thing.pull.merged_at)}
    return view


def of(repo: Repo, number: str) -> Issue:
    """
    Return the issue of that number.
    """
    found = repo.issues.get(int(number)) if number.isdigit() else None
    if found is None:
        raise not_found()
    return found


def opened(call: Call, repo: Repo, title: str, body: str | None) -> Issue:
    """
    Return a new issue under the repository's next number.
    """
    if not title.strip():
        raise invalid("Issue", "title", "missing_field")
    now = call.world.now()
    number = len(repo.issues) + 1
    made = Issue(call.world.mint(), number, call.world.me, title, body, now, now)
    repo.issues[number] = made
    return made


def _people(call: Call, names: list[Any]) -> list[Person]:
    for name in names:
        if not isinstance(name, str) or name.lower() not in call.world.people:
            raise invalid("Issue", "assignees", "invalid", value=name)
    return [call.world.people[name.lower()] for name in dict.fromkeys(names)]


def _wanted(call: Call, given: dict[str, Any]) -> list[Person] | None:
    if given.get("assignees") is None and "assignee" in given:
        return _people(call, [given["assignee"]] if given["assignee"] else [])
    return _people(call, given["assignees"]) if "assignees" in given else None


def create(call: Call, repo: Repo) -> Answer:
    """
    Open an issue.
    """
    given = call.given(_TYPES, "title")
    people = _wanted(call, given) or []
    made = opened(call, repo, given["title"], given.get("body"))
    made.labels, made.assignees = named(call, repo, given.get("labels", [])), people
    call.world.done("issue.created", repo, "issue", made.number)
    return call.created(issue(call.urls, repo, made))


def get(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Show an issue.
    """
    return shown(issue(call.urls, repo, thing))


def update(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Change what is named, leave the rest.
    """
    given = call.given(_TYPES)
    state = given.get("state", thing.state)
    if state not in {"open", "closed"}:
        raise invalid("Issue", "state", "invalid")
    if given.get("state_reason") not in _REASONS:
        raise invalid("Issue", "state_reason", "invalid")
    people = _wanted(call, given)
    thing.labels = named(call, repo, given["labels"]) if "labels" in given else thing.labels
    thing.assignees = thing.assignees if people is None else people
    thing.title, thing.body = given.get("title", thing.title), given.get("body", thing.body)
    turned(call, thing, state, given.get("state_reason"))
    call.world.done("issue.updated", repo, "issue", thing.number)
    return shown(issue(call.urls, repo, thing))


def turned(call: Call, thing: Issue, state: str, reason: str | None) -> None:
    """
    Close or reopen an issue, and note that it was changed.
    """
    now = thing.updated_at = call.world.now()
    if state == "closed" and thing.state == "open":
        thing.closed_at, thing.closed_by, thing.state_reason = now, call.world.me, reason or "completed"
    elif state == "open" and thing.state == "closed":
        thing.closed_at, thing.closed_by, thing.state_reason = None, None, "reopened"
    thing.state = state


def list_(call: Call, repo: Repo) -> Answer:
    """
    List issues, newest first unless told otherwise.
    """
    state = call.flag("state", "open", "open", "closed", "all")
    wanted = {name.lower() for name in call.query.get("labels", "").split(",") if name}
    found = [
        thing
        for thing in repo.issues.values()
        if state in {"all", thing.state}
        and wanted <= {each.name.lower() for each in thing.labels}
        and iso(thing.updated_at) >= call.query.get("since", "")
        and call.query.get("creator", thing.author.login).lower() == thing.author.login.lower()
        and _assigned(thing, call.query.get("assignee", "").lower())
    ]
    return call.page(ordered(call, repo, found), lambda thing: issue(call.urls, repo, thing))


def _assigned(thing: Issue, login: str) -> bool:
    logins = {person.login.lower() for person in thing.assignees}
    return not login or login in logins or (login == "none" and not logins) or (login == "*" and bool(logins))


def ordered(call: Call, repo: Repo, things: list[Issue]) -> list[Issue]:
    """
    Sort as the query says; of two that are alike in that, the one that came later goes first.
    """
    sort = call.flag("sort", "created", "created", "updated", "comments")
    keys = {
        "created": lambda thing: thing.number,
        "updated": lambda thing: (thing.updated_at, thing.number),
        "comments": lambda thing: (sum(each.issue is thing for each in repo.comments.values()), thing.number),
    }
    return sorted(things, key=keys[sort], reverse=call.flag("direction", "desc", "asc", "desc") == "desc")


def assign(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Assign people beside those who are.
    """
    people = _people(call, call.given({"assignees": "array"}).get("assignees", []))
    new = [person for person in people if person not in thing.assignees]
    return _assigned_to(call, repo, thing, [*thing.assignees, *new], "issue.assigned", 201)


def unassign(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Relieve people.
    """
    people = _people(call, call.given({"assignees": "array"}).get("assignees", []))
    left = [person for person in thing.assignees if person not in people]
    return _assigned_to(call, repo, thing, left, "issue.unassigned", 200)


def _assigned_to(call: Call, repo: Repo, thing: Issue, after: list[Person], effect: str, status: int) -> Answer:
    if after != thing.assignees:
        call.world.done(effect, repo, "issue", thing.number)
    thing.assignees, thing.updated_at = after, call.world.now()
    return shown(issue(call.urls, repo, thing), status)
