"""A replica whose workers are processes under a parent: started from nothing, and killed one by one or all at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtest.installation import ROOT, START_S, STOP_S
from tests.crash.forked import Child
from tests.crash.site import Site
from tests.crash.waiting import until


@dataclass(slots=True)
class Program(Child):
    """
    A program of its own, where others are forked.
    """

    process: subprocess.Popen[bytes] | None = None

    async def runs(self) -> bool:
        assert self.process is not None
        self.code = self.process.poll()
        return self.code is None

    async def ended(self, within_s: float = STOP_S) -> int:
        assert self.process is not None
        self.code = await asyncio.to_thread(self.process.wait, within_s)
        return self.code


class WorkedSite(Site):
    """
    An installation with two workers.
    """

    # Three processes, one after the other.
    starts_within_s = 3 * START_S

    async def launch(self) -> Child:
        argv = ["-m", "tests.chaos.serving", json.dumps(self.hook or {}), "--config", str(self._config), "serve"]
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 it starts while nothing else has to happen
                [sys.executable, *argv, "--workers", "2"],
                env=self._environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.child = Program(self._forker, process.pid, process=process)
        return self.child

    def _run(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.state / "run.json").read_text())["workers"]
        return found

    def workers(self) -> list[int]:
        """
        Return the pids of its workers as they are now.
        """
        return [worker["pid"] for worker in self._run()]

    async def ready(self) -> bool:
        """
        Tell whether every worker says that it is, and knows the keys that were minted at another.
        """
        minted = {key.rpartition("_")[0].rpartition("_")[2] for key in self.keys}
        said = await self._said()
        return all(is_ready and minted <= known for is_ready, known in said)

    async def away(self) -> bool:
        said = await self._said()
        return not any(is_ready for is_ready, _ in said)

    async def _said(self) -> list[tuple[bool, set[str]]]:
        """
        Return of every worker whether it is ready, and which keys it knows.
        """
        token, said = (self.state / "admin.token").read_text().strip(), list[tuple[bool, set[str]]]()
        for worker in self._run():
            connector = aiohttp.UnixConnector(str(worker["admin"]).removeprefix("unix:"))
            async with aiohttp.ClientSession(
                connector=connector, headers={"Authorization": f"Bearer {token}"}
            ) as session:
                try:
                    async with session.get("http://worker/readyz") as answer:
                        is_ready = answer.status == 200
                    async with session.get("http://worker/v1/keys") as answer:
                        said.append((is_ready, {key["kid"] for key in await answer.json()}))
                except (aiohttp.ClientError, OSError):
                    said.append((False, set()))
        return said

    async def kill_worker(self, which: int) -> None:
        """
        Kill one worker where it stands, and wait until another process has its place.
        """
        before = self.workers()[which]
        _killed(before)
        await until(lambda: self.workers()[which] != before)

    async def kill_all(self) -> None:
        """
        Kill the parent and every worker, in that order: nobody drains.
        """
        assert self.child is not None
        workers: list[int] = []
        # Before it was ever ready it has said nothing of them; they end with it.
        with contextlib.suppress(OSError):
            workers = self.workers()
        self.child.send(signal.SIGKILL)
        for pid in workers:
            _killed(pid)
        await self.child.ended()


def _killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
