"""Pull requests between branches of one repository: opened, changed, merged."""

from __future__ import annotations

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, nothing, shown
from loadtest.upstreams.github.errors import GithubError, invalid, not_found
from loadtest.upstreams.github.issues import issue, opened, ordered, turned
from loadtest.upstreams.github.people import iso_or_null, simple
from loadtest.upstreams.github.repositories import repo_url, repository
from loadtest.upstreams.github.state import Issue, Pull, Repo, mail

_TYPES = {
    "title": "string",
    "body": "string|null",
    "state": "string",
    "head": "string",
    "base": "string",
    "draft": "boolean",
    "maintainer_can_modify": "boolean",
}
# What a pull request shows as its issue does.
_SHARED = (
    "number",
    "state",
    "locked",
    "active_lock_reason",
    "title",
    "user",
    "body",
    "labels",
    "milestone",
    "assignee",
    "assignees",
    "created_at",
    "updated_at",
    "closed_at",
    "author_association",
)


def of(repo: Repo, number: str) -> tuple[Issue, Pull]:
    """
    Return the pull request of that number, as both that it is.
    """
    found = repo.issues.get(int(number)) if number.isdigit() else None
    if found is None or found.pull is None:
        raise not_found()
    return found, found.pull


def _simple(urls: Urls, repo: Repo, thing: Issue, pull: Pull) -> View:
    api, html = repo_url(urls, repo), f"{urls.html}/{repo.full_name}/pull/{thing.number}"
    url, on_issue = f"{api}/pulls/{thing.number}", f"{api}/issues/{thing.number}"
    head, base = _ends(repo, thing, pull)
    addresses = {
        "issue": on_issue,
        "comments": f"{on_issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{head}",
    }
    shared = issue(urls, repo, thing)
    return {
        "url": url,
        **{name: shared[name] for name in _SHARED},
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        **{f"{name}_url": address for name, address in addresses.items()},
        "merged_at": iso_or_null(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": pull.draft,
        "head": _end(urls, repo, pull.head, head),
        "base": _end(urls, repo, pull.base, base),
        "_links": {"self": {"href": url}, "html": {"href": html}}
        | {name: {"href": address} for name, address in addresses.items()},
        "auto_merge": None,
    }


def _ends(repo: Repo, thing: Issue, pull: Pull) -> tuple[str, str]:
    """
    Return the ids of head and base, which follow their branches while it is open.
    """
    if thing.state == "open":
        pull.head_sha = repo.git.refs.get(f"refs/heads/{pull.head}", pull.head_sha)
        pull.base_sha = repo.git.refs.get(f"refs/heads/{pull.base}", pull.base_sha)
    return pull.head_sha, pull.base_sha


def _end(urls: Urls, repo: Repo, branch: str, sha: str) -> View:
    whose = {"user": simple(urls, repo.owner), "repo": repository(urls, repo)}
    return {"label": f"{repo.owner.login}:{branch}", "ref": branch, "sha": sha, **whose}


def pull_request(call: Call, repo: Repo, thing: Issue, pull: Pull) -> View:
    """
    Show a pull request whole.
    """
    git = repo.git
    head, base = _ends(repo, thing, pull)
    fork = git.fork(base, head)
    before, after = (fork.files if fork else {}), git.commits[head].files
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    clean = git.merged(base, head) is not None
    lines = {
        side: sum(git.blobs[files[name]].count(b"\n") for name in names if name in files)
        for side, files in (("additions", after), ("deletions", before))
    }
    return _simple(call.urls, repo, thing, pull) | {
        "merged": pull.merged_at is not None,
        "mergeable": None if thing.state == "closed" else clean,
        "rebaseable": None if thing.state == "closed" else clean,
        "mergeable_state": "unknown" if thing.state == "closed" else "clean" if clean else "dirty",
        "merged_by": simple(call.urls, pull.merged_by) if pull.merged_by else None,
        "comments": sum(comment.issue is thing for comment in repo.comments.values()),
        "review_comments": 0,
        "maintainer_can_modify": pull.maintainer_can_modify,
        "commits": len(git.ancestors(head).keys() - git.ancestors(base).keys()),
        **lines,
        "changed_files": len(names),
    }


def create(call: Call, repo: Repo) -> Answer:
    """
    Open a pull request from one branch to another that lacks some of its commits.
    """
    given = call.given(_TYPES, "title", "head", "base")
    head, base = given["head"].removeprefix(f"{repo.owner.login}:"), given["base"]
    for field, branch in (("head", head), ("base", base)):
        if f"refs/heads/{branch}" not in repo.git.refs:
            raise invalid("PullRequest", field, "invalid")
    head_sha, base_sha = repo.git.refs[f"refs/heads/{head}"], repo.git.refs[f"refs/heads/{base}"]
    if head_sha in repo.git.ancestors(base_sha):
        raise _custom(f"No commits between {base} and {head}")
    for each in repo.issues.values():
        if each.pull and each.state == "open" and (each.pull.head, each.pull.base) == (head, base):
            raise _custom(f"A pull request already exists for {repo.owner.login}:{head}.")
    made = opened(call, repo, given["title"], given.get("body"))
    draft, open_to_others = given.get("draft", False), given.get("maintainer_can_modify", False)
    made.pull = Pull(call.world.mint(), head, base, head_sha, base_sha, draft, open_to_others)
    call.world.done("pull.created", repo, "pull", made.number)
    return call.created(pull_request(call, repo, made, made.pull))


def _custom(message: str) -> GithubError:
    return GithubError(
        422, "Validation Failed", errors=[{"resource": "PullRequest", "code": "custom", "message": message}]
    )


def get(call: Call, repo: Repo, number: str) -> Answer:
    """
    Show a pull request.
    """
    return shown(pull_request(call, repo, *of(repo, number)))


def update(call: Call, repo: Repo, number: str) -> Answer:
    """
    Change what is named, leave the rest.
    """
    thing, pull = of(repo, number)
    given = call.given(_TYPES)
    state, base = given.get("state", thing.state), given.get("base", pull.base)
    if state not in {"open", "closed"} or (state == "open" and pull.merged_at is not None):
        raise invalid("PullRequest", "state", "invalid")
    if f"refs/heads/{base}" not in repo.git.refs:
        raise invalid("PullRequest", "base", "invalid")
    _ends(repo, thing, pull)
    pull.base = base
    thing.title, thing.body = given.get("title", thing.title), given.get("body", thing.body)
    turned(call, thing, state, None)
    call.world.done("pull.updated", repo, "pull", thing.number)
    return shown(pull_request(call, repo, thing, pull))


def list_(call: Call, repo: Repo) -> Answer:
    """
    List pull requests, newest first unless told otherwise.
    """
    state = call.flag("state", "open", "open", "closed", "all")
    head = call.query.get("head", "").rpartition(":")[2]
    found = [
        thing
        for thing in repo.issues.values()
        if thing.pull is not None
        and state in {"all", thing.state}
        and head in {"", thing.pull.head}
        and call.query.get("base", thing.pull.base) == thing.pull.base
    ]
    return call.page(ordered(call, repo, found), lambda thing: _simple(call.urls, repo, *of(repo, str(thing.number))))


def merged(_call: Call, repo: Repo, number: str) -> Answer:
    """
    Tell whether it was merged: 204, or 404.
    """
    if of(repo, number)[1].merged_at is None:
        raise not_found()
    return nothing()


def merge(call: Call, repo: Repo, number: str) -> Answer:
    """
    Merge a pull request, if its head is still what the caller saw.
    """
    thing, pull = of(repo, number)
    given = call.given(
        {"sha": "string", "commit_title": "string", "commit_message": "string", "merge_method": "string"}
    )
    head, base = _ends(repo, thing, pull)
    if thing.state != "open" or pull.draft:
        raise GithubError(405, "Pull Request is not mergeable")
    if given.get("sha", head) != head:
        raise GithubError(409, "Head branch was modified. Review and try the merge again.")
    files = repo.git.merged(base, head)
    if files is None:
        raise GithubError(405, "Pull Request is not mergeable")
    title = given.get("commit_title", f"Merge pull request #{thing.number} from {repo.owner.login}/{pull.head}")
    message = f"{title}\n\n{given.get('commit_message', thing.title)}"
    parents = (base, head) if given.get("merge_method", "merge") == "merge" else (base,)
    made = repo.git.commit(message, files, parents, (call.world.me.login, mail(call.world.me)), call.world.now())
    repo.git.refs[f"refs/heads/{pull.base}"] = made.sha
    pull.merged_at, pull.merged_by, pull.merge_commit_sha = call.world.now(), call.world.me, made.sha
    turned(call, thing, "closed", None)
    thing.state_reason = None
    call.world.done("pull.merged", repo, "pull", thing.number)
    return shown({"sha": made.sha, "merged": True, "message": "Pull Request successfully merged"})
