"""Real processes: two workers over one Redis behave as one Breakwater, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from proxy.ledger.disk import RealDisk
from proxy.ledger.layout import LEDGER, worker_folder
from proxy.ledger.places import epoch_of
from proxy.ledger.read import first_record
from proxy.ledger.verify import verify
from tests.canary.plugin import watch
from tests.redis_server import RedisServer, running_redis
from tests.workers.fleet import PAUSE_S, Workers, calls, lives, until, workers

READERS, WRITERS = 3, 3


@pytest.mark.timeout(300)  # six processes start, one after the other, on a machine that may be busy
async def test_two_workers(tmp_path: Path) -> None:
    """Two workers share calls, and a stop binds both; one that is killed comes back; none is missed at a restart."""
    with running_redis(tmp_path / "redis") as redis:
        async with workers(tmp_path / "site", redis.url, "--workers", "2") as on:
            await spread(on)
            await stopped(on)
            await killed(on)
            await replaced(on)
            await reloaded(on)
            await away(on, redis)
            pids = on.pids()
            assert await asyncio.to_thread(on.breakwater.terminate) == 0
            assert not any(lives(pid) for pid in pids)
            assert not (on.state / "run.json").exists()
            assert [verify(RealDisk(), worker_folder(on.state, number)).findings for number in (1, 2)] == [[], []]
            lines = [json.loads(line) for line in on.breakwater.log.read_text().splitlines()]
            assert {line.get("worker") for line in lines if "verdict" in line} == {1, 2}


@pytest.mark.timeout(300)  # as above
async def test_new_epoch(tmp_path: Path) -> None:
    """Two workers start with a new log for the first one, begun once; what was written stays so, and both write on."""
    with running_redis(tmp_path / "redis") as redis:
        async with workers(tmp_path / "site", redis.url, "--workers", "2") as on:
            assert await on.write("before") == 200
            assert await asyncio.to_thread(on.breakwater.terminate) == 0
            await asyncio.to_thread(on.breakwater.start, "--workers", "2", "--new-epoch", "its disk was replaced")
            watch.follow(on.breakwater.doors, on.state)
            await until(on.sound)
            assert await logs(on) == [2, 1]
            await written(on)
            # Another process of the same worker goes on with the log that was begun.
            before = on.pids()[0]
            os.kill(before, signal.SIGKILL)

            async def is_back() -> bool:
                return on.pids()[0] not in {0, before} and on.run["workers"][0]["state"] == "ready"

            await until(is_back)
            await until(on.sound)
            assert await logs(on) == [2, 1]
            assert await on.write("before") == await on.write("after") == 200
            assert on.once()
            assert await asyncio.to_thread(on.breakwater.terminate) == 0
            assert [verify(RealDisk(), worker_folder(on.state, number)).findings for number in (1, 2)] == [[], []]
            opened = first_record(RealDisk(), on.state / LEDGER / "000002")
            assert opened is not None
            assert opened.entry["prev"]["reason"] == "its disk was replaced"


async def logs(on: Workers) -> list[int]:
    """
    Return the number of the log that each worker writes.
    """
    _, said = await on.admin("GET", "/v1/status")
    return [epoch_of(row["ledger"]["origin"]) for row in said["workers"]]


async def written(on: Workers) -> None:
    """
    Write until each worker has.
    """

    async def both() -> bool:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            assert await on.write(f"call {on.sent}", session) == 200
        return all(await on.served())

    await until(both)


async def spread(on: Workers) -> None:
    """
    Calls come to both workers, and the parent's figures are the sums of theirs.
    """

    async def both() -> bool:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            assert set(await asyncio.gather(*(on.read(session) for _ in range(20)))) == {200}
        return all(await on.served())

    await until(both)
    assert await on.write("first") == await on.write("first") == 200

    async def adds_up() -> bool:
        # A call is counted once its answer has left.
        return calls((await on.admin("GET", "/metrics"))[1]) == sum(await on.served()) == on.sent

    await until(adds_up)
    _, text = await on.admin("GET", "/metrics")
    assert 'breakwater_workers{state="ready"} 2.0' in text
    assert text.count("breakwater_ledger_ready{") == 2
    _, said = await on.admin("GET", "/v1/status")
    stands = [(row["worker"], row["state"], row["ready"]) for row in said["workers"]]
    assert stands == [(1, "ready", True), (2, "ready", True)]
    assert len({row["ledger"]["origin"] for row in said["workers"]}) == 2
    assert (await on.admin("GET", "/readyz"))[0] == 200
    if sys.platform == "linux":
        assert [leaks for pid in on.pids() if (leaks := inherited(pid))] == []


def inherited(pid: int) -> list[str]:
    """
    Return what a program would inherit that a process starts, beside the three that it should.
    """
    flags: dict[str, list[str]] = {}
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        # One that was closed since it was listed is inherited by nobody.
        with contextlib.suppress(FileNotFoundError):
            flags[path.name] = path.read_text().split()
    return [fd for fd, words in flags.items() if int(fd) > 2 and not int(words[3], 8) & os.O_CLOEXEC]


async def stopped(on: Workers) -> None:
    """
    A stop that the parent was told binds every worker when it answers, and a resume lets both go on.
    """
    assert (await on.admin("POST", "/v1/kill", {"reason": "to see"}))[0] == 200
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        told = await asyncio.gather(*(on.write(f"stopped {number}", session) for number in range(20)))
    assert set(told) == {403}
    assert await modes(on) == ["stop-writes", "stop-writes"]
    _, said = await on.admin("GET", "/v1/kill")
    body = {"scope": "all", "epoch": said["record"]["epoch"], "reason": "seen", "full": True}
    status, said = await on.admin("POST", "/v1/resume", body)
    assert status == 200, said

    async def runs() -> bool:
        return await modes(on) == ["run", "run"]

    await until(runs)


async def killed(on: Workers) -> None:
    """
    Another process takes the place of one that was killed, and calls pass meanwhile.
    """
    before = on.pids()
    _, text = await on.admin("GET", "/metrics")
    os.kill(before[1], signal.SIGKILL)

    async def is_back() -> bool:
        await asyncio.sleep(PAUSE_S)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            # What the dead one had accepted is broken off; what comes after is served.
            await asyncio.gather(*(on.read(session) for _ in range(4)), return_exceptions=True)
        pids = on.pids()
        return pids[1] not in {0, before[1]} and on.run["workers"][1]["state"] == "ready"

    await until(is_back)
    assert on.pids()[0] == before[0]
    await until(on.sound)
    assert calls((await on.admin("GET", "/metrics"))[1]) >= calls(text)


async def replaced(on: Workers) -> None:
    """
    Every process is replaced while readers and writers go on, who see nothing of it but what they asked for.
    """
    before, over = on.pids(), asyncio.Event()

    async def reads() -> None:
        async with aiohttp.ClientSession() as session:
            while not over.is_set():
                assert await on.read(session) == 200, on.refusals[-1]
                await asyncio.sleep(PAUSE_S)

    async def writes(number: int) -> None:
        async with aiohttp.ClientSession() as session:
            turn = 0
            while not over.is_set():
                turn += 1
                name = f"writer {number} turn {turn}"
                assert await on.write(name, session) == 200, on.refusals[-1]
                assert await on.write(name, session) == 200, on.refusals[-1]
                await asyncio.sleep(PAUSE_S)

    traffic = [asyncio.create_task(reads()) for _ in range(READERS)]
    traffic += [asyncio.create_task(writes(number)) for number in range(WRITERS)]
    assert (await on.admin("POST", "/v1/restart"))[0] == 202

    async def is_over() -> bool:
        return any(task.done() for task in traffic) or not (await on.admin("GET", "/v1/restart"))[1]["under_way"]

    await until(is_over)
    over.set()
    await asyncio.gather(*traffic)
    _, said = await on.admin("GET", "/v1/restart")
    assert (said["done"], said["why"]) == ([1, 2], None)
    assert not set(before) & set(on.pids())
    assert on.once()


async def reloaded(on: Workers) -> None:
    """
    A changed configuration is taken by every worker, and by none where one of its changes needs a start.
    """
    file, before = on.breakwater.config, json.loads(on.breakwater.config.read_text())
    versions = {row["policy"] for row in (await on.admin("GET", "/v1/status"))[1]["workers"]}
    file.write_text(json.dumps({**before, "admin": "127.0.0.1:1"}))
    status, said = await on.admin("POST", "/v1/reload")
    assert (status, "only a start can take" in said["error"]) == (409, True)
    assert {row["policy"] for row in (await on.admin("GET", "/v1/status"))[1]["workers"]} == versions
    agents = {"support": {**before["agents"]["support"], "purpose": "test again"}}
    file.write_text(json.dumps({**before, "agents": agents}))
    status, said = await on.admin("POST", "/v1/reload")
    assert (status, said["changed"]) == (200, ["agents.support"])
    fresh = {row["policy"] for row in (await on.admin("GET", "/v1/status"))[1]["workers"]}
    assert len(fresh) == 1
    assert not fresh & versions


async def away(on: Workers, redis: RedisServer) -> None:
    """
    Without the shared state a stop binds every worker still, by the parent's door and by the file, and all are shown.
    """
    with redis.operator() as operator:
        operator.shutdown(nosave=True)
    status, said = await on.admin("POST", "/v1/kill", {"reason": "nobody shares it"})
    assert (status, said["recorded"], said["shared"]) == (200, True, False)
    assert await modes(on) == ["stop-writes", "stop-writes"]
    _, said = await on.admin("GET", "/v1/status")
    assert [row["worker"] for row in said["workers"]] == [1, 2]
    assert {row["replica"] for row in said["replicas"]} == {row["replica"] for row in said["workers"]}
    (on.state / "KILL").write_text("stop-all")

    async def stops() -> bool:
        return await modes(on) == ["stop-all", "stop-all"]

    await until(stops)


async def modes(on: Workers) -> list[str]:
    """
    Return what is in force in each worker.
    """
    stands = [(await on.admin("GET", "/v1/kill?here=1", at=row["admin"]))[1] for row in on.run["workers"]]
    return [one["in_force"]["mode"] for one in stands]
