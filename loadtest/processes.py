"""
Processes of a load: where each runs, how it says its address, how it ends, and what of memory and time it takes.

Whoever is under test has one core to itself and its threads; generator and upstream share another. A process inherits
its core, so it is set before the process starts. With one core there is nothing to part, and the output says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import AnyStr

from loadtest.installation import ROOT, STOP_S, NotStartedError, environment

# A process is idle that works for no more than this part of so many seconds: timers are no work.
IDLE_PART, IDLE_S = 0.02, 0.3


@dataclass(frozen=True, slots=True)
class Cores:
    """
    Where whoever is under test runs, and where generator and upstream do; None where there is nothing to choose.
    """

    subject: int | None
    beside: int | None

    def __str__(self) -> str:
        if self.subject is None:
            return "nothing is pinned: there is one core, or no way to choose"
        return f"under test: core {self.subject}; generator and upstream: core {self.beside}"


def choose_cores() -> Cores:
    """
    Choose two of the cores that this process may use.
    """
    allowed = allowed_cores()
    return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)


def allowed_cores() -> list[int]:
    """
    Return the cores that this process may use; none where that cannot be asked.
    """
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextlib.contextmanager
def on(core: int | None) -> Iterator[None]:
    """
    Start processes on a core: what is started inside stays there.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(home: Path, *arguments: str, secrets: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """
    Run a module of ours, and end it.
    """
    with (
        subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=environment(home, secrets),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
        ended(process),
    ):
        yield process


@contextlib.contextmanager
def ended(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """
    End a process on the way out, by force where it does not end by itself.
    """
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def address(process: subprocess.Popen[str]) -> str:
    """
    Return the address that a process prints as one line of JSON once it listens.
    """
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise NotStartedError(f"{process.args!r} did not start")
    return str(json.loads(line)["url"])


def cpu_s(pid: int, processes: Path = Path("/proc")) -> float:
    """
    Return the seconds for which a process has had a processor, all its threads together; 0 where nobody says so.
    """
    told = []
    # To the nanosecond, where `stat` counts in hundredths of a second.
    for path in (processes / str(pid) / "task").glob("*/schedstat"):
        # A thread that has ended since it was listed takes no other one's time with it.
        with contextlib.suppress(OSError):
            told.append(path.read_text(encoding="ascii"))
    return sum(int(each.split()[0]) for each in told) / 1e9


def until_idle(pid: int, within_s: float) -> bool:
    """
    Wait until a process has nothing to do any more, for so long at most, and tell whether it came to that.
    """
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        before = cpu_s(pid)
        time.sleep(IDLE_S)
        if cpu_s(pid) - before <= IDLE_PART * IDLE_S:
            return True
    return False


def memory_bytes(pid: int) -> int:
    """
    Return how much memory a process takes: what it shares with others counts in part, where the machine says so.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return resident_bytes(pid)
    return 1024 * int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))


def resident_bytes(pid: int) -> int:
    """
    Return how much memory of a process is resident.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
