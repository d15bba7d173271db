"""A shared state that lost something: who notices, who waits for whom, and what is known once writes are held again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.known import State
from breakers.stops import ALL, Mode
from breakers.store.events import Event, ReadHeld, ReadSettled
from breakers.store.members import Presence
from breakers.store.protocol import Permit, StoreUnavailable
from breakers.store.whereabouts import MOVED
from tests.breakers.stopping import halted
from tests.breakers.world import AT
from tests.contract.charges import month, spending, sum_of
from tests.contract.world import judged, read, taken
from tests.fleet.replicas import Fleet, copied, fleet_at, numbered, saying
from tests.redis_server import RedisServer, fresh_redis, redis_server, running_redis

__all__ = ["fresh_redis", "redis_server"]

WAITS = "the shared state was lost: waiting for replica {} to tell what it knows"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)


@pytest_asyncio.fixture
async def fleet(fresh_redis: RedisServer) -> AsyncIterator[Fleet]:
    """
    Give a fleet on an empty Redis.
    """
    async with fleet_at(fresh_redis) as made:
        yield made


async def test_flushed(fleet: Fleet) -> None:
    """After a flush nobody holds a write before everyone has told what only it knows; then all of it is known."""
    one, two = await fleet.start("one", "two")
    await one.made(numbered(1))
    await two.made(numbered(2))
    fleet.server.flush()
    with pytest.raises(StoreUnavailable, match="replayed first"):
        await one.held(numbered(3))
    await one.look()
    assert one.fault() == WAITS.format("two")
    with pytest.raises(StoreUnavailable, match="waiting for replica two"):
        await one.held(numbered(3))
    await two.look()
    assert two.fault() is None
    await one.look()
    assert one.fault() is None
    assert [await one.knows(f"0{number}A") for number in (1, 2)] == [State.COMPLETED] * 2
    await one.made(numbered(3))


async def test_noticed_by_a_beat(fleet: Fleet) -> None:
    """A replica that asks nothing notices a flush by its next beat, and holds nothing from then on."""
    (one,) = await fleet.start("one")
    fleet.server.flush()
    await one.beat()
    assert one.store.emptied
    assert one.store.lost == "emptied"


async def test_failover_loses_the_last(fleet: Fleet, tmp_path: Path) -> None:
    """A new primary that lacks the last is not opened before whoever still talks to the old one has told its record."""
    old = fleet.server
    one, two = await fleet.start("one", "two")
    with running_redis(tmp_path) as new:
        copied(old, new)
        await two.made(numbered(1))
        fleet.server = new
        # The first is led to the new one, as a restart of its connections would.
        await one.store.close()
        await one.start()
        assert one.fault() == WAITS.format("two")
        # The old side stays what it was, for whoever is there.
        await two.made(numbered(2))
        await one.look()
        assert one.fault() == WAITS.format("two")
        await two.store.close()
        await two.start()
        await fleet.settle("one", "two")
        assert [await one.knows(f"0{number}A") for number in (1, 2)] == [State.COMPLETED] * 2


async def test_old_side_is_left(fleet: Fleet, tmp_path: Path) -> None:
    """From the moment at which a replica begins anew nothing of it is held or marked at the server of before."""
    (one,) = await fleet.start("one")
    held = await one.held(numbered(1))
    with running_redis(tmp_path) as new:
        copied(fleet.server, new)
        one.store._shared.freeze()
        for step in (one.sent(held), one.held(numbered(2))):
            with pytest.raises(StoreUnavailable, match="replayed first"):
                await step
        assert await one.knows("01A") is State.CLAIMED


async def test_moved_is_lost(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that led to another server is a loss, at once and whatever else is asked."""
    (one,) = await fleet.start("one")
    link = one.store._link
    link._at.moved = True  # type: ignore[attr-defined] # as a connection to another server leaves it
    monkeypatch.setattr(one.store.fleet, "begin", nobody)
    await one.look()
    assert one.store.lost == "server"
    with pytest.raises(StoreUnavailable, match="another Redis"):
        await one.held(numbered(1))
    assert await one.store.fault() == MOVED


