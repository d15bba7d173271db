"""What every store promises of breakers: one record each, moved by whoever has seen it, and sums of one generation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from breakers.breaker import Breaker, Delta, State
from breakers.store.events import BreakerMoved
from breakers.store.protocol import HeldWrite, Store
from tests.breakers.world import AT, call
from tests.contract.brakes import KEY, NOW, breaker, breaks, counted, probe, probing, wished
from tests.contract.world import World, judged, read, write

FULL = Breaker(
    key="agent:clerk/shop/write",
    state=State.FORCED_BLOCKED,
    gen=12,
    round=4,
    since=AT,
    until=AT + timedelta(seconds=93.25),
    trips=3,
    oks=2,
    step=1,
    rate=4_500,
    why="T1: 7 of 300\nand „more“",
    by="ann",
    before=State.RAMPING,
)


async def test_none_at_first(store: Store) -> None:
    """A store that has heard of no breaker has none, and its facts have none."""
    assert await store.breakers() == ()
    assert dict((await store.facts(write())).breakers) == {}


async def test_record_kept_whole(store: Store) -> None:
    """A record says afterwards what was put there, and records come by their keys."""
    await breaks(store, breaker(), FULL)
    assert await store.breakers() == (FULL, breaker())


async def test_facts_of_own(store: Store) -> None:
    """A call is judged by the breakers that say something of it, a read by those of reads, and by no other."""
    keys = ("api:shop/read", KEY, "api:shop/irreversible", "agent:clerk/shop/write", "agent:helper/shop/write")
    further = ("credential:shop", "credential:forge", "task:task-1", "task:other", "kill:all", "kill:agent:helper")
    await breaks(store, *(breaker(key=key) for key in (*keys, *further)))
    common = {"api:shop/read", "credential:shop", "task:task-1", "kill:all"}
    assert set((await store.facts(read())).breakers) == common
    assert set((await store.facts(write())).breakers) == {*common, KEY, "agent:clerk/shop/write"}
    final = (await store.facts(call("payouts.create"))).breakers
    assert set(final) == {*common, KEY, "api:shop/irreversible", "agent:clerk/shop/write"}
    assert final[KEY] == breaker()


async def test_moved_by_who_saw_it(store: Store) -> None:
    """A record takes another's place where its mover has seen that one, and no other's."""
    one, two, three = breaker(gen=1), breaker(State.RAMPING, 2), breaker(State.PASSING, 3)
    assert not await store.move(one, two)
    assert await store.move(None, one)
    assert not await store.move(None, two)
    assert await store.move(one, two)
    assert not await store.move(one, three)
    assert not await store.move(replace(two, gen=1), three)
    assert await store.breakers() == (two,)


async def test_moved_by_one(store: Store) -> None:
    """Of many that saw the same record and move it at once, one does."""
    await breaks(store, breaker(gen=1))
    afters = [breaker(State.BLOCKED, 2, why=f"by {n}") for n in range(20)]
    said = await asyncio.gather(*(store.move(breaker(gen=1), after) for after in afters))
    assert said.count(True) == 1
    assert await store.breakers() == (afters[said.index(True)],)


async def test_never_back(store: Store) -> None:
    """No mover takes a breaker back to an older generation."""
    await breaks(store, breaker(gen=5))
    assert not await store.move(breaker(gen=5), breaker(State.PASSING, 4))
    assert await store.breakers() == (breaker(gen=5),)


async def test_moved_under_permit(store: Store) -> None:
    """A record whose permit is out is moved by whoever has seen that, and by nobody who has not."""
    await breaks(store, breaker())
    await wished(store, write(), probe())
    assert not await store.move(breaker(), breaker(oks=1))
    (seen,) = await store.breakers()
    assert seen.probe is not None
    assert abs(seen.probe.expires - AT - timedelta(seconds=65)) < timedelta(seconds=2)
    assert await store.move(seen, replace(seen, probe=None, oks=1))
    assert (await store.breakers(), await probing(store)) == ((breaker(oks=1),), None)


# what is known, what is told, what stands
TOLD = [(None, 2, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2), (9, 3, 9)]


async def test_told(store: Store) -> None:
    """Of what is known and what a record tells the higher generation stands; of two with one, what is known."""
    for number, (known, told, stands) in enumerate(TOLD):
        key = f"task:{number}"
        if known is not None:
            await breaks(store, breaker(gen=known, why="known", key=key))
        await store.apply(BreakerMoved(breaker(gen=told, why="told", key=key)))
        expected = breaker(gen=stands, why="told" if stands != known else "known", key=key)
        assert (await store.breakers())[-1] == expected, (known, told)


async def test_told_at_start(world: World) -> None:
    """A store that starts again has the newest record of each breaker, in whatever order they are told."""
    records = [breaker(gen=2), breaker(State.PASSING, 4), breaker(gen=3), FULL]
    store = await world.store(events=[BreakerMoved(record) for record in records])
    assert await store.breakers() == (FULL, breaker(State.PASSING, 4))


async def test_move_judges_nobody_again(store: Store) -> None:
    """A breaker that moves makes no verdict stale that wishes nothing of it."""
    go = await judged(store, write())
    await breaks(store, breaker())
    assert isinstance(await store.reserve(go), HeldWrite)
    assert (await store.facts(write())).generation == go.facts.generation


async def test_sums(store: Store) -> None:
    """What processes count is added up, of each breaker that is named and of no other, once each."""
    await counted(store, Delta(KEY, 0, NOW, ok=5, slow=2, unknown=1, writes=6))
    mine = (Delta(KEY, 0, NOW, ok=1, fail=2, writes=3), Delta(FULL.key, 0, NOW, ok=1), Delta(KEY, 0, NOW, ok=4))
    one, other = await store.count(mine, "one")
    assert (one.key, one.gen, one.ok, one.slow, one.fail, one.unknown, one.writes) == (KEY, 0, 10, 2, 2, 1, 9)
    assert (one.n, one.local, one.locals, one.recent, one.alive) == (12, 0, 0, 2, 1)
    assert (other.key, other.ok, other.fail) == (FULL.key, 1, 0)
    assert await store.count((), "one") == ()


async def test_local_failures(store: Store) -> None:
    """Our own failures are kept apart, with how many processes had one, and how many there are at all."""
    assert (await counted(store, Delta(KEY, 0, NOW, local=3, tail=3))).locals == 1
    assert (await counted(store, Delta(KEY, 0, NOW, local=1), by="one")).locals == 1
    sums = await counted(store, Delta(KEY, 0, NOW, local=1, fail=1), by="two")
    assert (sums.local, sums.locals, sums.alive, sums.fail, sums.recent, sums.n) == (5, 2, 2, 1, 1, 1)
    await store.count((), "three")
    assert (await counted(store, Delta(KEY, 0, NOW))).alive == 3


async def test_window(store: Store) -> None:
    """What is older than the window counts no more, and what is older than a minute is not recent."""
    ages = {31: 100, 400: 100, 20: 10, 8: 5, 3: 2, 0: 1}
    for age, fail in ages.items():
        await counted(store, Delta(KEY, 0, NOW - age, fail=fail))
    sums = await counted(store, Delta(KEY, 0, NOW))
    assert (sums.fail, sums.recent) == (18, 3)


async def test_window_across_buckets(store: Store) -> None:
    """Failures on either side of a bucket's edge are counted together, and run on across it."""
    await counted(store, Delta(KEY, 0, NOW - 1, ok=1, fail=2, tail=2, broken=True))
    sums = await counted(store, Delta(KEY, 0, NOW, fail=1, tail=1))
    assert (sums.fail, sums.streak) == (3, 3)


