"""Hundreds of calls at one cap at once, while replies get lost, callers hang up, and the process is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from breakers.known import Ended, State
from breakers.spend import released
from breakers.store.events import Event, IntentEnded, ReadHeld, ReadSettled, opened_by
from breakers.store.protocol import (
    Exhausted,
    HeldRead,
    HeldWrite,
    OpenIntent,
    Permit,
    Reservation,
    Stale,
    Store,
    StoreUnavailable,
)
from breakers.verdict import Forward
from tests.breakers.world import AT
from tests.contract.charges import month, sum_of
from tests.contract.world import BRIEF_S, World, judged, read, write

T = TypeVar("T")

CAP = 100
CALLS = 500

# How many are on their way at once: more than the cap, and no more than a server on a busy machine answers in time.
AT_ONCE = 125

# A call that is not answered asks again, under its id, until it is.
TRIES = 200

TAKES = month(1, CAP)


@dataclass(slots=True)
class Road:
    """
    A process whose calls go their way at once, and what is on record: `sent` counts what left, where it left.
    """

    store: Store
    draw: random.Random
    lossy: float = 0.0
    record: list[Event] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    dead: bool = False

    async def told(self, verb: Callable[[], Awaitable[T]]) -> T:
        """
        Make a verb until its reply arrives; one that is lost was lost on its way there or back.
        """
        for _ in range(TRIES):
            await asyncio.sleep(0)
            if self.draw.random() < self.lossy / 2:
                continue
            with contextlib.suppress(StoreUnavailable):
                said = await verb()
                if self.draw.random() >= self.lossy / 2:
                    return said
        raise AssertionError("the store never answered")

    async def call(self, id_: str, *, writes: bool) -> bool:
        """
        Take one call its whole way, and return whether it was admitted. Its caller may hang up until it is on record.
        """
        # In every life the same agents ask for the same: whoever asks again takes over what nobody sent.
        name = id_[-3:]
        asked = write(id_, f"k:{name}", f"f1:{name}", f"e:{name}") if writes else read(id_)
        go = replace(await self.told(lambda: judged(self.store, asked)), charges=(TAKES,))
        try:
            said = await self.told(lambda: self.store.reserve(go))
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # A process that is killed gives nothing back.
            if not self.dead:
                await asyncio.shield(self.given_back(HeldWrite(go) if writes else HeldRead(go)))
            raise
        assert not isinstance(said, Stale)
        if isinstance(said, Exhausted):
            assert said.settled + said.held + 1 > CAP
            return False
        return await asyncio.shield(self.carried(go, said))

    async def given_back(self, held: Reservation) -> None:
        """
        Give back what may have been held: nothing of it was sent.
        """
        nothing = Ended(State.COMPLETED, AT, applied=False, spent=released(held.go.charges))
        await self.told(lambda: self.store.settle(held, nothing if isinstance(held, HeldWrite) else None))

    async def carried(self, go: Forward, held: Reservation) -> bool:
        """
        Record, send, record and settle; nobody but a kill cuts this short.
        """
        call, opened = go.call, opened_by(go.call, "place", go.charges)
        writes = isinstance(held, HeldWrite)
        self.record.append(opened if writes else ReadHeld(call.id, call.at, go.charges))
        permit = await self.told(lambda: self.store.dispatch(held, opened)) if isinstance(held, HeldWrite) else None
        if permit is not Permit.LOST:
            self.sent.append(call.id)
        await asyncio.sleep(0)
        spent = (0,) if permit is Permit.LOST else (1,)
        ended = Ended(State.COMPLETED, AT, permit is not Permit.LOST, spent=spent)
        self.record.append(IntentEnded(call.id, ended) if writes else ReadSettled(call.id, spent))
        await self.told(lambda: self.store.settle(held, ended))
        return True

    async def rush(self, first: int, *, hang_up: float = 0.0, kill_after: int = 0, reads: bool = True) -> int:
        """
        Let calls come at once, some of whose callers hang up, and return how many were admitted; or be killed.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(n: int) -> bool:
            async with gate:
                return await self.call(f"01{n:05}", writes=n % 2 == 0 or not reads)

        tasks = [asyncio.create_task(one(first + n)) for n in range(CALLS)]
        while running := [task for task in tasks if not task.done()]:
            await asyncio.sleep(0)
            if self.draw.random() < hang_up:
                self.draw.choice(running).cancel()
            if kill_after and len(self.sent) >= kill_after:
                self.dead = True
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()
        said = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, bool | asyncio.CancelledError) for each in said), said
        return said.count(True)


async def test_lost_replies(world: World) -> None:
    """Of 500 at a cap of 100 exactly 100 are admitted and sent, however many replies are lost on the way."""
    road = Road(await world.store(), random.Random(1), lossy=0.3)
    assert (await road.rush(0), len(road.sent)) == (CAP, CAP)
    assert await sum_of(road.store, TAKES) == (CAP, 0)


@pytest.mark.parametrize("lossy", [0.0, 0.3])
async def test_hang_ups(world: World, lossy: float) -> None:
    """However many callers hang up, no more is sent than the cap, and what they held is there for others."""
    road = Road(await world.store(BRIEF_S), random.Random(2), lossy)
    for round_ in range(4):
        await road.rush(round_ * CALLS, hang_up=0.3)
        assert len(road.sent) <= CAP
        await world.lapse()
    await road.rush(9 * CALLS)
    assert len(road.sent) == CAP
    assert await sum_of(road.store, TAKES) == (CAP, 0)


@pytest.mark.parametrize("lossy", [0.0, 0.2])
async def test_kills(world: World, lossy: float) -> None:
    """Killed again and again, it never sends more than the cap; once every doubt is settled, exactly that was sent."""
    draw = random.Random(3)
    record: list[Event] = []
    sent: list[str] = []
    name = f"killed-{round(10 * lossy)}"
    store = await world.store(BRIEF_S, of=name)
    for life, kill_after in enumerate((20, 30, 25, 0)):
        road = Road(store, draw, lossy, record)
        await road.rush(life * CALLS, kill_after=kill_after, reads=False)
        sent += road.sent
        assert len(sent) <= CAP
        await store.close()
        await world.lapse()
        # The next process knows what is on record, and nothing else.
        store = await world.store(BRIEF_S, events=record, of=name)
    settled, held = await sum_of(store, TAKES)
    doubts = await store.open_intents()
    assert (settled + held, held) == (CAP, len(doubts))
    await found_out(store, doubts, sent)
    assert await sum_of(store, TAKES) == (len(sent), 0)
    last = Road(store, draw, 0.0)
    await last.rush(5 * CALLS, reads=False)
    assert len(sent) + len(last.sent) == CAP
    assert await sum_of(store, TAKES) == (CAP, 0)


async def found_out(store: Store, doubts: tuple[OpenIntent, ...], sent: list[str]) -> None:
    """
    Settle every doubt by whether it was sent.
    """
    for doubt in doubts:
        intent = doubt.opened.intent
        done = Ended(State.COMPLETED, AT, intent in sent, spent=(int(intent in sent),))
        assert await store.resolve(doubt.opened, done)
