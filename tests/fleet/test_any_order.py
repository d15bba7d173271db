"""Whatever befalls a fleet and its Redis, in whatever order: no write is held where one of the fleet's is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from breakers.store.events import IntentOpened
from breakers.store.fleet import FleetStore
from breakers.store.protocol import HeldWrite, StoreUnavailable
from proxy.standing import Standing
from tests.breakers.world import AT
from tests.contract.world import judged
from tests.fleet.replicas import DEPLOYMENT, Paper, Replica, numbered
from tests.proxy.road import Lines
from tests.sim.redis_link import ModelLink
from tests.sim.redis_model import RedisModel

IDS = ("a", "b", "c")

WHICH = st.sampled_from(IDS)

HAPPENS = st.one_of(
    st.tuples(st.sampled_from(("write", "beat", "look", "round", "round", "kill", "start", "move", "forget")), WHICH),
    st.tuples(st.sampled_from(("flush", "copy", "failover")), st.just("")),
)


@dataclass(slots=True)
class World:
    """
    Replicas on models of Redis. The newest is where a start leads; each process stays where it is until it moves.
    """

    micros: int = 1_760_000_000_000_000
    servers: list[RedisModel] = field(default_factory=list)
    copy: object = None
    replicas: dict[str, Replica] = field(default_factory=dict)
    where: dict[str, RedisModel] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    number: int = 0

    def __post_init__(self) -> None:
        self.servers.append(RedisModel(lambda: self.micros, "run-0"))

    async def take(self, what: str, which: str) -> None:
        """
        Let something happen.
        """
        self.micros += 1_000_000
        match what:
            case "flush":
                self.servers[-1].flush()
            case "copy":
                self.copy = self.servers[-1].keys.copied()
            case "failover":
                # What the new one has is what was copied last: less than what was acknowledged.
                made = self.servers[-1].restarted(f"run-{len(self.servers)}", self.copy)  # type: ignore[arg-type]
                self.servers.append(made)
                self.copy = None
            case "start" if which not in self.up:
                await self._start(which)
            case "forget":
                await self._forget(which)
            case "move" if which in self.up:
                self.where[which] = self.servers[-1]
            case "kill":
                self.up.discard(which)
            case _ if which in self.up:
                await self._live(what, self.replicas[which])
            case _:
                pass

    async def _start(self, which: str) -> None:
        server, is_new = self.servers[-1], which not in self.replicas
        if is_new and self.replicas and not server.keys.values:
            # An empty folder and an empty Redis are a new deployment: whoever starts so is told nothing of the others.
            return
        one = self.replicas.setdefault(which, Replica(which, None, Paper(which)))  # type: ignore[arg-type]
        self.where[which] = server
        self.up.add(which)
        link = ModelLink(lambda: self.where[which])
        one.store = FleetStore(link, DEPLOYMENT, lambda: AT)
        one.standing = Standing(one.store, lambda: list(one.record), Lines(), "ring", which, one.paper)
        await one.standing.begin(list(one.record))
        await one.beat()

    async def _forget(self, which: str) -> None:
        """
        Have somebody forget a replica that does not run.
        """
        by = next((self.replicas[one] for one in sorted(self.up) if one != which), None)
        if which in self.up or by is None or which not in self.replicas:
            return
        names = [name for name in by.paper.known.names if name.partition(".")[0] == which]
        for name in names:
            by.paper.fleet[name] = by.paper.fleet[name].ORDERED
            self.forgotten.add(name)
            try:
                await by.store.forget(name, asks=False)
            except StoreUnavailable:
                continue

    async def _live(self, what: str, one: Replica) -> None:
        if what in {"beat", "round"}:
            await one.beat()
        if what in {"look", "round"}:
            await one.look()
        if what == "write":
            self.number += 1
            try:
                held = await one.store.reserve(await judged(one.store, numbered(self.number)))
                assert isinstance(held, HeldWrite)
                permit = await one.sent(held)
            except StoreUnavailable:
                return
            if permit == "granted":
                await self._nothing_missing(one)

    async def _nothing_missing(self, by: Replica) -> None:
        """
        Where a write just left, everything is known that anyone of the fleet has on record.
        """
        for other in self.replicas.values():
            known = other.paper.known
            if not known.joined or known.name in self.forgotten:
                continue
            for event in other.record:
                if isinstance(event, IntentOpened):
                    known_there = await by.knows(event.intent) is not None
                    assert known_there, f"{by.id} does not know {event.intent} of {other.id}"


async def lived(happenings: Sequence[tuple[str, str]]) -> World:
    """
    Let all of this happen, and then all be well, if it can.
    """
    world = World()
    for what, which in happenings:
        await world.take(what, which)
    return world


async def healed(world: World) -> None:
    """
    Bring everyone up at the newest server: they hold writes by themselves, within a few seconds.
    """
    for which in world.replicas:
        await world.take("start", which)
        await world.take("move", which)
    for _ in range(6):
        for which in world.replicas:
            await world.take("round", which)
    for one in world.replicas.values():
        assert one.fault() is None, f"{one.id}: {one.fault()}"
        await world.take("write", one.id)


BEGUN = [("start", "a"), ("start", "b"), ("round", "a"), ("round", "b"), ("write", "b")]
"""Two replicas that know each other, of which the second has made a write."""

UNSEEN = [("start", "c"), ("look", "c"), ("write", "c"), ("kill", "c"), ("flush", ""), ("look", "a"), ("look", "b")]
"""A third one that writes as soon as it may, and is gone with all that Redis knew before anyone has looked."""

MOVED = [("copy", ""), ("write", "a"), ("failover", ""), ("move", "b"), ("look", "b"), ("write", "a"), ("write", "b")]
"""A failover that loses the last, while one goes on at the old primary."""


@settings(max_examples=40, deadline=None)
@example([*UNSEEN, ("write", "a"), ("write", "b")])
@example([*MOVED, ("move", "a"), ("look", "a"), ("write", "a"), ("write", "b")])
@given(st.lists(HAPPENS, min_size=8, max_size=40))
def test_nothing_missing(happenings: list[tuple[str, str]]) -> None:
    """Whoever holds a write knows every write of the fleet; once everyone is up all hold writes, with no command."""

    async def live() -> None:
        await healed(await lived(BEGUN + happenings))

    asyncio.run(live())
