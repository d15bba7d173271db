from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.upstreams.github import GithubSandbox
from tests.loadtest.github_plain import REPO, ask, branch, done, file, sandbox, write

NO_SHA = "0" * 40


@pytest.fixture
def upstream() -> GithubSandbox:
    return sandbox()


def tip(upstream: GithubSandbox, name: str = "heads/main") -> str:
    return str(done(upstream, "GET", f"{REPO}/git/ref/{name}")["object"]["sha"])


def text(upstream: GithubSandbox, path: str, ref: str = "main") -> str:
    entry = done(upstream, "GET", f"{REPO}/contents/{path}?ref={ref}")
    return base64.b64decode(entry["content"]).decode()


# ------------------------------------------------------------------------------------------------------------- contents

SWAPS: list[tuple[str, str, dict[str, str], int]] = [
    ("PUT", "README.md", {}, 422),
    ("PUT", "README.md", {"sha": NO_SHA}, 409),
    ("PUT", "new.md", {"sha": NO_SHA}, 409),
    ("PUT", "new.md", {}, 201),
    ("PUT", "new.md", {"branch": "none"}, 404),
    ("PUT", "new.md", {"content": "%"}, 422),
    ("PUT", "new/", {}, 422),
    ("DELETE", "README.md", {}, 422),
    ("DELETE", "README.md", {"sha": NO_SHA}, 409),
    ("DELETE", "none.md", {"sha": NO_SHA}, 404),
]


@pytest.mark.parametrize(("method", "path", "more", "status"), SWAPS)
def test_swap(upstream: GithubSandbox, method: str, path: str, more: dict[str, str], status: int) -> None:
    """A file is written or deleted only under the id of what it replaces, and otherwise nothing moves."""
    before = tip(upstream)
    assert ask(upstream, method, f"{REPO}/contents/{path}", file("a") | more).status == status
    assert (tip(upstream) != before, upstream.effects.total()) == (status == 201, int(status == 201))


def test_file_lives(upstream: GithubSandbox) -> None:
    """A file is created, replaced and deleted, each time as a commit on what was there."""
    shas = [tip(upstream)]
    sha = None
    for content in ("a", "b"):
        made = write(upstream, "docs/a b.txt", content, **({"sha": sha} if sha else {}))
        sha = made["content"]["sha"]
        assert made["commit"]["parents"][0]["sha"] == shas[-1]
        shas.append(made["commit"]["sha"])
        assert (text(upstream, "docs/a%20b.txt"), text(upstream, "docs%2Fa%20b.txt")) == (content, content)
    gone = done(upstream, "DELETE", f"{REPO}/contents/docs/a%20b.txt", {"message": "m", "sha": sha})
    assert gone["content"] is None
    assert ask(upstream, "GET", f"{REPO}/contents/docs/a%20b.txt").status == 404
    assert text(upstream, "docs/a%20b.txt", shas[1]) == "a"
    assert upstream.effects == {"file.created": 1, "file.updated": 1, "file.deleted": 1}


def test_deleted_by_query(upstream: GithubSandbox) -> None:
    """What a deletion needs may stand in the query, for clients that send no body with it."""
    sha = done(upstream, "GET", f"{REPO}/contents/README.md")["sha"]
    assert ask(upstream, "DELETE", f"{REPO}/contents/README.md?message=m&sha={sha}").status == 200


def test_empty(upstream: GithubSandbox) -> None:
    """A repository without its default branch shows no files and takes none, and works otherwise."""
    done(upstream, "DELETE", f"{REPO}/git/refs/heads/main")
    assert ask(upstream, "GET", f"{REPO}/contents/").status == 404
    assert ask(upstream, "PUT", f"{REPO}/contents/a", file("a")).status == 404
    assert ask(upstream, "POST", f"{REPO}/releases", {"tag_name": "v1"}).status == 422
    assert done(upstream, "GET", f"{REPO}/branches") == []


def test_directory(upstream: GithubSandbox) -> None:
    """A directory lists what it holds, each file and folder once."""
    for path in ("src/a.py", "src/b/c.py", "src/b/d.py"):
        write(upstream, path, path)
    found = {path: done(upstream, "GET", f"{REPO}/contents/{path}") for path in ("", "src", "src/b/")}
    shown = {path: [(each["path"], each["type"]) for each in entries] for path, entries in found.items()}
    assert shown == {
        "": [("README.md", "file"), ("src", "dir")],
        "src": [("src/a.py", "file"), ("src/b", "dir")],
        "src/b/": [("src/b/c.py", "file"), ("src/b/d.py", "file")],
    }


