"""
Every fault that a fleet's Redis is put through: what happens, what reads and writes are answered meanwhile, how it
heals, and whether that takes an operator.

Faults of a wire strike one replica, so that two of them are met at once; what happens to the server strikes all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tests.canary.forms import secret
from tests.chaos.asking import EXECUTED
from tests.chaos.commands import Command
from tests.chaos.fleet import Fleet
from tests.chaos.wire import Fault, Instead

UNAVAILABLE = "store-unavailable"

SERVED, REFUSED = frozenset({EXECUTED}), frozenset({UNAVAILABLE})

# Where the moment at which it is noticed is a replica's own.
EITHER = SERVED | REFUSED

# What the upstreams do by themselves meanwhile.
UPSTREAMS_OWN = frozenset({"outcome-unknown"})

# What nobody was told.
PASSWORD = secret("chaos")

# How long work goes on that a failover loses.
LOST_S = 1.0

Happening = Callable[[Fleet], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Row:
    """
    One fault. `writes` is what writes may be answered while it lasts, `meets` what the wire must have done, if it is
    the wire's, and `times` how often. With `noticed`, writes are refused once the replicas have seen it, and reads go
    on all the same.
    """

    name: str
    fault: Fault | None = None
    happens: Happening | None = None
    writes: frozenset[str] = REFUSED
    meets: str = ""
    times: int = 1
    noticed: bool = False
    heals: str = "by itself, as soon as the wire is well"

    @property
    def waits(self) -> bool:
        """
        Tell whether a write waits in vain for its answer, rather than being told at once.
        """
        fault = self.fault
        return fault is not None and self.writes == REFUSED and not (fault.there and fault.back and not fault.late_s)


def every(said: bytes) -> Instead:
    """
    Answer everything with this, but for what opens a connection.
    """
    return lambda command: None if command.greets else said


def _writing(said: bytes) -> Instead:
    reads = {"INFO", "CONFIG", "GET", "PING", "HGETALL", "facts", "stops", "shown", "suggestions"}
    return lambda command: None if command.greets or command.name in reads else said


def _no_script(command: Command) -> bytes | None:
    return b"-NOSCRIPT No matching script. Please use EVAL.\r\n" if command.by_digest else None


WIRES = (
    Row("20 ms late each way", Fault(late_s=0.02), writes=EITHER, meets="late"),
    Row("answers in slices", Fault(sliced=True), writes=SERVED, meets="sliced", times=30),
    Row("300 ms late each way", Fault(late_s=0.3), meets="late"),
    Row("hangs, and goes on later", Fault(there=False, held=True), meets="requests kept back"),
    Row("what is asked is lost", Fault(there=False), meets="requests kept back"),
    Row("what is answered is lost", Fault(back=False), meets="answers kept back"),
    Row("partition", Fault(there=False, back=False), meets="requests kept back"),
    Row("reset", Fault(resets=True), meets="refused"),
    Row("hangs up on everybody", Fault(refuses=True), meets="refused"),
    Row("garbage", Fault(garbage=b"\x00\xff]breakwater[\r\n"), meets="spoilt"),
    Row("a length of 512 MB", Fault(garbage=b"$536870912\r\nxx"), meets="spoilt"),
    Row("arrays without end", Fault(garbage=b"*1\r\n" * 5000), meets="spoilt"),
    Row("READONLY", Fault(instead=_writing(b"-READONLY You can't write against a read only replica.\r\n"))),
    Row("LOADING", Fault(instead=every(b"-LOADING Redis is loading the dataset in memory\r\n"))),
    Row("OOM", Fault(instead=_writing(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"))),
    Row("BUSY", Fault(instead=every(b"-BUSY Redis is busy running a script.\r\n"))),
    Row("MOVED", Fault(instead=every(b"-MOVED 3999 127.0.0.1:1\r\n"))),
    Row(
        "WRONGTYPE", Fault(instead=_writing(b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"))
    ),
    Row("NOAUTH", Fault(instead=every(b"-NOAUTH Authentication required.\r\n"))),
    Row("NOSCRIPT", Fault(instead=_no_script), writes=SERVED),
)


@contextlib.asynccontextmanager
async def scripts_flushed(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.told("SCRIPT", "FLUSH")
    yield


@contextlib.asynccontextmanager
async def emptied(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.told("FLUSHALL")
    yield


@contextlib.asynccontextmanager
async def full(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.told("CONFIG", "SET", "maxmemory", 1)
    yield
    fleet.pair.told("CONFIG", "SET", "maxmemory", 0)


@contextlib.asynccontextmanager
async def may_evict(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.told("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    yield
    fleet.pair.told("CONFIG", "SET", "maxmemory-policy", "noeviction")


@contextlib.asynccontextmanager
async def evicts(fleet: Fleet) -> AsyncIterator[None]:
    before = fleet.pair.info("stats")["evicted_keys"]
    fleet.pair.told("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    fleet.pair.told("CONFIG", "SET", "maxmemory", "900kb")
    yield
    assert fleet.pair.info("stats")["evicted_keys"] > before, "nothing was evicted"
    fleet.pair.told("CONFIG", "SET", "maxmemory", 0)
    fleet.pair.told("CONFIG", "SET", "maxmemory-policy", "noeviction")


@contextlib.asynccontextmanager
async def asks_for_a_password(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.told("CONFIG", "SET", "requirepass", PASSWORD)
    for wire in fleet.wires:
        wire.drop()
    yield
    fleet.pair.told("CONFIG", "SET", "requirepass", "", password=PASSWORD)


@contextlib.asynccontextmanager
async def restarted(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.restart()
    for wire in fleet.wires:
        wire.lead_to(fleet.pair.primary.port)
    yield
    await fleet.pair.follow()


@contextlib.asynccontextmanager
async def failed_over(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.part()
    await asyncio.sleep(LOST_S)
    fleet.pair.promote()
    for wire in fleet.wires:
        wire.lead_to(fleet.pair.primary.port)
    yield
    await fleet.pair.follow()


@contextlib.asynccontextmanager
async def two_primaries(fleet: Fleet) -> AsyncIterator[None]:
    fleet.pair.part()
    await asyncio.sleep(LOST_S)
    fleet.pair.promote()
    fleet.wires[0].lead_to(fleet.pair.primary.port)
    await asyncio.sleep(LOST_S)
    yield
    fleet.wires[1].lead_to(fleet.pair.primary.port)
    await fleet.pair.follow()


AGAIN = "by itself: every replica tells again what it has on record"

SERVERS = (
    Row("SCRIPT FLUSH", happens=scripts_flushed, writes=SERVED, heals="at once: a script is sent whole"),
    Row("FLUSHALL", happens=emptied, writes=EITHER, heals=AGAIN),
    Row("no memory left", happens=full, heals="by itself, once there is memory"),
    Row("may evict", happens=may_evict, noticed=True, heals="by itself, once it may not: every replica tells again"),
    Row("evicts", happens=evicts, noticed=True, heals=f"once it may not, {AGAIN}"),
    Row("asks for a password", happens=asks_for_a_password, heals="by itself, once the password is right"),
    Row("restarted empty", happens=restarted, writes=EITHER, heals=AGAIN),
    Row("failover that loses a second", happens=failed_over, writes=EITHER, heals=AGAIN),
    Row("two primaries", happens=two_primaries, writes=EITHER, heals=f"once all ask the same one, {AGAIN}"),
)
