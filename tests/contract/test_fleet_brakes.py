"""What keeps writes back where several share a Redis: one has a permit, one a grant, and a loss lifts nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.breaker import Delta, State
from breakers.stops import ALL, Mode, Stop
from breakers.store.events import BreakerMoved, Event, IntentEnded, KillChanged, SuggestionNoted, opened_by
from breakers.store.protocol import HeldWrite, Permit, Stale, StoreUnavailable
from breakers.suggestion import Stage, Suggested
from tests.breakers.stopping import halted, running
from tests.breakers.world import AT
from tests.contract.brakes import (
    KEY,
    NOW,
    approved,
    breaker,
    breaks,
    counted,
    granted,
    probe,
    probing,
    stage,
    suggestion,
    turned,
    wished,
    wishing,
)
from tests.contract.replicas import Replica
from tests.contract.world import BRIEF_S, Clock, done, judged, made, opened, read, reserved, write
from tests.redis_server import RedisServer

SHOP = "bw:{shop}:"


async def test_one_probe(replica: Replica) -> None:
    """Of fifty calls of five processes that want the permit at once, one has it, and all of them see which."""
    stores = [await replica() for _ in range(5)]
    await breaks(stores[0], breaker())
    asked = [write(f"{n:02}A", f"k:{n}", f"f1:{n}", f"e:{n}") for n in range(50)]
    goes = [await wishing(stores[n % 5], one, probe()) for n, one in enumerate(asked)]
    said = await asyncio.gather(*(stores[n % 5].reserve(go) for n, go in enumerate(goes)))
    held = [one.go.call.id for one in said if isinstance(one, HeldWrite)]
    assert len(held) == 1
    assert [await probing(store) for store in stores] == held * 5


async def test_one_execution(replica: Replica) -> None:
    """Of two processes that carry out what was approved in one moment, one does."""
    one, two = await replica(), await replica()
    for n in range(5):
        id_ = f"{n}S"
        shown = await approved(one, suggestion(id_, by=write("x", f"k:{n}", f"f1:{n}")))
        asked = [granted(shown, write(f"{n}{x}", f"k:{n}{x}", f"f1:{n}{x}", f"e:{n}{x}")) for x in "AB"]
        goes = [await judged(one, asked[0]), await judged(two, asked[1])]
        said = await asyncio.gather(one.reserve(goes[0]), two.reserve(goes[1]))
        held = [each.go.call.id for each in said if isinstance(each, HeldWrite)]
        known = await two.suggestion(id_)
        assert known is not None
        assert held == [known.intent]


async def test_one_move(replica: Replica) -> None:
    """A breaker is moved by one of those who saw the same, whoever that is, and seen by all as it was moved."""
    one, two = await replica(), await replica()
    assert await one.move(None, breaker(gen=1))
    said = await asyncio.gather(
        *(store.move(breaker(gen=1), breaker(gen=2, why=who)) for store, who in ((one, "a"), (two, "b")))
    )
    assert sorted(said) == [False, True]
    (seen,) = await one.breakers()
    assert seen == (await two.breakers())[0]
    assert seen.why == "ab"[said.index(True)]


async def test_all_count(replica: Replica) -> None:
    """The sums are of all who count, those of another generation or of long ago left out."""
    one, two = await replica(), await replica()
    await breaks(one, breaker(gen=2))
    delta = Delta(KEY, 2, NOW, ok=3, slow=1, fail=2, local=1, unknown=1, writes=6, tail=1)
    await counted(one, delta)
    await counted(two, replace(delta, local=2), by="two")
    await counted(two, replace(delta, gen=1), by="two")
    await counted(two, replace(delta, bucket=NOW - 31), by="two")
    sums = await counted(two, replace(delta, bucket=NOW - 29, tail=0, local=0), by="two")
    assert (sums.ok, sums.slow, sums.fail, sums.local, sums.unknown, sums.writes) == (9, 3, 6, 3, 3, 18)
    assert (sums.recent, sums.streak, sums.locals, sums.alive, sums.gen) == (4, 2, 2, 2, 2)
    assert await one.move((await one.breakers())[0], breaker(gen=3))
    assert (await counted(two, delta, by="two")).n == 0


@pytest.mark.parametrize("hours", [1, -1])
async def test_skewed_clock(replica: Replica, hours: int) -> None:
    """A process whose clock is an hour off counts where the others do, and neither takes nor loses a permit by it."""
    clock = Clock(AT + timedelta(hours=hours))
    one, two = await replica(), await replica(now=clock.now)
    await breaks(one, breaker(State.PASSING, 1))
    bucket = int(clock.at.timestamp()) // 10
    await counted(one, Delta(KEY, 1, NOW, fail=1, tail=1))
    sums = await counted(two, Delta(KEY, 1, bucket, fail=2, tail=2), by="two")
    assert (sums.fail, sums.recent, sums.streak) == (3, 3, 3)
    # Ten seconds of the server may be over in between.
    assert sums.streak_since in {bucket, bucket - 1}
    await one.move((await one.breakers())[0], breaker())
    await wished(one, write(), probe(lease_s=65))
    (seen,) = await two.breakers()
    assert seen.probe is not None
    assert abs((seen.probe.expires - clock.at).total_seconds() - 65) < 30
    go = await wishing(two, write("01B", "k:2", "f1:2", "e:2"), probe())
    assert await two.reserve(go) == Stale()


async def test_loss_forgets_nothing(replica: Replica, fresh_redis: RedisServer) -> None:
    """After a loss nothing is judged before the replay; then all stands that this process knew, whatever its ledger."""
    store = await replica()
    tripped = breaker(State.BLOCKED, 7, trips=2, until=AT + timedelta(seconds=30), why="T2")
    await breaks(store, breaker(), replace(tripped, key="api:shop/read"))
    await store.apply(halted(4, scope="agent:helper"))
    parked = await store.suggest(suggestion())
    other = await approved(store, suggestion("01T", by=write("x", "k:2", "f1:2")))
    await wished(store, granted(other, write("01B", "k:2", "f1:2", "e:2")), probe())
    fresh_redis.flush()
    refused = (
        *(store.breakers(), store.count((), "one"), store.move(None, breaker()), store.suggest(suggestion("01U"))),
        *(store.suggestion("01S"), store.suggestions(), store.turn(parked, turned(parked, Stage.REJECTED))),
    )
    for asked in refused:
        with pytest.raises(StoreUnavailable, match="replayed first"):
            await asked
    assert (await store.stops()).by_scope["agent:helper"] == halted(4, scope="agent:helper").stop
    told: list[Event] = [BreakerMoved(breaker(gen=2)), SuggestionNoted(suggestion()), running(1)]
    await store.start(told)
    assert [(one.key, one.state, one.gen) for one in await store.breakers()] == [
        ("api:shop/read", State.BLOCKED, 7),
        (KEY, State.PROBING, 3),
    ]
    assert (await store.breakers())[0] == replace(tripped, key="api:shop/read")
    assert await probing(store) == "01B"
    assert (await stage(store), await stage(store, "01T")) == (Stage.OPEN, Stage.EXECUTING)
    assert (await store.stops()).by_scope["agent:helper"].mode is Mode.STOP_WRITES


async def test_flushed_and_stopped(replica: Replica, fresh_redis: RedisServer) -> None:
    """A loss during a stop, and a start of everyone after it, leave it stopped: the record has it."""
    one = await replica()
    await one.apply(halted(5))
    fresh_redis.flush()
    two = await replica([running(1)])
    await one.start([halted(5)])
    for store in (one, two):
        assert (await store.stops()).by_scope[ALL] == halted(5).stop
        held = await reserved(store, write(repr(id(store)), None, "f1:9", None))
        assert await store.dispatch(held, opened()) is Permit.STOPPED


async def test_absent_is_no_run(replica: Replica, fresh_redis: RedisServer) -> None:
    """Where the record of everything was thrown away nothing leaves, until it is told again."""
    store = await replica([running(1)])
    held = await reserved(store, write())
    with fresh_redis.operator() as operator:
        operator.hdel(f"{SHOP}stops", "all")
    assert await store.dispatch(held, opened()) is Permit.STOPPED
    await store.stops()
    assert await store.dispatch(held, opened()) is Permit.GRANTED


# what the ledger of the process that was killed says of what it carried out
KILLED = [
    ([], Stage.APPROVED),
    (["opened"], Stage.EXECUTING),
    (["opened", "ended"], Stage.EXECUTED),
]


@pytest.mark.parametrize(("on_record", "after"), KILLED)
async def test_killed(replica: Replica, on_record: list[str], after: Stage) -> None:
    """A process that is killed before its write is on record has its grant back at its start, and not after that."""
    gone = await replica(replica="one")
    shown = await approved(gone)
    asked = granted(shown)
    held = await reserved(gone, asked)
    told: list[Event] = [SuggestionNoted(shown)]
    if on_record:
        assert await gone.dispatch(held, opened_by(asked, "log/0#0/9")) is Permit.GRANTED
        told.append(opened_by(asked, "log/0#0/9"))
    if "ended" in on_record:
        told.append(IntentEnded("01A", done()))
    begun = await replica(told, replica="one")
    assert await stage(begun) is after
    assert (await begun.facts(write("01Z"))).suggested == await begun.suggestion("01S")


async def test_lapsed_is_given_back(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a claim carried out that nobody took over is given back when there is no claim any more."""
    monkeypatch.setattr("breakers.store.claims.GIVEN_UP_MS", 1)
    store = await replica(lease_s=0.001)
    await reserved(store, granted(await approved(store)))
    await asyncio.sleep(BRIEF_S)
    assert await stage(store) is Stage.EXECUTING
    assert await store.fault() is None
    assert await stage(store) is Stage.APPROVED


