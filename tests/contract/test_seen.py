"""A write that is judged by what was only seen: it passes where all of that is so, and is told how it stands if not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.breaker import State
from breakers.call import Call, Caller
from breakers.facts import Facts
from breakers.known import State as Of
from breakers.stops import Mode
from breakers.store.events import TaskClosed, TaskOpened, TokenRevoked
from breakers.store.fleet import FleetStore
from breakers.store.intents import Owing
from breakers.store.memory import MemoryStore
from breakers.store.protocol import HeldWrite, Permit, Stale, Store, StoreUnavailable
from breakers.task import Closed, Envelope, Task
from breakers.verdict import Forward
from config.caps import Caps
from tests.breakers.stopping import halted, running
from tests.breakers.world import AT
from tests.contract.brakes import KEY, breaker, breaks, granted, suggestion
from tests.contract.charges import month, spending
from tests.contract.cutter import Cutter
from tests.contract.replicas import Replica
from tests.contract.world import done, made, nothing_done, opened, reserved, unknown, write
from tests.redis_server import RedisServer

TASK = Task("clerk/01T", "clerk", AT, AT + timedelta(hours=1), Caps())
OF_TASK = Caller("clerk", "tid", TASK.id, named=True, tokens=("tid",), opened=TASK)


def seen(store: Store, asked: Call) -> Forward:
    """
    Return a verdict that lets a write pass, on what was seen.
    """
    facts = store.seen(asked)
    assert facts is not None
    return Forward(asked, facts, "v1", ())


async def told(store: FleetStore, asked: Call) -> Facts:
    """
    Take a write that was judged by what was seen, and return what is known instead.
    """
    said = await store.reserve(seen(store, asked))
    assert isinstance(said, Stale), said
    assert said.facts is not None
    assert said.facts.marks is None
    return said.facts


async def knowing(replica: Replica) -> tuple[FleetStore, FleetStore]:
    """
    Return two processes that have seen all that there is.
    """
    one, two = await replica(), await replica()
    for store in (one, two):
        await store.stops()
        await store.breakers()
    return one, two


async def test_memory_is_asked() -> None:
    """A store that is free to ask has nothing that was only seen."""
    assert MemoryStore(lambda: AT).seen(write()) is None


async def test_passes(replica: Replica) -> None:
    """Where nothing has moved, what was seen is enough, and another process finds what was taken."""
    one, two = await knowing(replica)
    go = seen(one, write())
    assert await one.reserve(go) == HeldWrite(go)
    assert await one.reserve(go) == HeldWrite(go)
    facts = await told(two, write("01B"))
    assert [record.state for record in facts.known.under["k:1"]] == [Of.CLAIMED]


async def _name(_: FleetStore, two: FleetStore) -> None:
    await made(two, write("01B"), done())


async def _stop(_: FleetStore, two: FleetStore) -> None:
    await two.apply(halted(2, scope="agent:clerk"))


async def _breaker(_: FleetStore, two: FleetStore) -> None:
    await two.move(None, breaker(State.SUGGEST_ONLY, 1))


async def _moved_breaker(one: FleetStore, two: FleetStore) -> None:
    await breaks(two, breaker(State.PASSING, 1))
    await one.breakers()
    await two.move((await two.breakers())[0], breaker(State.BLOCKED, 2))


async def _suggestion(_: FleetStore, two: FleetStore) -> None:
    await two.suggest(suggestion("01S", by=write("x")))


MOVES: dict[str, tuple[Callable[[FleetStore, FleetStore], Awaitable[None]], Callable[[Facts], object], object]] = {
    "a name": (_name, lambda facts: [one.intent for one in facts.known.under["f1:1"]], ["01B"]),
    "a stop": (_stop, lambda facts: facts.stops.by_scope["agent:clerk"].mode, Mode.STOP_WRITES),
    "a breaker": (_breaker, lambda facts: facts.breakers[KEY].state, State.SUGGEST_ONLY),
    "a moved breaker": (_moved_breaker, lambda facts: facts.breakers[KEY].gen, 2),
    "a suggestion": (_suggestion, lambda facts: facts.suggested and facts.suggested.id, "01S"),
}


@pytest.mark.parametrize("name", MOVES)
async def test_moved(name: str, replica: Replica) -> None:
    """Whatever has moved elsewhere is told by the step that was to take something, and nothing was taken by it."""
    move, shown, expected = MOVES[name]
    one, two = await knowing(replica)
    await move(one, two)
    facts = await told(one, write())
    assert shown(facts) == expected
    assert await one.earlier("01A") is None
    # By what it was told the write is taken, if that lets it pass.
    go = Forward(write(), facts, "v1", ())
    assert await one.reserve(go) == HeldWrite(go)


@pytest.mark.parametrize("end", [done(), nothing_done(), unknown()])
async def test_ended_here(end: object, replica: Replica) -> None:
    """What ended here is known without a question, as it is told to whoever asks."""
    one, two = await knowing(replica)
    await made(one, write(), end)  # type: ignore[arg-type] # of three kinds
    asked = write("01B")
    found, facts = one.seen(asked), await two.facts(asked)
    assert found is not None
    assert found.known == facts.known
    go = seen(one, asked)
    assert await one.reserve(go) == HeldWrite(go)
    assert (await told(two, write("01C"))).known.under["k:1"][0].intent == "01B"


async def test_under_way_here(replica: Replica) -> None:
    """Nothing is known of names under which something is under way here, nor for who carries out what was approved."""
    one, two = await knowing(replica)
    await reserved(one, write())
    for asked in (write("01B"), write("01B", None), write("01B", "k:2", "f1:2")):
        assert one.seen(asked) is None
        assert two.seen(asked) is not None
    assert one.seen(write("01B", "k:2", "f1:2", "e:2")) is not None
    assert two.seen(granted(suggestion(), write("01B", "k:3"))) is None


async def test_claimed_elsewhere(replica: Replica) -> None:
    """For how long another process's claim holds is told by the server's clock, not by one that was set here."""
    clock = [AT]
    one, two = await replica(), await replica(now=lambda: clock[0])
    await two.stops()
    held = await reserved(one, write())
    assert [record.state for record in (await two.facts(write("01B"))).known.under["k:1"]] == [Of.CLAIMED]
    clock[0] += timedelta(minutes=5)
    assert two.seen(write("01C")) is None
    assert [record.state for record in (await two.facts(write("01C"))).known.under["k:1"]] == [Of.CLAIMED]
    assert await one.dispatch(held, opened()) is Permit.GRANTED


async def test_owed(fragile: FleetStore, cutter: Cutter) -> None:
    """While something is owed nobody is judged by what was seen."""
    await fragile.stops()
    held = await reserved(fragile, write())
    with cutter.losing():
        await fragile.settle(held, done())
    other = write("01B", "k:2", "f1:2", "e:2")
    assert fragile.seen(other) is None
    assert await fragile.fault() is None
    assert fragile.seen(other) is not None


async def test_owed_once(fragile: FleetStore, cutter: Cutter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is owed is told once, however many ask at the same time."""
    held = await reserved(fragile, write())
    with cutter.losing():
        await fragile.settle(held, done())
    told, settle = [], fragile._intents.settle

    async def counted(owing: Owing, *seen: bytes) -> None:
        told.append(owing.opened.intent)
        await settle(owing, *seen)

    monkeypatch.setattr(fragile._intents, "settle", counted)
    every = await asyncio.gather(*(fragile.facts(write(f"01{one}")) for one in "BCD"))
    assert [facts.known.under["k:1"][0].state for facts in every] == [Of.COMPLETED] * 3
    assert told == ["01A"]


