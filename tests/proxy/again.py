"""What a repeat of a write is made with, and what must be so of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from loadtest.installation import agent
from loadtest.upstreams.faults import Fault
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.proxy.road import SECRET, Headers, Road, call_of, marks, road, soon
from tests.proxy.rows import FORM
from tests.wire.client import Answer, Connection

HERE = {"only": {"owner": "ada", "repo": "engine"}}
HUB = agent({"github": {f"issues/{verb}": HERE for verb in ("create", "create-comment", "delete-comment", "get")}})
ISSUES = "/repos/ada/engine/issues"
JSON = "application/json"

REPLAYED = ("replayed", "yes", "repeats:replayed")
IN_DOUBT = (424, "unknown", "unknown", "repeats:outcome-unknown")


def key(text: str) -> Headers:
    """
    Return the header of an idempotency key.
    """
    return (("Idempotency-Key", text),)


def is_replay(again: Answer, first: Answer) -> None:
    """
    Fail unless this is the first answer again: its status, body and own headers, marked, under an id of its own.
    """
    assert marks(again) == (first.status, *REPLAYED)
    assert again.body == first.body
    assert again.header("Idempotent-Replayed") == "true"
    assert again.header("Breakwater-Intent") == call_of(first)
    assert call_of(again) not in {"", call_of(first)}
    assert _own(again) == _own(first)


def _own(answer: Answer) -> list[tuple[str, str]]:
    # The date is the first one's, where the upstream gave one; without, each answer has its own.
    ours = ("breakwater-", "idempotent-replayed")
    return [(name.lower(), value) for name, value in answer.headers if not name.lower().startswith(ours)]


@asynccontextmanager
async def hub(folder: Path, upstream: GithubSandbox, **settings: object) -> AsyncIterator[Road]:
    """
    Give a road to GitHub, for the agent `hub`.
    """
    api = {"catalog": "github", "upstream": upstream.url, "credential": {"env": "STRIPE_SECRET"}}
    cards = {"hub": HUB, "other": HUB}
    async with road(folder, upstream.url, apis={"github": api}, agents=cards, **settings) as on:  # type: ignore[arg-type]
        yield on


async def at_hub(on: Road, method: str, target: str, body: bytes = b"", headers: Headers = ()) -> Answer:
    """
    Ask GitHub, which answers nobody who does not say who it is.
    """
    said = (("User-Agent", "test"), *headers)
    media = JSON if body else None
    return await on.ask(method, target, door="github", agent="hub", headers=said, body=body, media=media)


async def comment(on: Road, issue: int, text: str, headers: Headers = ()) -> Answer:
    """
    Write a comment at GitHub.
    """
    return await at_hub(on, "POST", f"{ISSUES}/{issue}/comments", b'{"body": "%b"}' % text.encode(), headers)


async def opened(on: Road, title: str, headers: Headers = ()) -> Answer:
    """
    Open an issue at GitHub.
    """
    return await at_hub(on, "POST", ISSUES, b'{"title": "%b"}' % title.encode(), headers)


async def begun(
    on: Road, sandbox: StripeSandbox, form: Mapping[str, object], headers: Headers = (), target: str = "/v1/customers"
) -> Connection:
    """
    Begin a write that the upstream holds, on a connection of its own.
    """
    sandbox.faults.add(Fault(held=True, method="POST"))
    connection = await on.connect()
    body = urlencode(form).encode()
    shown = [("Authorization", f"Bearer {on.keys['support']}"), *headers]
    await connection.send(on.head("POST", target, shown, len(body), FORM) + body)
    await soon(sandbox.faults.holding.is_set)
    return connection


async def joined(on: Road, count: int) -> None:
    """
    Wait until so many calls wait for the end of another.
    """
    await soon(lambda: len(on.rooms.store._waiters) == count)  # type: ignore[attr-defined] # of every store here


async def ended(on: Road) -> None:
    """
    Wait until nothing is under way, nor behind the road.
    """
    await soon(lambda: not len(on.rooms.inflight) and not len(on.rooms.settling) and not len(on.rooms.pending))
    await asyncio.sleep(0)


def posts(sandbox: StripeSandbox | GithubSandbox) -> int:
    """
    Return how many writes an upstream was sent.
    """
    return sum(seen.method != "GET" for seen in sandbox.wiretap.requests)


def stripe() -> StripeSandbox:
    """
    Return an upstream that takes the road's secret.
    """
    return StripeSandbox(secret=SECRET)