async def test_carried_out_anew(replica: Replica) -> None:
    """Whoever takes a claim over has its permit and its grant in the same step, and its holder sends nothing."""
    store = await replica(lease_s=0.001)
    await breaks(store, breaker())
    shown = await approved(store)
    first = await wished(store, granted(shown), probe())
    await asyncio.sleep(BRIEF_S)
    full = await wishing(store, granted(shown, write("01C")), probe(gen=9))
    assert await store.reserve(full) == Stale()
    assert (await probing(store), await stage(store)) == ("01A", Stage.EXECUTING)
    await wished(store, granted(shown, write("01B")), probe())
    known = await store.suggestion("01S")
    assert known is not None
    assert (await probing(store), known.stage, known.intent) == ("01B", Stage.EXECUTING, "01B")
    assert await store.dispatch(first, opened()) is Permit.LOST


async def test_carried_is_not_given_back(replica: Replica) -> None:
    """What is claimed, sent, or ended is given back by nobody."""
    store = await replica()
    held = await reserved(store, granted(await approved(store)))
    for verb in ("claimed", "sent"):
        assert await store.fault() is None
        assert await stage(store) is Stage.EXECUTING, verb
        await store.dispatch(held, opened_by(held.go.call, "log/0#0/9"))
    await store.settle(held, done())
    assert await store.fault() is None
    assert await stage(store) is Stage.EXECUTED


