"""
Breakwater forked from a process that has imported everything, so that a start costs a fraction of one from nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtest.installation import ROOT, STOP_S, environment

Hook = Mapping[str, Any]


class Forker:
    """
    The helper process; whatever it forked ends with it.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forker"],
            cwd=ROOT,
            env=environment(ROOT) | {"TMPDIR": os.environ.get("TMPDIR", "")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(STOP_S)

    async def ask(self, order: Mapping[str, Any]) -> Any:
        """
        Give an order and return its reply, without holding up the event loop.
        """
        return await asyncio.to_thread(self._ask, json.dumps(order))

    def _ask(self, order: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    async def fork(self, argv: Sequence[str], environ: Mapping[str, str], log: Path, hook: Hook | None = None) -> Child:
        """
        Fork `breakwater` with these arguments.
        """
        pid = await self.ask({"argv": list(argv), "environ": dict(environ), "log": str(log), "hook": hook})
        return Child(self, pid)


@dataclass(slots=True)
class Child:
    """
    One forked process; nothing reaps it before `ended`, so that its pid is its own until then.
    """

    forker: Forker
    pid: int
    code: int | None = None

    def send(self, number: signal.Signals) -> None:
        """
        Send it a signal.
        """
        if self.code is None:
            os.kill(self.pid, number)

    async def runs(self) -> bool:
        """
        Tell whether it has not ended.
        """
        if self.code is None:
            self.code = await self.forker.ask({"wait": self.pid, "within_s": 0})
        return self.code is None

    async def ended(self, within_s: float = STOP_S) -> int:
        """
        Return its exit code, negative for a signal's number; fail if it does not end.
        """
        if self.code is None:
            self.code = await self.forker.ask({"wait": self.pid, "within_s": within_s})
        assert self.code is not None, f"process {self.pid} did not end within {within_s} s"
        return self.code

    async def kill(self) -> int:
        """
        Kill it where it stands.
        """
        self.send(signal.SIGKILL)
        return await self.ended()