async def test_generation_met_again(replica: Replica, fresh_redis: RedisServer) -> None:
    """A stop that was ordered after a loss binds a write, although the generation that was seen before is met again."""
    one, two = await knowing(replica)
    for event in (halted(1), running(2)):
        await two.apply(event)
    await one.stops()
    fresh_redis.flush()
    for store in (one, two):
        with contextlib.suppress(StoreUnavailable):
            await store.start([])
    assert await one.fault() is None
    for event in (halted(3, scope="agent:clerk"), halted(4, scope="agent:other")):
        await two.apply(event)
    assert (await told(one, write())).stops.by_scope["agent:clerk"].mode is Mode.STOP_WRITES


BARS: dict[str, tuple[object, Envelope]] = {
    "closed": (TaskClosed(TASK.id, AT, Closed.DONE), Envelope(replace(TASK, closed_at=AT, closed=Closed.DONE))),
    "revoked": (TokenRevoked("tid", TASK.expires_at), Envelope(TASK, revoked=True)),
}


@pytest.mark.parametrize("name", BARS)
async def test_barred(name: str, replica: Replica) -> None:
    """A task that was closed elsewhere, and a token that was revoked, bar a write in the step that would take it."""
    event, expected = BARS[name]
    one, two = await knowing(replica)
    asked = replace(write(), caller=OF_TASK)
    said = await one.reserve(seen(one, asked))
    assert said == Stale()
    assert isinstance(said, Stale)
    assert said.envelope == Envelope()
    await two.apply(TaskOpened(TASK))
    before = seen(one, replace(write("01B", "k:2", "f1:2", "e:2"), caller=OF_TASK))
    await two.apply(event)  # type: ignore[arg-type] # of two kinds
    barred = await one.reserve(before)
    assert isinstance(barred, Stale)
    assert (barred.facts, barred.envelope) == (None, expected)
    assert await one.earlier("01B") is None