def test_raw(upstream: GithubSandbox) -> None:
    """A file's bytes are sent as they are where those are asked for."""
    said = ask(upstream, "GET", f"{REPO}/contents/README.md", Accept="application/vnd.github.raw+json")
    assert (said.raw, said.headers["Content-Type"].partition(";")[0]) == (
        b"# engine\n",
        "application/vnd.github.raw+json",
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), max_size=8))
def test_lost_update(writes: list[tuple[str, str, bool]]) -> None:
    """However writes interleave, one that has not seen the last is refused, and what is kept is what was accepted."""
    upstream = sandbox()
    kept: dict[str, tuple[str, str]] = {}
    for path, content, fresh in writes:
        seen = kept[path][1] if fresh and path in kept else None
        said = ask(upstream, "PUT", f"{REPO}/contents/{path}", file(content, **({"sha": seen} if seen else {})))
        assert said.status == (201 if path not in kept else 200 if seen else 422)
        if said.status < 300:
            kept[path] = (content, said.body["content"]["sha"])
    assert {path: text(upstream, path) for path in kept} == {path: content for path, (content, _) in kept.items()}


# ----------------------------------------------------------------------------------------------------------------- refs


def test_ref_lives(upstream: GithubSandbox) -> None:
    """A reference is made once, moved forward, moved back only by force, and gone."""
    first, last = tip(upstream), write(upstream, "a", "a")["commit"]["sha"]
    body = {"ref": "refs/heads/f/g", "sha": first}
    assert [ask(upstream, "POST", f"{REPO}/git/refs", body).status for _ in range(2)] == [201, 422]
    moves: list[tuple[dict[str, Any], int]] = [
        ({"sha": last}, 200),
        ({"sha": first}, 422),
        ({"sha": first, "force": True}, 200),
        ({"sha": NO_SHA}, 422),
    ]
    for move, status in moves:
        assert ask(upstream, "PATCH", f"{REPO}/git/refs/heads/f/g", move).status == status
    assert tip(upstream, "heads%2Ff%2Fg") == first
    assert [ask(upstream, "DELETE", f"{REPO}/git/refs/heads/f/g").status for _ in range(2)] == [204, 422]
    assert ask(upstream, "GET", f"{REPO}/git/ref/heads/f/g").status == 404


@pytest.mark.parametrize("body", [{"ref": "main", "sha": "{tip}"}, {"ref": "refs/heads/a", "sha": NO_SHA}])
def test_bad_ref(upstream: GithubSandbox, body: dict[str, str]) -> None:
    """A reference with no full name, or to no commit, is refused."""
    told = {name: value.format(tip=tip(upstream)) for name, value in body.items()}
    assert ask(upstream, "POST", f"{REPO}/git/refs", told).status == 422


def test_matching(upstream: GithubSandbox) -> None:
    """References are found by how their names start."""
    for name in ("feature-a", "feature-b"):
        branch(upstream, name, "f", name)
    found = done(upstream, "GET", f"{REPO}/git/matching-refs/heads/feature")
    assert [each["ref"] for each in found] == ["refs/heads/feature-a", "refs/heads/feature-b"]
    assert done(upstream, "GET", f"{REPO}/branches/feature-a")["commit"]["sha"] == tip(upstream, "heads/feature-a")
    assert [each["name"] for each in done(upstream, "GET", f"{REPO}/branches")] == ["feature-a", "feature-b", "main"]


# ---------------------------------------------------------------------------------------------------------------- pulls


def pull(upstream: GithubSandbox, head: str = "f", **more: Any) -> int:
    body = {"title": "Fix", "head": head, "base": "main", **more}
    return int(done(upstream, "POST", f"{REPO}/pulls", body)["number"])


def test_merged(upstream: GithubSandbox) -> None:
    """A pull request is merged once, brings its change and closes, and is an issue all along."""
    branch(upstream, "f", "new.txt", "1\n2\n")
    write(upstream, "other.txt", "o")
    number = pull(upstream)
    path = f"{REPO}/pulls/{number}"
    shown = done(upstream, "GET", path)
    assert [shown[name] for name in ("mergeable", "commits", "changed_files", "additions", "deletions")] == [
        True,
        1,
        1,
        2,
        0,
    ]
    assert ask(upstream, "GET", f"{path}/merge").status == 404
    merged = done(upstream, "PUT", f"{path}/merge")
    assert (text(upstream, "new.txt"), text(upstream, "other.txt"), tip(upstream)) == ("1\n2\n", "o", merged["sha"])
    assert [ask(upstream, method, f"{path}/merge").status for method in ("GET", "PUT")] == [204, 405]
    issue = done(upstream, "GET", f"{REPO}/issues/{number}")
    assert (issue["state"], issue["pull_request"]["url"].endswith(path)) == ("closed", True)
    assert ask(upstream, "PATCH", path, {"state": "open"}).status == 422
    assert upstream.effects["pull.merged"] == 1


@pytest.mark.parametrize(("body", "status"), [({"sha": NO_SHA}, 409), ({"sha": "{head}"}, 200), ({}, 200)])
def test_head_moved(upstream: GithubSandbox, body: dict[str, str], status: int) -> None:
    """A merge that names its head is refused once that has moved."""
    head = branch(upstream, "f", "new.txt", "1")
    number = pull(upstream)
    told = {name: value.format(head=head) for name, value in body.items()}
    assert ask(upstream, "PUT", f"{REPO}/pulls/{number}/merge", told).status == status
    assert upstream.effects["pull.merged"] == int(status == 200)


