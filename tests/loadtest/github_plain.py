"""One request to a GitHub sandbox without a client: straight into its work, headers and all."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from loadtest.upstreams.answer import Refusal
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.wiretap import Seen
from tests.loadtest.plain import SECRET

API = "https://api.github.test"
UPLOADS = "https://uploads.github.test"
LINKS = "http://127.0.0.1:1"

# Where most tests work; the token is its owner's.
REPO = "/repos/ada/engine"


class Said(NamedTuple):
    """
    An answer, its body as JSON and as it came.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    raw: bytes


def sandbox(**options: Any) -> GithubSandbox:
    """
    Return a sandbox that need not listen, on a clock that stands.
    """
    told: dict[str, Any] = {
        "secret": SECRET,
        "base_url": API,
        "uploads_url": UPLOADS,
        "link_url": LINKS,
        "clock": lambda: 1_800_000_000.0,
    }
    return GithubSandbox(**told | options)


def ask(upstream: GithubSandbox, method: str, path: str, body: object = None, **headers: str) -> Said:
    """
    Let a sandbox do one request; a body of bytes goes as it is, every other as JSON.
    """
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    all_headers = {"User-Agent": "tests", "Authorization": f"Bearer {SECRET}"} | told
    pairs = tuple((name.encode(), value.encode()) for name, value in all_headers.items())
    seen = Seen(method, path, pairs, raw)
    try:
        upstream.authenticate(seen)
        answer = upstream.work(seen)
    except Refusal as refusal:
        answer = refusal.answer()
    answer = upstream.dressed(seen, answer)
    is_json = "application/json" in answer.headers.get("Content-Type", "")
    return Said(answer.status, answer.headers, json.loads(answer.body) if is_json else None, answer.body)


def done(upstream: GithubSandbox, method: str, path: str, body: object = None, **headers: str) -> Any:
    """
    Let a sandbox do one request that it must not refuse, and return the body.
    """
    said = ask(upstream, method, path, body, **headers)
    assert said.status < 300, said
    return said.body


def branch(upstream: GithubSandbox, name: str, path: str, text: str, start: str = "main") -> str:
    """
    Make a branch with one file changed, and return its tip.
    """
    tip = done(upstream, "GET", f"{REPO}/git/ref/heads/{start}")["object"]["sha"]
    done(upstream, "POST", f"{REPO}/git/refs", {"ref": f"refs/heads/{name}", "sha": tip})
    there = ask(upstream, "GET", f"{REPO}/contents/{path}?ref={name}")
    sha = {"sha": there.body["sha"]} if there.status == 200 else {}
    return str(write(upstream, path, text, branch=name, **sha)["commit"]["sha"])


def write(upstream: GithubSandbox, path: str, text: str, **more: str) -> Any:
    """
    Write a file, and return what is answered.
    """
    return done(upstream, "PUT", f"{REPO}/contents/{path}", file(text, **more))


def file(text: str, **more: str) -> dict[str, str]:
    """
    Return the body that writes a file.
    """
    return {"message": "change", "content": base64.b64encode(text.encode()).decode(), **more}
