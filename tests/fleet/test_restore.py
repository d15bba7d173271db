"""The restore drill of `docs/FLEET.md`, performed: with the very commands that stand there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.known import State
from breakers.store.protocol import Permit
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import main as breakwater
from tests.fleet.replicas import Paper, Replica, numbered
from tests.fleet.world import two
from tests.proxy.road import SECRET, Road, marks, road, soon
from tests.proxy.rows import CREATE
from tests.redis_server import RedisServer, fresh_redis, redis_server
from tests.tidy.source import ROOT

__all__ = ["fresh_redis", "redis_server"]

GUIDE = (ROOT / "docs" / "FLEET.md").read_text("utf-8")

LOST = "5d1f2a90c3b47e68"
"""The replica whose disk is lost, by the name that it has in the guide."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine, and look often, so that nobody waits for a second to pass.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr("proxy.beating.EVERY_S", 0.05)
    monkeypatch.setattr("proxy.standing.PAUSE_S", 0.05)


@dataclass(slots=True, repr=False)
class Drill:
    """
    A running program, and another replica of its fleet, of which there is only what it says.
    """

    on: Road
    lost: Replica
    upstream: str
    capsys: pytest.CaptureFixture[str]

    async def types(self, command: str) -> tuple[int, str]:
        """
        Type a command that stands in the guide; return its exit code and what it printed.
        """
        assert f"$ {command}\n" in GUIDE, f"the guide does not say: {command}"
        config = self.on.state.parent / "breakwater.yaml"
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)][1:]
        code = await asyncio.to_thread(breakwater, ["--config", str(config), *words])
        printed = self.capsys.readouterr()
        return code, printed.out + printed.err

    async def well(self) -> None:
        """
        Wait until writes are held.
        """
        await soon(lambda: self.on.rooms.standing.fault is None)


@pytest_asyncio.fixture
async def drill(fresh_redis: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Drill]:
    """
    Give a program, and a replica that belongs to the fleet as it does and has a write on its way.
    """
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(StripeSandbox(secret=SECRET))
        on = await stack.enter_async_context(road(tmp_path, sandbox.url, store=fresh_redis.url))
        lost = Replica(LOST, lambda: fresh_redis, Paper(LOST))
        lost.deployment, lost.names_by = on.rooms.settings.deployment, ""
        await lost.start()
        await lost.beat()
        await soon(lambda: LOST in on.rooms.ledger.fleet.known.names)
        await lost.look()
        assert lost.fault() is None
        yield Drill(on, lost, sandbox.url, capsys)
        for store in lost.every:
            await store.close()


async def test_all_alive(fresh_redis: RedisServer, tmp_path: Path) -> None:
    """A Redis that is lost whole costs no command where all replicas are alive, and no write is made a second time."""
    async with two(tmp_path, fresh_redis) as both:
        first = await both.one.ask("POST", "/v1/customers", form=CREATE)
        assert marks(first)[0] == 200
        for _ in range(2):
            told = [len(on.log.of("store-lost")) for on in both.roads]
            fresh_redis.flush()
            for on, count in zip(both.roads, told, strict=True):
                await soon(partial(has_noticed, on, count))
            for on in both.roads:
                await soon(partial(is_well, on))
        again = await both.other.ask("POST", "/v1/customers", form=CREATE)
        assert (again.status, again.reason) == (403, "duplicate-suspected")
        assert both.sandbox.account.effects == {"customer.created": 1}
        for on in both.roads:
            assert [line["why"] for line in on.log.of("store-lost")] == ["emptied"] * 2
            assert len(on.log.of("store-rebuilt")) == 2


def is_well(on: Road) -> bool:
    """
    Tell whether a program holds writes.
    """
    return on.rooms.standing.fault is None and not on.rooms.store.emptied


def has_noticed(on: Road, told: int) -> bool:
    """
    Tell whether a program knows of one more loss than it has told of.
    """
    return len(on.log.of("store-lost")) > told


