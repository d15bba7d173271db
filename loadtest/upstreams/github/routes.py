"""
Which method and path is which handler.

`{}` is one segment, `{+}` is all that is left, `{i}` one segment that is an issue's number and reaches the handler
as the issue. What stands below a repository is also found under the repository's id, and under names that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github import (
    comments,
    commits,
    contents,
    issues,
    labels,
    people,
    pulls,
    refs,
    releases,
    repositories,
    reviews,
    workflows,
)
from loadtest.upstreams.github.errors import not_found
from loadtest.upstreams.github.state import Repo, World

Handler = Callable[..., Answer]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/user", people.me),
    ("GET", "/users/{}", people.user),
    ("GET", "/orgs/{}", people.organization),
    ("GET", "/orgs/{}/teams/{}/members", people.team_members),
    ("GET", "/rate_limit", people.rate),
)

# Below `/repos/OWNER/NAME`; literal segments go first.
IN_REPO: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", repositories.get),
    ("GET", "/branches", repositories.branches),
    ("GET", "/branches/{+}", repositories.branch),
    ("GET", "/issues", issues.list_),
    ("POST", "/issues", issues.create),
    ("GET", "/issues/comments", comments.all_),
    ("GET", "/issues/comments/{}", comments.get),
    ("PATCH", "/issues/comments/{}", comments.update),
    ("DELETE", "/issues/comments/{}", comments.delete),
    ("GET", "/issues/{i}", issues.get),
    ("PATCH", "/issues/{i}", issues.update),
    ("GET", "/issues/{i}/comments", comments.list_),
    ("POST", "/issues/{i}/comments", comments.create),
    ("GET", "/issues/{i}/labels", labels.on_issue),
    ("POST", "/issues/{i}/labels", labels.add),
    ("PUT", "/issues/{i}/labels", labels.put),
    ("DELETE", "/issues/{i}/labels", labels.clear),
    ("DELETE", "/issues/{i}/labels/{}", labels.remove),
    ("POST", "/issues/{i}/assignees", issues.assign),
    ("DELETE", "/issues/{i}/assignees", issues.unassign),
    ("GET", "/labels", labels.list_),
    ("POST", "/labels", labels.create),
    ("GET", "/labels/{}", labels.get),
    ("PATCH", "/labels/{}", labels.update),
    ("DELETE", "/labels/{}", labels.delete),
    ("GET", "/commits", commits.list_),
    ("GET", "/contents/{+}", contents.get),
    ("PUT", "/contents/{+}", contents.put),
    ("DELETE", "/contents/{+}", contents.delete),
    ("GET", "/git/ref/{+}", refs.get),
    ("GET", "/git/matching-refs/{+}", refs.matching),
    ("GET", "/git/refs", refs.list_),
    ("POST", "/git/refs", refs.create),
    ("GET", "/git/refs/{+}", refs.get),
    ("PATCH", "/git/refs/{+}", refs.update),
    ("DELETE", "/git/refs/{+}", refs.delete),
    ("GET", "/pulls", pulls.list_),
    ("POST", "/pulls", pulls.create),
    ("GET", "/pulls/{}", pulls.get),
    ("PATCH", "/pulls/{}", pulls.update),
    ("GET", "/pulls/{}/merge", pulls.merged),
    ("PUT", "/pulls/{}/merge", pulls.merge),
    ("GET", "/pulls/{}/reviews", reviews.list_),
    ("POST", "/pulls/{}/reviews", reviews.create),
    ("GET", "/pulls/{}/reviews/{}", reviews.get),
    ("GET", "/releases", releases.list_),
    ("POST", "/releases", releases.create),
    ("GET", "/releases/latest", releases.latest),
    ("GET", "/releases/tags/{+}", releases.of_tag),
    ("GET", "/releases/assets/{}", releases.asset),
    ("DELETE", "/releases/assets/{}", releases.delete_asset),
    ("GET", "/releases/{}", releases.get),
    ("PATCH", "/releases/{}", releases.update),
    ("DELETE", "/releases/{}", releases.delete),
    ("GET", "/releases/{}/assets", releases.assets),
    ("POST", "/releases/{}/assets", releases.upload),
    ("GET", "/actions/workflows/{}", workflows.get),
    ("POST", "/actions/workflows/{}/dispatches", workflows.dispatch),
)


@dataclass(frozen=True, slots=True)
class Found:
    """
    A handler and what it takes beside the call; in a repository also which, what was asked for below it, and whether
    that was by a name that it has no more.
    """

    handler: Handler
    arguments: tuple[Any, ...]
    repo: Repo | None = None
    below: str = ""
    moved: bool = False


def route(world: World, method: str, raw_path: str) -> Found:
    """
    Find the handler of a raw path.
    """
    method = "GET" if method == "HEAD" else method
    match raw_path.split("/")[1:]:
        case ["repos", owner, name, *rest]:
            key = f"{unquote(owner)}/{unquote(name)}".lower()
            repo = world.repos.get(key) or world.renamed.get(key)
            moved = key not in world.repos
        case ["repositories", id_, *rest]:
            repo = next((each for each in world.repos.values() if str(each.id) == id_), None)
            moved = False
        case segments:
            handler, filled = _matched(ROUTES, method, ["", *segments])
            return Found(handler, tuple(value for _, value in filled))
    if repo is None:
        raise not_found()
    handler, filled = _matched(IN_REPO, method, ["", *rest])
    arguments = [issues.of(repo, value) if kind == "{i}" else value for kind, value in filled]
    return Found(handler, (repo, *arguments), repo, "".join(f"/{each}" for each in rest), moved)


def _matched(
    table: tuple[tuple[str, str, Handler], ...], method: str, segments: list[str]
) -> tuple[Handler, list[tuple[str, str]]]:
    """
    Return the first handler of the table whose template fits, and the parts that fill it, decoded.
    """
    for verb, template, handler in table:
        parts = template.split("/")
        here = segments
        if parts[-1] == "{+}" and len(segments) >= len(parts):
            here = [*segments[: len(parts) - 1], "/".join(segments[len(parts) - 1 :])]
        if verb == method and len(parts) == len(here) and all(map(_fits, parts, here)):
            return handler, [(part, unquote(each)) for part, each in zip(parts, here, strict=True) if part[:1] == "{"]
    raise not_found()


def _fits(part: str, segment: str) -> bool:
    return part == "{+}" or (bool(segment) if part[:1] == "{" else part == segment)
