"""What the store was asked and has not answered: it may have been done, and must not be done twice, or go unsaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from breakers.breaker import Breaker, Delta, State, Sums
from breakers.observe import forced
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Store, StoreUnavailable
from proxy.sampler import WAITING_MAX
from tests.proxy.observed import BAD, GET, OK, READS, SET, WRITES, Process, process

LATER = 40.0
FORCED = State.FORCED_SUGGEST_ONLY

Move = tuple[Breaker | None, Breaker]


class Mute(MemoryStore):
    """
    A store that does what it is asked and does not answer, as often as it is told; asked for the very same it answers.
    """

    mute = 0
    done: Move | None = None
    away = False
    unanswered = False
    reports: list[tuple[Delta, ...]]

    async def breakers(self) -> tuple[Breaker, ...]:
        """
        Say how they stand, unless it is away.
        """
        if self.away:
            raise StoreUnavailable("it is away")
        return await super().breakers()

    async def move(self, before: Breaker | None, after: Breaker) -> bool:
        """
        Move one, once.
        """
        self._reached()
        is_made = self.done == (before, after) or await super().move(before, after)
        self.done = (before, after) if is_made else None
        self._answers()
        return is_made

    async def count(self, deltas: Sequence[Delta], replica: str) -> tuple[Sums, ...]:
        """
        Count, once.
        """
        self._reached()
        again = self.unanswered and self.reports[-1:] == [tuple(deltas)]
        self.reports.append(tuple(deltas))
        sums = await super().count([replace(one, bucket=0) for one in deltas] if again else deltas, replica)
        self.unanswered = self.mute > 0
        self._answers()
        return sums

    def _reached(self) -> None:
        if self.away:
            raise StoreUnavailable("it is away")

    def _answers(self) -> None:
        if self.mute:
            self.mute -= 1
            raise StoreUnavailable("it does not answer")


def muted() -> tuple[Process, Mute]:
    """
    Return a process whose store can be muted.
    """
    one = process()
    store = Mute(one.clock.now)
    store.reports = []
    one.store, one.observer._store = store, cast("Store", store)
    return one, store


async def probing(key: str = WRITES) -> tuple[Process, Mute]:
    """
    Return one whose writes are tried again.
    """
    one, store = muted()
    await one.made(SET, BAD, BAD, BAD)
    await one.look(LATER)
    assert await one.state(key) is State.PROBING
    return one, store


async def test_report_again() -> None:
    """A report without an answer is made again as it was, before anything newer, and counts once."""
    one, store = muted()
    for mute in (1, 1, 0):
        store.mute = mute
        if mute:
            with pytest.raises(StoreUnavailable):
                await one.made(SET, BAD)
        else:
            await one.look()
    assert store.reports[0] == store.reports[1] == store.reports[2]
    assert await one.state(WRITES) is State.PASSING
    await one.look()
    assert [sum(one.fail for one in report if one.key == WRITES) for report in store.reports] == [1, 1, 1, 1]
    assert await one.state(WRITES) is State.PASSING
    await one.made(SET, BAD)
    assert await one.state(WRITES) is State.SUGGEST_ONLY


async def test_heals_once() -> None:
    """A good result whose move was not answered counts once."""
    one, store = await probing()
    store.mute = 1
    with pytest.raises(StoreUnavailable):
        await one.made(GET, OK)
    for _ in range(3):
        await one.look()
    assert (await one.of(WRITES)).oks == 1


async def test_healed_of_some() -> None:
    """Of several breakers that one result heals each counts it once, wherever the store went away between them."""
    one, store = await probing()
    irreversible = "api:shop/irreversible"
    at = one.clock.now()
    stands = Breaker(irreversible, State.PROBING, 1, since=at)
    assert await store.move(None, stands)
    await one.look()
    store.mute = 1
    with pytest.raises(StoreUnavailable):
        await one.made(GET, OK)
    await one.look()
    assert ((await one.of(WRITES)).oks, (await one.of(irreversible)).oks) == (1, 1)


async def test_told_once() -> None:
    """A transition that was made without an answer is on record and announced, once."""
    one, store = muted()
    await one.made(SET, BAD, BAD, BAD)
    store.mute = 1
    with pytest.raises(StoreUnavailable):
        await one.look(LATER)
    assert await one.state(WRITES) is State.PROBING
    await one.look()
    await one.look()
    assert one.record.moved == [f"{WRITES} passing suggest_only", f"{WRITES} suggest_only probing"]
    assert [line["state"] for line in one.log.of("breaker")] == ["suggest_only", "probing"]


@pytest.mark.parametrize("reached", [True, False], ids=["made", "not made"])
async def test_operators_word(reached: bool) -> None:
    """What an operator said without an answer is on record where it was made; where it was not it is not made later."""
    one, store = muted()
    at = one.clock.now()
    await one.look()
    store.mute = 1
    if not reached:
        one.observer._store = cast("Store", Unreached(one.clock.now))
    with pytest.raises(StoreUnavailable):
        await one.observer.change(WRITES, lambda known: forced(known, WRITES, FORCED, by="ada", why="a test", at=at))
    one.observer._store = cast("Store", store)
    for _ in range(2):
        await one.look()
    assert await one.state(WRITES) is (FORCED if reached else State.PASSING)
    assert one.record.moved == ([f"{WRITES} passing {FORCED}"] if reached else [])


class Unreached(MemoryStore):
    """A store that can be read, and takes nothing."""

    async def move(self, before: Breaker | None, after: Breaker) -> bool:
        """
        Take nothing.
        """
        raise StoreUnavailable("it does not answer")


async def test_bounded_while_away() -> None:
    """However long the store is away while reads go on, what waits for it has an end, and the newest of it is told."""
    one, store = await probing()
    store.away = True
    admitted = one.sampler.admitted(GET, await MemoryStore.facts(store, GET))
    for _ in range(WAITING_MAX + 200):
        one.clock.move(10.0)
        sample = one.sampler.begin(admitted)
        one.sampler.left(sample)
        one.sampler.ended(sample, OK)
        one.sampler.given_up(GET.id)
        with pytest.raises(StoreUnavailable):
            await one.look()
    assert len(one.sampler.results) == len(one.sampler.over_calls) == WAITING_MAX
    store.away = False
    await one.look()
    assert await one.state(WRITES) is State.RAMPING
    assert READS not in {breaker.key for breaker in await store.breakers()}
