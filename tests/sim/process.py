"""
One Breakwater of a simulation: everything that `serve` joins, over a disk, a clock, a link and wires of ours.

Only three things are not the program's own: batches become durable in the loop, a moment after they were taken, by the
writer's own `take` and `write`; connectors lead over simulated wires; and nobody writes `run.json`. A process that dies
leaves its disk; the next one begins as after any crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from breakers.store.fleet import FleetStore
from breakers.store.moves import Retention
from config.load import Configuration
from proxy import app, server
from proxy.doubt.doubts import Doubts
from proxy.front import Front
from proxy.keys import AgentKey
from proxy.ledger.writer import Writer
from proxy.listener import AgentServer, Crowd
from proxy.opening import open_ledger
from proxy.rooms import Rooms
from proxy.server import Program
from tests.canary.forms import secret as canary
from tests.ledger.memory_disk import Stopped
from tests.sim.disk import SimDisk
from tests.sim.loop import ProcessLoop, Scheduler
from tests.sim.network import Shore, SimLink, Way

BEGAN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

SECRET = canary("till")

CLAIM_S = 0.8
"""How long a claim lasts: far shorter than it is, so that some lapse within a seed."""

DISK_S = (0.000_2, 0.003)
"""How long a batch takes to become durable."""

HICCUPS, HICCUP_S = 0.02, (0.7, 2.0)
"""Of how many batches that is longer than a claim lasts, and how long then."""


@dataclass(slots=True)
class SimClock:
    """
    A process's own clock: `ahead_s` is how far its wall time is from everyone's.
    """

    scheduler: Scheduler
    ahead_s: float = 0.0
    rate: float = 1.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=round(self.scheduler.now + self.ahead_s, 6))

    def monotonic(self) -> float:
        return self.scheduler.now * self.rate + 1000.0

    def thread_cpu(self) -> float:
        return 0.0


@dataclass(slots=True)
class SimLog:
    """
    The log of a process: what nobody foresaw is kept.
    """

    name: str
    told: Callable[..., None]
    failures: list[str] = field(default_factory=list)

    def write(self, line: dict[str, object]) -> None:
        """
        Keep nothing: what calls came to is known.
        """

    def event(self, event: str, **fields: object) -> None:
        self.told(self.name, event, *(str(fields[name])[:60] for name in ("fault", "why", "state") if name in fields))

    def failure(self, call: str, error: BaseException) -> None:
        self.failures.append(f"{self.name}: {call}: {error!r}")


class SteppedWriter(Writer):
    """
    The writer without its thread: what is queued becomes durable a moment later, in the loop.
    """

    on_stopped: Callable[[], None] = staticmethod(lambda: None)
    takes_s: Callable[[], tuple[float, float]] = staticmethod(lambda: DISK_S)

    def start(self, loop: asyncio.AbstractEventLoop, on_poisoned: Callable[[], None]) -> None:
        assert isinstance(loop, ProcessLoop)
        self._loop, self._on_poisoned = loop, on_poisoned
        self._process_loop, self._is_due = loop, False
        self.look_at_space()

    def _call_thread(self, *, soon: bool) -> None:
        self._due()

    def _due(self) -> None:
        if not self._is_due:
            self._is_due = True
            rng = self._process_loop.scheduler.rng
            self._process_loop.call_later(rng.uniform(*self.takes_s()), self._step)

    def _step(self) -> None:
        self._is_due = False
        self.look_at_space()
        try:
            if batch := self.take():
                self.write(batch)
                self._taken = []
        except Stopped:
            self.on_stopped()
            return
        if self._queue:
            self._due()

    def stop(self) -> None:
        self._closing = True
        while batch := self.take():
            self.write(batch)
            self._taken = []


class LoopThread:
    """
    What takes a thread's place: its work is done in the loop of whoever starts it, in one piece.
    """

    def __init__(self, *, target: Callable[[], None], **_: Any) -> None:
        self._target = target

    def start(self) -> None:
        """
        Do the work soon.
        """
        asyncio.get_running_loop().call_soon(self._target)

    def join(self) -> None:
        """
        It was done by then, or never will be.
        """


class Life:
    """
    One life of a process, from its start to its death.
    """

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        world = machine.scheduler
        self.loop = ProcessLoop.of(world, f"{machine.name}{number}", machine.connect)
        self.random = Random(f"{machine.seed}/{machine.name}/{number}")
        self.log = SimLog(self.loop.name, machine.told)
        self.link = SimLink(self.loop.name, machine.shore, machine.way)
        self.rooms: Rooms
        self.store: FleetStore
        self.serve: Callable[[], asyncio.BaseProtocol] | None = None
        self.program: Program | None = None
        self.fault: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Life {self.loop!r}>"

    @property
    def is_ready(self) -> bool:
        """
        Tell whether it listens.
        """
        return self.serve is not None and not self.loop.is_dead

    def end(self) -> None:
        """
        Let go of what it holds, once the simulation is over.
        """
        self.loop.end()
        forward = self.rooms.forward if self.serve is not None or self.program is not None else None
        for pool in forward._pools.values() if forward is not None else ():
            pool.drop_idle()

    async def begin(self) -> None:
        """
        Start as `serve` does.
        """
        try:
            await self._begin()
        except Stopped:
            self.machine.crash()
        except Exception as error:
            self.fault = error
            self.machine.told(self.loop.name, "start-failed", repr(error)[:200])
            self.machine.crash()

    async def _begin(self) -> None:
        machine, configuration = self.machine, self.machine.configuration
        self.store = store = FleetStore(
            self.link,
            configuration.settings.deployment,
            machine.clock.now,
            Retention.of(configuration.settings.idempotency),
            CLAIM_S,
        )
        ledger, keys = open_ledger(
            configuration, clock=machine.clock, randomness=self.random.randbytes, disk=machine.disk
        )
        assert isinstance(ledger._writer, SteppedWriter)
        ledger._writer.on_stopped = machine.crash
        ledger._writer.takes_s = machine.takes_s
        doors = app.declared_doors(configuration)
        accounts = app.open_accounts(configuration, {"TILL": SECRET})
        self.rooms = rooms = app.build(
            configuration,
            accounts,
            ledger,
            keys,
            doors,
            [],
            clock=machine.clock,
            randomness=self.random.randbytes,
            disk=machine.disk,
            log=self.log,
            store=store,
        )
        rooms.addresses = dict.fromkeys(doors, f"http://{machine.name}.example")
        ledger.on_poisoned = machine.crash
        ledger.start(self.loop)
        self.program = program = Program(rooms, [], configuration.settings.state, asyncio.Event())
        program.doubts = Doubts(rooms, self.random.randbytes)
        await server.open_doors(program, [])
        for key in machine.agents:
            if not any(known.kid == key.kid for known in ledger.recovered.keys):
                await ledger.access.key_minted(key.agent, key.kid, key.digest)
                rooms.keys.minted(key)
        front = Front(rooms)
        door = doors["till"]
        listening = AgentServer(
            front.serving(door), crowd=Crowd(64), on_error=lambda exc, status: front.unparsed(door, exc, status)
        )
        self.serve = listening
        machine.told(self.loop.name, "listens", rooms.standing.fault)


@dataclass(slots=True)
class Machine:
    """
    Where one process after another lives: what outlives each is the disk.
    """

    name: str
    seed: int
    scheduler: Scheduler
    configuration: Configuration
    shore: Shore
    connect: Any
    told: Callable[..., None]
    agents: tuple[AgentKey, ...]
    clock: SimClock = field(init=False)
    way: Way = field(default_factory=Way)
    disk: SimDisk = field(default_factory=SimDisk)
    disk_s: tuple[float, float] | None = None
    life: Life | None = None
    lives: list[Life] = field(default_factory=list)
    on_death: Callable[[Life], None] = lambda _: None
    on_hiccup: Callable[[], None] = lambda: None
    hiccups: bool = True

    def __post_init__(self) -> None:
        self.clock = SimClock(self.scheduler)

    def takes_s(self) -> tuple[float, float]:
        """
        Return how long the next batch takes to become durable: now and then a disk stands still for a moment.
        """
        if self.disk_s is None and self.hiccups and self.scheduler.rng.random() < HICCUPS:
            self.on_hiccup()
            return HICCUP_S
        return self.disk_s or DISK_S

    def start(self) -> None:
        """
        Begin a life.
        """
        self.life = life = Life(self, len(self.lives))
        self.lives.append(life)
        self.told(life.loop.name, "starts")
        task = life.loop.create_task(life.begin())
        life.task = task  # type: ignore[attr-defined]

    def crash(self) -> None:
        """
        End the life where it stands; the disk keeps what was synced, and a part of the rest.
        """
        life = self.life
        if life is None or life.loop.is_dead:
            return
        self.told(life.loop.name, "crashes")
        life.loop.die()
        self.disk = self.disk.crashed(self.scheduler.rng)
        self.life = None
        self.on_death(life)
