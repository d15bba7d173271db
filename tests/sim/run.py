"""
One seed from its beginning to its end, and what came of it.

What would reach the machine is put aside meanwhile: threads, clocks and TLS of libraries, the collector.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from time import gmtime
from typing import Any
from unittest import mock

import aiohttp.connector
import aiohttp.helpers

from proxy import dial, server
from proxy.ledger import book, snapshots
from tests.sim import checks
from tests.sim.process import BEGAN, LoopThread, SteppedWriter
from tests.sim.world import World

SEEDS = 200
"""In the suite."""


@dataclass(frozen=True, slots=True)
class Ran:
    """
    What came of one seed: its trace, what it reached, and which invariant did not hold, if any.
    """

    seed: int
    lines: tuple[str, ...]
    counted: Counter[str]
    broken: checks.Broken | None

    @property
    def trace(self) -> str:
        """
        Return the digest of all that happened.
        """
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Time:
    """
    The time as a library reads it that says it in headers.
    """

    world: World

    def time(self) -> float:
        """
        Return the seconds since the epoch.
        """
        return BEGAN.timestamp() + self.world.scheduler.now

    gmtime = staticmethod(gmtime)


@functools.cache
def _tls() -> Any:
    return dial.tls_context()


@functools.cache
def _frozen() -> None:
    """
    Have the collector leave alone what was there before the first seed: it looks behind each.
    """
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _in_simulation(world: World) -> Iterator[None]:
    """
    Put in place what takes the place of threads, clocks and the machine; and keep the collector out of it.
    """
    tls = _tls()
    with (
        mock.patch.object(dial, "tls_context", return_value=tls),
        mock.patch.object(server, "_announce"),
        mock.patch.object(book, "Writer", SteppedWriter),
        mock.patch.object(snapshots, "Thread", LoopThread),
        mock.patch.object(aiohttp.connector, "monotonic", world.monotonic),
        mock.patch.object(aiohttp.helpers, "time", _Time(world)),
    ):
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        _frozen()
        gc.disable()
        try:
            yield
        finally:
            with warnings.catch_warnings():
                # What a process that died had still to say is said by nobody.
                warnings.simplefilter("ignore")
                for machine in world.machines:
                    for life in machine.lives:
                        life.end()
                world.loop.end()
            gc.enable()
            gc.collect()
            sys.unraisablehook = hook


def simulated(seed: int) -> Ran:
    """
    Run one seed.
    """
    world = World(seed)
    with _in_simulation(world):
        broken, counted = None, Counter[str]()
        try:
            records = world.run()
            counted = checks.counted(world, records)
        except checks.Broken as found:
            broken = found
            world.told("check", str(found))
            counted = world.counted
    return Ran(seed, tuple(world.lines), counted, broken)