def test_conflict(upstream: GithubSandbox) -> None:
    """Two changes of one file cannot be merged, and it says so before anybody tries."""
    branch(upstream, "f", "README.md", "theirs")
    sha = done(upstream, "GET", f"{REPO}/contents/README.md")["sha"]
    number = pull(upstream)
    write(upstream, "README.md", "ours", sha=sha)
    assert done(upstream, "GET", f"{REPO}/pulls/{number}")["mergeable_state"] == "dirty"
    assert ask(upstream, "PUT", f"{REPO}/pulls/{number}/merge").status == 405
    assert text(upstream, "README.md") == "ours"


@pytest.mark.parametrize(
    "body",
    [
        {"title": "a", "head": "main", "base": "main"},
        {"title": "a", "head": "none", "base": "main"},
        {"title": "a", "head": "f", "base": "none"},
        {"title": "a", "head": "ada:f", "base": "main"},
        {"head": "f", "base": "main"},
    ],
)
def test_bad_pull(upstream: GithubSandbox, body: dict[str, str]) -> None:
    """A pull request from nothing, to nothing, of nothing, or there already, is refused."""
    branch(upstream, "f", "new.txt", "1")
    pull(upstream)
    assert ask(upstream, "POST", f"{REPO}/pulls", body).status == 422
    assert upstream.effects["pull.created"] == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 1), ("?head=ada:g", 1), ("?head=ada:f", 0), ("?state=all&base=main", 2), ("?base=x", 0)],
)
def test_pulls_listed(upstream: GithubSandbox, query: str, count: int) -> None:
    """Pull requests are listed by state and by either end."""
    for name in "fg":
        branch(upstream, name, name, name)
        pull(upstream, name)
    done(upstream, "PATCH", f"{REPO}/pulls/1", {"state": "closed"})
    assert len(done(upstream, "GET", f"{REPO}/pulls{query}")) == count


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"event": "COMMENT", "body": "a"}, (200, "COMMENTED")),
        ({"body": "a"}, (200, "PENDING")),
        ({"event": "APPROVE"}, (422, None)),
        ({"event": "COMMENT"}, (422, None)),
        ({"event": "CHEER"}, (422, None)),
    ],
)
def test_reviewed(upstream: GithubSandbox, body: dict[str, str], said: tuple[int, str | None]) -> None:
    """A review says what its event says, waits without one, and nobody approves what is their own."""
    branch(upstream, "f", "new.txt", "1")
    path = f"{REPO}/pulls/{pull(upstream)}/reviews"
    answer = ask(upstream, "POST", path, body)
    assert (answer.status, answer.body.get("state")) == said
    assert len(done(upstream, "GET", path)) == upstream.effects["review.created"] == int(said[0] == 200)


# ------------------------------------------------------------------------------------------------------------- releases


def test_release_lives(upstream: GithubSandbox) -> None:
    """A draft makes no tag until it is published, and a deleted release leaves its tag."""
    path = f"{REPO}/releases/" + str(
        done(upstream, "POST", f"{REPO}/releases", {"tag_name": "v1", "draft": True})["id"]
    )
    tag, latest = f"{REPO}/git/ref/tags/v1", f"{REPO}/releases/latest"
    assert [ask(upstream, "GET", each).status for each in (tag, latest, f"{REPO}/releases/tags/v1")] == [404] * 3
    assert done(upstream, "PATCH", path, {"draft": False, "name": "One"})["published_at"] is not None
    assert [ask(upstream, "GET", each).status for each in (tag, latest, f"{REPO}/releases/tags/v1")] == [200] * 3
    assert ask(upstream, "POST", f"{REPO}/releases", {"tag_name": "v1"}).status == 422
    done(upstream, "DELETE", path)
    assert [ask(upstream, "GET", each).status for each in (tag, path)] == [200, 404]


def test_asset_lives(upstream: GithubSandbox) -> None:
    """An uploaded file is kept once under its name, shown with its size, and sent back as it came."""
    release = done(upstream, "POST", f"{REPO}/releases", {"tag_name": "v1"})
    path = f"{REPO}/releases/{release['id']}/assets?name=a.bin&label=A"
    said = [ask(upstream, "POST", path, b"\x00\xff", Content_Type="application/x-thing") for _ in range(2)]
    assert [each.status for each in said] == [201, 422]
    asset = f"{REPO}/releases/assets/{said[0].body['id']}"
    shown = done(upstream, "GET", asset)
    assert (shown["size"], shown["label"], shown["content_type"]) == (2, "A", "application/x-thing")
    assert ask(upstream, "GET", asset, Accept="application/octet-stream").raw == b"\x00\xff"
    assert done(upstream, "GET", f"{REPO}/releases/latest")["assets"] == [shown]
    done(upstream, "DELETE", asset)
    assert done(upstream, "GET", f"{REPO}/releases/{release['id']}/assets") == []
