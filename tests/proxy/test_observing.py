"""What breakers are told of results and of time, and what moves them: without a road, on a clock that stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from breakers.breaker import Breaker, Probe, State
from breakers.call import Applied, Fault, Health, Outcome
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Store, StoreUnavailable
from breakers.thresholds import Gauging, Thresholds
from tests.breakers.world import call
from tests.proxy.observed import (
    BAD,
    DECLINED,
    DOUBT,
    FORBIDDEN,
    GET,
    GONE,
    ODD,
    OK,
    READS,
    SET,
    UNAUTHORIZED,
    UNRESOLVED,
    WRITES,
    Process,
    fleet,
    process,
    result,
)

LATER = 40.0


async def test_not_found_neither() -> None:
    """Ten thousand answers that say nothing of the upstream neither dilute its failures nor heal it."""
    one = process()
    await one.made(SET, *[GONE] * 10_000, BAD, BAD)
    assert await one.state(WRITES) is State.PASSING
    await one.made(SET, BAD)
    assert await one.state(WRITES) is State.SUGGEST_ONLY
    await one.look(LATER)
    await one.made(GET, *[GONE] * 100)
    assert (await one.of(WRITES)).oks == 0
    assert await one.state(WRITES) is State.PROBING


async def test_older_generation() -> None:
    """A call that was let pass before a breaker tripped changes nothing once it is tried again, however it ends."""
    one = process()
    early = await one.admitted(GET)
    late = await one.admitted(SET)
    await one.made(SET, BAD, BAD, BAD)
    for state in (State.SUGGEST_ONLY, State.PROBING):
        assert await one.state(WRITES) is state
        stands = await one.of(WRITES)
        await one.made(GET, OK, under=early)
        await one.made(SET, OK, BAD, BAD, BAD, under=late)
        assert await one.of(WRITES) == stands
        await one.look(LATER)


@pytest.mark.parametrize(("key", "outcome"), [(READS, BAD), ("credential:shop", UNAUTHORIZED)])
async def test_rate_of_writes(key: str, outcome: Outcome) -> None:
    """A breaker that reads trip, or a credential, keeps writes back: its ramp leads to the rate that those had."""
    one = process()
    await one.made(SET, *[OK] * 120)
    await one.made(GET, *[outcome] * 5)
    tripped = await one.of(key)
    assert tripped.trips == 1
    assert tripped.rate == 120 * 60_000 // one.gauging.of(key).over_s


async def test_ramp_falls_back() -> None:
    """One write that fails in the ramp is one too many; a read that fails there may be chance."""
    one = process()
    await one.made(SET, BAD, BAD, BAD)
    await one.look(LATER)
    await one.made(GET, OK, OK, OK)
    assert await one.state(WRITES) is State.RAMPING
    await one.made(GET, BAD)
    assert await one.state(WRITES) is State.RAMPING
    await one.made(SET, BAD)
    assert (await one.of(WRITES)).trips == 2


async def lent() -> Process:
    """
    Give a process whose breaker is tried by one call that has left.
    """
    one = process()
    await one.made(SET, BAD, BAD, BAD)
    await one.look(LATER)
    tried = await one.of(WRITES)
    assert await one.store.move(tried, replace(tried, probe=Probe(SET.id, one.clock.now() + timedelta(seconds=65))))
    await one.look()
    return one


async def test_cut() -> None:
    """A probe that is cut on its way proves nothing: its permit ends with its lease, and that counts as a failure."""
    one = await lent()
    one.sampler.left(one.sampler.begin(await one.admitted(SET)))
    await one.look(64.0)
    assert (await one.of(WRITES)).probe is not None
    await one.look(1.0)
    breaker = await one.of(WRITES)
    assert (breaker.state, breaker.trips, breaker.probe) == (State.SUGGEST_ONLY, 2, None)


@pytest.mark.parametrize("said", [GONE, result(429, Health.THROTTLE), UNRESOLVED], ids=["404", "429", "unsent"])
async def test_proves_nothing(said: Outcome) -> None:
    """A probe that says nothing of the upstream gives its permit back once it is over, and not before."""
    one = await lent()
    admitted = await one.admitted(SET)
    sample = one.sampler.begin(admitted)
    one.sampler.left(sample)
    one.sampler.ended(sample, said)
    await one.look()
    assert (await one.of(WRITES)).probe is not None
    one.sampler.over(admitted, said)
    await one.look()
    breaker = await one.of(WRITES)
    assert (breaker.state, breaker.oks, breaker.probe) == (State.PROBING, 0, None)


async def test_not_seen_yet() -> None:
    """The permit of a call that proves nothing comes back, although this process had not seen that it was there."""
    one = process()
    tried = Breaker(WRITES, State.PROBING, 2, since=one.clock.now(), before=State.SUGGEST_ONLY)
    assert await one.store.move(None, replace(tried, probe=Probe(SET.id, one.clock.now() + timedelta(seconds=65))))
    await one.made(SET, GONE)
    assert await one.of(WRITES) == tried


async def test_never_left() -> None:
    """The permit of a read that was given up before anything of it left is free at once."""
    one = await lent()
    one.sampler.given_up(SET.id)
    await one.look()
    assert (await one.of(WRITES)).probe is None


async def test_declines() -> None:
    """A thousand declined cards say that the upstream works, and keep back the task that tried them."""
    one = process()
    await one.made(SET, *[DECLINED] * 1000)
    assert await one.state(WRITES) is State.PASSING
    assert await one.state(f"task:{SET.caller.task}") is State.SUGGEST_ONLY


@pytest.mark.parametrize(("times", "state"), [(4, State.PASSING), (5, State.SUGGEST_ONLY)])
async def test_unprocessable(times: int, state: State) -> None:
    """One operation that is refused as unprocessable five times within ten minutes counts like five declines."""
    one = process()
    await one.made(SET, *[ODD] * times)
    assert await one.state(f"task:{SET.caller.task}") is state


async def test_unprocessable_apart() -> None:
    """What is unprocessable now and then, or of several operations, says nothing."""
    one = process()
    other = replace(SET, operation=replace(SET.operation, spec=replace(SET.operation.spec, name="labels/add")))
    await one.made(SET, *[ODD] * 4)
    await one.made(other, *[ODD] * 4)
    await one.look(601.0)
    await one.made(SET, ODD)
    assert await one.state(f"task:{SET.caller.task}") is State.PASSING


async def test_credential() -> None:
    """Three refusals of the credential in a row keep writes back; one call that it was good for begins anew."""
    one = process()
    await one.made(GET, UNAUTHORIZED, UNAUTHORIZED, OK, UNAUTHORIZED, UNAUTHORIZED)
    assert await one.state("credential:shop") is State.PASSING
    await one.made(GET, UNAUTHORIZED)
    assert await one.state("credential:shop") is State.SUGGEST_ONLY


async def test_forbidden() -> None:
    """A 403 is one of the credential's only from two agents, or on an operation that passed within the hour."""
    one = process()
    await one.made(GET, *[FORBIDDEN] * 5)
    assert await one.state("credential:shop") is State.PASSING
    await one.made(call("charges.retrieve", agent="other"), *[FORBIDDEN] * 3)
    assert await one.state("credential:shop") is State.SUGGEST_ONLY
    another = process()
    await another.made(GET, OK, *[FORBIDDEN] * 3)
    assert await another.state("credential:shop") is State.SUGGEST_ONLY
    third = process()
    await third.made(GET, OK)
    third.clock.move(3601.0)
    await third.made(GET, *[FORBIDDEN] * 3)
    assert await third.state("credential:shop") is State.PASSING


