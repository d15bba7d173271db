"""Charges in a Redis that several processes share: lost answers, races, claims that lapse, reads that nobody ends."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from breakers.call import Call
from breakers.known import Ended
from breakers.spend import Charge
from breakers.store.events import Event, IntentEnded, ReadHeld, ReadSettled
from breakers.store.fleet import FleetStore
from breakers.store.protocol import Exhausted, HeldRead, HeldWrite, Permit, StoreUnavailable
from tests.breakers.world import AT
from tests.contract.charges import USD, denied, life, month, notices, refusing, spending, sum_of, sums
from tests.contract.cutter import Cutter
from tests.contract.replicas import Replica
from tests.contract.world import BRIEF_S, dispatched, judged, made, opened, read, reserved, taken, unknown, write
from tests.redis_server import RedisServer


def named(intent: str) -> Call:
    """
    Return a write whose names nobody else has.
    """
    return write(intent, f"k:{intent}", f"f1:{intent}", f"e:{intent}")


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let claims be given up as soon as they have lapsed.
    """
    for module in ("claims", "charged"):
        monkeypatch.setattr(f"breakers.store.{module}.GIVEN_UP_MS", 1)


def listening(store: FleetStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """
    Return what Redis is asked from here on: scripts and commands, as they are asked.
    """
    asked: list[str] = []
    run, ask = store._link.run, store._link.ask

    async def running(verb: str, *told: object, **how: object) -> object:
        asked.append(verb)
        return await run(verb, *told, **how)  # type: ignore[arg-type]

    async def asking(command: str, *told: object, **how: object) -> object:
        asked.append(command)
        return await ask(command, *told, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(store._link, "run", running)
    monkeypatch.setattr(store._link, "ask", asking)
    return asked


# ------------------------------------------------------------------------------------------------------- lost answers


@pytest.mark.parametrize("asked", [write(), read()], ids=["write", "read"])
async def test_lost_reserve(fragile: FleetStore, cutter: Cutter, asked: Call) -> None:
    """A reservation that was made, and whose answer is lost ten times over, holds once."""
    go = await judged(fragile, asked, month(30), life())
    for _ in range(10):
        with cutter.losing(), pytest.raises(StoreUnavailable):
            await fragile.reserve(go)
    assert isinstance(await fragile.reserve(go), HeldWrite | HeldRead)
    assert await sums(fragile) == {"agent:clerk|2026-11|calls": (0, 30), "task:clerk/01T|life|calls": (0, 1)}


async def test_lost_read(fragile: FleetStore, cutter: Cutter) -> None:
    """A read whose reservation was made and is not asked for again gives back what it holds."""
    go = await judged(fragile, read(), month(30))
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.reserve(go)
    assert await sum_of(fragile, month()) == (0, 30)
    assert await fragile.fault() is None
    assert await fragile.totals() == ()


@pytest.mark.parametrize("end", [spending(20), None], ids=["settled", "released"])
async def test_lost_end(fragile: FleetStore, cutter: Cutter, end: Ended | None) -> None:
    """The end of a read whose answer is lost is owed, and counts once."""
    held = await taken(fragile, read(), month(30))
    for _ in range(10):
        with cutter.losing():
            await fragile.settle(held, end)
    assert await fragile.fault() is None
    assert await sum_of(fragile, month()) == ((0, 0) if end is None else (20, 0))


async def test_away_at_end(redis_server: RedisServer, fragile: FleetStore, cutter: Cutter) -> None:
    """What ends while Redis is away keeps its hold there, and is counted before anything else is judged."""
    wrote, looked = await dispatched(fragile, write(), month(30)), await taken(fragile, read(), month(30))
    cutter.upstream, real = 1, cutter.upstream
    for task in list(cutter.running):
        task.cancel()
    await asyncio.sleep(0)
    await fragile.settle(wrote, spending(20))
    await fragile.settle(looked, spending(10))
    other = redis_server.store(f"cut-{cutter.port}")
    await other.start(())
    assert await sum_of(other, month()) == (0, 60)
    assert await denied(other, await judged(other, read("02R"), month(41))) == Exhausted(month(41), 0, 60)
    cutter.upstream = real
    await taken(fragile, read("02S"), month(70))
    assert await sum_of(other, month()) == (30, 70)
    await other.close()


@pytest.mark.parametrize("verb", ["hold", "bill"])
async def test_cancelled_read(fragile: FleetStore, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """A read that is cancelled while it is held, or while it is given back, holds nothing in the end."""
    go, run = await judged(fragile, read(), month(30)), fragile._link.run
    ran = asyncio.Event()

    async def hangs(*told: object, **how: object) -> object:
        said = await run(*told, **how)  # type: ignore[arg-type]
        if told[0] == verb:
            ran.set()
            await asyncio.Event().wait()
        return said

    async def call() -> None:
        held = await fragile.reserve(go)
        assert isinstance(held, HeldRead)
        await fragile.settle(held, None)

    with monkeypatch.context() as patch:
        patch.setattr(fragile._link, "run", hangs)
        calling = asyncio.create_task(call())
        await ran.wait()
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling
    assert calling.cancelled()
    assert await fragile.fault() is None
    assert await fragile.totals() == ()


# -------------------------------------------------------------------------------------------------------------- races


async def test_exactly_the_cap(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 500 that five processes reserve at once of a cap of 100 exactly 100 are admitted."""
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)
    stores = [await replica() for _ in range(5)]
    asked = [named(f"01{n:03}") if n % 2 else read(f"01{n:03}") for n in range(500)]
    goes = [await judged(stores[n % 5], one, month(1, 100)) for n, one in enumerate(asked)]
    said = await asyncio.gather(*(stores[n % 5].reserve(go) for n, go in enumerate(goes)))
    assert sum(isinstance(one, HeldWrite | HeldRead) for one in said) == 100
    assert sum(isinstance(one, Exhausted) for one in said) == 400
    assert await sum_of(stores[0], month()) == (0, 100)
    assert await notices(stores[1]) == [("denied", "agent:clerk", 0, 100, 0)]


async def test_alerts_of_two(replica: Replica) -> None:
    """Two processes that settle at one moment, over two percentages, tell three alerts, each once."""
    stores = [await replica(), await replica()]
    charge = month(25, 100, alerts=(50, 80, 100))
    held = [await taken(stores[n % 2], read(f"0{n}R"), charge) for n in range(4)]
    await asyncio.gather(*(stores[n % 2].settle(one, spending(25)) for n, one in enumerate(held)))
    told = [(kind, percent) for kind, _, percent, _, _ in await notices(stores[0])]
    assert told == [("reached", 50), ("reached", 80), ("reached", 100)]
    assert await stores[0].alerts() == await stores[1].alerts()


async def test_huge_amount(replica: Replica) -> None:
    """What is beyond the largest integer that a script compares fits no cap; what was taken is counted exactly."""
    store = await replica()
    cap = 2**53
    for amount in (cap + 1, cap + 2, 10**18):
        assert isinstance(await store.reserve(await judged(store, read(), month(amount, cap, measure=USD))), Exhausted)
    for n, took in enumerate((cap + 1, cap + 3)):
        await store.apply(ReadHeld(f"0{n}", AT, (month(1, 0, measure=USD),)))
        await store.apply(ReadSettled(f"0{n}", (took,)))
    assert await sum_of(store, month(measure=USD)) == (2 * cap + 4, 0)
    assert isinstance(await store.reserve(await judged(store, read(), month(0, cap, measure=USD))), Exhausted)


async def test_same_total_twice(replica: Replica) -> None:
    """A call that is charged at one total twice needs room for both."""
    store = await replica()
    assert await denied(store, await judged(store, read(), month(60), month(60))) == Exhausted(month(60), 0, 0)
    await taken(store, read("01S"), month(50), month(50))
    assert await sum_of(store, month()) == (0, 100)


# ------------------------------------------------------------------------------------------------------ what lapses


async def test_given_up(brief: None, replica: Replica) -> None:
    """A claim that lapsed gives its room to whoever needs it, by the server's clock, and its late dispatch is lost."""
    one, two = await replica(lease_s=BRIEF_S), await replica()
    late = await reserved(one, write(), month(60), life())
    flying = await dispatched(two, named("01B"), month(40))
    await asyncio.sleep(1.5 * BRIEF_S)
    await taken(two, read("01R"), month(60))
    assert await sums(two) == {"agent:clerk|2026-11|calls": (0, 100)}
    assert await one.dispatch(late, opened()) is Permit.LOST
    await one.settle(late, refusing(0, 0))
    assert await two.dispatch(flying, opened("01B")) is Permit.GRANTED
    assert await sum_of(two, month()) == (0, 100)
    assert await notices(two) == []


@pytest.mark.parametrize("ask", ["totals", "fault"])
async def test_given_up_unasked(brief: None, replica: Replica, ask: str) -> None:
    """A claim that lapsed is given up when anyone looks at the totals, and once a minute."""
    store = await replica(lease_s=BRIEF_S)
    await reserved(store, write(), month(60))
    await asyncio.sleep(1.5 * BRIEF_S)
    await getattr(store, ask)()
    assert await store._shared.ask("ZCARD", "lapsing") == 0
    assert await store._shared.ask("HGET", f"total:{month().key}", "held") == b"0"


async def test_many_lapsed(brief: None, replica: Replica) -> None:
    """However many claims have lapsed, a call that needs the room of all of them has it."""
    store = await replica(lease_s=BRIEF_S)
    for n in range(40):
        await reserved(store, named(f"01{n:02}"), month(2))
    await asyncio.sleep(1.5 * BRIEF_S)
    await taken(store, read(), month(100))
    assert await sum_of(store, month()) == (0, 100)


async def test_reserve_after_giving_up(brief: None, replica: Replica) -> None:
    """A claim that was given up can be made again, with its charges."""
    one, two = await replica(lease_s=BRIEF_S), await replica()
    await reserved(one, write(), month(60))
    await asyncio.sleep(1.5 * BRIEF_S)
    assert await two.totals() == ()
    await reserved(two, write(), month(60))
    assert await sum_of(two, month()) == (0, 60)


async def test_read_of_the_dead(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a read holds that nobody ended counts as taken when no read can be under way: it may be on record."""
    monkeypatch.setattr("breakers.store.charged.READ_HELD_S", BRIEF_S)
    store = await replica()
    await taken(store, read("01R"), month(30))
    recorded = await taken(store, read("01S"), month(30))
    await store.apply(ReadHeld("01S", AT, (month(30, 0),)))
    doubted = await taken(store, read("01T"), month(30))
    await store.settle(doubted, unknown())
    await asyncio.sleep(1.5 * BRIEF_S)
    assert await sum_of(store, month()) == (30, 60)
    await store.settle(recorded, spending(5))
    assert await sum_of(store, month()) == (35, 30)


# -------------------------------------------------------------------------------------------------------- round trips


async def test_round_trips(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read without charges asks Redis nothing; a charged one twice; a write as often as one without charges."""
    store = await replica()
    asked = listening(store, monkeypatch)
    charges = (month(), life())
    await store.settle(await taken(store, read("01R")), spending())
    assert asked == []
    await store.settle(await taken(store, read("01S"), *charges), spending(1, 1))
    assert asked == ["hold", "bill"]
    asked.clear()
    await made(store, named("01A"), spending())
    await made(store, named("01B"), spending(1, 1), charges=charges)
    assert asked == ["facts", "reserve", "dispatch", "move"] * 2


# ------------------------------------------------------------------------------------------------- replay over what is

CHARGES = (month(10, 0), life(3, 0))


def ledger(call: str, end: Ended | None = None, charges: tuple[Charge, ...] = CHARGES) -> list[Event]:
    """
    Return what a ledger says of a charged write.
    """
    event = replace(opened(call, key=f"k:{call}", fingerprint=f"f1:{call}", effect=f"e:{call}"), charges=charges)
    return [event, *([] if end is None else [IntentEnded(call, end)])]


async def test_restart_beside_others(replica: Replica) -> None:
    """A restart over a Redis that lived on counts nothing twice, and of what was under way says what is on record."""
    one, gone = await replica(), await replica()
    await taken(one, read("09R"), month(7))
    await dispatched(one, named("09A"), month(8))
    live = month(10), life(3)
    await made(gone, named("01A"), spending(4, 3), charges=live)
    await made(gone, named("01B"), refusing(0, 1), charges=live)
    await made(gone, named("01C"), unknown(), charges=live)
    await dispatched(gone, named("01D"), *live)
    await gone.settle(await taken(gone, read("01R"), *live), spending(2, 3))
    await taken(gone, read("01S"), *live)
    await taken(gone, read("01T"), *live)
    told = [
        *ledger("01A", spending(4, 3)),
        *ledger("01B", refusing(0, 1)),
        *(*ledger("01C", unknown()), *ledger("01D")),
        *(ReadHeld("01R", AT, CHARGES), ReadSettled("01R", (2, 3))),
        ReadHeld("01S", AT, CHARGES),
        # Its end is on record, and Redis was never told.
        *(ReadHeld("01T", AT, CHARGES), ReadSettled("01T", (1, 1))),
    ]
    for _ in range(3):
        two = await replica(told)
        assert await sum_of(two, month()) == (4 + 2 + 10 + 1, 7 + 8 + 20)
        assert await sum_of(two, life()) == (3 + 1 + 3 + 3 + 1, 6)


async def test_restart_asks_little(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart over a Redis that lived on asks of many calls at once whether they were counted, and tells no more."""
    charges = (month(1, 0),)
    told: list[Event] = []
    for n in range(600):
        told += (ReadHeld(f"0{n:03}", AT, charges), ReadSettled(f"0{n:03}", (1,)))
    store = await replica(told)
    asked = listening(store, monkeypatch)
    await store.start(told)
    assert asked.count("MGET") == 3
    assert len(asked) < 10
    assert await sum_of(store, month()) == (600, 0)


async def test_end_without_beginning(replica: Replica) -> None:
    """An end that is told alone settles what the process before held, and counts nothing that nobody held."""
    gone = await replica()
    await dispatched(gone, named("01A"), month(10))
    await taken(gone, read("01R"), month(10))
    told = [IntentEnded("01A", spending(4)), ReadSettled("01R", (3,)), ReadSettled("01X", (9,))]
    for _ in range(2):
        assert await sum_of(await replica(told), month()) == (7, 0)


async def test_flush(replica: Replica, fresh_redis: RedisServer) -> None:
    """A Redis that lost its data has the totals again once the ledger was replayed, what is under way included."""
    store = await replica()
    wrote, looked = await dispatched(store, named("01A"), month(10)), await taken(store, read("01R"), month(10))
    go = await judged(store, read("02R"), month(1))
    fresh_redis.flush()
    for refused in (store.reserve(go), store.envelope("clerk/01T", ())):
        with pytest.raises(StoreUnavailable, match="replayed first"):
            await refused
    told = [*ledger("01A", charges=(month(10, 0),)), ReadHeld("01R", AT, (month(10, 0),))]
    await store.start([*told, *ledger("01B", spending(4, 3)), ReadHeld("01S", AT, CHARGES)])
    assert await sum_of(store, month()) == (14, 20)
    await store.settle(wrote, spending(1))
    await store.settle(looked, spending(2))
    assert await sum_of(store, month()) == (17, 0)


async def test_flush_before_end(replica: Replica, fresh_redis: RedisServer) -> None:
    """What ends between the loss and a replay that was read before its end is counted once."""
    store = await replica()
    wrote, looked = await dispatched(store, named("01A"), month(10)), await taken(store, read("01R"), month(10))
    fresh_redis.flush()
    await store.settle(wrote, spending(1))
    await store.settle(looked, spending(2))
    await store.start([*ledger("01A", charges=(month(10, 0),)), ReadHeld("01R", AT, (month(10, 0),))])
    assert await sum_of(store, month()) == (3, 0)
