"""Two programs of which one cannot reach what they share, and one whose Redis may throw away what it holds."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.store.protocol import StoreUnavailable
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.layout import KEY_RING
from tests.proxy.again import begun, ended, is_replay, key, posts, stripe
from tests.proxy.road import Road, call_of, charged, marks, road
from tests.proxy.rows import CREATE
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

CUSTOMERS = "/v1/customers"
AWAY = (503, "denied", "no", "store:store-unavailable")


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream
        upstream.faults.clear()


@pytest_asyncio.fixture
async def two(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[tuple[Road, Road]]:
    """
    Give two programs of one deployment.
    """
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(road(tmp_path / "one", sandbox.url, store=fresh_redis.url))
        (tmp_path / "two" / "state").mkdir(parents=True, mode=0o700)
        shutil.copy(one.state / KEY_RING, tmp_path / "two" / "state" / KEY_RING)
        yield one, await stack.enter_async_context(road(tmp_path / "two", sandbox.url, store=fresh_redis.url))
        sandbox.faults.clear()


@contextlib.contextmanager
def parted(on: Road) -> Iterator[None]:
    """
    Cut one program off from Redis.
    """

    async def away(*_: object, **how: object) -> None:
        raise StoreUnavailable("Redis cannot be reached")

    with pytest.MonkeyPatch.context() as patch:
        for verb in ("ask", "run", "look", "eviction"):
            patch.setattr(on.rooms.store._link, verb, away)  # type: ignore[attr-defined] # of a fleet's store
        yield


async def test_cut_off_before(two: tuple[Road, Road], sandbox: StripeSandbox) -> None:
    """A program that cannot reach Redis sends nothing; the other does, and afterwards both give the same answer."""
    one, other = two
    with parted(other):
        assert marks(await other.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))) == AWAY
        first = await one.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
        assert marks(await other.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))) == AWAY
        assert (await other.ask("GET", f"/v1/charges/{charged(sandbox)}")).status == 200
    is_replay(await other.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    assert posts(sandbox) == 1


async def test_cut_off_while_sending(two: tuple[Road, Road], sandbox: StripeSandbox) -> None:
    """A program that is cut off once its write has left answers it; the other knows of the write, and sends nothing."""
    one, other = two
    writing = await begun(one, sandbox, CREATE, key("k"))
    with parted(one):
        sandbox.faults.release()
        first = await writing.answer()
        await writing.end()
        assert first is not None
        assert first.status == 200
        late = await other.ask("POST", CUSTOMERS, form=CREATE, headers=(*key("k"), ("Breakwater-Deadline-Ms", "50")))
        assert (late.status, late.reason) == (409, "idempotency-in-flight")
    await one.rooms.standing.look()
    await ended(one)
    is_replay(await one.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    again = await other.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert (again.header("Breakwater-Dispatched"), again.header("Breakwater-Intent")) == ("yes", call_of(first))
    assert posts(sandbox) == 1


async def test_may_be_thrown_away(sandbox: StripeSandbox, fresh_redis: RedisServer, tmp_path: Path) -> None:
    """While Redis may throw away what it holds the program is up and writes nothing, and says what to set."""
    async with road(tmp_path, sandbox.url, store=fresh_redis.url) as on:
        with contextlib.closing(fresh_redis.operator()) as operator:
            first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
            operator.config_set("maxmemory-policy", "allkeys-lru")
            try:
                await on.rooms.standing.look()
                assert marks(await on.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("b"))) == AWAY
                is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
                assert (await on.ask("GET", f"/v1/charges/{charged(sandbox)}")).status == 200
                ready = await on.admin("GET", "/readyz")
                assert ready.status == 503
                assert "`allkeys-lru`, set it to `noeviction`" in ready.json["why"][0]
            finally:
                operator.config_set("maxmemory-policy", "noeviction")
        await on.rooms.standing.look()
        assert (await on.admin("GET", "/readyz")).status == 200
        assert (await on.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("b"))).status == 200
    assert posts(sandbox) == 2
