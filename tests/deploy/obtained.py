"""
Programs that a check needs and no package index has: on PATH, else from the machine's Debian archive.

Nothing is installed: the package is fetched by `apt-get download`, as an ordinary user, unpacked by `dpkg -x`, and kept
in the checkout. Where that cannot be done, a check that needs it says that it did not run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from tests.tidy.source import ROOT

CACHE = ROOT / ".home" / ".cache" / "prometheus"
"""`make clean` removes it."""

WITHIN_S = 30.0
"""A mirror has it in a second or two; one that does not answer must not hold up the suite."""

PACKAGE = "prometheus"
PROGRAMS = ("prometheus", "promtool")


def program(name: str) -> Path:
    """
    Return where a program of Prometheus is; skip the test where it cannot be had.
    """
    if found := shutil.which(name):
        return Path(found)
    if why := _fetched():
        pytest.skip(f"NOT CHECKED: {name} did not run, it is not on PATH and could not be fetched ({why})")
    return CACHE / name


@lru_cache(maxsize=1)
def _fetched() -> str:
    """
    Have them in the cache; return why not, empty where they are there.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return "there is no apt-get or no dpkg"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Of several test processes one fetches.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if all((CACHE / name).exists() for name in PROGRAMS):
            return ""
        room = CACHE / "room"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        try:
            return _unpacked(room)
        except (OSError, subprocess.SubprocessError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(room, ignore_errors=True)


def _unpacked(room: Path) -> str:
    def ran(*command: str) -> str:
        to = subprocess.PIPE
        with subprocess.Popen(command, cwd=room, stdout=to, stderr=to, text=True, start_new_session=True) as process:
            try:
                _, said = process.communicate(timeout=WITHIN_S)
            except subprocess.TimeoutExpired:
                # With what it started to fetch for it.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return "" if process.returncode == 0 else (said.strip().splitlines() or [f"{command[0]} failed"])[-1]

    bounded = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")
    if why := ran("apt-get", "--quiet", *bounded, "download", PACKAGE):
        return why
    package = next(room.glob(f"{PACKAGE}_*.deb"), None)
    if package is None:
        return "apt-get fetched nothing"
    if why := ran("dpkg", "-x", package.name, "unpacked"):
        return why
    for name in PROGRAMS:
        (room / "unpacked" / "usr" / "bin" / name).replace(CACHE / name)
    return ""
