"""A permit, a place in a ramp, a grant: taken by one, in the step that takes all else, and given back by who left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.breaker import State
from breakers.known import Ended
from breakers.known import State as Of
from breakers.spend import released
from breakers.store.events import opened_by
from breakers.store.protocol import Exhausted, HeldRead, HeldWrite, Permit, Stale, Store
from breakers.suggestion import Stage
from tests.breakers.world import AT
from tests.contract.brakes import (
    KEY,
    approved,
    breaker,
    breaks,
    granted,
    place,
    probe,
    probing,
    stage,
    suggestion,
    turned,
    wished,
    wishing,
)
from tests.contract.charges import month, sum_of
from tests.contract.world import (
    BRIEF_S,
    World,
    done,
    judged,
    nothing_done,
    opened,
    read,
    reserved,
    standing,
    unknown,
    write,
)

LET_GO = Ended(Of.COMPLETED, AT, applied=False, delivered=False)

SECOND = write("01B", "k:2", "f1:2", "e:2")


async def test_one_permit(store: Store) -> None:
    """Of many that wish for the one permit of a breaker, one has it, and the others judge again."""
    await breaks(store, breaker())
    goes = [await wishing(store, write(f"01{n:02}", f"k:{n}", f"f1:{n}", f"e:{n}"), probe()) for n in range(20)]
    said = await asyncio.gather(*(store.reserve(go) for go in goes))
    assert said.count(Stale()) == 19
    (held,) = [one for one in said if isinstance(one, HeldWrite)]
    assert await probing(store) == held.go.call.id
    seen = (await store.facts(write("01Z"))).breakers[KEY]
    assert (seen.probe and seen.probe.call, seen.gen) == (held.go.call.id, 3)


async def test_permit_of_read(store: Store) -> None:
    """A read takes a permit as a write does, and keeps it whoever settles it: its result says more."""
    await breaks(store, breaker())
    first, second = await wishing(store, read("01R"), probe()), await wishing(store, read("01Q"), probe())
    assert await store.reserve(first) == HeldRead(first)
    assert await store.reserve(second) == Stale()
    await store.settle(HeldRead(first), None)
    assert await probing(store) == "01R"
    charged = await wishing(store, read("01P"), probe(), charges=(month(),))
    assert await store.reserve(charged) == Stale()
    assert await sum_of(store, month()) == (0, 0)


@pytest.mark.parametrize("state", [State.PASSING, State.SUGGEST_ONLY])
async def test_breaker_moved(store: Store, state: State) -> None:
    """Nothing is to be had of a breaker that has moved on, or of one that has no record."""
    await breaks(store, breaker())
    go = await wishing(store, write(), probe())
    paced = await wishing(store, SECOND, place())
    assert await store.move(breaker(), breaker(state, 4))
    assert [await store.reserve(one) for one in (go, paced)] == [Stale(), Stale()]
    lost = await wishing(store, write(), probe("api:shop/read"))
    assert await store.reserve(lost) == Stale()
    assert await standing(store) == []


async def test_reserved_twice(store: Store) -> None:
    """A write that is reserved twice has its permit, its place and its grant once."""
    await breaks(store, breaker(), breaker(State.RAMPING, key="kill:all"))
    one = await approved(store)
    go = await wishing(store, granted(one), probe(), place("kill:all"))
    assert await store.reserve(go) == HeldWrite(go)
    before = await store.suggestion("01S")
    assert await store.reserve(go) == HeldWrite(go)
    assert (await probing(store), await store.suggestion("01S")) == ("01A", before)


async def test_lapsed_permit(world: World) -> None:
    """A permit whose lease has passed is nobody's: only whoever sees to that breaker gives out another."""
    store = await world.store()
    await breaks(store, breaker())
    await wished(store, write(), probe(lease_s=BRIEF_S))
    await world.lapse()
    assert await store.reserve(await wishing(store, SECOND, probe())) == Stale()
    assert await probing(store) == "01A"
    (seen,) = await store.breakers()
    assert seen.probe is not None
    assert seen.probe.expires <= world.clock.now()
    assert await store.move(seen, breaker(State.PROBING, 4, round=1))
    assert isinstance(await store.reserve(await wishing(store, SECOND, probe(gen=4))), HeldWrite)


