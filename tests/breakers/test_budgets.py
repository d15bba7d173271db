"""What the memory store adds to the contract of budgets: what it forgets, how much it holds, and how fast it is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

from breakers.spend import Charge
from breakers.store.events import (
    Event,
    IntentEnded,
    ReadHeld,
    ReadSettled,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
    opened_by,
)
from breakers.store.memory import MemoryStore
from breakers.store.protocol import LEASE_S, REMEMBERED_S, HeldRead, HeldWrite
from breakers.task import Closed, Task
from breakers.verdict import Forward
from config.caps import NO_CAPS
from tests.breakers.test_memory import DONE, named
from tests.breakers.world import AT, call
from tests.conftest import Figure
from tests.contract.charges import MONTH_ENDS, life, month, refusing, spending
from tests.contract.world import KEPT, Clock, dispatched, made, read, reserved, taken, unknown, write

WRITES = 2000
REPLAYED = 20_000

DAYS = timedelta(days=1)

# A chain as long as most are: a task's calls and money, its agent's day and month.
CHAIN = (
    life(1, 10**9),
    life(500, 10**12, measure="moved:USD", alerts=(50, 80, 100)),
    month(500, 10**12, measure="moved:USD", alerts=(50, 80, 100)),
    month(1, 10**9, period="2026-11-21"),
)


async def charged_for_long(store: MemoryStore, clock: Clock) -> None:
    """
    Let a hundred calls of all kinds take of caps by the hour, a hundred and one tasks, and a token that is revoked.
    """
    for n in range(100):
        over = clock.at + timedelta(hours=1)
        charges = (month(1, period=f"h{n}", until=over), life(1, node=f"task:clerk/{n}", until=over))
        asked = write(f"01{n:03}", f"k:{n}", f"f1:{n}", f"e:{n}")
        if n % 4 == 0:
            await reserved(store, asked, *charges)
        elif n % 4 == 1:
            await made(store, asked, refusing(0, 1), charges=charges)
        else:
            await store.settle(await taken(store, read(f"01{n:03}"), *charges), spending(1, 1))
        task = Task(f"clerk/{n:03}", "clerk", clock.at, over, NO_CAPS)
        await store.apply(TaskOpened(task))
        await store.apply(TaskClosed(task.id, clock.at, Closed.DONE))
        clock.pass_by(3600)
    await store.apply(TokenRevoked("abc", clock.at))


async def test_memory_is_given_back() -> None:
    """A store in which everything is over holds no total, no call, no task and no token any more."""
    clock = Clock()
    store = MemoryStore(clock.now, KEPT)
    await charged_for_long(store, clock)
    clock.pass_by(41 * 86_400)
    for n in range(120):
        later = (month(1, period=f"later{n}", until=clock.at),)
        await store.settle(await taken(store, read(f"02{n:03}"), *later), spending(1))
        clock.pass_by(REMEMBERED_S)
    await store.apply(TokenRevoked("abd", clock.at))
    await store.apply(TaskClosed("clerk/none", clock.at, Closed.DONE))
    assert [one.period for one in await store.totals()] == [f"later{n}" for n in sorted(range(120), key=str)]
    assert len(store._budgets.calls) <= 4
    assert not store._claims
    # A revocation, and the end of a task of which nothing else is known.
    assert len(store._opened) == 2


async def test_swept_in_steps() -> None:
    """However much has to be forgotten at once, no call waits for more than a few records of it."""
    clock = Clock()
    store = MemoryStore(clock.now, KEPT)
    for n in range(40):
        await store.settle(await taken(store, read(f"01{n:03}"), month(1, period=f"h{n}")), spending(1))
    clock.pass_by((MONTH_ENDS - AT).total_seconds() + 41 * 86_400)
    before = len(store._budgets.calls)
    await taken(store, read("02"), month(1, period="later", until=clock.at + DAYS))
    assert before - 4 <= len(store._budgets.calls) < before


async def test_abandoned_claims() -> None:
    """However many charged claims nobody dispatched, one call that finds no room gives all of them up."""
    clock = Clock()
    store = MemoryStore(clock.now, KEPT)
    for n in range(50):
        await reserved(store, write(f"01{n:03}", f"k:{n}", f"f1:{n}", f"e:{n}"), month(2))
    clock.pass_by(2 * LEASE_S)
    await taken(store, read(), month(100))


async def test_doubt_outlives_its_total() -> None:
    """The total of a period that is long over stays as long as a doubt holds something of it, and goes with it."""
    clock = Clock()
    store = MemoryStore(clock.now, KEPT)
    held = await dispatched(store, write(), month(3))
    await store.settle(held, unknown())
    for n in range(200):
        clock.pass_by(86_400)
        await store.settle(await taken(store, read(f"02{n:03}"), life(0, until=clock.at + DAYS)), spending(0))
    assert [(one.settled, one.held) for one in await store.totals()] == [(0, 3)]
    assert await store.resolve(opened_by(write(), "", (month(3),)), spending(3))
    assert await store.totals() == ()


async def carried(store: MemoryStore, charges: tuple[Charge, ...]) -> float:
    """
    Take writes their whole way, and return how many in a second.
    """
    calls = [named(n) for n in range(WRITES)]
    end = replace(DONE, spent=tuple(charge.amount for charge in charges))
    began = time.process_time()
    for each in calls:
        held = await store.reserve(Forward(each, await store.facts(each), "v1", (), charges=charges))
        assert isinstance(held, HeldWrite)
        await store.dispatch(held, opened_by(each, "log/0#0/1/2/3", charges))
        await store.settle(held, end)
    return WRITES / (time.process_time() - began)


async def streamed(store: MemoryStore, charges: tuple[Charge, ...]) -> float:
    """
    Take reads their whole way, and return how many in a second.
    """
    calls = [call("refunds.retrieve", id=f"{n:026}") for n in range(WRITES)]
    end = replace(DONE, spent=tuple(charge.amount for charge in charges)) if charges else None
    began = time.process_time()
    for each in calls:
        held = await store.reserve(Forward(each, await store.facts(each), "v1", (), charges=charges))
        assert isinstance(held, HeldRead)
        await store.settle(held, end)
    return WRITES / (time.process_time() - began)


async def test_speed(figure: Figure) -> None:
    """What caps cost a call is a small part of what it costs, and a call without a cap pays nothing for them."""
    writes, reads = await carried(MemoryStore(lambda: AT), CHAIN), await streamed(MemoryStore(lambda: AT), CHAIN)
    free = await streamed(MemoryStore(lambda: AT), ())
    figure("memory store, writes a second under four caps", round(writes))
    figure("memory store, reads a second under four caps", round(reads))
    figure("memory store, reads a second under no cap", round(free))
    assert min(writes, reads) >= 5_000
    assert free >= 50_000


async def test_replay_speed(figure: Figure) -> None:
    """A ledger of charged calls is replayed at a speed at which a start does not wait for it."""
    charges = tuple(replace(charge, cap=0, alerts=()) for charge in CHAIN)
    spent = tuple(charge.amount for charge in charges)
    events: list[Event] = []
    for n in range(REPLAYED // 2):
        events += [opened_by(named(n), "", charges), IntentEnded(f"{n:026}", replace(DONE, spent=spent))]
        events += [ReadHeld(f"r{n}", AT, charges), ReadSettled(f"r{n}", spent)]
    store = MemoryStore(lambda: AT + DAYS)
    began = time.process_time()
    await store.start(events)
    taken_s = time.process_time() - began
    figure("memory store, charged calls replayed a second", round(REPLAYED / taken_s))
    assert [one.settled for one in await store.totals()] == [n * REPLAYED for n in (500, 1, 1, 500)]
    assert not store._budgets.calls
    assert REPLAYED / taken_s >= 10_000