async def test_longer_window(store: Store) -> None:
    """A breaker whose window is longer, or shorter, counts by that."""
    for key, over_s in ((KEY, 900), ("task:01T", 60)):
        reports = [Delta(key, 0, NOW - age, fail=1, over_s=over_s) for age in (40, 20, 2)]
        assert (await counted(store, *reports)).fail == (3 if over_s == 900 else 1)


async def test_from_ahead(store: Store) -> None:
    """What a clock that is ahead says belongs to this moment, and keeps nothing else out of the window."""
    await counted(store, Delta(KEY, 0, NOW, fail=1))
    sums = await counted(store, Delta(KEY, 0, NOW + 360, fail=1))
    assert (sums.fail, sums.recent) == (2, 2)


# what was reported in turn (process, how long ago, tail, whether a good one came before); the run at the end
RUNS = [
    ([("one", 0, 2, False), ("one", 0, 3, False)], 5),
    ([("one", 0, 2, False), ("one", 0, 3, True)], 3),
    ([("one", 0, 2, False), ("two", 0, 2, False), ("three", 0, 1, False)], 5),
    ([("one", 0, 4, False), ("two", 0, 0, True)], 0),
    ([("one", 0, 4, False), ("two", 0, 0, True), ("one", 0, 1, False)], 1),
    ([("one", 2, 4, True), ("one", 0, 1, False)], 5),
    ([("one", 2, 4, True), ("one", 0, 0, False), ("one", 0, 2, False)], 6),
    ([("one", 3, 4, True), ("two", 1, 0, True), ("one", 0, 2, False)], 2),
    ([("one", 12, 4, True), ("one", 0, 2, False)], 2),
    ([], 0),
]


