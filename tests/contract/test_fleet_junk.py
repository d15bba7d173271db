"""What nobody of ours wrote into a shared Redis: a stop that cannot be read stops, and nothing else wedges anything."""

from __future__ import annotations

import contextlib

import pytest

from breakers.breaker import Breaker, Delta, State
from breakers.stops import ALL, Mode, Stop
from breakers.store.events import BreakerMoved, KillChanged, SuggestionNoted
from breakers.store.protocol import HeldWrite, Permit, StoreUnavailable
from breakers.store.stopped import UNREADABLE
from breakers.suggestion import Stage
from tests.breakers.stopping import halted, running
from tests.contract.brakes import (
    KEY,
    NOW,
    approved,
    breaker,
    breaks,
    counted,
    granted,
    probe,
    stage,
    suggestion,
    turned,
    wishing,
)
from tests.contract.replicas import Replica
from tests.contract.world import judged, opened, reserved, write
from tests.redis_server import RedisServer

SHOP = "bw:{shop}:"

JUNK = ["", "x", "null", "{}", '"off"', "\n", "run 1 0 run", "1 2 3 4\n[]", "\xff\xfe\n[", "open 1 - 1 1 1 1 -\n\n[]"]

# What is nearly a record of a stop that lets everything pass.
NEARLY = [
    'RUN 9 0 run\n["","",null,null,false,false]',
    'run x 0 run\n["","",null,null,false,false]',
    'run -9 0 run\n["","",null,null,false,false]',
    '"run" 9 0 run\n["","",null,null,false,false]',
    'run 9 0 off\n["","",null,null,false,false]',
    'run 9 0 run\n["","",null,null,false,false',
    'run 99999999999999999 0 run\n["","",null,null,false,false]',
]


@pytest.mark.parametrize("scope", [ALL, "agent:clerk"])
async def test_stop(replica: Replica, fresh_redis: RedisServer, scope: str) -> None:
    """A stop that cannot be read stops writes, whoever starts beside it, until a newer order takes its place."""
    store = await replica([running(3), running(2, "agent:clerk")])
    held = await reserved(store, write())
    for epoch, junk in enumerate((*JUNK, *NEARLY), 4):
        with fresh_redis.operator() as operator:
            operator.hset(f"{SHOP}stops", scope, junk)
        assert await store.dispatch(held, opened()) is Permit.STOPPED, junk
        for each in (store, await replica([running(3), running(2, "agent:clerk")])):
            found = (await each.stops()).by_scope[scope]
            assert (found.mode, found.reason) == (Mode.STOP_WRITES, UNREADABLE), junk
            assert (await each.facts(write())).stops.by_scope[scope] == found
            await each.apply(KillChanged(Stop(scope, Mode.RUN, found.epoch)))
            assert await each.dispatch(held, opened()) is Permit.STOPPED, junk
        await store.apply(KillChanged(Stop(scope, Mode.RUN, epoch)))
        assert await store.dispatch(held, opened()) is Permit.GRANTED, junk
        assert (await store.stops()).by_scope[scope].mode is Mode.RUN


async def test_stop_half_read(replica: Replica, fresh_redis: RedisServer) -> None:
    """A stop of which only the first line can be read stops whoever is judged after it."""
    store = await replica([running(3)])
    for rest in ("[1]", "[]", '["","",null,null,0,false]', '["","",null,5,false,false]', '["","","x",null,true,false]'):
        with fresh_redis.operator() as operator:
            operator.hset(f"{SHOP}stops", ALL, f"run 9 0 run\n{rest}")
        assert (await store.facts(write())).stops.by_scope[ALL].mode is Mode.STOP_WRITES
        await store.apply(running((await store.stops()).by_scope[ALL].epoch + 1))


async def test_generation(replica: Replica, fresh_redis: RedisServer) -> None:
    """Where the generation cannot be read nothing is judged, and the next change of a stop puts it right."""
    store = await replica([running(3)])
    with fresh_redis.operator() as operator:
        operator.hset(f"{SHOP}stops", "#", "many")
    with pytest.raises(StoreUnavailable, match="not written by this version"):
        await store.facts(write())
    await store.apply(halted(4))
    assert (await store.facts(write())).stops.by_scope[ALL].mode is Mode.STOP_WRITES


@pytest.mark.parametrize("junk", JUNK)
async def test_breaker(replica: Replica, fresh_redis: RedisServer, junk: str) -> None:
    """A breaker that cannot be read is as it was seen last, or as if it had none; what comes next takes its place."""
    one, two = await replica(), await replica()
    await breaks(one, breaker())
    with fresh_redis.operator() as operator:
        operator.hset(f"{SHOP}breakers", KEY, junk)
        operator.hset(f"{SHOP}breakers", "\udcff".encode(errors="surrogateescape"), junk)
    assert (await one.facts(write())).breakers == {KEY: breaker()}
    assert ((await two.facts(write())).breakers, await two.breakers()) == ({}, ())
    assert not isinstance(await one.reserve(await wishing(one, write(), probe())), HeldWrite)
    assert (await counted(two, Delta(KEY, 0, NOW, ok=1))).ok == 1
    assert await one.breakers() == await two.breakers() == (breaker(),)
    after = breaker(State.BLOCKED, 4)
    assert await one.move(breaker(), after)
    assert await two.breakers() == (after,)


