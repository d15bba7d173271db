"""A stop without a road: a store of its own, a record that is a list, and a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from breakers.call import Call
from breakers.stops import RUNNING, Stop, Stops
from breakers.store.events import Event
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Permit, Store, StoreUnavailable
from proxy.announcing import Announcer
from proxy.errors import LedgerUnavailable
from proxy.inforce import InForce
from proxy.killfile import KillFile
from proxy.killing import KillSwitch
from proxy.ledger.disk import RealDisk
from proxy.logline import Log
from tests.breakers.world import call, write
from tests.ledger.world import StillClock

NOWHERE = Path("/nowhere")

READ, WRITE = call("charges.retrieve"), write("labels/set", {"path.number": 7})


@dataclass
class Paper:
    """A record that is a list, and may be out of order."""

    stops: list[Stop] = field(default_factory=list)
    heard: list[Stop] = field(default_factory=list)
    broken: bool = False

    async def changed(self, stop: Stop) -> None:
        """
        Write a stop down.
        """
        if self.broken:
            raise LedgerUnavailable("the disk is full")
        self.stops.append(stop)

    async def learned(self, stop: Stop) -> None:
        """
        Write down what nobody has to be told of.
        """
        self.heard.append(stop)


@dataclass
class Heard:
    """What people were told, and what the log says."""

    said: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)
    lines: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def say(self, kind: str, id_: str, fields: Mapping[str, object]) -> None:
        """
        Be told.
        """
        self.said.append((kind, id_, fields))

    def write(self, line: dict[str, object]) -> None:
        """
        Take a line.
        """

    def event(self, event: str, **fields: object) -> None:
        """
        Take a line about the process.
        """
        self.lines.append((event, fields))

    def failure(self, call: str, error: BaseException) -> None:
        """
        Fail: nothing here may.
        """
        raise error


@dataclass
class Process:
    """
    What one process knows of the stop, and whom it tells.
    """

    folder: Path = NOWHERE
    begins: Stops = RUNNING
    clock: StillClock = field(default_factory=StillClock)
    store: Store | None = None
    paper: Paper = field(default_factory=Paper)
    heard: Heard = field(default_factory=Heard)
    applied: list[tuple[Stop, float]] = field(default_factory=list)
    switch: KillSwitch = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.store or MemoryStore(self.clock.now)
        here = InForce(self.begins, KillFile(self.folder, RealDisk()), self.clock)
        self.switch = KillSwitch(
            self.store,
            self.paper,
            here,
            self.clock,
            cast("Log", self.heard),
            cast("Announcer", self.heard),
            lambda stop, seconds: self.applied.append((stop, seconds)),
        )

    @property
    def kinds(self) -> list[str]:
        """
        Return as what kinds of things people were told.
        """
        return [kind for kind, _, _ in self.heard.said]


class Shared(MemoryStore):
    """A store that several processes share, and that may be out of reach."""

    kind = "redis"

    def __init__(self, clock: StillClock) -> None:
        super().__init__(clock.now)
        self.away = False

    async def stops(self) -> Stops:
        self._ask()
        return await super().stops()

    async def apply(self, event: Event) -> None:
        self._ask()
        await super().apply(event)

    def _ask(self) -> None:
        if self.away:
            raise StoreUnavailable("it does not answer")

    def flush(self) -> None:
        """
        Lose everything.
        """
        self._stops = Stops()


def pair() -> tuple[Process, Process, Shared]:
    """
    Return two processes of one deployment, and what they share.
    """
    clock = StillClock()
    store = Shared(clock)
    return Process(clock=clock, store=store), Process(clock=clock, store=store), store


def may(process: Process, asked: Call = WRITE) -> bool:
    """
    Tell whether a call may leave a process now.
    """
    try:
        return process.switch.permit(asked) is Permit.GRANTED
    except StoreUnavailable:
        return False
