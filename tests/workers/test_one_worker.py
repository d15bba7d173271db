"""Real processes: one worker that is replaced while calls wait for it, and that ends where its parent is gone."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from proxy.ledger.disk import RealDisk, is_locked
from tests.workers.fleet import PAUSE_S, lives, until, workers


@pytest.mark.timeout(300)  # three processes start, one after the other, on a machine that may be busy
async def test_one_worker(tmp_path: Path) -> None:
    """Calls wait while the only worker is replaced, a signal stops its writes, and it does not outlive the parent."""
    async with workers(tmp_path, "memory", "--workers", "1") as on:
        (pid,), over = on.pids(), asyncio.Event()

        async def calls() -> None:
            async with aiohttp.ClientSession() as session:
                turn = 0
                while not over.is_set():
                    turn += 1
                    assert await on.write(f"write {turn}", session) == 200
                    assert await on.read(session) == 200
                    await asyncio.sleep(PAUSE_S)

        traffic = asyncio.create_task(calls())
        restart = asyncio.create_task(asyncio.to_thread(on.breakwater.cli, "restart"))
        await asyncio.wait({restart, traffic}, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        await traffic
        ended = await restart
        assert (ended.code, ended.out) == (0, "worker 1 is replaced\n"), ended.err
        (fresh,) = on.pids()
        assert fresh != pid
        assert on.once()
        assert on.breakwater.process is not None
        on.breakwater.process.send_signal(signal.SIGUSR1)

        async def stops() -> bool:
            return await on.write("stopped") == 403

        await until(stops)
        await asyncio.to_thread(on.breakwater.kill)

        async def is_free() -> bool:
            return not lives(fresh) and not is_locked(on.state, RealDisk())

        await until(is_free)
