"""Commits of a branch, newest first."""

from __future__ import annotations

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, View
from loadtest.upstreams.github.errors import GithubError
from loadtest.upstreams.github.git import Commit
from loadtest.upstreams.github.people import iso, simple
from loadtest.upstreams.github.repositories import commit
from loadtest.upstreams.github.state import Repo, mail


def list_(call: Call, repo: Repo) -> Answer:
    """
    List the commits that a branch, a tag or a commit stands on: those of a path, of an author, since a moment.
    """
    start = repo.git.resolve(call.query.get("sha", repo.default_branch))
    if start is None:
        raise GithubError(404, "Not Found")
    found = [repo.git.commits[sha] for sha in repo.git.ancestors(start.sha)]
    wanted = [
        each
        for each in found
        if _touched(repo, each, call.query.get("path", ""))
        and iso(each.at) >= call.query.get("since", "")
        and iso(each.at) <= call.query.get("until", "~")
    ]
    return call.page(wanted, lambda each: _shown(call, repo, each))


def _touched(repo: Repo, thing: Commit, path: str) -> bool:
    before = repo.git.commits[thing.parents[0]].files if thing.parents else {}
    return not path or thing.files.get(path) != before.get(path)


def _shown(call: Call, repo: Repo, thing: Commit) -> View:
    """
    Show a commit with the account whose address it was made under, if it is anybody's.
    """
    who = next((person for person in call.world.people.values() if mail(person) == thing.author[1]), None)
    shown = None if who is None else simple(call.urls, who)
    return commit(call.urls, repo, thing) | {"author": shown, "committer": shown}
