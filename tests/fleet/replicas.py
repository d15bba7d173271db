"""Replicas without a road: each a store, a record that outlives its process, and what beats when a test says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import redis

from breakers.call import Call
from breakers.known import Ended, State
from breakers.store.events import Event, IntentEnded, opened_by
from breakers.store.fleet import FleetStore
from breakers.store.link import Server
from breakers.store.members import Known, Presence
from breakers.store.protocol import HeldWrite, Permit, StoreUnavailable
from proxy.ledger.fleet import How, Stands, known_by, next_name, note_fleet
from proxy.standing import Standing
from tests.contract.world import done, judged, write
from tests.proxy.road import Lines
from tests.redis_server import RedisServer

DEPLOYMENT = "shop"


@dataclass(slots=True)
class Paper:
    """
    A record of the fleet on paper; with `full` nothing more can be written on it.
    """

    replica: str
    fleet: dict[str, Stands] = field(default_factory=dict)
    full: bool = False

    @property
    def known(self) -> Known:
        """
        Return who is on it.
        """
        return known_by(self.fleet, self.replica)

    async def joined(self) -> None:
        """
        Note that it belongs to the fleet.
        """
        self._note(How.JOINED, frozenset({self.known.name}))

    async def learned(self, names: frozenset[str]) -> None:
        """
        Note these.
        """
        self._note(How.LEARNED, names)

    async def heard_forgotten(self, names: frozenset[str]) -> None:
        """
        Note that these are forgotten.
        """
        self._note(How.FORGOT, names)

    async def returned(self) -> None:
        """
        Note that it comes back.
        """
        was = self.known.name
        self._note(How.RETURNED, frozenset({next_name(was)}), was)

    def _note(self, how: How, names: frozenset[str], was: str | None = None) -> None:
        if self.full:
            raise StoreUnavailable("who belongs to the fleet cannot be recorded: the paper is full")
        note_fleet(self.fleet, {"how": str(how), "names": sorted(names), "was": was})


@dataclass(slots=True, repr=False)
class Replica:
    """
    One replica: `record` is its ledger, `paper` what of it concerns the fleet; `at` is the Redis that it dials.
    """

    id: str
    at: Callable[[], RedisServer]
    paper: Paper
    record: list[Event] = field(default_factory=list)
    store: FleetStore = field(init=False)
    standing: Standing = field(init=False)
    every: list[FleetStore] = field(default_factory=list)
    deployment: str = DEPLOYMENT
    names_by: str = "ring"

    def __repr__(self) -> str:
        return f"<Replica {self.id}>"

    async def start(self) -> None:
        """
        Begin as a process, whatever the one before it was doing.
        """
        self.store = self.at().store(self.deployment)
        self.every.append(self.store)
        log = Lines()
        self.standing = Standing(self.store, lambda: list(self.record), log, self.names_by, self.id, self.paper)
        await self.standing.begin(list(self.record))

    def fault(self) -> str | None:
        """
        Return what is wrong.
        """
        return self.standing.fault

    async def beat(self) -> None:
        """
        Say once that it is here.
        """
        await self.standing.beat(Presence(in_flight=1))

    async def look(self) -> None:
        """
        Ask once whether the store can be relied on.
        """
        await self.standing.look()

    async def held(self, asked: Call) -> HeldWrite:
        """
        Take a write to its reservation.
        """
        held = await self.store.reserve(await judged(self.store, asked))
        assert isinstance(held, HeldWrite), held
        return held

    async def sent(self, held: HeldWrite) -> Permit:
        """
        Put a write on record, and mark it as about to be sent.
        """
        opened = opened_by(held.go.call, f"log/{self.id}#0/{len(self.record)}/8/9")
        self.record.append(opened)
        return await self.store.dispatch(held, opened)

    async def ended(self, held: HeldWrite, end: Ended | None = None) -> None:
        """
        Put the end of a write on record, and tell the store.
        """
        end = end or done()
        self.record.append(IntentEnded(held.go.call.id, end))
        await self.store.settle(held, end)

    async def made(self, asked: Call) -> None:
        """
        Make a write.
        """
        held = await self.held(asked)
        assert await self.sent(held) is Permit.GRANTED
        await self.ended(held)

    async def knows(self, intent: str) -> State | None:
        """
        Return how the shared state has an intent.
        """
        record = await self.store.earlier(intent)
        return None if record is None else record.state


@dataclass(slots=True, repr=False)
class Fleet:
    """
    The replicas of a test, and the Redis that each dials.
    """

    server: RedisServer
    replicas: dict[str, Replica] = field(default_factory=dict)

    async def start(self, *ids: str) -> tuple[Replica, ...]:
        """
        Start replicas of these names, and wait until all of them hold writes.
        """
        for id_ in ids:
            await self.new(id_).start()
        await self.settle(*ids)
        return tuple(self.replicas[id_] for id_ in ids)

    def new(self, id_: str) -> Replica:
        """
        Return a replica whose state folder is empty, not started.
        """
        self.replicas[id_] = one = Replica(id_, lambda: self.server, Paper(id_))
        return one

    async def round(self, *ids: str) -> None:
        """
        Have each beat, and then look, once.
        """
        for id_ in ids:
            await self.replicas[id_].beat()
        for id_ in ids:
            await self.replicas[id_].look()

    async def settle(self, *ids: str) -> None:
        """
        Have each do so until all are well: twice is enough, or it never is.
        """
        for _ in range(2):
            await self.round(*ids)
        assert [self.replicas[id_].fault() for id_ in ids] == [None] * len(ids)


@asynccontextmanager
async def fleet_at(server: RedisServer) -> AsyncIterator[Fleet]:
    """
    Give a fleet without replicas.
    """
    fleet = Fleet(server)
    yield fleet
    for one in fleet.replicas.values():
        for store in one.every:
            await store.close()


def numbered(number: int) -> Call:
    """
    Return a write with names of its own.
    """
    return write(f"0{number}A", f"k:{number}", f"f1:{number}", f"e:{number}")


def copied(server: RedisServer, other: RedisServer) -> None:
    """
    Bring another Redis to where this one stands now, as a replica of it would be.
    """
    there, here = redis.Redis("127.0.0.1", server.port), redis.Redis("127.0.0.1", other.port)
    with contextlib.closing(there), contextlib.closing(here):
        here.flushall()
        for key in there.keys("*"):
            here.restore(key, max(0, there.pttl(key)), there.dump(key) or b"")


def saying(server: Server) -> Callable[[], object]:
    """
    Return a look that finds this.
    """

    async def look() -> Server:
        return server

    return look
