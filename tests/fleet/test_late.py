"""What arrives while a loss is made good: answers of before it, ends, and what is not on record yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from breakers.known import State
from breakers.store.link import EMPTIED
from breakers.store.protocol import Permit, StoreUnavailable
from tests.contract.charges import month, spending, sum_of
from tests.contract.world import judged, read, taken
from tests.fleet.replicas import Fleet, fleet_at, numbered, saying
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)


@pytest_asyncio.fixture
async def fleet(fresh_redis: RedisServer) -> AsyncIterator[Fleet]:
    """
    Give a fleet on an empty Redis.
    """
    async with fleet_at(fresh_redis) as made:
        yield made


async def nobody(*_: object, **__: object) -> None:
    """
    Do not answer.
    """
    raise StoreUnavailable("nobody is there")


async def test_ended_while_wiped(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that comes while all is thrown away is known whole, or not at all: its names are not free again."""
    (one,) = await fleet.start("one")
    held = await one.held(numbered(1))
    assert await one.sent(held) is Permit.GRANTED
    look = saying(replace(one.store.fleet._server, evicted=one.store.fleet._server.evicted + 1))
    monkeypatch.setattr(one.store._link, "look", look)
    tag, ask, first = one.store._shared.tag.encode(), one.store._link.ask, True

    async def in_two(command: str, key: str, *arguments: str, **more: Any) -> Any:
        nonlocal first
        if command != "SCAN" or not first:
            return await ask(command, key, *arguments, **more)
        if key == "0":
            return [b"7", [tag + b"intent:01A"]]
        first = False
        await one.ended(held)
        return [b"0", [tag + b"name:k:1", tag + b"name:f1:1", tag + b"name:e:1"]]

    monkeypatch.setattr(one.store._link, "ask", in_two)
    await fleet.settle("one")
    assert not first
    (known,) = (await judged(one.store, numbered(1))).facts.known.under["k:1"]
    assert (known.intent, known.state) == ("01A", State.COMPLETED)


async def test_held_and_unrecorded(fleet: Fleet) -> None:
    """What a read holds that is not on record yet is held after a loss as well; one without a process gives it back."""
    one, two = await fleet.start("one", "two")
    ten = month(10, 50)
    held = await taken(one.store, read("01R"), ten)
    fleet.server.flush()
    await fleet.settle("one", "two")
    assert await sum_of(two.store, ten) == (0, 10)
    await one.store.settle(held, spending(4))
    assert await sum_of(two.store, ten) == (4, 0)
    await taken(one.store, read("02R"), ten)
    fleet.server.flush()
    await fleet.settle("one", "two")
    assert await sum_of(two.store, ten) == (0, 10)
    await one.start()
    assert await sum_of(two.store, ten) == (0, 0)


async def test_answered_after_all_was_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server answers that lost its data since counts for nothing, though all was told anew before it arrived."""
    (one,) = await fleet.start("one")
    ten, go = month(10, 50), await judged(one.store, read("01R"))
    hold = one.store._charged.hold

    async def late(*told: Any) -> Any:
        said = await hold(*told)
        one.store._charged._held.clear()
        fleet.server.flush()
        await fleet.settle("one")
        return said

    monkeypatch.setattr(one.store._charged, "hold", late)
    with pytest.raises(StoreUnavailable):
        await one.store.reserve(replace(go, charges=(ten,)))
    assert one.fault() is None
    assert not one.store.emptied


async def test_missed_while_owed(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """That an answer reached nobody is known, too, where the end before it is still owed."""
    (one,) = await fleet.start("one")
    held = await one.held(numbered(1))
    await one.sent(held)
    with monkeypatch.context() as patch:
        patch.setattr(one.store._intents, "settle", nobody)
        await one.ended(held)
        with pytest.raises(StoreUnavailable):
            await one.store.delivered("01A", reached=False)
    await one.store.delivered("01A", reached=False)
    await one.look()
    known = await one.store.earlier("01A")
    assert known is not None
    assert (known.state, known.delivered) == (State.COMPLETED, False)


async def test_said_while_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as a record is told, whoever asks is told that something was lost."""
    (one,) = await fleet.start("one")
    fleet.server.flush()
    said: list[str | None] = []

    async def noting(*_: object, **__: object) -> None:
        said.append(one.fault())
        raise StoreUnavailable("it takes long")

    monkeypatch.setattr(one.store, "start", noting)
    await one.look()
    assert said == [EMPTIED]