@pytest.mark.parametrize("junk", JUNK)
async def test_breaker_told_again(replica: Replica, fresh_redis: RedisServer, junk: str) -> None:
    """A breaker that cannot be read is replaced by what a ledger tells, and by whoever saw none there."""
    with fresh_redis.operator() as operator:
        operator.hset(f"{SHOP}breakers", KEY, junk)
        operator.hset(f"{SHOP}breakers", "task:1", junk)
    store = await replica([BreakerMoved(breaker())])
    assert await store.move(None, Breaker("task:1", State.SUGGEST_ONLY, 1))
    assert [one.key for one in await store.breakers()] == [KEY, "task:1"]


@pytest.mark.parametrize("junk", JUNK)
async def test_window(replica: Replica, fresh_redis: RedisServer, junk: str) -> None:
    """Counts that cannot be read count nothing, whatever field they stand in."""
    store = await replica()
    key = f"{SHOP}window:{KEY}"
    await counted(store, Delta(KEY, 0, NOW, ok=1))
    with fresh_redis.operator() as operator:
        bucket = next(field for field in operator.hkeys(key) if field.endswith(" ok")).partition(" ")[0]
        for field in (f"{bucket} fail", f"{bucket} x", "x", "", f"{bucket}0 fail", "span", " fail"):
            operator.hset(key, field, junk)
        operator.hset(key, f"{bucket}00 fail", 7)
        operator.hset(f"{SHOP}counted", "one", junk)
        operator.hset(f"{SHOP}breakers", KEY, junk)
    assert (await counted(store, Delta(KEY, 0, NOW, ok=2))).n == 3
    with fresh_redis.operator() as operator:
        operator.hset(key, "gen", junk)
    assert (await counted(store, Delta(KEY, 0, NOW, ok=4))).n == 4


@pytest.mark.parametrize("junk", JUNK)
async def test_suggestion(replica: Replica, fresh_redis: RedisServer, junk: str) -> None:
    """A suggestion that cannot be read is not there: nobody carries it out, and a ledger tells it again."""
    store = await replica()
    shown = await approved(store)
    with fresh_redis.operator() as operator:
        operator.hset(f"{SHOP}suggestions", "01S", junk)
        operator.hset(f"{SHOP}suggestions", "\udcff".encode(errors="surrogateescape"), junk)
        operator.hset(f"{SHOP}suggested", "k:1", junk)
        operator.zadd(f"{SHOP}parting", {"01S": 1, junk: 1})
    assert (await store.suggestions(), await store.suggestion("01S")) == ((), None)
    assert (await store.facts(write())).suggested is None
    assert not isinstance(await store.reserve(await judged(store, granted(shown))), HeldWrite)
    assert not await store.turn(shown, turned(shown, Stage.REJECTED))
    two = await replica([SuggestionNoted(shown)])
    assert await stage(two) is Stage.APPROVED
    assert (await two.suggest(suggestion("01T"))).id == "01S"


async def test_suggestion_half_read(replica: Replica, fresh_redis: RedisServer) -> None:
    """A suggestion of which only what scripts read is whole is shown to nobody, and its grant is good for nothing."""
    store = await replica()
    shown = await approved(store)
    with fresh_redis.operator() as operator:
        value = str(operator.hget(f"{SHOP}suggestions", "01S"))
        for rest in ("[]", "[1,2,3]", value.rpartition("\n")[2].replace("false", "0")):
            operator.hset(f"{SHOP}suggestions", "01S", value.rpartition("\n")[0] + "\n" + rest)
            assert (await store.suggestion("01S"), await store.suggestions()) == (None, ())
    assert shown.stage is Stage.APPROVED


async def test_wrong_type(replica: Replica, fresh_redis: RedisServer) -> None:
    """A key that holds something else altogether is a sentence, and no write passes by it."""
    store = await replica()
    held = await reserved(store, write())
    keys = ("stops", "breakers", f"window:{KEY}", "alive", "counted", "resting", "suggestions", "suggested", "parting")
    with fresh_redis.operator() as operator:
        for key in keys:
            operator.delete(SHOP + key)
            operator.lpush(SHOP + key, "x")
    refused = (
        *(store.stops(), store.breakers(), store.count([Delta(KEY, 0, NOW)], "one"), store.move(None, breaker())),
        *(store.suggest(suggestion()), store.suggestions(), store.suggestion("01S"), store.facts(write())),
        *(store.dispatch(held, opened()), store.apply(halted(9)), store.apply(SuggestionNoted(suggestion()))),
    )
    for asked in refused:
        with pytest.raises(StoreUnavailable, match="Redis refused"):
            await asked
    with contextlib.suppress(StoreUnavailable):
        assert not await store.turn(suggestion(), turned(suggestion(), Stage.REJECTED))