async def nobody(*_: object, **__: object) -> None:
    """
    Do not answer.
    """
    raise StoreUnavailable("nobody is there")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"id": "another"}, "server"),
        ({"role": "slave"}, "server"),
        ({"promoted": "0a" * 20}, "server"),
        ({"evicted": 1}, "evicted"),
        ({"promoted": ""}, ""),
        ({"evicted": -1}, ""),
    ],
    ids=["restarted", "demoted", "promoted", "evicted", "backlog made anew", "counters reset"],
)
async def test_told_by_a_look(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, said: dict[str, object], why: str) -> None:
    """What a server says of itself tells that it was restarted, was a replica meanwhile, or threw something away."""
    (one,) = await fleet.start("one")
    belongs = one.store.fleet
    before = replace(belongs._server, evicted=0)
    belongs._server = before
    monkeypatch.setattr(one.store._link, "look", saying(replace(before, **said)))  # type: ignore[arg-type]
    assert await belongs.look() is None
    assert (one.store.lost, one.store.emptied) == (why, why != "")


async def test_evicting(fleet: Fleet) -> None:
    """While a Redis may throw something away no write is held; once it may not, and did not, all goes on untold."""
    (one,) = await fleet.start("one")
    epoch = one.store._shared.epoch
    operator = fleet.server.operator()
    operator.config_set("maxmemory-policy", "allkeys-lru")
    try:
        await one.look()
        assert "set it to `noeviction`" in (one.fault() or "")
        other = fleet.new("two")
        await other.start()
        assert other.fault() == one.fault()
    finally:
        operator.config_set("maxmemory-policy", "noeviction")
        operator.close()
    await one.look()
    assert (one.fault(), one.store._shared.epoch) == (None, epoch)


@pytest.mark.parametrize("restarted", [False, True])
async def test_evicted(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, *, restarted: bool) -> None:
    """After an eviction all is told anew, over nothing, also where a restart of the server came between."""
    one, two = await fleet.start("one", "two")
    ten = month(10, 50)
    for replica in (one, two):
        held = await taken(replica.store, read(f"01{replica.id}"), ten)
        await replica.store.settle(held, spending(10))
        replica.record += charged_read(f"01{replica.id}")
    operator = fleet.server.operator()
    (total,) = operator.keys("*}:total:*")
    # Which call was counted is known, and what it came to is not.
    operator.delete(total)
    operator.close()
    for replica in (one, two):
        look = saying(replace(replica.store.fleet._server, evicted=replica.store.fleet._server.evicted + 1))
        with monkeypatch.context() as patch:
            patch.setattr(replica.store._link, "look", look)
            await replica.store.fleet.look()
        assert replica.store.lost == "evicted"
        if restarted:
            # It counts from nothing, and is known by another name.
            replica.store.fleet._evicting = "what it was before"
        else:
            monkeypatch.setattr(replica.store._link, "look", look)
    await fleet.settle("one", "two")
    assert await sum_of(one.store, ten) == (20, 0)
    assert one.store._shared.epoch == two.store._shared.epoch


def charged_read(call: str) -> list[Event]:
    """
    Return what the record says of a read that took ten.
    """
    return [ReadHeld(call, AT, (month(10, 50),)), ReadSettled(call, (10,))]


async def test_flushed_while_told(fleet: Fleet) -> None:
    """A flush while others are waited for counts as one more loss: whoever had told tells again."""
    one, two = await fleet.start("one", "two")
    await one.made(numbered(1))
    await two.made(numbered(2))
    fleet.server.flush()
    await one.look()
    assert one.fault() == WAITS.format("two")
    fleet.server.flush()
    await two.look()
    assert two.fault() == WAITS.format("one")
    await fleet.settle("one", "two")
    assert [await two.knows(f"0{number}A") for number in (1, 2)] == [State.COMPLETED] * 2
    assert one.store._shared.epoch == two.store._shared.epoch


async def test_begun_at_once(fleet: Fleet) -> None:
    """Replicas that begin in one moment build one epoch, and it opens for all of them."""
    ids = ("one", "two", "three")
    await fleet.start(*ids)
    fleet.server.flush()
    await asyncio.gather(*(fleet.replicas[id_].look() for id_ in ids))
    await fleet.settle(*ids)
    assert len({fleet.replicas[id_].store._shared.epoch for id_ in ids}) == 1


async def test_restarted_after_a_flush(fleet: Fleet) -> None:
    """A whole set that starts at once on an emptied Redis waits for its last one."""
    ids = ("one", "two", "three")
    replicas = await fleet.start(*ids)
    for number, replica in enumerate(replicas):
        await replica.made(numbered(number))
    fleet.server.flush()
    for replica in replicas[:2]:
        await replica.start()
        assert "three" in (replica.fault() or "")
    await replicas[2].start()
    await fleet.settle(*ids)
    assert {await replicas[0].knows(f"0{number}A") for number in range(3)} == {State.COMPLETED}