async def test_place_in_ramp(world: World) -> None:
    """A ramp lets one pass, and the next one when its gap is over."""
    store = await world.store()
    await breaks(store, breaker(State.RAMPING))
    await wished(store, write(), place(gap_s=BRIEF_S))
    late = await wishing(store, SECOND, place(gap_s=30))
    await world.lapse()
    assert isinstance(await store.reserve(late), HeldWrite)
    third = await wishing(store, write("01C", "k:3", "f1:3", "e:3"), place())
    assert await store.reserve(third) == Stale()
    (seen,) = await store.breakers()
    assert seen.next_at is not None
    assert abs(seen.next_at - world.clock.now() - timedelta(seconds=30)) < timedelta(seconds=2)


async def test_all_or_nothing(store: Store) -> None:
    """Where one of the things that a write wishes for is not to be had, nothing else is taken either."""
    await breaks(store, breaker(), breaker(State.RAMPING, key="kill:all"), breaker(key="api:shop/read"))
    one = await approved(store)
    await wished(store, SECOND, probe("api:shop/read"))
    wishes = (probe(), place("kill:all"), probe("api:shop/read"))
    before = await store.breakers()
    assert await store.reserve(await wishing(store, granted(one), *wishes, charges=(month(),))) == Stale()
    assert [(each.key, each.next_at) for each in await store.breakers()] == [(each.key, None) for each in before]
    assert (await probing(store), await probing(store, "kill:all"), await stage(store)) == (None, None, Stage.APPROVED)
    assert (await standing(store), await sum_of(store, month())) == ([], (0, 0))


async def test_no_room(store: Store) -> None:
    """Where a cap has no room, the permit, the place and the grant are there for the next one at once."""
    await breaks(store, breaker(), breaker(State.RAMPING, key="kill:all"))
    one = await approved(store)
    asked = granted(one)
    full = await wishing(store, asked, probe(), place("kill:all"), charges=(month(5, 4),))
    assert isinstance(await store.reserve(full), Exhausted)
    assert (await probing(store), await stage(store)) == (None, Stage.APPROVED)
    await wished(store, asked, probe(), place("kill:all"))


# how a suggestion stands, what its grant says otherwise
BAD = [
    (Stage.OPEN, {}),
    (Stage.REJECTED, {}),
    (Stage.EXECUTED, {}),
    (Stage.APPROVED, {"digest": "another"}),
    (Stage.APPROVED, {"digest": ""}),
    (Stage.APPROVED, {"suggestion": "01X"}),
    (Stage.APPROVED, {"suggestion": ""}),
]


@pytest.mark.parametrize(("how", "otherwise"), BAD)
async def test_grant_is_exact(store: Store, how: Stage, otherwise: dict[str, str]) -> None:
    """A grant is good for a suggestion that is approved, as it was shown, and for no other."""
    one = turned(suggestion(), how)
    for told in (suggestion(), suggestion("01T", by=SECOND)):
        await store.suggest(told)
    if how is Stage.EXECUTED:
        await store.settle(await reserved(store, granted(await approved(store))), done())
    elif how is not Stage.OPEN:
        assert await store.turn(suggestion(), one)
    asked = granted(one, write("01Z", "k:9", "f1:9", "e:9"))
    assert asked.grant is not None
    asked = replace(asked, grant=replace(asked.grant, **otherwise))  # type: ignore[arg-type] # a grant's own fields
    before = await store.suggestions()
    assert await store.reserve(await judged(store, asked)) == Stale()
    assert await store.suggestions() == before


@pytest.mark.parametrize(("left_s", "is_had"), [(1, True), (0, False), (-1, False)])
async def test_grant_in_time(store: Store, left_s: int, is_had: bool) -> None:
    """A grant is good until the suggestion's time is over."""
    one = await approved(store, suggestion(expires=AT + timedelta(seconds=left_s)))
    said = await store.reserve(await judged(store, granted(one)))
    assert isinstance(said, HeldWrite if is_had else Stale)
    assert await stage(store) is (Stage.EXECUTING if is_had else Stage.APPROVED)


