"""Two programs with one Redis: what one has claimed, sent and answered, the other knows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.layout import KEY_RING
from tests.proxy.again import begun, ended, is_replay, key, posts, stripe
from tests.proxy.road import Headers, Road, call_of, charged, marks, road, soon
from tests.proxy.rows import CREATE, SENDS
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

CUSTOMERS = "/v1/customers"


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
    Give two programs of one deployment: one Redis, one key ring, a ledger each.
    """
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(road(tmp_path / "one", sandbox.url, store=fresh_redis.url))
        (tmp_path / "two" / "state").mkdir(parents=True, mode=0o700)
        shutil.copy(one.state / KEY_RING, tmp_path / "two" / "state" / KEY_RING)
        other = await stack.enter_async_context(road(tmp_path / "two", sandbox.url, store=fresh_redis.url))
        assert [on.rooms.standing.fault for on in (one, other)] == [None, None]
        yield one, other
        sandbox.faults.clear()


@pytest.mark.parametrize("headers", [key("k"), ()], ids=["a key", "no key"])
async def test_same_moment(headers: Headers, two: tuple[Road, Road], sandbox: StripeSandbox) -> None:
    """The same request at both in the same moment is sent once, and both answers are of that."""
    form = {"charge": charged(sandbox), "amount": 500}
    answers = await asyncio.gather(*(on.ask("POST", "/v1/refunds", form=form, headers=headers) for on in two))
    (first,) = [one for one in answers if one.header("Idempotent-Replayed") is None]
    (again,) = [one for one in answers if one is not first]
    is_replay(again, first)
    assert (first.status, posts(sandbox), sandbox.account.effects["refund.created"]) == (200, 1, 1)


async def test_answered_by_the_other(two: tuple[Road, Road], sandbox: StripeSandbox) -> None:
    """What one has answered the other gives again, from what the first left sealed in the store."""
    one, other = two
    first = await one.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    is_replay(await other.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    no = await other.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("k"))
    assert (no.status, no.header("Breakwater-Intent")) == (422, call_of(first))
    assert (await other.ask("POST", CUSTOMERS, form=CREATE)).reason == "duplicate-suspected"
    assert posts(sandbox) == 1


async def test_doubt_of_the_other(two: tuple[Road, Road], sandbox: StripeSandbox) -> None:
    """What one does not know the end of is in doubt for the other, under whatever key."""
    one, other = two
    sandbox.faults.add(Fault(HangUp(), applied=True, times=SENDS))
    first = await one.ask("POST", CUSTOMERS, form=CREATE)
    for headers in ((), key("k")):
        again = await other.ask("POST", CUSTOMERS, form=CREATE, headers=headers)
        assert marks(again) == (424, "unknown", "unknown", "repeats:outcome-unknown")
        assert again.header("Breakwater-Intent") == call_of(first)
    assert sandbox.account.effects == {"customer.created": 1}


async def test_left_by_one(two: tuple[Road, Road], sandbox: StripeSandbox) -> None:
    """A caller that hung up on one has its answer from the other, once."""
    one, other = two
    first = await begun(one, sandbox, CREATE)
    await first.end()
    sandbox.faults.release()
    await ended(one)
    again = await other.ask("POST", CUSTOMERS, form=CREATE)
    assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
    await ended(other)
    assert (await one.ask("POST", CUSTOMERS, form=CREATE)).reason == "duplicate-suspected"


async def test_flushed(
    two: tuple[Road, Road], sandbox: StripeSandbox, fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that lost everything holds no write until it was told what is on record; then nothing was forgotten."""
    monkeypatch.setattr("proxy.standing.PAUSE_S", 0.0)
    one, _ = two
    first = await one.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    sandbox.faults.add(Fault(HangUp(), times=SENDS))
    await one.ask("POST", CUSTOMERS, form={"name": "lost"}, headers=key("lost"))
    fresh_redis.flush()
    no = await one.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(no) == (503, "denied", "no", "store:store-unavailable")
    await soon(lambda: one.rooms.standing.fault is None and not one.rooms.store.emptied)
    is_replay(await one.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    assert (await one.ask("POST", CUSTOMERS, form={"name": "lost"})).status == 424
    assert sandbox.account.effects == {"customer.created": 1}