async def test_died_after_begin(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies when it has begun, and told nothing, is waited for until it comes back."""
    one, two = await fleet.start("one", "two")
    await one.made(numbered(1))
    fleet.server.flush()
    with monkeypatch.context() as patch:
        patch.setattr(one.store, "start", nobody)
        await one.look()
    await two.look()
    assert two.fault() == WAITS.format("one")
    await one.start()
    await fleet.settle("one", "two")
    assert await two.knows("01A") is State.COMPLETED


async def test_in_flight_stays(fleet: Fleet) -> None:
    """What a replica has on its way while it tells its record stays so, for everyone; its end is taken later."""
    one, two = await fleet.start("one", "two")
    held = await one.held(numbered(1))
    assert await one.sent(held) is Permit.GRANTED
    fleet.server.flush()
    for _ in range(2):
        await fleet.round("one", "two")
    assert (one.fault(), two.fault()) == (None, None)
    assert await two.knows("01A") is State.DISPATCHED
    await one.ended(held)
    assert await two.knows("01A") is State.COMPLETED


async def test_sent_before_it_was_noticed(fleet: Fleet) -> None:
    """A write that was held before a loss is not marked as sent after it: it has to be judged anew."""
    one, _ = await fleet.start("one", "two")
    held = await one.held(numbered(1))
    fleet.server.flush()
    await fleet.round("one", "two")
    await fleet.settle("one", "two")
    assert await one.sent(held) is Permit.LOST


async def test_read_after_begin(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is read once the new epoch is begun, so that an end that was told before that is not missed."""
    one, two = await fleet.start("one", "two")
    held = await one.held(numbered(1))
    await one.sent(held)
    fleet.server.flush()
    begin = one.store.fleet.begin

    async def late(names_by: str) -> None:
        # It ends at the last moment at which the server that is gone may still be told.
        await one.ended(held)
        fleet.server.flush()
        await begin(names_by)

    monkeypatch.setattr(one.store.fleet, "begin", late)
    await one.look()
    await two.look()
    await fleet.settle("one", "two")
    assert await two.knows("01A") is State.COMPLETED


async def test_stopped_before_it_opens(fleet: Fleet) -> None:
    """What one replica alone knows to be stopped is in force for everyone before the first write is held."""
    one, two = await fleet.start("one", "two")
    two.record.append(halted(7))
    fleet.server.flush()
    await one.look()
    await two.look()
    await one.look()
    assert one.fault() is None
    assert (await judged(one.store, numbered(1))).facts.stops.by_scope[ALL].mode is Mode.STOP_WRITES


async def test_new_one_before_others_notice(fleet: Fleet) -> None:
    """A new replica that finds a flushed Redis before the others do is shut out again until they have told theirs."""
    one, two = await fleet.start("one", "two")
    await one.made(numbered(1))
    fleet.server.flush()
    three = fleet.new("three")
    await three.start()
    assert three.fault() is None
    await one.look()
    assert one.fault() == "the shared state was lost: waiting for replicas three, two to tell what they know"
    with pytest.raises(StoreUnavailable):
        await three.held(numbered(2))
    await two.look()
    await fleet.settle("one", "two", "three")
    assert await three.knows("01A") is State.COMPLETED


async def test_restarts_freeze_nobody(fleet: Fleet) -> None:
    """A replica that restarts on a Redis that lost nothing holds writes at once, and so does everyone meanwhile."""
    ids = ("one", "two", "three")
    replicas = await fleet.start(*ids)
    epoch = replicas[0].store._shared.epoch
    for replica in replicas:
        await replica.store.beat(Presence(), stops=True)
        await replica.store.close()
        await replica.start()
        assert replica.fault() is None
        for other in replicas:
            await other.beat()
            assert not other.store.emptied
    assert {replica.store._shared.epoch for replica in replicas} == {epoch}


async def test_nothing_tells_of_a_loss(fleet: Fleet) -> None:
    """A first start, a restart and a replica that joins are no loss; a flush is one, until all is known again."""
    one, two = await fleet.start("one", "two")
    await two.start()
    assert (one.store.lost, two.store.lost) == ("", "")
    fleet.server.flush()
    await one.look()
    await two.start()
    assert (one.store.lost, two.store.lost) == ("emptied", "")
    await fleet.settle("one", "two")
    assert (one.store.lost, two.store.lost) == ("", "")
