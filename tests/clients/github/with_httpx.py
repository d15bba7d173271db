"""
httpx at work at GitHub, as an agent without an SDK: it follows `Link`, and edits and deletes at the URLs in answers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx

from tests.clients.compare import Step
from tests.clients.play import Player, Target, told

REPO = "/repos/ada/engine"


def client(target: Target) -> httpx.Client:
    """
    Return the client as docs/CLIENTS.md sets it up.
    """
    return httpx.Client(
        base_url=target.base,
        headers={"Authorization": f"Bearer {target.key}", "User-Agent": "an-agent"},
        transport=httpx.HTTPTransport(uds=target.socket) if target.socket else None,
    )


def shown(answer: httpx.Response) -> Any:
    """
    Return an answer as it came.
    """
    data = answer.json() if answer.content else None
    return {"status": answer.status_code, "data": data, "headers": told(answer.headers)}


def refused(error: Any) -> Any:
    """
    Return everything that a failed status shows.
    """
    return shown(error.response)


class Asking:
    """
    The client's verbs, each of which raises where the status says so.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def __call__(self, method: str, where: str, **sent: Any) -> httpx.Response:
        """
        Ask, and raise where it failed.
        """
        return self._http.request(method, where, **sent).raise_for_status()

    def pages(self, where: str, **query: Any) -> Iterator[httpx.Response]:
        """
        Yield the pages of a list.
        """
        answer = self("GET", where, params=query)
        yield answer
        while "next" in answer.links:
            answer = self("GET", answer.links["next"]["url"])
            yield answer


def work(target: Target) -> list[Step]:
    """
    Play the script.
    """
    with client(target) as http:
        ask = Asking(http)
        play = Player((httpx.HTTPStatusError,), shown, refused, target.upstream)
        play("who", lambda: ask("GET", "/user"))
        _issues(play, ask)
        _files(play, ask)
        if target.name == "sandbox":
            _releases(play, ask)
        _failures(play, ask)
        return play.steps


def _issues(play: Player, ask: Asking) -> None:
    issues = f"{REPO}/issues"
    made = [play("create", partial(ask, "POST", issues, json={"title": f"Leak {n}"})) for n in range(5)]
    own = made[0].json()["url"]
    play("read", lambda: ask("GET", own))
    play("update", lambda: ask("PATCH", own, json={"title": "Zoë's leak", "body": "see\n\n#2"}))
    play("read again", lambda: ask("GET", own))
    play("paginate", lambda: ask.pages(issues, per_page=2, state="all"))
    comments = made[0].json()["comments_url"]
    comment = play("comment", lambda: ask("POST", comments, json={"body": f"as in {own}"})).json()["url"]
    play("edit comment", lambda: ask("PATCH", comment, json={"body": own}))
    play("comments", lambda: ask("GET", comments))
    play("delete comment", lambda: ask("DELETE", comment))
    play("deleted comment", lambda: ask("GET", comment))
    play("close", lambda: ask("PATCH", own, json={"state": "closed"}))


def _files(play: Player, ask: Asking) -> None:
    file, branch = f"{REPO}/contents/docs/a%20b.md", {"ref": "refs/heads/topic"}
    made = play("create file", lambda: ask("PUT", file, json=_written("one\n"))).json()["content"]
    play("read file", lambda: ask("GET", made["url"]))
    last = play("update file", lambda: ask("PUT", file, json=_written("two\n", sha=made["sha"]))).json()["content"]
    play("409", lambda: ask("PUT", file, json=_written("three\n", sha=made["sha"])))
    main = ask("GET", f"{REPO}/git/ref/heads/main").json()["object"]["sha"]
    play("branch", lambda: ask("POST", f"{REPO}/git/refs", json={**branch, "sha": main}))
    play("file on it", lambda: ask("PUT", f"{REPO}/contents/topic.md", json=_written("topic\n", branch="topic")))
    pull = {"head": "topic", "base": "main", "title": "Topic"}
    own = play("pull", lambda: ask("POST", f"{REPO}/pulls", json=pull)).json()["url"]
    play("edit pull", lambda: ask("PATCH", own, json={"title": "The topic"}))
    play("review", lambda: ask("POST", f"{own}/reviews", json={"body": "Fine.", "event": "COMMENT"}))
    play("close pull", lambda: ask("PATCH", own, json={"state": "closed"}))
    play("delete branch", lambda: ask("DELETE", f"{REPO}/git/refs/heads/topic"))
    play("delete file", lambda: ask("DELETE", file, json={"message": "remove", "sha": last["sha"]}))


def _written(text: str, **more: str) -> dict[str, str]:
    return {"message": "write", "content": base64.b64encode(text.encode()).decode(), **more}


def _releases(play: Player, ask: Asking) -> None:
    release = play("release", lambda: ask("POST", f"{REPO}/releases", json={"tag_name": "v1", "draft": True})).json()
    play("edit release", lambda: ask("PATCH", release["url"], json={"body": "The first.", "draft": False}))
    uploads, sent = release["upload_url"].partition("{")[0], {"headers": {"Content-Type": "text/plain"}}
    play("upload", lambda: ask("POST", uploads, params={"name": "notes.txt"}, content=b"notes", **sent))
    play("delete release", lambda: ask("DELETE", release["url"]))
    play("dispatch", lambda: ask("POST", f"{REPO}/actions/workflows/ci.yml/dispatches", json={"ref": "main"}))


def _failures(play: Player, ask: Asking) -> None:
    read, title = f"{REPO}/issues/2", {"title": "never"}
    play("404", lambda: ask("GET", f"{REPO}/issues/999"))
    play("422", lambda: ask("POST", f"{REPO}/labels", json={"name": "bug", "color": "not a colour"}))
    for status in (500, 502, 503):
        play.fails(f"{status} of a read", lambda: ask("GET", read), status)
    for status in (400, 403, 410, 429):
        play.fails(f"{status} of a write", lambda: ask("POST", f"{REPO}/issues", json=title), status, "POST")
    play("after all", lambda: ask("GET", read))


def ours(target: Target) -> list[Step]:
    """
    Meet what Breakwater refuses.
    """
    with client(target) as http:
        ask = Asking(http)
        play = Player((httpx.HTTPStatusError,), shown, refused, target.upstream)
        play("not allowed", lambda: ask("DELETE", REPO))
        play.fails("in doubt", lambda: ask("POST", f"{REPO}/issues", json={"title": "twice"}), 500, "POST")
        return play.steps
