"""Breakers of two programs with one Redis: one trips for both; what only one cannot reach keeps back only that one."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from breakers.breaker import State
from proxy.ledger.layout import KEY_RING
from tests.proxy.ailing import BLOCKED, PARKED, PASSED, READS, WRITES, Ailing, ailing, outcome
from tests.proxy.road import closed_port, marks
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

GRAVE = "api:stripe/irreversible"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)


@asynccontextmanager
async def beside(one: Ailing, server: RedisServer, url: str) -> AsyncIterator[Ailing]:
    """
    Give another program of the same deployment: the same Redis and key ring, a ledger of its own.
    """
    folder = one.on.state.parent.parent / "two"
    (folder / "state").mkdir(parents=True, mode=0o700)
    shutil.copy(one.on.state / KEY_RING, folder / "state" / KEY_RING)
    async with ailing(folder, store=server.url, url=url) as other:
        yield other


async def test_trips_for_both(fresh_redis: RedisServer, tmp_path: Path) -> None:
    """What one program counts trips the breaker of both, on record once, and each counts for the other."""
    async with (
        ailing(tmp_path / "one", store=fresh_redis.url) as one,
        beside(one, fresh_redis, one.upstream.url) as other,
    ):
        one.break_(method="DELETE")
        for on in (one, other, one):
            assert on.state(GRAVE) is State.PASSING
            await on.delete()
            await on.look()
        one.heal()
        await other.look()
        assert (one.of(GRAVE).gen, other.of(GRAVE).gen) == (1, 1)
        assert outcome(await other.delete()) == outcome(await one.delete()) == PARKED
        assert outcome(await other.read()) == PASSED
        moved = [record.kind for on in (one, other) for record in await on.on.newest()].count("breaker.changed")
        assert moved == 1


async def test_unresolved_here(fresh_redis: RedisServer, tmp_path: Path) -> None:
    """A program that alone can make no connection blocks the account for itself, and the other one goes on."""
    async with (
        ailing(tmp_path / "one", store=fresh_redis.url) as one,
        beside(one, fresh_redis, f"http://127.0.0.1:{closed_port()}") as other,
    ):
        await one.read()
        await one.look()
        for _ in range(3):
            await other.read()
        await other.look()
        assert marks(await other.read())[1:] == (BLOCKED, "no", "breakers:upstream-failing")
        assert outcome(await other.write()) == PARKED
        assert outcome(await one.read()) == PASSED
        assert outcome(await one.write()) == PASSED
        changed = [record.entry for record in await other.on.newest() if record.kind == "breaker.changed"]
        assert [(entry["breaker"], entry["here"]) for entry in changed] == [(READS, True)]


async def test_forced_for_both(fresh_redis: RedisServer, tmp_path: Path) -> None:
    """What an operator forces at one program keeps back the writes of both."""
    async with (
        ailing(tmp_path / "one", store=fresh_redis.url) as one,
        beside(one, fresh_redis, one.upstream.url) as other,
    ):
        body = {"to": "suggest-only", "reason": "a test"}
        assert (await one.on.admin("POST", f"/v1/breakers/{WRITES}/force", body)).status == 200
        assert outcome(await other.write()) == PARKED
        assert (await one.on.admin("POST", f"/v1/breakers/{WRITES}/release", {"reason": "a test"})).status == 200
        assert outcome(await other.write()) == PASSED
