"""How long a shared Redis keeps totals, marks, tasks and revocations, what it lists, and what nobody of ours wrote."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.spend import Alert, Notice
from breakers.store.charged import KEPT, KEPT_LIFE, READ_AT_ONCE
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    Event,
    IntentEnded,
    ReadHeld,
    ReadSettled,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
)
from breakers.store.protocol import StoreUnavailable
from breakers.task import STANDING, Closed, Envelope, Task
from config.caps import Caps
from tests.breakers.world import AT
from tests.contract.charges import DAY_ENDS, MONTH_ENDS, life, month, notices, refusing, spending, sum_of, sums
from tests.contract.replicas import Replica
from tests.contract.world import Clock, dispatched, judged, made, opened, read, taken, unknown, write
from tests.redis_server import RedisServer

DAY = timedelta(days=1)


def left(server: RedisServer) -> dict[str, float]:
    """
    Return the seconds that each key has left, -1 for ever.
    """
    with contextlib.closing(server.operator()) as operator:
        return {str(key).partition("}:")[2]: operator.pttl(key) / 1000 for key in operator.keys("*")}


async def test_time_to_live(replica: Replica, fresh_redis: RedisServer) -> None:
    """A total of which something is held has no time to live; every other, and each mark, has one that fits it."""
    store = await replica()
    await made(store, write("01A"), unknown(), charges=(month(node="agent:a"),))
    await dispatched(store, write("01B", "k:2", "f1:2", "e:2"), month(node="agent:b"))
    await made(store, write("01C", "k:3", "f1:3", "e:3"), spending(1, 1), charges=(month(), life()))
    await store.settle(await taken(store, read("01R"), life()), spending(1))
    await store.settle(await taken(store, read("01S"), month(node="agent:s")), None)
    await store.apply(ReadHeld("01T", AT, (life(),)))
    found = left(fresh_redis)
    for_ever = {key for key, seconds in found.items() if seconds < 0 and key.startswith(("total:", "hold:"))}
    assert for_ever == {"hold:01A", "hold:01B", *(f"total:agent:{name}|2026-11|calls" for name in "ab")}
    near = {
        (MONTH_ENDS + KEPT - AT): ("total:agent:clerk|2026-11|calls", "total:agent:s|2026-11|calls", "hold:01C"),
        (DAY_ENDS + KEPT_LIFE - AT): ("total:task:clerk/01T|life|calls", "hold:01R", "hold:01T"),
    }
    for time, keys in near.items():
        for key in keys:
            assert time.total_seconds() - 5 < found[key] <= time.total_seconds(), key


async def test_closed_before_opened(replica: Replica, fresh_redis: RedisServer) -> None:
    """A task that one process closed and another had opened is over, whoever of them tells first."""
    store, task = await replica(), Task("clerk/01T", "clerk", AT, AT + DAY, Caps())
    await store.apply(TaskClosed(task.id, AT, Closed.DONE))
    assert await store.envelope(task.id, ()) == STANDING
    assert left(fresh_redis)["task:clerk/01T"] == pytest.approx(2 * DAY.total_seconds(), abs=5)
    await store.apply(TaskClosed(task.id, AT + DAY, Closed.EXPIRED))
    await store.apply(TaskOpened(task))
    assert await store.envelope(task.id, ()) == Envelope(replace(task, closed_at=AT, closed=Closed.DONE))
    assert await store.tasks() == ()
    await store.apply(TaskClosed("clerk/01S", AT - 3 * DAY, Closed.DONE))
    assert "task:clerk/01S" not in left(fresh_redis)


async def test_released_total(replica: Replica, fresh_redis: RedisServer) -> None:
    """A total whose last hold is settled long after its period goes with that; what is held again stays."""
    clock = Clock()
    store = await replica(now=clock.now)
    held = await taken(store, read("01R"), month(5))
    also = await taken(store, read("01S"), month(5))
    clock.pass_by((MONTH_ENDS + 2 * KEPT - AT).total_seconds())
    await store.settle(held, spending(5))
    assert left(fresh_redis)["total:agent:clerk|2026-11|calls"] == -0.001
    assert await sums(store) == {"agent:clerk|2026-11|calls": (5, 5)}
    await store.settle(also, spending(5))
    assert await store.totals() == ()


async def test_index_shrinks(replica: Replica) -> None:
    """What is not kept any more is not listed any more, once another total begins."""
    store = await replica()
    over = AT - KEPT - DAY
    for n in range(4):
        await store.settle(await taken(store, read(f"0{n}"), month(node=f"agent:{n}", until=over)), spending(1))
    await asyncio.sleep(0.005)
    for n in range(4, 6):
        await taken(store, read(f"0{n}"), month(node=f"agent:{n}"))
    assert await store._shared.ask("ZCARD", "totals") == 2
    assert set(await sums(store)) == {f"agent:{n}|2026-11|calls" for n in (4, 5)}


async def test_many_totals(replica: Replica) -> None:
    """However many totals there are, all are listed, in their order, and those of one node alone where it is named."""
    store = await replica()
    count = READ_AT_ONCE + 3
    for n in range(count):
        await taken(store, read(f"1{n:03}"), month(n + 1, 1000, f"agent:{n:03}"), month(1, 1000, f"agent:{n:03}-b"))
    every = await store.totals()
    assert [one.node for one in every] == sorted(f"agent:{n:03}{b}" for n in range(count) for b in ("", "-b"))
    assert [(one.node, one.held) for one in await store.totals("agent:002")] == [("agent:002", 3)]


@pytest.mark.parametrize("end", [spending(4), refusing(1)], ids=["stands", "freed"])
async def test_told_beyond_record(replica: Replica, fresh_redis: RedisServer, end: object) -> None:
    """A write whose record is forgotten, and which the ledger still tells, is counted once by however many starts."""
    clock = Clock()
    told: list[Event] = [
        replace(opened(), charges=(month(9, 0, until=AT + 200 * DAY),)),
        IntentEnded("01A", end),  # type: ignore[arg-type] # an end
    ]
    clock.pass_by(150 * 86_400)
    for _ in range(3):
        store = await replica(told, now=clock.now)
        assert await sum_of(store, month()) == ((4, 0) if end == spending(4) else (1, 0))
    assert "intent:01A" not in left(fresh_redis)


async def test_too_old_to_count(replica: Replica, fresh_redis: RedisServer) -> None:
    """Of reads whose every period is long over a replay leaves nothing at all."""
    clock = Clock(MONTH_ENDS + KEPT)
    charges = (month(5, 0), life(1, 0))
    told = [ReadHeld("01R", AT, charges), ReadHeld("01S", AT, charges), ReadSettled("01S", (1, 1))]
    await replica(told, now=clock.now)
    assert not [key for key in left(fresh_redis) if key.startswith(("total", "hold"))]


ALERT = Alert(Notice.REACHED, "agent:clerk", "2026-11", "calls", 50, 100, 60, AT)


async def test_alerts_outlive(replica: Replica) -> None:
    """An alert that another process has delivered does not come back with a ledger that does not know that."""
    charge = month(60, 100, alerts=(50,))
    one = await replica()
    await one.settle(await taken(one, read(), charge), spending(60))
    (alert,) = await one.alerts()
    assert alert == ALERT
    two = await replica([ReadHeld("01R", AT, (month(60, 0),)), ReadSettled("01R", (60,)), AlertRaised(alert)])
    assert await two.alerts() == (alert,)
    await two.apply(AlertDelivered(alert.id))
    three = await replica([AlertRaised(alert)])
    assert await three.alerts() == ()


async def test_alerts_after_flush(replica: Replica, fresh_redis: RedisServer) -> None:
    """After a loss what is on record as raised is raised no second time, and what waits for its delivery still does."""
    store = await replica()
    fresh_redis.flush()
    told: list[Event] = [ReadHeld("01R", AT, (month(79, 0),)), AlertRaised(ALERT)]
    await store.start(told)
    charge = month(1, 100, alerts=(50, 80))
    await store.settle(await taken(store, read("01S"), charge), spending(1))
    assert [one[2:] for one in await notices(store)] == [(50, 100, 60), (80, 100, 80)]
    assert left(fresh_redis)["total:agent:clerk|2026-11|calls"] > 0


async def test_cap_of_others(replica: Replica) -> None:
    """A start with an older cap on record leaves the one that others judge by, and tells nobody of its own."""
    one = await replica()
    await one.settle(await taken(one, read("01S"), month(60, 1000, alerts=(50,))), spending(60))
    two = await replica([ReadHeld("01R", AT, (month(10, 100, alerts=(50,)),)), ReadSettled("01R", (10,))])
    assert [(total.settled, total.cap) for total in await two.totals()] == [(70, 1000)]
    assert await two.alerts() == ()


@pytest.mark.parametrize("turned", [False, True])
async def test_caps_of_ledgers(replica: Replica, turned: bool) -> None:
    """Of two ledgers that are told to an empty Redis the cap that is on record last counts, whoever comes first."""
    old: list[Event] = [ReadHeld("01R", AT, (month(60, 100, alerts=(80,)),))]
    new: list[Event] = [ReadHeld("01S", AT + timedelta(seconds=5), (month(5, 1000, alerts=(80,)),))]
    first, second = (new, old) if turned else (old, new)
    await replica(first)
    store = await replica(second)
    assert [(total.settled, total.cap) for total in await store.totals()] == [(65, 1000)]
    assert await store.alerts() == ()


async def test_known_before_counted(replica: Replica) -> None:
    """What a ledger has on record as raised is not raised by counting what it says was taken."""
    one = await replica()
    await taken(one, read("01S"), month(1, 100, alerts=(50,)))
    alert = replace(ALERT, threshold=50)
    told: list[Event] = [ReadHeld("01R", AT, (month(60, 100, alerts=(50,)),)), AlertRaised(alert)]
    two = await replica([*told, AlertDelivered(alert.id)])
    assert await two.alerts() == ()


async def test_tasks_time_to_live(replica: Replica, fresh_redis: RedisServer) -> None:
    """A task and a revocation are kept until a day after their time; what is longer over is not brought back."""
    hour = timedelta(hours=1)
    old = Task("clerk/00T", "clerk", AT - 3 * DAY, AT - 2 * DAY, Caps())
    task = Task("clerk/01T", "clerk", AT, AT + hour, Caps())
    told = [TaskOpened(old), TaskOpened(task), TokenRevoked("abc", AT + 2 * hour), TokenRevoked("old", AT - DAY)]
    store = await replica(told)
    found = left(fresh_redis)
    assert {key for key in found if key.startswith(("task:", "revoked:"))} == {"task:clerk/01T", "revoked:abc"}
    for key, time in (("task:clerk/01T", hour), ("revoked:abc", 2 * hour)):
        assert 0 <= (time + DAY).total_seconds() - found[key] < 5
    assert await store.envelope(old.id, ("old",)) == STANDING


@pytest.mark.parametrize("junk", ["", "x", "\n", "\n[]", "\n{}", "\n[1,2,3,4,5,6,7]", "soon done\n[]"])
async def test_junk(replica: Replica, fresh_redis: RedisServer, junk: str) -> None:
    """What nobody of ours wrote is a sentence, never a task, a charge or an alert."""
    store = await replica()
    await taken(store, read("01S"), month())
    with contextlib.closing(fresh_redis.operator()) as operator:
        operator.set("bw:{shop}:task:clerk/01T", junk)
        operator.hset("bw:{shop}:tasks", "clerk/01T", junk)
        operator.hset("bw:{shop}:alerts", junk, junk)
        operator.set("bw:{shop}:hold:01R", f"h 1\n{junk}")
        operator.hset(f"bw:{{shop}}:total:{month().key}", "settled", junk or "-")
    settled = store.apply(ReadSettled("01R", (1,)))
    for refused in (store.envelope("clerk/01T", ()), store.tasks(), store.alerts(), store.totals(), settled):
        with contextlib.suppress(StoreUnavailable):
            assert not await refused


async def test_read_is_asked_again(replica: Replica) -> None:
    """A read that holds already is granted again although writes were stopped meanwhile."""
    store = await replica()
    go = await judged(store, read(), month())
    held = await store.reserve(go)
    store._stopped.generation += 1
    assert await store.reserve(go) == held
