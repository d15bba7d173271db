"""
Where a process that serves stands: alone on its state folder, or as one of the workers of a parent (`worker`).

Alone it takes its doors itself, and writes `run.json` beside its ledger; what finds a running process reads that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import orjson

from config.load import Configuration
from proxy.clock import Clock
from proxy.dial import Address
from proxy.doors import Door
from proxy.sockets import Listener, bind

RUN = "run.json"


class Served(Protocol):
    """
    A process that serves, as far as its place tells it to end.
    """

    stop: asyncio.Event

    async def leave(self) -> None:
        """
        Take no more connections, wait for those that there are, and then end as on a signal.
        """


class Alone:
    """
    A process by itself. `taken` are addresses of Breakwater's that it does not listen on, `urls` what doors it names.
    """

    number: int | None = None
    taken: Sequence[Address] = ()
    urls: Mapping[str, str] = {}

    def placed(self, configuration: Configuration) -> Configuration:
        """
        Return what the files say as it is for this process.
        """
        return configuration

    def listeners(self, configuration: Configuration, doors: Mapping[str, Door], /) -> list[Listener]:
        """
        Return every address that this process listens on; raise `StartRefused` where one cannot be had.
        """
        return bind(configuration, doors)

    def ready(self, state: Path, run: Mapping[str, object]) -> None:
        """
        Say that it serves, and where; raise `OSError` where that cannot be said.
        """
        write_run(state, run)

    def ended(self, state: Path) -> None:
        """
        Say that it serves no more.
        """
        with contextlib.suppress(OSError):
            (state / RUN).unlink(missing_ok=True)

    async def watch(self, served: Served) -> None:
        """
        Do what whoever placed it says; nobody did.
        """


def write_run(state: Path, run: Mapping[str, object]) -> None:
    """
    Write where a running process is found. Raise `OSError` where that cannot be written.
    """
    fresh = state / f"{RUN}.new"
    fresh.write_bytes(orjson.dumps(run))
    fresh.replace(state / RUN)


def run_of(clock: Clock, doors: Mapping[str, str]) -> dict[str, object]:
    """
    Return what is said of a process that serves: who it is, since when, and where.
    """
    started = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"pid": os.getpid(), "started": started, "doors": dict(doors)}


Reading = Callable[[], Configuration]
"""Read the configuration's files as they are now."""
