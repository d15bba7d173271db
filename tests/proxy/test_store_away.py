"""A store that is away, or cannot be trusted: nothing is begun that needs it, and nothing that was done is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from breakers.store.protocol import StoreUnavailable
from loadtest.upstreams.stripe import StripeSandbox
from tests.proxy.again import ended, is_replay, key, posts, stripe
from tests.proxy.road import Road, call_of, charged, closed_port, first_sentence, marks, road
from tests.proxy.rows import CREATE, NOTHING

CUSTOMERS = "/v1/customers"
AWAY = (503, "denied", "no", "store:store-unavailable")


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream


@pytest_asyncio.fixture
async def on(sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give the road.
    """
    async with road(tmp_path, sandbox.url) as running:
        yield running


class Away:
    """A verb that cannot be asked, for so many calls or for ever; `calls` counts how often somebody tried."""

    def __init__(self, verb: Callable[..., Awaitable[Any]] | None = None, for_calls: int = 0) -> None:
        self.calls, self._verb, self._for_calls = 0, verb, for_calls

    async def __call__(self, *arguments: object, **named: object) -> Any:
        """
        Fail, or do what the verb does.
        """
        self.calls += 1
        if self._verb is None or self.calls <= self._for_calls:
            raise StoreUnavailable("it does not answer")
        return await self._verb(*arguments, **named)


@pytest.mark.parametrize("verb", ["facts", "reserve"])
async def test_before_the_intent(verb: str, on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that cannot be judged or reserved is refused with a time to try again, recorded, and never sent."""
    with monkeypatch.context() as patch:
        patch.setattr(on.rooms.store, verb, Away())
        no = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(no) == AWAY
    assert first_sentence(no.json["error"]["message"]) == NOTHING
    assert no.header("Retry-After") in {"1", "2", "3", "4", "5"}
    assert await on.kinds(call_of(no)) == ["call.decision"]
    assert sandbox.wiretap.requests == []
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200


async def test_at_the_gate(on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose mark cannot be set before its first byte is not sent, and its key is free again."""
    with monkeypatch.context() as patch:
        patch.setattr(on.rooms.store, "dispatch", Away())
        no = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert (no.status, no.header("Breakwater-Dispatched")) == (503, "no")
    ended_as = (await on.on_record(call_of(no)))[-1].entry
    assert (ended_as["k"], ended_as["eff"], ended_as["sent"]) == ("call.outcome", "not_applied", "no")
    assert sandbox.wiretap.requests == []
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200


async def test_settled_later(on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that was made is answered though the store cannot be told; it is told later, and then knows."""
    monkeypatch.setattr(on.rooms.settling, "_again_after_s", (0.0, 0.0, 0.0))
    away = Away(on.rooms.store.settle, for_calls=2)
    monkeypatch.setattr(on.rooms.store, "settle", away)
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(first) == (200, "executed", "yes", "forward:allowed")
    await ended(on)
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    assert (away.calls, posts(sandbox)) == (3, 1)


async def test_joined_while_away(on: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat whose first cannot be asked about is told that it may be under way, never that nothing was sent."""
    monkeypatch.setattr(on.rooms.settling, "_again_after_s", ())
    with monkeypatch.context() as patch:
        patch.setattr(on.rooms.store, "settle", Away())
        patch.setattr(on.rooms.store, "wait", Away())
        assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200
        again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(again) == (409, "unknown", "unknown", "repeats:idempotency-in-flight")


async def test_not_to_be_trusted(on: Road, sandbox: StripeSandbox) -> None:
    """While the store cannot be relied on no write begins, `readyz` says why, and reads and repeats go on."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    on.rooms.standing.fault = "its maxmemory-policy is `allkeys-lru`"
    no = await on.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("other"))
    assert marks(no) == AWAY
    assert "allkeys-lru" in no.json["error"]["message"]
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    assert (await on.ask("GET", f"/v1/charges/{charged(sandbox)}")).status == 200
    ready = await on.admin("GET", "/readyz")
    assert (ready.status, ready.json["why"]) == (503, ["store: its maxmemory-policy is `allkeys-lru`"])
    said = (await on.admin("GET", "/v1/status")).json["store"]
    assert (said["kind"], said["fault"]) == ("memory", "its maxmemory-policy is `allkeys-lru`")
    assert posts(sandbox) == 1


async def test_away_at_start(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A program whose Redis cannot be reached is up: it reads, says why it does not write, and counts nothing wrong."""
    async with road(tmp_path, sandbox.url, store=f"redis://127.0.0.1:{closed_port()}") as on:
        no = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
        assert marks(no) == AWAY
        assert (await on.ask("GET", f"/v1/charges/{charged(sandbox)}")).status == 200
        ready = await on.admin("GET", "/readyz")
        assert ready.status == 503
        assert ready.json["why"][0].startswith("store: ")
        status = (await on.admin("GET", "/v1/status")).json
        assert (status["store"]["kind"], status["store"]["open_intents"]) == ("redis", None)
        kill = status["kill"]
        assert (kill["mode"], kill["process"]["heard"], kill["elsewhere"]) == ("run", False, None)
        assert (await on.admin("GET", "/metrics")).status == 200
    assert posts(sandbox) == 0


@pytest.mark.parametrize("after", ["unheard", "broken"])
async def test_lost_account(after: str, on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that broke off where nobody foresaw it is in doubt, whether or not the store can be told at once."""
    on.foreseen = False
    monkeypatch.setattr(on.rooms.settling, "_again_after_s", (0.0, 0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(on.rooms.forward, "_conclude", None)
        if after == "unheard":
            patch.setattr(on.rooms.store, "earlier", Away())
            patch.setattr(on.rooms.store, "settle", Away(on.rooms.store.settle, for_calls=1))
        first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(first) == (424, "unknown", "unknown", "forward:outcome-unknown")
    await ended(on)
    again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(again) == (424, "unknown", "unknown", "repeats:outcome-unknown")
    assert posts(sandbox) == 1