async def test_streak(store: Store) -> None:
    """Failures in a row are those since the last good result of any process, as far as they are within a minute."""
    for number, (reports, run) in enumerate(RUNS):
        key = f"api:{number}/write"
        for process, age, tail, broken in reports:
            delta = Delta(key, 0, NOW - age, ok=int(broken), fail=tail, tail=tail, broken=broken)
            await counted(store, delta, by=process)
        sums = await counted(store, Delta(key, 0, NOW))
        assert sums.streak == run, reports
        assert (0 <= NOW - sums.streak_since <= 6) if run else sums.streak_since == 0


async def test_streak_of_credential(store: Store) -> None:
    """That a credential is not taken counts in a row for as long as its window is, however rarely it is used."""
    for age in (300, 20, 8):
        await counted(store, Delta("credential:shop", 0, NOW - age, fail=1, tail=1, over_s=3600))
    assert (await counted(store, Delta("credential:shop", 0, NOW, over_s=3600))).streak == 3
    assert (await counted(store, Delta("credential:shop", 0, NOW - 12, ok=1, broken=True, over_s=3600))).streak == 1


async def test_other_generation(store: Store) -> None:
    """What was counted under another generation is dropped, before a breaker moves, as it does, and after."""
    await counted(store, Delta(KEY, 0, NOW, fail=3, tail=3))
    assert (await counted(store, Delta(KEY, 1, NOW, fail=1))).fail == 3
    await breaks(store, breaker(State.SUGGEST_ONLY, 1))
    sums = await counted(store, Delta(KEY, 0, NOW, fail=3, ok=3))
    assert (sums.gen, sums.fail, sums.ok, sums.streak, sums.recent) == (1, 0, 0, 0, 0)
    assert (await counted(store, Delta(KEY, 1, NOW, fail=1, tail=1))).streak == 1
    await store.apply(BreakerMoved(breaker(State.PROBING, 2)))
    assert (await counted(store, Delta(KEY, 2, NOW, ok=1, broken=True))).fail == 0


async def test_same_generation_counts_on(store: Store) -> None:
    """A record that changes within a generation loses nothing of what was counted."""
    await breaks(store, breaker())
    await counted(store, Delta(KEY, 3, NOW, ok=2))
    assert await store.move(breaker(), breaker(oks=2))
    assert (await counted(store, Delta(KEY, 3, NOW, ok=1))).ok == 3
