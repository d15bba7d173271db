"""Git references: branches and tags by their full names."""

from __future__ import annotations

from urllib.parse import quote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, nothing, shown
from loadtest.upstreams.github.errors import not_found, unprocessable
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Repo


def reference(urls: Urls, repo: Repo, name: str) -> View:
    """
    Show a reference and the commit that it names.
    """
    url, sha = f"{repo_url(urls, repo)}/git", repo.git.refs[name]
    return {
        "ref": name,
        "node_id": f"REF_{repo.id}_{name}",
        "url": f"{url}/{quote(name)}",
        "object": {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"},
    }


def get(call: Call, repo: Repo, name: str) -> Answer:
    """
    Show one reference, asked for without its `refs/`.
    """
    if f"refs/{name}" not in repo.git.refs:
        raise not_found()
    return shown(reference(call.urls, repo, f"refs/{name}"))


def list_(call: Call, repo: Repo) -> Answer:
    """
    List every reference.
    """
    return matching(call, repo, "")


def matching(call: Call, repo: Repo, start: str) -> Answer:
    """
    List the references whose names start so.
    """
    names = sorted(name for name in repo.git.refs if name.startswith(f"refs/{start}"))
    return call.page(names, lambda name: reference(call.urls, repo, name))


def create(call: Call, repo: Repo) -> Answer:
    """
    Give a commit a name that nothing has.
    """
    given = call.given({"ref": "string", "sha": "string"}, "ref", "sha")
    name = given["ref"]
    if not name.startswith("refs/") or name.count("/") < 2 or name.endswith("/"):
        raise unprocessable("Reference name must start with 'refs/' and have at least two slashes.")
    if given["sha"] not in repo.git.commits:
        raise unprocessable("Object does not exist")
    if name in repo.git.refs:
        raise unprocessable("Reference already exists")
    repo.git.refs[name] = given["sha"]
    call.world.done("ref.created", repo, "ref", name)
    return call.created(reference(call.urls, repo, name))


def update(call: Call, repo: Repo, name: str) -> Answer:
    """
    Move a name forward, or anywhere with `force`.
    """
    given = call.given({"sha": "string", "force": "boolean"}, "sha")
    before = repo.git.refs.get(f"refs/{name}")
    if before is None:
        raise unprocessable("Reference does not exist")
    if given["sha"] not in repo.git.commits:
        raise unprocessable("Object does not exist")
    if not given.get("force") and before not in repo.git.ancestors(given["sha"]):
        raise unprocessable("Update is not a fast forward")
    repo.git.refs[f"refs/{name}"] = given["sha"]
    call.world.done("ref.updated", repo, "ref", f"refs/{name}")
    return shown(reference(call.urls, repo, f"refs/{name}"))


def delete(call: Call, repo: Repo, name: str) -> Answer:
    """
    Delete a name; the commit stays.
    """
    if repo.git.refs.pop(f"refs/{name}", None) is None:
        raise unprocessable("Reference does not exist")
    call.world.done("ref.deleted", repo, "ref", f"refs/{name}")
    return nothing()