async def test_disk_lost(drill: Drill, fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica whose disk is lost is forgotten: its open writes are in doubt, a person decides, and writes go on."""
    held = await drill.lost.held(numbered(7))
    assert await drill.lost.sent(held) is Permit.GRANTED
    await drill.lost.store.close()
    # Its machine is gone, and with it the primary: what takes its place lacks the last second.
    operator = fresh_redis.operator()
    operator.set(f"bw:{{{drill.on.rooms.settings.deployment}}}:server", "another/")
    operator.close()
    drill.on.rooms.store.fleet.lose("server")  # type: ignore[attr-defined] # as a connection that leads there tells it
    await soon(lambda: "waiting for replica" in (drill.on.rooms.standing.fault or ""))
    await soon(lambda: LOST not in {one.id for one in drill.on.rooms.store.members()})

    code, printed = await drill.types("breakwater fleet list")
    assert code == 0
    assert f"waiting for replica {LOST} to tell what it knows" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[2:]}
    assert rows[LOST][0] == "silent"
    assert rows[drill.on.rooms.ledger.replica][:2] == ["(asked)", "here"]

    forget = f'breakwater fleet forget {LOST} "its disk is lost, OPS-7"'
    code, printed = await drill.types(forget)
    assert code == 1
    assert f"the replica {LOST} may be here" in printed
    monkeypatch.setattr("breakers.store.belonging.SILENT_S", -1.0)
    code, printed = await drill.types(forget)
    assert (code, "1 of its writes are in doubt" in printed, "07A" in printed) == (0, True, True)
    await drill.well()
    assert await drill.on.rooms.store.earlier("07A") is not None
    assert (await drill.on.rooms.store.earlier("07A")).state is State.PARKED  # type: ignore[union-attr]
    _, printed = await drill.types("breakwater fleet list --json")
    said = json.loads(printed)
    assert ([row["replica"] for row in said["members"]], said["forgotten"], said["fault"]) == (
        [drill.on.rooms.ledger.replica],
        [LOST],
        None,
    )

    _, printed = await drill.types("breakwater doubt list")
    assert "07A" in printed
    resolve = 'breakwater doubt resolve 07A --applied --reason "it stands in the account, OPS-7"'
    code, _ = await drill.types(resolve)
    assert code == 0
    assert (await drill.on.rooms.store.earlier("07A")).state is State.COMPLETED  # type: ignore[union-attr]
    (told,) = drill.on.log.of("replica-forgotten")
    assert (told["replica"], told["by"], told["reason"]) == (LOST, "admin", "its disk is lost, OPS-7")


@pytest.mark.parametrize("when", ["on record", "told", "written off"])
async def test_stop_here(drill: Drill, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """A process that stops in the middle of forgetting sees it through at its next start."""
    held = await drill.lost.held(numbered(7))
    assert await drill.lost.sent(held) is Permit.GRANTED
    await drill.lost.store.close()
    monkeypatch.setattr("breakers.store.belonging.SILENT_S", -1.0)
    on, name = drill.on.rooms, drill.lost.paper.known.name
    await on.ledger.fleet.forgot(name, "ada", "a test")
    if when != "on record":
        await on.store.forget(name, asks=False)
    if when == "written off":
        (one,) = [one.opened for one in await on.store.open_intents() if one.opened.replica == name]
        await on.ledger.fleet.wrote_off(one)
    await drill.on.program.shutdown()
    async with road(drill.on.state.parent, drill.upstream, store=on.settings.store) as again:
        await soon(lambda: any(one["intent"] == "07A" for one in again.program.doubts.said()))
        await soon(lambda: again.rooms.standing.fault is None)
        (said,) = [one for one in again.program.doubts.said() if one["intent"] == "07A"]
        assert said["state"] == "parked"
        await until_parked(again)
        assert drill.lost.paper.known.name in again.rooms.ledger.fleet.known.forgotten


async def until_parked(on: Road) -> None:
    """
    Wait until the store has it as a person's to decide.
    """
    async with asyncio.timeout(10):
        while (await on.rooms.store.earlier("07A")).state is not State.PARKED:  # type: ignore[union-attr]  # noqa: ASYNC110 the store is asked
            await asyncio.sleep(0.01)