async def test_repeat_before_the_bar(replica: Replica) -> None:
    """A write that came before is told to whoever repeats it before what bars a new one."""
    one, two = await knowing(replica)
    await made(two, write("01B"), done())
    asked = replace(write(), caller=OF_TASK)
    assert (await told(one, asked)).known.under["k:1"][0].intent == "01B"


async def test_news(replica: Replica) -> None:
    """What was opened, closed and revoked elsewhere is told once, and all of it again after a loss."""
    one, two = await knowing(replica)
    await two.apply(TaskOpened(TASK))
    await two.apply(TokenRevoked("tid", TASK.expires_at))
    news = await one.news()
    assert (dict(news.tasks), news.tokens, news.whole, news.anew) == (
        *({TASK.id: TASK}, frozenset({"tid"}), True, True),
    )
    await two.apply(TaskClosed(TASK.id, AT, Closed.DONE))
    news = await one.news()
    assert (dict(news.tasks), news.tokens, news.whole, news.anew) == ({TASK.id: None}, frozenset(), True, False)
    assert not (await one.news()).tasks


async def test_room_after_the_flush(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds no room while an end is told here is asked for once more when that was told."""
    one, _ = await knowing(replica)
    held, asked, go_on = await reserved(one, write(), month(4, 5)), asyncio.Event(), asyncio.Event()
    settle, claim = one._intents.settle, one._claims.claim

    async def slowly(*arguments: object) -> None:
        await go_on.wait()
        await settle(*arguments)  # type: ignore[arg-type] # as they come

    async def claimed(go: Forward) -> object:
        said = await claim(go)
        asked.set()
        return said

    monkeypatch.setattr(one._intents, "settle", slowly)
    monkeypatch.setattr(one._claims, "claim", claimed)
    telling = asyncio.create_task(one.settle(held, spending(1)))
    go = replace(seen(one, write("01B", "k:2", "f1:2", "e:2")), charges=(month(4, 5),))
    taking = asyncio.create_task(one.reserve(go))
    await asked.wait()
    go_on.set()
    assert await taking == HeldWrite(go)
    await telling


async def test_asked_after_the_flush(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for names that an end is about to free is answered once that was told."""
    one, _ = await knowing(replica)
    held, go_on = await reserved(one, write()), asyncio.Event()
    settle = one._intents.settle

    async def slowly(*arguments: object) -> None:
        await go_on.wait()
        await settle(*arguments)  # type: ignore[arg-type] # as they come

    monkeypatch.setattr(one._intents, "settle", slowly)
    telling = asyncio.create_task(one.settle(held, done()))
    asking = asyncio.create_task(one.facts(write("01B")))
    assert (await one.facts(write("01C", "k:2", "f1:2", "e:2"))).known.under == {}
    assert not asking.done()
    go_on.set()
    assert [one.state for one in (await asking).known.under["k:1"]] == [Of.COMPLETED]
    await telling
