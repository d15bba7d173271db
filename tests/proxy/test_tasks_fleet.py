"""Tasks and tokens of two programs with one Redis: what one has opened, closed, revoked and taken, the other knows."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.store.protocol import StoreUnavailable
from proxy.envelopes import FRESH_S
from proxy.ledger.layout import KEY_RING
from tests.proxy.road import Road, road
from tests.proxy.scripted import Scripted, scripted
from tests.proxy.tasked import named, narrower, open_task, said, under
from tests.proxy.test_store_away import Away
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

PASSED = (200, "allowed")


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give an upstream that looks.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture
async def two(fresh_redis: RedisServer, upstream: Scripted, tmp_path: Path) -> AsyncIterator[tuple[Road, Road]]:
    """
    Give two programs of one deployment: one Redis, one key ring, a ledger each.
    """
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(road(tmp_path / "one", upstream.url, store=fresh_redis.url))
        (tmp_path / "two" / "state").mkdir(parents=True, mode=0o700)
        shutil.copy(one.state / KEY_RING, tmp_path / "two" / "state" / KEY_RING)
        yield one, await stack.enter_async_context(road(tmp_path / "two", upstream.url, store=fresh_redis.url))


async def test_known_to_both(two: tuple[Road, Road]) -> None:
    """A task that one program opened is a task at the other, with its labels, its caps, and what was taken of them."""
    one, other = two
    task, token = await open_task(one, caps={"calls": 2}, record="ticket:1", model="m-4")
    assert [said(await under(on, token)) for on in (one, other, one)] == [PASSED, PASSED, (403, "budget-exhausted")]
    shown, totals = await other.rooms.tasks.shown(task.id)
    assert shown == task
    assert [(total.measure, total.settled, total.held) for total in totals] == [("calls", 2, 0)]
    assert await other.rooms.tasks.listed() == (task,)


async def test_revoked_elsewhere(two: tuple[Road, Road]) -> None:
    """A token that was revoked at one program is refused there at once, and at the other within five seconds."""
    one, other = two
    _, token = await open_task(one)
    child = narrower(token, "m=GET")
    assert [said(await under(on, text)) for on in two for text in (token, child)] == [PASSED] * 4
    await one.rooms.tasks.revoke(child)
    assert said(await under(one, child)) == (401, "token-expired")
    other.clock.move(FRESH_S + 0.001)
    assert said(await under(other, child)) == (401, "token-expired")
    assert said(await under(other, token)) == PASSED


async def test_closed_elsewhere(two: tuple[Road, Road]) -> None:
    """A task that was closed at one program is over at the other within five seconds, with what is part of it."""
    one, other = two
    task, _ = await open_task(one)
    _, token = await open_task(other, parent=task.id)
    assert said(await under(other, token)) == PASSED
    await one.rooms.tasks.close(task.id)
    other.clock.move(FRESH_S + 0.001)
    assert said(await under(other, token)) == (403, "task-closed")
    assert said(await named(other, task.id)) == (403, "task-closed")


async def test_store_away(two: tuple[Road, Road], upstream: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away a read under a token goes on for as long as is configured, and a write does not begin."""
    on, _ = two
    _, token = await open_task(on)
    assert said(await under(on, token)) == PASSED
    with monkeypatch.context() as patch:
        for verb in ("envelope", "news"):
            patch.setattr(on.rooms.store, verb, Away())
        patch.setattr(on.rooms.store._claims, "claim", Away())  # type: ignore[attr-defined] # of a fleet's store
        on.rooms.envelopes.away_s = 60.0
        on.clock.move(60.0)
        # The time that passed at once is no time without a word of the stop, which would refuse the write by itself.
        assert await on.rooms.killswitch.poll()
        assert said(await under(on, token)) == PASSED
        sent = len(upstream.asked)
        assert said(await under(on, token, "POST", form={"email": "a@example.com"})) == (503, "store-unavailable")
        on.clock.move(0.001)
        assert said(await under(on, token)) == (503, "store-unavailable")
        assert len(upstream.asked) == sent
    assert await on.rooms.killswitch.poll()
    assert said(await under(on, token, "POST", form={"email": "a@example.com"})) == PASSED


async def test_told_later(two: tuple[Road, Road], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on record and the store could not be told holds here at once, and elsewhere once it was told."""
    on, other = two
    (_, token), (_, beside) = await open_task(on), await open_task(on)
    closed, _ = await open_task(on)
    assert said(await under(on, beside)) == PASSED
    with monkeypatch.context() as patch:
        patch.setattr(on.rooms.store, "apply", Away())
        for done in (on.rooms.tasks.revoke(token), on.rooms.tasks.close(closed.id)):
            with pytest.raises(StoreUnavailable, match="on record"):
                await done
        await on.rooms.tasks.try_sweep()
        patch.setattr(on.rooms.store, "envelope", Away())
        assert said(await under(on, beside)) == PASSED
    assert said(await under(on, token)) == (401, "token-expired")
    assert said(await named(on, closed.id)) == (403, "task-closed")
    assert said(await named(other, closed.id)) == said(await under(other, token)) == PASSED
    await on.rooms.tasks.try_sweep()
    other.clock.move(FRESH_S + 0.001)
    for one in two:
        assert said(await under(one, token)) == (401, "token-expired")
        assert said(await named(one, closed.id)) == (403, "task-closed")


async def test_card_of_the_other(two: tuple[Road, Road]) -> None:
    """A process that has no card of an agent yet leaves alone what was opened since where there is one."""
    old, new = two
    old.rooms.tasks.agents = frozenset({"platform"})
    new.clock.move(1)
    _, token = await open_task(new)
    await old.rooms.tasks.sweep()
    assert said(await under(new, token)) == PASSED
