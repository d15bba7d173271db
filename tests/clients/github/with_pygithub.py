"""
PyGithub at work: issues, comments, labels, files, branches, pull requests, releases, and an error of each kind.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from github import Auth, Github, GithubException
from github.GithubObject import GithubObject, NotSet
from github.GitRef import GitRef
from github.Repository import Repository

from tests.clients.compare import Step
from tests.clients.play import Player, Target, told


def client(target: Target, *, lazy: bool = False) -> Github:
    """
    Return the client as docs/CLIENTS.md sets it up, without its pauses; `lazy` reads nothing before it must.
    """
    return Github(
        auth=Auth.Token(target.key),
        base_url=target.base,
        seconds_between_requests=0,
        seconds_between_writes=0,
        retry=None,
        per_page=2,
        lazy=lazy,
    )


def shown(value: Any) -> Any:
    """
    Return what an object of the client holds, and what came with it.
    """
    if isinstance(value, GithubObject):
        return {"class": type(value).__name__, "data": value.raw_data, "headers": told(value.raw_headers)}
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    return None if value is NotSet else value


def refused(error: Any) -> Any:
    """
    Return everything that an error of the client shows.
    """
    return {"status": error.status, "data": error.data, "message": error.message, "headers": told(error.headers or {})}


def work(target: Target) -> list[Step]:
    """
    Play the script.
    """
    hub = client(target)
    play = Player((GithubException,), shown, refused, target.upstream)
    play("who", hub.get_user)
    repo = play("repository", lambda: hub.get_repo("ada/engine"))
    _issues(play, repo)
    branch = _files(play, repo)
    if target.name == "sandbox":
        # emulate names a branch by a URL that it does not serve, and has no workflows.
        play("delete branch", branch.delete)
        _releases(play, repo)
    _failures(play, repo)
    return play.steps


def _issues(play: Player, repo: Repository) -> None:
    issues = [play("create", partial(repo.create_issue, f"Leak {n}", body="Zoë & Söhne")) for n in range(5)]
    first = play("read", lambda: repo.get_issue(issues[0].number))
    play("update", lambda: first.edit(title="Leak, again", body="see #2", assignees=["ada"]))
    play("read again", lambda: repo.get_issue(first.number))
    play("paginate", lambda: list(repo.get_issues(state="all")))
    play("new label", lambda: repo.create_label("urgent", "ff0000", "now"))
    play("label", lambda: first.add_to_labels("urgent"))
    play("labels", lambda: list(first.get_labels()))
    play("unlabel", lambda: first.remove_from_labels("urgent"))
    play("delete label", lambda: repo.get_label("urgent").delete())
    comments = [play("comment", partial(first.create_comment, f"Comment {n}")) for n in range(3)]
    play("edit comment", lambda: comments[0].edit("Edited"))
    play("comments", lambda: list(first.get_comments()))
    play("delete comment", comments[1].delete)
    play("deleted comment", lambda: first.get_comment(comments[1].id))
    play("close", lambda: first.edit(state="closed"))


def _files(play: Player, repo: Repository) -> GitRef:
    made = play("create file", lambda: repo.create_file("docs/a b.md", "add", "one\n"))["content"]
    read = play("read file", lambda: repo.get_contents("docs/a b.md"))
    play("update file", lambda: repo.update_file(read.path, "change", "two\n", made.sha))
    play("409", lambda: repo.update_file(read.path, "change", "three\n", made.sha))
    main = repo.get_branch("main").commit.sha
    branch = play("branch", lambda: repo.create_git_ref("refs/heads/topic", main))
    play("file on it", lambda: repo.create_file("topic.md", "add", "topic\n", branch="topic"))
    pull = play("pull", lambda: repo.create_pull("main", "topic", title="Topic", body="Please."))
    play("edit pull", lambda: pull.edit(title="The topic"))
    play("review", lambda: pull.create_review(body="Fine.", event="COMMENT"))
    play("close pull", lambda: pull.edit(state="closed"))
    last: Any = repo.get_contents("docs/a b.md")
    play("delete file", lambda: repo.delete_file(last.path, "remove", last.sha))
    return branch  # type: ignore[no-any-return] # what a step returns is the client's


def _releases(play: Player, repo: Repository) -> None:
    release = play("release", lambda: repo.create_git_release("v1", "One", "First.", draft=True))
    play("edit release", lambda: release.update_release("One", "The first.", draft=False))
    play("releases", lambda: list(repo.get_releases()))
    play("delete release", release.delete_release)
    play("dispatch", lambda: repo.get_workflow("ci.yml").create_dispatch("main"))


def _failures(play: Player, repo: Repository) -> None:
    play("404", lambda: repo.get_issue(999))
    play("422", lambda: repo.create_label("bug", "not a colour"))
    for status in (500, 502, 503):
        play.fails(f"{status} of a read", lambda: repo.get_issue(1), status)
    for status in (400, 403, 410, 429):
        play.fails(f"{status} of a write", lambda: repo.create_issue("never"), status, "POST")
    play("after all", lambda: repo.get_issue(1))


def ours(target: Target) -> list[Step]:
    """
    Meet what Breakwater refuses.
    """
    repo = client(target, lazy=True).get_repo("ada/engine")
    play = Player((GithubException,), shown, refused, target.upstream)
    play("not allowed", repo.delete)
    play.fails("in doubt", lambda: repo.create_issue("twice"), 500, "POST")
    return play.steps
