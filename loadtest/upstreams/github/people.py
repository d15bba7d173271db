"""Users, organisations, and what is left of the rate limit."""

from __future__ import annotations

import time

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, shown
from loadtest.upstreams.github.errors import not_found
from loadtest.upstreams.github.state import Person, mail

# GitHub's own bound for a user's token, an hour.
RATE_LIMIT = 5000
_RATE_WINDOW_S = 3600

_LISTS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def iso(at: int) -> str:
    """
    Return a second as GitHub writes it.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def iso_or_null(at: int | None) -> str | None:
    """
    Return a second that may not have come yet.
    """
    return None if at is None else iso(at)


def simple(urls: Urls, person: Person) -> View:
    """
    Show a person as other objects do.
    """
    url = f"{urls.api}/users/{person.login}"
    return {
        "login": person.login,
        "id": person.id,
        "node_id": f"U_{person.id}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{person.id}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{urls.html}/{person.login}",
        **{name: url + suffix for name, suffix in _LISTS.items()},
        "type": person.kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def _public(call: Call, person: Person) -> View:
    nulls = dict.fromkeys(("company", "location", "hireable", "bio", "twitter_username"))
    owned = sum(repo.owner is person for repo in call.world.repos.values())
    return simple(call.urls, person) | {
        "name": person.login.capitalize(),
        "blog": "",
        "email": mail(person),
        **nulls,
        "public_repos": owned,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": iso(person.created_at),
        "updated_at": iso(person.created_at),
    }


def me(call: Call) -> Answer:
    """
    Show whose token it is.
    """
    counts = ("private_gists", "total_private_repos", "owned_private_repos", "disk_usage", "collaborators")
    private: View = {"user_view_type": "private", "two_factor_authentication": True, **dict.fromkeys(counts, 0)}
    return shown(_public(call, call.world.me) | private)


def user(call: Call, login: str) -> Answer:
    """
    Show anybody.
    """
    return shown(_public(call, _person(call, login)))


def organization(call: Call, login: str) -> Answer:
    """
    Show an organisation.
    """
    org = _person(call, login)
    if org.kind != "Organization":
        raise not_found()
    url = f"{call.urls.api}/orgs/{org.login}"
    return shown(
        {
            "login": org.login,
            "id": org.id,
            "node_id": f"O_{org.id}",
            "url": url,
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events",
            "hooks_url": f"{url}/hooks",
            "issues_url": f"{url}/issues",
            "members_url": f"{url}/members{{/member}}",
            "public_members_url": f"{url}/public_members{{/member}}",
            "avatar_url": f"https://avatars.githubusercontent.com/u/{org.id}?v=4",
            "description": None,
            "has_organization_projects": True,
            "has_repository_projects": True,
            "public_repos": sum(repo.owner is org for repo in call.world.repos.values()),
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "html_url": f"{call.urls.html}/{org.login}",
            "type": org.kind,
            "created_at": iso(org.created_at),
            "updated_at": iso(org.created_at),
            "archived_at": None,
        }
    )


def team_members(call: Call, login: str, team: str) -> Answer:
    """
    List who is in a team.
    """
    members = call.world.teams.get((login.lower(), team.lower()))
    if members is None:
        raise not_found()
    return call.page(members, lambda person: simple(call.urls, person))


def _person(call: Call, login: str) -> Person:
    if login.lower() not in call.world.people:
        raise not_found()
    return call.world.people[login.lower()]


def rate(call: Call) -> Answer:
    """
    Show the rate limit; asking for it counts as nothing.
    """
    now = call.world.now()
    core = _rate(now, call.world.requests)
    resources = {"core": core} | {name: _rate(now, 0) for name in ("search", "graphql", "code_search")}
    return shown({"resources": resources, "rate": core})


def _rate(now: int, requests: int) -> dict[str, object]:
    used = requests % RATE_LIMIT
    return {
        "limit": RATE_LIMIT,
        "used": used,
        "remaining": RATE_LIMIT - used,
        "reset": reset_at(now),
        "resource": "core",
    }


def reset_at(now: int) -> int:
    """
    Return when the window ends.
    """
    return now - now % _RATE_WINDOW_S + _RATE_WINDOW_S
