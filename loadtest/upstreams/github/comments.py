"""Comments on issues and pull requests."""

from __future__ import annotations

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, nothing, shown
from loadtest.upstreams.github.errors import invalid, not_found
from loadtest.upstreams.github.issues import reactions
from loadtest.upstreams.github.people import iso, simple
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Comment, Issue, Repo


def comment(urls: Urls, repo: Repo, thing: Comment) -> View:
    """
    Show a comment.
    """
    url, kind = f"{repo_url(urls, repo)}/issues/comments/{thing.id}", "pull" if thing.issue.pull else "issues"
    return {
        "url": url,
        "html_url": f"{urls.html}/{repo.full_name}/{kind}/{thing.issue.number}#issuecomment-{thing.id}",
        "issue_url": f"{repo_url(urls, repo)}/issues/{thing.issue.number}",
        "id": thing.id,
        "node_id": f"IC_{thing.id}",
        "user": simple(urls, thing.author),
        "created_at": iso(thing.created_at),
        "updated_at": iso(thing.updated_at),
        "author_association": "OWNER",
        "body": thing.body,
        "reactions": reactions(url),
        "performed_via_github_app": None,
    }


def _body(call: Call) -> str:
    body: str = call.given({"body": "string"}, "body")["body"]
    if not body.strip():
        raise invalid("IssueComment", "body", "missing_field")
    return body


def of(repo: Repo, id_: str) -> Comment:
    """
    Return the comment of that id.
    """
    found = repo.comments.get(int(id_)) if id_.isdigit() else None
    if found is None:
        raise not_found()
    return found


def create(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    Comment on an issue.
    """
    now = call.world.now()
    made = Comment(call.world.mint(), call.world.me, _body(call), now, now, thing)
    repo.comments[made.id] = made
    thing.updated_at = now
    call.world.done("comment.created", repo, "comment", made.id)
    return call.created(comment(call.urls, repo, made))


def update(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Change what a comment says.
    """
    thing = of(repo, id_)
    thing.body, thing.updated_at = _body(call), call.world.now()
    call.world.done("comment.updated", repo, "comment", thing.id)
    return shown(comment(call.urls, repo, thing))


def get(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Show a comment.
    """
    return shown(comment(call.urls, repo, of(repo, id_)))


def delete(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Delete a comment for good.
    """
    thing = repo.comments.pop(of(repo, id_).id)
    call.world.done("comment.deleted", repo, "comment", thing.id)
    return nothing()


def list_(call: Call, repo: Repo, thing: Issue) -> Answer:
    """
    List an issue's comments, oldest first.
    """
    return _listed(call, repo, [each for each in repo.comments.values() if each.issue is thing])


def all_(call: Call, repo: Repo) -> Answer:
    """
    List every comment of a repository, oldest first.
    """
    return _listed(call, repo, list(repo.comments.values()))


def _listed(call: Call, repo: Repo, things: list[Comment]) -> Answer:
    since = call.query.get("since", "")
    found = [each for each in things if iso(each.updated_at) >= since]
    return call.page(found, lambda each: comment(call.urls, repo, each))