# how a suggestion stands here, what a ledger says of it
TOLD = [
    (Stage.EXECUTED, Stage.APPROVED, 9, Stage.EXECUTED),
    (Stage.APPROVED, Stage.REJECTED, 1, Stage.REJECTED),
    (Stage.APPROVED, Stage.OPEN, 1, Stage.APPROVED),
]


@pytest.mark.parametrize(("here", "told", "version", "after"), TOLD)
async def test_over_what_is_there(replica: Replica, here: Stage, told: Stage, version: int, after: Stage) -> None:
    """Of what is there and what a ledger tells an end stands, and otherwise what is later."""
    one = await replica()
    shown = await approved(one)
    if here is Stage.EXECUTED:
        await made(one, granted(shown), done())
    two = await replica([SuggestionNoted(replace(suggestion(), stage=told, version=version, changed_at=AT))])
    assert await stage(two) is after


async def test_older_generation_told(replica: Replica) -> None:
    """What a ledger says of a breaker changes nothing of a later record, nor of the permit that is out."""
    one = await replica()
    await breaks(one, breaker())
    await wished(one, write(), probe())
    for told in (breaker(State.PASSING, 2), breaker(State.BLOCKED, 3)):
        two = await replica([BreakerMoved(told)])
        assert await probing(two) == "01A"
    three = await replica([BreakerMoved(breaker(State.BLOCKED, 4))])
    assert await probing(three) is None


async def test_seen_by_others(replica: Replica) -> None:
    """A suggestion that one process parks is joined, seen and turned by another, with all that it says."""
    one, two = await replica(), await replica()
    shown = suggestion(
        roles=("finance", "approver"), place="log/0#0/1", waits=True, answers=("tier:shop/*", "breaker:api:shop/write")
    )
    assert await one.suggest(shown) == shown
    assert await two.suggest(suggestion("01T")) == shown
    assert (await two.facts(write("01Z"))).suggested == shown
    after = turned(shown, Stage.VOID, why="the policy is another: “7”\nby now")
    assert await two.turn(shown, after)
    assert await one.suggestion("01S") == after
    assert not await one.turn(shown, turned(shown, Stage.APPROVED))


async def test_ended_fades(replica: Replica, fresh_redis: RedisServer) -> None:
    """What has ended goes with its names a day later; what is live, and what came after it under a name, stays."""
    store = await replica()
    first = await store.suggest(suggestion())
    assert await store.turn(first, turned(first, Stage.REJECTED))
    second: Suggested = await store.suggest(suggestion("01T", by=write("x", "k:2", "f1:1"), after_s=5))
    with fresh_redis.operator() as operator:
        left_s = float(operator.zscore(f"{SHOP}parting", "01S") or 0) / 1000 - float(operator.time()[0])
        assert 86_390 < left_s <= 86_401
        operator.zadd(f"{SHOP}parting", {"01S": 1})
        assert await store.turn(second, turned(second, Stage.APPROVED))
        assert set(operator.hkeys(f"{SHOP}suggestions")) == {"01T"}
        assert operator.hgetall(f"{SHOP}suggested") == {"k:2": "01T", "f1:1": "01T"}