async def test_grant_once(store: Store) -> None:
    """Of many that have the same grant one carries the suggestion out, and it says as which intent."""
    one = await approved(store)
    goes = [await judged(store, granted(one, write(f"01{n:02}", f"k:{n}", f"f1:{n}", f"e:{n}"))) for n in range(20)]
    said = await asyncio.gather(*(store.reserve(go) for go in goes))
    assert said.count(Stale()) == 19
    (held,) = [each for each in said if isinstance(each, HeldWrite)]
    found = await store.suggestion("01S")
    assert found is not None
    assert (found.stage, found.intent, found.version) == (Stage.EXECUTING, held.go.call.id, 2)


# who is faster, what its rival says then
RACES = [Stage.REJECTED, Stage.EXPIRED, Stage.VOID, Stage.OPEN]


@pytest.mark.parametrize("how", RACES)
async def test_reserve_or_turn(store: Store, how: Stage) -> None:
    """Of an execution that begins and a word that ends the suggestion one comes first, and the other has no effect."""
    for n, order in enumerate(((0, 1), (1, 0))):
        asked = write(f"01{n}", f"k:{n}", f"f1:{n}", f"e:{n}")
        one = await approved(store, suggestion(f"01S{n}", by=asked))
        go = await judged(store, granted(one, asked))
        steps = (store.reserve(go), store.turn(one, turned(one, how)))
        said = await asyncio.gather(*(steps[i] for i in order))
        held, is_turned = (said[order.index(i)] for i in (0, 1))
        assert isinstance(held, HeldWrite) is not is_turned
        assert await stage(store, one.id) is (how if is_turned else Stage.EXECUTING)


async def test_let_go(store: Store) -> None:
    """A write that is let go before anything is on record gives back its permit and its grant, once."""
    await breaks(store, breaker())
    one = await approved(store)
    held = await wished(store, granted(one), probe())
    await store.settle(held, replace(LET_GO, spent=released(held.go.charges)))
    assert (await probing(store), await stage(store)) == (None, Stage.APPROVED)
    second = await wished(store, granted(one, SECOND), probe())
    await store.settle(held, LET_GO)
    assert (await probing(store), await stage(store)) == ("01B", Stage.EXECUTING)
    await store.settle(second, LET_GO)
    assert (await probing(store), await stage(store)) == (None, Stage.APPROVED)


# whether the dispatch was marked, how it ends, how the suggestion stands then
ENDS = [
    (True, done(1), Stage.EXECUTED),
    (True, nothing_done(1), Stage.EXECUTED),
    (True, LET_GO, Stage.EXECUTED),
    (True, unknown(1), Stage.EXECUTING),
    (False, nothing_done(1), Stage.EXECUTED),
    (False, unknown(1), Stage.EXECUTING),
]


@pytest.mark.parametrize(("marked", "end", "how"), ENDS)
async def test_on_record(store: Store, marked: bool, end: Ended, how: Stage) -> None:
    """What is on record gives nothing back: its suggestion was carried out once its end is known."""
    await breaks(store, breaker())
    one = await approved(store)
    held = await wished(store, granted(one), probe())
    if marked:
        assert await store.dispatch(held, opened_by(held.go.call, "log/0#0/1")) is Permit.GRANTED
    await store.settle(held, end)
    assert (await probing(store), await stage(store)) == ("01A", how)
    if how is Stage.EXECUTING:
        assert await store.resolve(opened_by(held.go.call, "log/0#0/1"), done(5))
    found = await store.suggestion("01S")
    assert found is not None
    assert (found.stage, found.intent) == (Stage.EXECUTED, "01A")


async def test_taken_over(world: World) -> None:
    """A claim that another takes over gives back its permit and its grant, and its holder sends nothing by them."""
    store = await world.store(BRIEF_S)
    await breaks(store, breaker())
    one = await approved(store)
    held = await wished(store, granted(one), probe())
    await world.lapse()
    await reserved(store, write("01B"))
    assert await store.dispatch(held, opened()) is Permit.LOST
    assert (await probing(store), await stage(store)) == (None, Stage.APPROVED)
