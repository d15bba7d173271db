"""The breakers of some processes on one store, without a road: results are told, time is moved, records are kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

from breakers.breaker import Breaker, State
from breakers.call import Applied, Call, Fault, Health, Outcome, Retry, Sent
from breakers.facts import Facts
from breakers.store.memory import MemoryStore
from breakers.thresholds import USUAL, Gauging
from config.settings import Timeouts
from proxy.announcing import Announcer
from proxy.errors import LedgerUnavailable
from proxy.ledger.notices import Notices
from proxy.observing import Observer
from proxy.sampler import Sampler
from proxy.sampling import Admitted
from proxy.throttling import Throttling
from tests.breakers.world import CATALOG, call, write
from tests.ledger.world import StillClock
from tests.proxy.road import Lines

READS, WRITES = "api:shop/read", "api:shop/write"


def result(
    status: int | None = 200, health: Health = Health.OK, applied: Applied = Applied.NOT_APPLIED, **more: Any
) -> Outcome:
    """
    Return how an attempt ended.
    """
    return Outcome(applied, health, Retry.NEVER, Sent.YES, status=status, **more)


OK = result()
BAD = result(500, Health.FAIL)
DOUBT = result(None, Health.FAIL, Applied.UNKNOWN, fault=Fault.TIMEOUT)
GONE = result(404, Health.IGNORE)
DECLINED = result(402)
ODD = result(422, Health.IGNORE)
UNAUTHORIZED = result(401, Health.IGNORE)
FORBIDDEN = result(403, Health.IGNORE)
UNRESOLVED = replace(result(None, Health.FAIL_LOCAL, fault=Fault.UNRESOLVED), sent=Sent.NO)

GET = call("charges.retrieve", {"path.id": "ch_1"})
SET = write("labels/set", {"path.number": 1})


@dataclass
class Told:
    """A record of breakers that can be full."""

    moved: list[str] = field(default_factory=list)
    full: bool = False

    async def breaker_changed(self, before: Breaker | None, after: Breaker, notice: str, *, here: bool = False) -> None:
        """
        Take a transition.
        """
        if self.full:
            raise LedgerUnavailable("the disk is full")
        was = State.PASSING if before is None else before.state
        self.moved.append(f"{after.key} {was} {after.state}{' here' if here else ''}")

    @property
    def untold(self) -> tuple[()]:
        """
        Return nothing.
        """
        return ()

    async def told(self, notice: str) -> None:
        """
        Take note of nothing.
        """


@dataclass
class Process:
    """One process: what it counts, what it has on record, what it logs."""

    store: MemoryStore
    clock: StillClock
    replica: str = "a"
    gauging: Gauging = USUAL
    record: Told = field(default_factory=Told)
    log: Lines = field(default_factory=Lines)
    moves: list[Breaker] = field(default_factory=list)
    sampler: Sampler = field(init=False)
    observer: Observer = field(init=False)

    def __post_init__(self) -> None:
        throttling = Throttling({"shop": CATALOG.dialect}, self.clock.now)
        self.sampler = Sampler(self.clock, Timeouts(), self.gauging, throttling)
        records = cast("Notices", self.record)
        announcer = Announcer(self.log, lambda _: None, records, self.clock)
        self.observer = Observer(
            self.sampler, self.store, records, announcer, self.log, self.clock, lambda: 0.5, self.moves.append,
            self.replica,
        )  # fmt: skip

    async def facts(self, asked: Call) -> Facts:
        """
        Return what a call is judged by now.
        """
        return self.sampler.noted(asked, await self.store.facts(asked))

    async def admitted(self, asked: Call) -> Admitted:
        """
        Let a call pass as of now.
        """
        return self.sampler.admitted(asked, await self.facts(asked))

    async def made(self, asked: Call, *outcomes: Outcome, under: Admitted | None = None, took_s: float = 0.0) -> None:
        """
        Make calls that end so, one after the other, and have that taken in.
        """
        for outcome in outcomes:
            admitted = under or await self.admitted(asked)
            sample = self.sampler.begin(admitted)
            self.clock.move(took_s)
            self.sampler.left(sample)
            self.sampler.ended(sample, outcome)
            self.sampler.over(admitted, outcome)
        await self.look()

    async def look(self, seconds: float = 0.0) -> None:
        """
        Let time pass, and have what has happened taken in.
        """
        self.clock.move(seconds)
        await self.observer.look()

    async def of(self, key: str) -> Breaker:
        """
        Return how a breaker stands.
        """
        return next((one for one in await self.store.breakers() if one.key == key), Breaker(key))

    async def state(self, key: str) -> State:
        """
        Return its state.
        """
        return (await self.of(key)).state


def process(**more: Any) -> Process:
    """
    Return a process that has a store for itself.
    """
    clock = StillClock()
    return Process(MemoryStore(clock.now), clock, **more)


def fleet(*replicas: str) -> dict[str, Process]:
    """
    Return processes that share one store.
    """
    clock = StillClock()
    store = MemoryStore(clock.now)
    return {replica: Process(store, clock, replica) for replica in replicas}