async def test_passing_fades(replica: Replica, fresh_redis: RedisServer) -> None:
    """A breaker that passes and has no trips left goes a day later; whatever holds anything back never does."""
    store = await replica()
    keys = [f"task:{n}" for n in range(3)]
    states = (breaker(State.PASSING), breaker(State.PASSING, trips=1), breaker(State.SUGGEST_ONLY))
    await breaks(store, *(replace(one, key=key) for one, key in zip(states, keys, strict=True)))
    with fresh_redis.operator() as operator:
        assert operator.zrange(f"{SHOP}resting", 0, -1) == keys[:1]
        operator.zadd(f"{SHOP}resting", {keys[0]: 1})
        await breaks(store, breaker())
        assert set(operator.hkeys(f"{SHOP}breakers")) == {*keys[1:], KEY}
        operator.delete(f"{SHOP}breakers")
    # What holds traffic back is not forgotten because the server has lost it, and is there again.
    two = await replica()
    assert [one.key for one in await store.breakers()] == [KEY, *keys[2:]]
    assert [one.key for one in await two.breakers()] == [KEY, *keys[2:]]


async def test_older_record_there(replica: Replica, fresh_redis: RedisServer) -> None:
    """A server that has an older record of what holds traffic back, as one in its place may, is told the newer."""
    one, two = await replica(), await replica()
    await breaks(one, breaker(State.SUGGEST_ONLY))
    with fresh_redis.operator() as operator:
        older = operator.hget(f"{SHOP}breakers", KEY)
        later = breaker(State.BLOCKED, 4)
        assert await one.move(breaker(State.SUGGEST_ONLY), later)
        operator.hset(f"{SHOP}breakers", KEY, str(older))
    assert (await one.facts(write())).breakers == {KEY: later}
    assert (await two.facts(write())).breakers[KEY].gen == 3
    assert await one.breakers() == await two.breakers() == (later,)


async def test_window_lives_briefly(replica: Replica, fresh_redis: RedisServer) -> None:
    """What was counted goes by itself when nobody counts any more, and who is silent is alive no longer."""
    store = await replica()
    await counted(store, Delta(KEY, 0, NOW, ok=1, over_s=60), by="gone")
    with fresh_redis.operator() as operator:
        assert 60 < operator.ttl(f"{SHOP}window:{KEY}") <= 70
        operator.zadd(f"{SHOP}alive", {"gone": float(operator.time()[0]) * 1000 - 6000})
        assert (await counted(store, Delta(KEY, 0, NOW, ok=1))).alive == 1
        operator.zadd(f"{SHOP}alive", {"gone": 1})
        await store.count((), "one")
        assert operator.zrange(f"{SHOP}alive", 0, -1) == ["one"]
        assert set(operator.hkeys(f"{SHOP}counted")) == {"#", "one"}


async def test_read_facts_of_stop(replica: Replica) -> None:
    """A read is judged by the stop that this process knows, and is judged again when it learns of another."""
    one, two = await replica(), await replica()
    go = await judged(one, read())
    await two.apply(KillChanged(Stop(ALL, Mode.STOP_ALL, 2)))
    assert (await one.facts(read())).stops.by_scope[ALL].mode is Mode.RUN
    await one.stops()
    assert (await one.facts(read())).stops.by_scope[ALL].mode is Mode.STOP_ALL
    assert await one.reserve(go) == Stale()


async def test_known_from_start(replica: Replica) -> None:
    """A process judges its first read by what others keep back, which its own record does not tell."""
    one = await replica()
    await breaks(one, breaker(State.BLOCKED, key="api:shop/read"))
    two = await replica()
    assert (await two.facts(read())).breakers["api:shop/read"].state is State.BLOCKED


@pytest.mark.parametrize(("hours", "stands"), [(47, Stage.OPEN), (49, None)])
async def test_stale_not_told(replica: Replica, fresh_redis: RedisServer, hours: int, stands: Stage | None) -> None:
    """After a loss a process tells of others' suggestions what it saw, but not of those that were over a day before."""
    clock = Clock(AT)
    one, two = await replica(now=clock.now), await replica(now=clock.now)
    await two.suggest(suggestion())
    assert await stage(one) is Stage.OPEN
    clock.pass_by(hours * 3600)
    fresh_redis.flush()
    await one.start([running(1)])
    assert await stage(one) is stands