async def test_own_faults() -> None:
    """A process that alone cannot connect keeps itself back, and nobody else, for a time that it tries again after."""
    both = fleet("a", "b")
    one, other = both.values()
    await other.made(GET, OK)
    await one.made(GET, *[UNRESOLVED] * 5)
    assert await one.state(READS) is State.PASSING
    assert (await one.facts(GET)).breakers[READS].state is State.BLOCKED
    assert READS not in (await other.facts(GET)).breakers
    assert one.record.moved == [f"{READS} passing blocked here"]
    await one.look(LATER)
    assert READS not in (await one.facts(GET)).breakers
    await other.made(GET, OK)
    await one.made(GET, *[UNRESOLVED] * 5)
    again = (await one.facts(GET)).breakers[READS]
    assert again.until is not None
    assert again.since is not None
    assert (again.until - again.since).total_seconds() == 60.0
    await other.made(GET, *[UNRESOLVED] * 5)
    assert await other.state(READS) is State.BLOCKED


async def test_own_faults_forgotten() -> None:
    """Once it has had an answer again, what a process could not connect to before does not count any more."""
    one, other = fleet("a", "b").values()
    for _ in range(2):
        await other.made(GET, OK)
        await one.made(GET, *[UNRESOLVED] * 5)
        kept = (await one.facts(GET)).breakers[READS]
        assert (kept.since, kept.until) == (one.clock.now(), one.clock.now() + timedelta(seconds=30))
        await one.look(LATER)
        await one.made(GET, OK)


async def test_alone() -> None:
    """Where there is one process, what it cannot connect to nobody can."""
    one = process()
    await one.made(GET, *[UNRESOLVED] * 5)
    assert await one.state(READS) is State.BLOCKED


async def test_overdue() -> None:
    """What hangs trips its breaker before any of it has ended, and counts as failed once it may take no longer."""
    one = process()
    flying = [one.sampler.begin(await one.admitted(GET)) for _ in range(5)]
    await one.look(9.9)
    assert await one.state(READS) is State.PASSING
    await one.look(0.2)
    assert (await one.of(READS)).why.startswith("T3")
    assert await one.state(READS) is State.SUGGEST_ONLY
    assert len(flying) == 5


