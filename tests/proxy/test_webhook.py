"""The webhook: what is posted, what counts as taken, and that its URL is shown to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from config.alerts import HookSource
from proxy.dial import Address, Dialer
from proxy.errors import StartRefused
from proxy.webhook import Webhook, open_webhook
from tests.canary.forms import secret

PATH = f"/hook/{secret('webhook')}"

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def receiver(answer: Handler) -> AsyncIterator[str]:
    """
    Serve the hook on loopback, and return its origin.
    """
    app = web.Application()
    app.router.add_post("/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def hook(url: str, doors: tuple[Address, ...] = ()) -> Webhook:
    """
    Return the webhook at this URL, as a configuration that names it in the environment has it.
    """
    opened = open_webhook(HookSource(env="HOOK"), {"HOOK": url}, Dialer(lambda: doors))
    assert opened is not None
    return opened


async def test_posted_as_json() -> None:
    """An alert is posted whole, as JSON, to the path that the URL names."""
    came: list[tuple[str, str, object]] = []

    async def take(request: web.Request) -> web.Response:
        came.append((request.path, request.content_type, orjson.loads(await request.read())))
        return web.Response(status=204)

    async with receiver(take) as origin:
        webhook = hook(origin + PATH)
        assert await webhook.post({"id": "1", "node": "task:a/1"}) is None
        await webhook.close()
    assert came == [(PATH, "application/json", {"id": "1", "node": "task:a/1"})]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
async def test_only_success_is_taken(status: int) -> None:
    """Only a 2xx is a receipt; a redirect is followed nowhere."""
    came = []

    async def answer(request: web.Request) -> web.Response:
        came.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with receiver(answer) as origin:
        webhook = hook(origin + PATH)
        assert await webhook.post({"id": "1"}) == f"it answered {status}"
        await webhook.close()
    assert came == [PATH]


async def test_unreachable() -> None:
    """A receiver that is not there is a reason, and no exception; the reason does not repeat the URL."""
    webhook = hook(f"http://127.0.0.1:1{PATH}")
    why = await webhook.post({"id": "1"})
    await webhook.close()
    assert why is not None
    assert why.startswith("it could not be reached: ")
    assert secret("webhook") not in why


async def test_never_a_door() -> None:
    """A URL that leads back to a door of ours is not dialled."""
    came = []

    async def never(request: web.Request) -> web.Response:
        came.append(request.path)
        return web.Response()

    async with receiver(never) as origin:
        webhook = hook(origin + PATH, (("127.0.0.1", int(origin.rpartition(":")[2])),))
        why = await webhook.post({"id": "1"})
        await webhook.close()
    assert why is not None
    assert came == []


@pytest.mark.parametrize(
    ("url", "error", "hint"),
    [
        ("", "the webhook's URL is empty: environment variable HOOK", "set it"),
        (
            "hooks.example.com/x",
            "the webhook's URL: this is no URL of a webhook",
            "https://hooks.example.com/breakwater",
        ),
        ("ftp://hooks.example.com/x", "the webhook's URL: this webhook cannot be dialled", "https://api.example.com"),
        (
            "http://hooks.example.com/x",
            "the webhook's URL: this webhook cannot be dialled",
            "https://hooks.example.com",
        ),
        ("https://localhost/x", "the webhook's URL: this webhook cannot be dialled", "127.0.0.1"),
        ("https://hooks.example.com/x#y", "the webhook's URL: this is no URL of a webhook", "https://"),
        ("https://me:pass@hooks.example.com/x", "the webhook's URL: this webhook cannot be dialled", ""),
    ],
)
def test_refused_at_start(url: str, error: str, hint: str) -> None:
    """A URL that may not be dialled stops the start, in words, and is not repeated."""
    with pytest.raises(StartRefused) as refused:
        hook(url)
    assert refused.value.error == error
    assert hint in refused.value.hint


def test_kept_in_a_file(tmp_path: Path) -> None:
    """The URL may stand in a file; whoever shows the webhook does not show it."""
    kept = tmp_path / "hook"
    kept.write_text(f"https://hooks.example.com{PATH}\n")
    webhook = open_webhook(HookSource(file=kept), {}, Dialer(list))
    # The one place where it may stand.
    kept.unlink()
    assert secret("webhook") not in repr(webhook)


def test_none_named() -> None:
    """Without a webhook nothing is posted anywhere."""
    assert open_webhook(None, {}, Dialer(list)) is None
