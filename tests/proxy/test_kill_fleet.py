"""The stop of two programs with one Redis: its proof, its record in both, and a Redis that loses what it knew."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.stops import ALL, Mode
from loadtest.upstreams.faults import Fault
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import main as breakwater
from proxy.ledger.layout import KEY_RING
from tests.proxy.again import ended
from tests.proxy.road import SECRET, Road, call_of, marks, road, soon
from tests.proxy.rows import CREATE
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

KILLED = (403, "denied", "no", "kill:killed")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@asynccontextmanager
async def two(folder: Path, server: RedisServer, url: str) -> AsyncIterator[tuple[Road, Road]]:
    """
    Give two programs of one deployment, whose logs have one name.
    """
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(road(folder / "one", url, store=server.url))
        (folder / "two" / "state").mkdir(parents=True, mode=0o700)
        shutil.copy(one.state / KEY_RING, folder / "two" / "state" / KEY_RING)
        yield one, await stack.enter_async_context(road(folder / "two", url, store=server.url))


async def test_proof_of_both(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Nothing is confirmed while the other program has a write on its way, which is named; its own is told apart."""
    async with two(tmp_path, fresh_redis, sandbox.url) as (one, other):
        assert one.rooms.ledger.origin == other.rooms.ledger.origin
        sandbox.faults.add(Fault(held=True))
        asking = asyncio.create_task(other.ask("POST", "/v1/customers", form=CREATE))
        await soon(sandbox.faults.holding.is_set)
        said = (await one.admin("POST", "/v1/kill", {})).json
        assert (said["shared"], said["confirmed"], said["process"]["in_flight"]) == (True, False, [])
        (flying,) = said["elsewhere"]
        theirs = (await other.admin("GET", "/v1/kill")).json
        assert ([each["intent"] for each in theirs["process"]["in_flight"]], theirs["elsewhere"]) == (
            [flying["intent"]],
            [],
        )
        sandbox.faults.release()
        assert call_of(await asking) == flying["intent"]
        # Its mark in the shared state goes behind its answer.
        await ended(other)
        for on in (one, other):
            assert (await on.admin("GET", "/v1/kill")).json["confirmed"]


async def test_learned_outlives(
    fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one program was told to stop the other begins stopped with, alone and before a Redis that forgot it."""
    async with two(tmp_path, fresh_redis, sandbox.url) as (one, other):
        await one.admin("POST", "/v1/kill", {"scope": "agent:support", "reason": "OPS-7"})
        await other.rooms.killswitch.poll()
        gone = one.rooms.ledger.replica
    fresh_redis.flush()
    async with road(tmp_path / "two", sandbox.url, store=fresh_redis.url) as alone:
        # It waits for the other, and once nobody does any more, the stop is what is left.
        assert (await alone.ask("POST", "/v1/customers", form=CREATE)).reason == "store-unavailable"
        monkeypatch.setattr("breakers.store.belonging.SILENT_S", -1.0)
        assert (await alone.admin("POST", f"/v1/fleet/{gone}/forget", {"reason": "a test"})).status == 200
        await alone.rooms.standing.look()
        assert marks(await alone.ask("POST", "/v1/customers", form=CREATE)) == KILLED
        (scope,) = (await alone.admin("GET", "/v1/status")).json["kill"]["scopes"]
        assert (scope["scope"], scope["by"], scope["reason"]) == ("agent:support", "admin", "OPS-7")
        # Who was told once is not told by everyone who hears of it.
        assert alone.log.of("stop") == []


async def test_notices_a_flush(
    fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that lost what it knew is noticed with the next look at the stop, once, and told the record again."""
    monkeypatch.setattr("proxy.standing.PAUSE_S", 0.0)
    async with road(tmp_path, sandbox.url, store=fresh_redis.url) as on:
        hurried, hurry = 0, on.rooms.killswitch.on_emptied

        def counted() -> None:
            nonlocal hurried
            hurried += 1
            hurry()

        monkeypatch.setattr(on.rooms.killswitch, "on_emptied", counted)
        fresh_redis.flush()
        # A look at the stop in the background may be the first.
        await on.rooms.killswitch.poll()
        await soon(lambda: hurried == 1 and not on.rooms.store.emptied and on.rooms.standing.fault is None)
        assert (await on.ask("POST", "/v1/customers", form=CREATE)).status == 200
        await on.rooms.killswitch.poll()
        assert hurried == 1
        assert on.rooms.killswitch.here.mode("all") is Mode.RUN


async def test_stopped_while_down(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A stop that is put on record while nothing runs is newer than all that the others ordered in that time."""
    async with two(tmp_path, fresh_redis, sandbox.url) as (one, other):
        await one.rooms.killswitch.order("agent:support", Mode.SUGGEST, "ana")
        await one.program.shutdown()
        for mode in (Mode.STOP_ALL, Mode.RUN, Mode.STOP_ALL, Mode.RUN):
            await other.rooms.killswitch.order(ALL, mode, "ben", "OPS-7")
    command = ["--config", str(tmp_path / "one" / "breakwater.yaml"), "kill"]
    for scope, code in (("agent:suport", 1), ("agent:support", 0), ("all", 0)):
        said = await asyncio.to_thread(breakwater, [*command, "--scope", scope, "--reason", "x" * 600])
        assert said == code
    async with road(tmp_path / "one", sandbox.url, store=fresh_redis.url) as again:
        for scope in ("agent:support", "all"):
            assert again.rooms.killswitch.here.mode(scope) is Mode.STOP_WRITES
        assert marks(await again.ask("POST", "/v1/customers", form=CREATE)) == KILLED
