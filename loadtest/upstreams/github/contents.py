"""
Files: read from any commit, written as a commit on a branch, each under the id of the blob that it replaces.

That id is GitHub's compare-and-swap: none for a file that is there is a 422, another than the file's is a 409.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from typing import Any
from urllib.parse import quote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, checked, shown
from loadtest.upstreams.github.errors import GithubError, not_found, unprocessable
from loadtest.upstreams.github.git import Commit, tree
from loadtest.upstreams.github.repositories import committed, repo_url, unsigned
from loadtest.upstreams.github.state import Repo, mail

_TYPES = {
    "message": "string",
    "content": "string",
    "sha": "string|null",
    "branch": "string",
    "committer": "object",
    "author": "object",
}


def _entry(urls: Urls, repo: Repo, ref: str, path: str, kind: str, sha: str) -> View:
    url = f"{repo_url(urls, repo)}/contents/{quote(path)}?ref={quote(ref, safe='')}"
    html = f"{urls.html}/{repo.full_name}/{'blob' if kind == 'file' else 'tree'}/{ref}/{quote(path)}"
    git = f"{repo_url(urls, repo)}/git/{'blobs' if kind == 'file' else 'trees'}/{sha}"
    return {
        "name": posixpath.basename(path),
        "path": path,
        "sha": sha,
        "size": len(repo.git.blobs[sha]) if kind == "file" else 0,
        "url": url,
        "html_url": html,
        "git_url": git,
        "download_url": f"{urls.raw}/{repo.full_name}/{ref}/{quote(path)}" if kind == "file" else None,
        "type": kind,
        "_links": {"self": url, "git": git, "html": html},
    }


def get(call: Call, repo: Repo, path: str) -> Answer:
    """
    Show a file with its content, or what a directory holds; as bytes where raw ones are asked for.
    """
    path, ref = path.strip("/"), call.query.get("ref", repo.default_branch)
    at = repo.git.resolve(ref)
    if at is None:
        raise GithubError(404, f"No commit found for the ref {ref}")
    if path in at.files:
        return _file(call, repo, ref, path, at.files[path])
    entries = _directory(call.urls, repo, ref, path, at)
    if not entries:
        raise not_found()
    return shown(entries)


def _file(call: Call, repo: Repo, ref: str, path: str, sha: str) -> Answer:
    data = repo.git.blobs[sha]
    if "raw" in (call.seen.header("Accept") or ""):
        return Answer(200, data, {"Content-Type": "application/vnd.github.raw+json; charset=utf-8"})
    entry = _entry(call.urls, repo, ref, path, "file", sha)
    return shown(entry | {"content": _wrapped(data), "encoding": "base64"})


def _wrapped(data: bytes) -> str:
    # GitHub breaks its base64 every 60 characters.
    text = base64.b64encode(data).decode()
    return "".join(f"{text[start : start + 60]}\n" for start in range(0, len(text), 60))


def _directory(urls: Urls, repo: Repo, ref: str, path: str, at: Commit) -> list[View]:
    prefix = f"{path}/" if path else ""
    found: dict[str, View] = {}
    for name, sha in sorted(at.files.items()):
        if not name.startswith(prefix):
            continue
        first, _, rest = name.removeprefix(prefix).partition("/")
        kind, inner = ("dir", tree(at.files, f"{prefix}{first}/")) if rest else ("file", sha)
        found.setdefault(first, _entry(urls, repo, ref, prefix + first, kind, inner))
    return list(found.values())


def put(call: Call, repo: Repo, path: str) -> Answer:
    """
    Create or replace a file.
    """
    given = call.given(_TYPES, "message", "content")
    branch, tip = _tip(repo, given)
    try:
        data = base64.b64decode("".join(given["content"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise unprocessable("content is not valid Base64") from None
    if not path.strip("/") or path.endswith("/"):
        raise unprocessable("path cannot end with a slash")
    _swap(tip, path, given.get("sha"))
    blob, fresh = repo.git.blob(data), path not in tip.files
    made = _committed(call, repo, branch, tip, given, {**tip.files, path: blob})
    call.world.done(f"file.{'created' if fresh else 'updated'}", repo, "file", path)
    content = _entry(call.urls, repo, branch, path, "file", blob)
    return shown({"content": content, "commit": _commit(call.urls, repo, made)}, 201 if fresh else 200)


def delete(call: Call, repo: Repo, path: str) -> Answer:
    """
    Delete a file; what says which and why may stand in the query as well.
    """
    given = checked({**call.query, **call.given(_TYPES)}, _TYPES, ("message", "sha"))
    branch, tip = _tip(repo, given)
    if path not in tip.files:
        raise not_found()
    _swap(tip, path, given["sha"])
    files = {name: sha for name, sha in tip.files.items() if name != path}
    made = _committed(call, repo, branch, tip, given, files)
    call.world.done("file.deleted", repo, "file", path)
    return shown({"content": None, "commit": _commit(call.urls, repo, made)})


def _tip(repo: Repo, given: dict[str, Any]) -> tuple[str, Commit]:
    branch = str(given.get("branch", repo.default_branch)).removeprefix("refs/heads/")
    sha = repo.git.refs.get(f"refs/heads/{branch}")
    if sha is None:
        raise GithubError(404, f"Branch {branch} not found")
    return branch, repo.git.commits[sha]


def _swap(tip: Commit, path: str, sha: str | None) -> None:
    there = tip.files.get(path)
    if there is not None and sha is None:
        raise unprocessable('Invalid request.\n\n"sha" wasn\'t supplied.')
    if sha is not None and sha != there:
        raise GithubError(409, f"{path} does not match {sha}")


def _committed(
    call: Call, repo: Repo, branch: str, tip: Commit, given: dict[str, Any], files: dict[str, str]
) -> Commit:
    who = given.get("author") or given.get("committer") or {}
    author = (str(who.get("name", call.world.me.login)), str(who.get("email", mail(call.world.me))))
    made = repo.git.commit(given["message"], files, (tip.sha,), author, call.world.now())
    repo.git.refs[f"refs/heads/{branch}"] = made.sha
    return made


def _commit(urls: Urls, repo: Repo, made: Commit) -> View:
    url, html = repo_url(urls, repo), f"{urls.html}/{repo.full_name}/commit"
    return {
        "sha": made.sha,
        "node_id": f"C_{made.sha[:12]}",
        "url": f"{url}/git/commits/{made.sha}",
        "html_url": f"{html}/{made.sha}",
        "author": committed(made),
        "committer": committed(made),
        "message": made.message,
        "tree": {"sha": made.tree, "url": f"{url}/git/trees/{made.tree}"},
        "parents": [
            {"sha": sha, "url": f"{url}/git/commits/{sha}", "html_url": f"{html}/{sha}"} for sha in made.parents
        ],
        "verification": unsigned(),
    }
