"""Several processes on one Redis, and a Redis that loses what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from breakers.call import Call
from breakers.known import State
from breakers.stops import ALL
from breakers.store.events import Event, IntentEnded
from breakers.store.fleet import FleetStore
from breakers.store.moves import GIVEN_UP
from breakers.store.protocol import LEASE_S, REMEMBERED_S, HeldWrite, Permit, StoreUnavailable
from tests.breakers.stopping import halted, running
from tests.contract.replicas import Replica
from tests.contract.world import (
    KEPT,
    dispatched,
    done,
    judged,
    made,
    nothing_done,
    opened,
    read,
    reserved,
    shown,
    standing,
    unknown,
    write,
)
from tests.redis_server import RedisServer


async def test_one_dispatch(replica: Replica) -> None:
    """Of two processes that are asked the same in one moment, one sends."""
    one, two = await replica(), await replica()
    for n in range(10):
        asked = [write(f"0{n}A", f"k:{n}", f"f1:{n}", f"e:{n}"), write(f"0{n}B", f"k:{n}", f"f1:{n}", f"e:{n}")]
        goes = [await judged(one, asked[0]), await judged(two, asked[1])]
        said = await asyncio.gather(one.reserve(goes[0]), two.reserve(goes[1]))
        assert [isinstance(held, HeldWrite) for held in said].count(True) == 1


async def test_seen_by_all(replica: Replica) -> None:
    """What one process holds, ends and answers is what another sees, and waits for."""
    one, two = await replica(), await replica()
    held = await dispatched(one, write())
    assert await standing(two) == [("01A", State.DISPATCHED)]
    waiting = asyncio.create_task(two.wait("01A", 30))
    await asyncio.sleep(0.01)
    await one.settle(held, done(), b"sealed")
    record = await waiting
    assert record is not None
    assert record.state is State.COMPLETED
    assert await two.answer("01A") == b"sealed"
    await two.apply(halted(1))
    assert (await one.stops()).by_scope[ALL] == halted(1).stop
    later = await dispatched_or(one, write("01B", "k:2", "f1:2", "e:2"))
    assert later is Permit.STOPPED


async def dispatched_or(store: FleetStore, asked: Call) -> Permit:
    """
    Take a write to its permit, whatever that is.
    """
    held = await store.reserve(await judged(store, asked))
    assert isinstance(held, HeldWrite)
    return await store.dispatch(held, opened(asked.id, key="k:2", fingerprint="f1:2", effect="e:2"))


async def test_start_beside_others(replica: Replica) -> None:
    """A process that starts puts its own former writes in doubt and leaves those of others in flight."""
    one, gone = await replica(), await replica()
    await dispatched(one, write("01A", "k:1", "f1:1", "e:1"))
    await dispatched(gone, write("01B", "k:2", "f1:2", "e:2"))
    two = await replica([opened("01B", key="k:2", fingerprint="f1:2", effect="e:2")])
    assert await shown(two) == [("01A", False, False), ("01B", True, False)]


async def test_newer_stays(replica: Replica) -> None:
    """What a ledger says late never undoes what another process has found out since."""
    one = await replica()
    await made(one, write(), unknown())
    assert await one.resolve(opened(), done(5))
    two = await replica([opened(), IntentEnded("01A", unknown())])
    await two.apply(IntentEnded("01A", nothing_done(9)))
    assert await standing(two) == [("01A", State.COMPLETED)]
    assert await shown(two) == []


async def test_end_without_beginning(replica: Replica) -> None:
    """An end that is told alone settles what the process before left in flight, and says nothing of anything else."""
    gone = await replica()
    await dispatched(gone, write())
    two = await replica([IntentEnded("01A", nothing_done()), IntentEnded("01X", done())])
    assert await standing(two) == []
    assert await shown(two) == []
    assert await two.earlier("01X") is None


async def test_ended_beyond_retention(replica: Replica) -> None:
    """What ended too long ago to be known settles what lingers, and is not made anew."""
    gone = await replica()
    await dispatched(gone, write())
    ages = -KEPT.whole.total_seconds()
    two = await replica([opened(), opened("01B", key="k:2"), *(IntentEnded(one, done(ages)) for one in ("01A", "01B"))])
    assert await shown(two) == []
    assert await standing(two) == []
    assert await two.earlier("01B") is None


async def test_flush(replica: Replica, fresh_redis: RedisServer) -> None:
    """A Redis that lost its data holds no write until the ledger was replayed into it, and reads go on."""
    store = await replica()
    await made(store, write(), unknown())
    held = await reserved(store, write("01B", "k:2", "f1:2", "e:2"))
    go = await judged(store, write("01C", "k:3", "f1:3", "e:3"))
    fresh_redis.flush()
    for refused in (store.facts(write("01D")), store.reserve(go), store.dispatch(held, opened("01B"))):
        with pytest.raises(StoreUnavailable, match="replayed first"):
            await refused
    assert store.emptied
    assert "replayed first" in (await store.fault() or "")
    assert (await store.reserve(await judged(store, read()))).go.call == read()  # type: ignore[union-attr]
    await store.start([opened(), IntentEnded("01A", unknown())])
    assert await store.fault() is None
    assert await standing(store) == [("01A", State.UNKNOWN)]
    assert await store.dispatch(held, opened("01B")) is Permit.LOST


async def test_flush_under_way(replica: Replica, fresh_redis: RedisServer) -> None:
    """A write that is under way while Redis loses its data is in flight again after the replay, and ends."""
    store = await replica()
    held = await dispatched(store, write())
    fresh_redis.flush()
    await store.start([opened()])
    assert await shown(store) == [("01A", False, False)]
    await store.settle(held, done())
    assert await standing(store) == [("01A", State.COMPLETED)]


@pytest.mark.parametrize("was_sent", [True, False], ids=["sent", "claimed"])
async def test_flush_before_end(was_sent: bool, replica: Replica, fresh_redis: RedisServer) -> None:
    """A write that ends between the loss and a replay that was read before its end is not put in doubt by it."""
    store = await replica()
    held = await (dispatched if was_sent else reserved)(store, write())
    fresh_redis.flush()
    await store.settle(held, nothing_done())
    await store.start([opened()])
    assert await standing(store) == []
    assert await shown(store) == []


async def test_flush_lifts_no_stop(replica: Replica, fresh_redis: RedisServer) -> None:
    """A stop that this process knows is there again after the replay, whatever the ledger said before it."""
    store = await replica()
    await store.apply(halted(4))
    fresh_redis.flush()
    assert (await store.stops()).by_scope[ALL] == halted(4).stop
    await store.start([running(3)])
    assert (await store.facts(write())).stops.by_scope[ALL] == halted(4).stop


async def test_other_replay(replica: Replica, fresh_redis: RedisServer) -> None:
    """After a loss each process holds writes again only once it has replayed its own ledger."""
    one, two = await replica(), await replica()
    fresh_redis.flush()
    await one.start([opened()])
    assert await standing(one) == [("01A", State.UNKNOWN)]
    with pytest.raises(StoreUnavailable):
        await two.facts(write())
    await two.start([opened("01B", key="k:2")])
    assert [await standing(one, "f1:1"), await one.fault()] == [await standing(two, "f1:1"), None]


async def test_flush_during_replay(replica: Replica, fresh_redis: RedisServer) -> None:
    """A Redis that loses its data while the ledger is replayed into it does not count as whole."""

    def events() -> Iterable[Event]:
        yield opened()
        fresh_redis.flush()

    fresh_redis.flush()
    with pytest.raises(StoreUnavailable, match="has to be replayed first"):
        await replica(events())


async def test_full(replica: Replica, fresh_redis: RedisServer) -> None:
    """A Redis that is full takes no step of a write halfway, says so, and is told what it missed once there is room."""
    store = await replica()
    held = await reserved(store, write())
    go = await judged(store, write("01B", "k:2", "f1:2", "e:2"))
    operator = fresh_redis.operator()
    operator.config_set("maxmemory", 1)
    try:
        for refused in (store.reserve(go), store.dispatch(held, opened())):
            with pytest.raises(StoreUnavailable, match="no memory left"):
                await refused
        await store.settle(held, nothing_done())
        assert "no memory left" in (await store.fault() or "")
    finally:
        operator.config_set("maxmemory", 0)
        operator.close()
    assert [await standing(store, name) for name in ("k:1", "k:2")] == [[], []]
    assert isinstance(await store.reserve(go), HeldWrite)


async def test_settle_cancelled(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end whose telling was broken off is told before anything else is judged."""
    store = await replica()
    held = await dispatched(store, write())

    async def hangs(*_: object, **how: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(store._link, "run", hangs)
        telling = asyncio.create_task(store.settle(held, done()))
        await asyncio.sleep(0)
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling
    assert await shown(store) == [("01A", False, False)]
    assert await standing(store) == [("01A", State.COMPLETED)]


async def test_time_to_live(replica: Replica, fresh_redis: RedisServer) -> None:
    """What may have been sent and has not ended has no time to live; everything else has one that fits it."""
    store = await replica()
    await reserved(store, write("01A", "k:1", "f1:1", "e:1"))
    await dispatched(store, write("01B", "k:2", "f1:2", "e:2"))
    await made(store, write("01C", "k:3", "f1:3", "e:3"), unknown())
    await made(store, write("01D", "k:4", "f1:4", "e:4"), done(), b"sealed")
    await made(store, write("01E", "k:5", "f1:5", "e:5"), nothing_done(), b"sealed")
    operator = fresh_redis.operator()
    left = {str(key).partition("}:")[2]: operator.ttl(key) for key in operator.keys("*")}
    operator.close()
    assert {key for key, seconds in left.items() if seconds == -1} == {
        *("epoch", "server", "evicted", "stops", "counted", "versions", "open"),
        *("intent:01B", "name:k:2", "name:f1:2", "name:e:2", "intent:01C", "name:k:3", "name:f1:3", "name:e:3"),
    }
    near = {
        LEASE_S + GIVEN_UP.total_seconds(): ("intent:01A",),
        KEPT.whole.total_seconds(): ("intent:01D", "name:k:4", "name:f1:4", "name:e:4"),
        KEPT.answers_s: ("answer:01D",),
        # A name is known for as long as anyone may judge by it.
        REMEMBERED_S: (
            *("name:k:1", "name:f1:1", "name:e:1"),
            *("intent:01E", "answer:01E", "name:k:5", "name:f1:5", "name:e:5"),
        ),
    }
    for seconds, keys in near.items():
        for key in keys:
            assert seconds - 3 <= left.pop(key) <= seconds, key
    assert all(seconds == -1 for seconds in left.values())


async def test_lapsed_record_goes(replica: Replica, fresh_redis: RedisServer) -> None:
    """A claim that nobody took over is out of its name's record with the next write under it."""
    store = await replica(lease_s=0.001)
    await reserved(store, write("01A", "k:1", "f1:1", "e:9"))
    operator = fresh_redis.operator()
    value = str(operator.hget("bw:{shop}:name:e:9", "01A"))
    head = value.split("\n", maxsplit=1)[0].split(" ")
    operator.hset("bw:{shop}:name:e:9", "01A", value.replace(head[1], "1", 1))
    await asyncio.sleep(0.002)
    await made(store, write("01B", "k:2", "f1:2", "e:9"), done())
    assert set(operator.hkeys("bw:{shop}:name:e:9")) == {"#", "01B"}
    operator.close()


async def test_large_answer(replica: Replica) -> None:
    """An answer of more than a quarter of a mebibyte is not kept for others; its record is."""
    store = await replica()
    await made(store, write(), done(), b"x" * (256 * 1024 + 1))
    await made(store, write("01B", "k:2", "f1:2", "e:2"), done(), b"x" * (256 * 1024))
    assert await store.answer("01A") is None
    assert len(await store.answer("01B") or b"") == 256 * 1024
    assert await store.earlier("01A") is not None


async def test_names_of_others(replica: Replica) -> None:
    """A process that makes names with another key ring does not know the others' writes, and holds none beside them."""
    first = await replica(names_by="made-with:1")
    assert await (await replica(names_by="made-with:1")).fault() is None
    with pytest.raises(StoreUnavailable, match="another key ring"):
        await replica(names_by="made-with:2")
    assert await first.fault() is None
