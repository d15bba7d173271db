"""Repositories, and the branches that agents start from."""

from __future__ import annotations

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, shown
from loadtest.upstreams.github.errors import GithubError
from loadtest.upstreams.github.git import Commit
from loadtest.upstreams.github.people import iso, simple
from loadtest.upstreams.github.state import Repo

_TEMPLATES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def repo_url(urls: Urls, repo: Repo) -> str:
    """
    Return a repository's address in the API.
    """
    return f"{urls.api}/repos/{repo.full_name}"


def repository(urls: Urls, repo: Repo) -> View:
    """
    Show a repository as other objects do.
    """
    url, html = repo_url(urls, repo), f"{urls.html}/{repo.full_name}"
    open_issues = sum(issue.state == "open" for issue in repo.issues.values())
    counts = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size")
    has = ("has_issues", "has_projects", "has_wiki", "has_downloads")
    lacks = ("private", "fork", "has_pages", "has_discussions", "archived", "disabled", "is_template")
    return {
        "id": repo.id,
        "node_id": f"R_{repo.id}",
        "name": repo.name,
        "full_name": repo.full_name,
        "owner": simple(urls, repo.owner),
        "html_url": html,
        "url": url,
        **{name: url + suffix for name, suffix in _TEMPLATES.items()},
        "git_url": f"git://github.com/{repo.full_name}.git",
        "ssh_url": f"git@github.com:{repo.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        **dict.fromkeys(("description", "mirror_url", "homepage", "language", "license")),
        **dict.fromkeys(counts, 0),
        **dict.fromkeys(has, True),
        **dict.fromkeys(lacks, False),
        "default_branch": repo.default_branch,
        "open_issues": open_issues,
        "open_issues_count": open_issues,
        "visibility": "public",
        "topics": [],
        "pushed_at": iso(repo.updated_at),
        "created_at": iso(repo.created_at),
        "updated_at": iso(repo.updated_at),
    }


def get(call: Call, repo: Repo) -> Answer:
    """
    Show a repository by itself.
    """
    permissions = dict.fromkeys(("admin", "maintain", "push", "triage", "pull"), True)
    more: View = {"subscribers_count": 0, "network_count": 0, "permissions": permissions}
    return shown(repository(call.urls, repo) | more)


def commit(urls: Urls, repo: Repo, thing: Commit) -> View:
    """
    Show a commit as a branch does.
    """
    url, who = f"{repo_url(urls, repo)}/commits/{thing.sha}", committed(thing)
    return {
        "sha": thing.sha,
        "node_id": f"C_{thing.sha[:12]}",
        "url": url,
        "html_url": f"{urls.html}/{repo.full_name}/commit/{thing.sha}",
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{repo_url(urls, repo)}/git/commits/{thing.sha}",
            "author": who,
            "committer": who,
            "message": thing.message,
            "comment_count": 0,
            "tree": {"sha": thing.tree, "url": f"{repo_url(urls, repo)}/git/trees/{thing.tree}"},
            "verification": unsigned(),
        },
        "author": None,
        "committer": None,
        "parents": [
            {
                "sha": sha,
                "url": f"{repo_url(urls, repo)}/commits/{sha}",
                "html_url": f"{urls.html}/{repo.full_name}/commit/{sha}",
            }
            for sha in thing.parents
        ],
    }


def committed(thing: Commit) -> View:
    """
    Show who made a commit, and when.
    """
    name, email = thing.author
    return {"name": name, "email": email, "date": iso(thing.at)}


def unsigned() -> View:
    """
    Show that nobody signed.
    """
    return {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def branches(call: Call, repo: Repo) -> Answer:
    """
    List branches by name.
    """
    names = [ref.removeprefix("refs/heads/") for ref in sorted(repo.git.refs) if ref.startswith("refs/heads/")]
    return call.page(names, lambda name: _short(call, repo, name))


def _short(call: Call, repo: Repo, name: str) -> View:
    sha = repo.git.refs[f"refs/heads/{name}"]
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{repo_url(call.urls, repo)}/commits/{sha}"},
        "protected": False,
    }


def branch(call: Call, repo: Repo, name: str) -> Answer:
    """
    Show a branch with the commit that it ends in.
    """
    sha = repo.git.refs.get(f"refs/heads/{name}")
    if sha is None:
        raise GithubError(404, "Branch not found")
    url = f"{repo_url(call.urls, repo)}/branches/{name}"
    contexts: dict[str, list[object]] = {"contexts": [], "checks": []}
    return shown(
        {
            **_short(call, repo, name),
            "commit": commit(call.urls, repo, repo.git.commits[sha]),
            "_links": {"self": url, "html": f"{call.urls.html}/{repo.full_name}/tree/{name}"},
            "protection": {"enabled": False, "required_status_checks": {"enforcement_level": "off", **contexts}},
            "protection_url": f"{url}/protection",
        }
    )