async def test_overdue_fails() -> None:
    """An attempt that took longer than it may is a failure at once, and not a second one when it ends."""
    gauging = Gauging(apis={"shop": Thresholds(slow_after_s=1000.0)})
    one = process(gauging=gauging)
    flying = [(await one.admitted(SET)) for _ in range(2)]
    samples = [one.sampler.begin(admitted) for admitted in flying]
    await one.look(61.0)
    for sample in samples:
        one.sampler.left(sample)
        one.sampler.ended(sample, DOUBT)
    await one.look()
    assert await one.state(WRITES) is State.PASSING
    await one.made(SET, BAD)
    assert (await one.of(WRITES)).why.startswith("T1: 3 of 3")


async def test_slow_head() -> None:
    """A read is as slow as its answer was to begin; how long it is then read for does not count."""
    one = process()
    for _ in range(5):
        sample = one.sampler.begin(await one.admitted(GET))
        one.clock.move(1.0)
        one.sampler.left(sample)
        await one.look(11.0)
        one.sampler.closed(sample, OK)
    await one.look()
    assert await one.state(READS) is State.PASSING
    await one.made(GET, *[OK] * 6, took_s=11.0)
    assert (await one.of(READS)).why.startswith("T3")


async def test_sent_again() -> None:
    """What was let pass before its account's breaker tripped is not sent once more; what passes after it is."""
    one = process()
    write, read = await one.admitted(SET), await one.admitted(GET)
    await one.made(SET, BAD, BAD, BAD)
    assert one.sampler.holds_back(write)
    assert not one.sampler.holds_back(read)
    assert not one.sampler.holds_back(await one.admitted(SET))
    one.sampler.gauging = Gauging(apis={"shop": Thresholds(watch=True)}, agents={"clerk": Thresholds(watch=True)})
    assert not one.sampler.holds_back(write)


async def test_reads_again() -> None:
    """Once reads are refused nothing is sent once more that was let pass before."""
    one = process()
    write, read = await one.admitted(SET), await one.admitted(GET)
    for _ in range(3):
        await one.made(GET, BAD, BAD, BAD)
    assert await one.state(READS) is State.BLOCKED
    assert one.sampler.holds_back(write)
    assert one.sampler.holds_back(read)


async def test_cut_by_us() -> None:
    """What a stop of this process cut short says nothing of its upstream."""
    one = process()
    await one.made(SET, *[result(None, Health.FAIL, Applied.UNKNOWN, fault=Fault.ABANDONED)] * 9)
    assert await one.state(WRITES) is State.PASSING


async def test_in_doubt() -> None:
    """Three writes that end in doubt are evidence of their own."""
    gauging = Gauging(apis={"shop": Thresholds(errors_ppm=400_000)})
    one = process(gauging=gauging)
    unclear = replace(DOUBT, health=OK.health)
    await one.made(SET, unclear, unclear)
    assert await one.state(WRITES) is State.PASSING
    await one.made(SET, *[unclear] * 6)
    assert (await one.of(WRITES)).why.startswith("T4")


async def test_handed_over() -> None:
    """Two writes in doubt that are handed to a person within the window trip their account's breaker, once."""
    one = process()
    one.sampler.handed_over("shop")
    await one.look()
    assert await one.state(WRITES) is State.PASSING
    one.sampler.handed_over("shop")
    await one.look()
    assert (await one.of(WRITES)).why.startswith("T4")


async def test_full_record() -> None:
    """Where a transition cannot be put on record it holds all the same, and is announced once it is on record."""
    one = process()
    one.record.full = True
    await one.made(SET, BAD, BAD, BAD)
    assert await one.state(WRITES) is State.SUGGEST_ONLY
    assert one.log.of("breaker") == []
    one.record.full = False
    await one.look()
    assert one.record.moved == [f"{WRITES} passing suggest_only"]
    assert [line["id"] for line in one.log.of("breaker")] == [f"{WRITES}#1.{int(one.clock.now().timestamp())}"]
    assert [breaker.key for breaker in one.moves] == [WRITES]


class Away(MemoryStore):
    """A store that does not answer until it is told to."""

    away = True

    async def breakers(self) -> tuple[Breaker, ...]:
        """
        Answer, or not.
        """
        self._here()
        return await super().breakers()

    def _here(self) -> None:
        if self.away:
            raise StoreUnavailable("it does not answer")


async def test_store_away() -> None:
    """What was counted while the store was away is told once it is back."""
    one = process()
    away = Away(one.clock.now)
    one.observer._store = cast("Store", away)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await one.made(SET, BAD)
    away.away = False
    one.store = away
    await one.look()
    assert await one.state(WRITES) is State.SUGGEST_ONLY


async def test_changed_thresholds() -> None:
    """A changed threshold begins nothing anew: what was counted counts by it, under the same generation."""
    one = process()
    one.sampler.gauging = Gauging(apis={"shop": Thresholds(least=10)})
    await one.made(SET, BAD, BAD, BAD)
    assert await one.state(WRITES) is State.PASSING
    one.sampler.gauging = Gauging()
    await one.made(SET, OK)
    breaker = await one.of(WRITES)
    assert (breaker.state, breaker.gen) == (State.SUGGEST_ONLY, 1)
