"""Reads that are blocked while the store is away: one at a time of each process tries whether that is over."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import cast

import pytest

from breakers.breaker import Breaker, State
from breakers.call import Call, Outcome
from breakers.decide import decide
from breakers.store.memory import MemoryStore
from breakers.store.protocol import HeldRead, Stale, Store, StoreUnavailable
from breakers.verdict import Forward, Refuse
from proxy.sampling import Admitted
from tests.breakers.world import call, policy
from tests.proxy.ailing import BLOCKED, PASSED, WAITED_S, ailing, outcome
from tests.proxy.observed import BAD, GET, GONE, OK, READS, Process, process
from tests.proxy.road import soon
from tests.redis_server import running_redis

POLICY = policy({"charges.*": {}})


class Gone(MemoryStore):
    """
    A store that is away, of which a read still knows what was seen last.
    """

    async def breakers(self) -> tuple[Breaker, ...]:
        """
        Say nothing.
        """
        raise StoreUnavailable("it is away")


def reading(number: int) -> Call:
    """
    Return one read of many.
    """
    return call("charges.retrieve", {"path.id": f"ch_{number}"}, id=f"01READ{number}")


async def blocked() -> Process:
    """
    Give a process whose reads are blocked, and whose store goes away then.
    """
    one = process()
    for _ in range(3):
        await one.made(GET, BAD, BAD, BAD)
    assert await one.state(READS) is State.BLOCKED
    one.observer._store = cast("Store", Gone(one.clock.now))
    return one


async def looks(one: Process, seconds: float = 0.0) -> None:
    """
    Let time pass, and have the store found away.
    """
    with pytest.raises(StoreUnavailable):
        await one.look(seconds)


async def asks(one: Process, asked: Call) -> HeldRead | None:
    """
    Judge a read and reserve it; None where it is refused.
    """
    verdict = decide(asked, POLICY, await one.facts(asked))
    if isinstance(verdict, Refuse):
        return None
    assert isinstance(verdict, Forward)
    held = await one.sampler.alone.reserve(verdict, one.store)
    assert isinstance(held, HeldRead)
    return held


def leaves(one: Process, held: HeldRead) -> Admitted:
    """
    Let a read be sent.
    """
    return one.sampler.admitted(held.go.call, held.go.facts)


def ends(one: Process, admitted: Admitted, said: Outcome) -> None:
    """
    Let a read end.
    """
    sample = one.sampler.begin(admitted)
    one.sampler.left(sample)
    one.sampler.closed(sample, said)


async def test_one_at_a_time() -> None:
    """Before its time nothing passes, then one read at a time, and after three good ones all of them."""
    one = await blocked()
    await looks(one)
    assert await asks(one, reading(0)) is None
    await looks(one, WAITED_S)
    for number in range(3):
        held = await asks(one, reading(number))
        assert held is not None
        assert await asks(one, reading(99)) is None
        ends(one, leaves(one, held), OK)
    assert all([await asks(one, reading(number)) for number in range(10, 20)])


async def test_backs_off() -> None:
    """A read that fails is the last one for a longer time."""
    one = await blocked()
    await looks(one)
    await looks(one, WAITED_S)
    held = await asks(one, reading(0))
    assert held is not None
    ends(one, leaves(one, held), BAD)
    await looks(one, WAITED_S)
    assert await asks(one, reading(1)) is None
    await looks(one, WAITED_S)
    assert await asks(one, reading(2)) is not None


async def test_hangs() -> None:
    """One that hangs keeps the permit to the end of its lease; its late end heals nothing."""
    one = await blocked()
    await looks(one)
    await looks(one, WAITED_S)
    held = await asks(one, reading(0))
    assert held is not None
    late = leaves(one, held)
    await looks(one, 64.0)
    assert await asks(one, reading(1)) is None
    await looks(one, 2.0)
    ends(one, late, OK)
    assert await asks(one, reading(2)) is None
    await looks(one, 2 * WAITED_S)
    assert await asks(one, reading(3)) is not None


async def test_proves_nothing() -> None:
    """What says nothing of the upstream, or was never sent, gives the permit back and heals nothing."""
    one = await blocked()
    await looks(one)
    await looks(one, WAITED_S)
    for number in range(4):
        held = await asks(one, reading(number))
        assert held is not None
        ends(one, leaves(one, held), GONE)
        held = await asks(one, reading(10 + number))
        assert held is not None
        one.sampler.given_up(held.go.call.id)
    assert await asks(one, reading(8)) is not None
    assert await asks(one, reading(9)) is None


async def test_store_back() -> None:
    """Once the store answers, what stands there holds, and nothing that this process tried moves that."""
    one = await blocked()
    stands = await one.of(READS)
    await looks(one)
    await looks(one, WAITED_S)
    held = await asks(one, reading(0))
    waiting = decide(reading(1), POLICY, await one.facts(reading(1)))
    assert held is not None
    assert isinstance(waiting, Refuse)
    admitted = leaves(one, held)
    one.observer._store = cast("Store", one.store)
    await one.look()
    after = await one.of(READS)
    assert (after.state, after.gen, after.probe) == (State.PROBING, stands.gen + 1, None)
    ends(one, admitted, OK)
    await one.look()
    assert await one.of(READS) == after
    assert await one.sampler.alone.reserve(held.go, one.store) == HeldRead(held.go)


async def test_judged_before() -> None:
    """A read that was judged while the store was away, and is to be reserved after that, is judged anew."""
    one = await blocked()
    await looks(one)
    await looks(one, WAITED_S)
    go = decide(reading(0), POLICY, await one.facts(reading(0)))
    assert isinstance(go, Forward)
    one.sampler.alone.over()
    assert await one.sampler.alone.reserve(go, one.store) == Stale()


async def test_on_the_road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Redis gone a blocked account is tried by one read after the other, and heals for this process."""
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)
    redis = contextlib.ExitStack()
    server = redis.enter_context(running_redis(tmp_path))
    async with ailing(tmp_path / "one", store=server.url) as one:
        await one.blocked()
        redis.close()
        for seconds in (0.0, WAITED_S):
            assert outcome(await one.read()) == BLOCKED
            with pytest.raises(StoreUnavailable):
                await one.look(seconds)
        one.upstream.wiretap.clear()
        for _ in range(4):
            assert outcome(await one.read()) == PASSED
            # Its answer may be there a moment before its end.
            await soon(lambda: not one.on.rooms.sampler.alone.is_trying)
        assert len(one.upstream.wiretap.requests) == 4
