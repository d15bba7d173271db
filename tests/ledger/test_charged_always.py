"""Charges have one property: after any history, what a store was told adds up to what the raw records say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Applied
from breakers.spend import CALLS, Charge
from breakers.store.events import Event
from breakers.store.memory import MemoryStore
from breakers.store.protocol import HeldRead, HeldWrite
from proxy.ledger import records
from proxy.ledger.book import Ledger
from proxy.ledger.charges import spent
from proxy.ledger.drafts import system
from proxy.ledger.frames import Kind
from proxy.ledger.layout import LEDGER, epochs, segments
from tests.crash.totals import Sums, spent_on_record
from tests.ledger.forge import frames_of
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.test_remembered import names
from tests.ledger.world import (
    FOLDER,
    START,
    Answered,
    World,
    commit_now,
    delivered,
    outcome,
    read,
    small_segments,
    wire,
    write,
)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "read", "end", "unknown", "resolve", "park", "read ends", "start", "move"]),
        st.integers(0, 5),
    ),
    max_size=24,
)

ENDS = {Applied.APPLIED: 200, Applied.NOT_APPLIED: 429}


@dataclass(frozen=True, slots=True)
class Open:
    """A write whose end is not known, with where its intent stands."""

    held: HeldWrite
    index: int
    origin: str
    unknown: bool = False


@dataclass
class Spender:
    """A log that is written to as the program does."""

    world: World = field(default_factory=lambda: World(settings=small_segments(3000)))
    ledger: Ledger = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.ledger = self.world.open()
        self.open: list[Open] = []
        self.reads: list[HeldRead] = []

    def take(self, step: str, which: int) -> None:
        """Let something happen, where it can."""
        match step:
            case "write":
                self._write(which)
            case "read":
                self._read(which)
            case "read ends" if self.reads:
                held = self.reads.pop(which % len(self.reads))
                took = tuple(min(which, one.amount) for one in held.go.charges)
                commit_now(self.ledger, records.read_outcome(held, outcome(), delivered(), self.ledger.ring, took))
            case "end" | "unknown":
                self._end(which, known=step == "end")
            case "resolve" | "park":
                self._resolve(which, parked=step == "park")
            case "start" | "move":
                self.world = replace(self.world, disk=self.world.disk.after_kill())
                self.ledger = self.world.open(new_epoch="moved" if step == "move" else None)
            case _:
                pass

    def _charges(self, which: int) -> tuple[Charge, ...]:
        until = START + timedelta(days=9)
        every = (
            Charge("task:a/1", "life", CALLS, 1, 99, until, (50, 100)),
            Charge("agent:a", "2026-11", "moved:USD", 1 + which * 1_000_000, 10**9, until),
            Charge("agent:a", "2026-11", CALLS, 1, 999, until, (80,)),
        )
        return every[: 1 + which % 3]

    def _write(self, which: int) -> None:
        self.count += 1
        go = replace(write(self.count, names=names(self.count)).go, charges=self._charges(which))
        held = HeldWrite(go)
        (at,) = commit_now(self.ledger, records.intent(held, wire(), self.ledger.ring, b"r" * 32))
        self.open.append(Open(held, at.index, self.ledger.origin))

    def _read(self, which: int) -> None:
        self.count += 1
        held = HeldRead(replace(read(self.count).go, charges=self._charges(which)))
        commit_now(self.ledger, records.read_held(held.go, self.ledger.ring))
        self.reads.append(held)

    def _end(self, which: int, *, known: bool) -> None:
        # Whoever carried a write of a former process is gone.
        mine = [one for one in self.open if one.origin == self.ledger.origin and not one.unknown]
        if not mine:
            return
        one = mine[which % len(mine)]
        applied = Applied.UNKNOWN if not known else [*ENDS][which % 2]
        ended = replace(outcome(applied), status=ENDS.get(applied, 500))
        took = tuple(charge.amount + which for charge in one.held.go.charges) if known else ()
        call = one.held.go.call
        commit_now(self.ledger, records.write_outcome(call, one.index, ended, Answered(), 99, took))
        self.open.remove(one)
        if not known:
            self.open.append(replace(one, unknown=True))

    def _resolve(self, which: int, *, parked: bool) -> None:
        if not self.open:
            return
        one = self.open[which % len(self.open)]
        eff, state = (Applied.UNKNOWN, "parked") if parked else ([*ENDS][which % 2], "completed")
        said: dict[str, Any] = {"eff": str(eff), "state": state, "keeps": eff is Applied.APPLIED}
        if not parked:
            said["spent"] = spent(tuple(charge.amount * (which % 2) for charge in one.held.go.charges))
            self.open.remove(one)
        former = one.origin if one.origin != self.ledger.origin else None
        draft = system("recovery.resolved", intent=one.index, of=former, by="operator", why="said", **said)
        commit_now(self.ledger, replace(draft, call=one.held.go.call.id))


def entries(disk: MemoryDisk) -> list[dict[str, Any]]:
    """The raw entries of every log on a disk."""
    paths = [path for epoch in epochs(disk, FOLDER / LEDGER) for _, path in segments(disk, epoch)]
    return [orjson.loads(f.payload) for path in paths for f in frames_of(disk.read(path)) if f.kind is Kind.ENTRY]


async def totals(events: Iterable[Event]) -> Sums:
    """What a store holds that was told these events."""
    store = MemoryStore(lambda: START)
    await store.start(events)
    return {f"{one.node}|{one.period}|{one.measure}": (one.settled, one.held) for one in await store.totals()}


@given(STEPS)
def test_adds_up(steps: list[tuple[str, int]]) -> None:
    """After any history, over any starts and new logs, the totals are those of a sum over the raw records."""
    spender = Spender()
    for step, which in steps:
        spender.take(step, which)
    disk = spender.world.disk.after_kill()
    again = World(disk=disk, settings=spender.world.settings).open()
    expected = spent_on_record(entries(disk))
    assert asyncio.run(totals(again.recovered.events)) == expected
    assert asyncio.run(totals(again.events())) == expected
