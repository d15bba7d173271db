"""What keeps writes back, where a script ran and its answer was lost: asked again it says the same, and took once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from breakers.breaker import Breaker, Delta, State
from breakers.stops import ALL
from breakers.store.events import opened_by
from breakers.store.fleet import FleetStore
from breakers.store.protocol import HeldRead, HeldWrite, Permit, StoreUnavailable
from breakers.suggestion import Stage
from tests.breakers.stopping import halted
from tests.contract.brakes import (
    KEY,
    NOW,
    approved,
    breaker,
    breaks,
    granted,
    probe,
    probing,
    stage,
    suggestion,
    turned,
    wishing,
)
from tests.contract.charges import month, sum_of, sums
from tests.contract.cutter import Cutter
from tests.contract.world import judged, nothing_done, opened, read, reserved, write
from tests.redis_server import RedisServer

T = TypeVar("T")

BLOCKED = breaker(State.BLOCKED, 4)


async def lost(cutter: Cutter, step: Callable[[], Awaitable[T]]) -> T:
    """
    Make a step whose answer is lost, and then once more.
    """
    with cutter.losing(), pytest.raises(StoreUnavailable, match="Redis"):
        await step()
    return await step()


async def other_of(redis_server: RedisServer, cutter: Cutter) -> FleetStore:
    """
    Return a second process beside the one behind the wire.
    """
    other = redis_server.store(f"cut-{cutter.port}")
    await other.start(())
    return other


async def test_order(fragile: FleetStore, cutter: Cutter) -> None:
    """A stop that was ordered holds here although nobody knows whether the server heard of it."""
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.apply(halted(2))
    assert (await fragile.facts(read())).stops.by_scope[ALL] == halted(2).stop
    await fragile.apply(halted(2))
    assert (await fragile.stops()).by_scope[ALL] == halted(2).stop


async def test_order_never_heard(redis_server: RedisServer, fragile: FleetStore, cutter: Cutter) -> None:
    """A stop that the server never heard of is told to it by whoever asks what is stopped."""
    port, cutter.upstream = cutter.upstream, 1
    cutter.move_to(1)
    with pytest.raises(StoreUnavailable):
        await fragile.apply(halted(2))
    cutter.move_to(port)
    other = await other_of(redis_server, cutter)
    assert (await other.stops()).by_scope[ALL] != halted(2).stop
    await fragile.stops()
    assert (await other.stops()).by_scope[ALL] == halted(2).stop
    await other.close()


async def test_move(fragile: FleetStore, cutter: Cutter) -> None:
    """A breaker that was moved without an answer is moved, once, and by nobody who has seen the same."""
    await breaks(fragile, breaker())
    assert await lost(cutter, lambda: fragile.move(breaker(), BLOCKED))
    assert not await fragile.move(breaker(), BLOCKED)
    assert await fragile.breakers() == (BLOCKED,)


async def test_moved_on(redis_server: RedisServer, fragile: FleetStore, cutter: Cutter) -> None:
    """A move without an answer undoes nothing of what others have made of the breaker since, when it is asked again."""
    other = await other_of(redis_server, cutter)
    await breaks(fragile, breaker())
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.move(breaker(), BLOCKED)
    later = breaker(State.PROBING, 5, round=2)
    assert await other.move(BLOCKED, later)
    assert await fragile.breakers() == (later,)
    assert not await fragile.move(breaker(), BLOCKED)
    assert await other.breakers() == (later,)
    await other.close()


async def test_count(fragile: FleetStore, cutter: Cutter) -> None:
    """What was counted without an answer is counted once; what comes after it is counted beside."""
    deltas = [Delta(f"api:{n}/write", 0, NOW, ok=3, fail=1, tail=1, broken=True) for n in range(20)]
    sums = await lost(cutter, lambda: fragile.count(deltas, "one"))
    assert [(one.key, one.ok, one.fail, one.streak) for one in sums] == [(delta.key, 3, 1, 1) for delta in deltas]
    (after,) = await fragile.count(deltas[:1], "one")
    assert (after.ok, after.fail) == (6, 2)


async def test_suggest_and_turn(fragile: FleetStore, cutter: Cutter) -> None:
    """A suggestion that was noted, and turned, without an answer is there once and as it was turned."""
    one = await lost(cutter, lambda: fragile.suggest(suggestion()))
    after = turned(one, Stage.APPROVED, by="ann")
    assert await lost(cutter, lambda: fragile.turn(one, after))
    assert not await fragile.turn(one, after)
    assert await fragile.suggestions() == (after,)


async def test_turned_by_another(redis_server: RedisServer, fragile: FleetStore, cutter: Cutter) -> None:
    """A word that never arrived does not count as said because another said the same of it."""
    other = await other_of(redis_server, cutter)
    one = await fragile.suggest(suggestion())
    port = cutter.upstream
    cutter.move_to(1)
    with pytest.raises(StoreUnavailable):
        await fragile.turn(one, turned(one, Stage.REJECTED, by="ann"))
    cutter.move_to(port)
    assert await other.turn(one, turned(one, Stage.REJECTED, by="bob"))
    assert not await fragile.turn(one, turned(one, Stage.REJECTED, by="ann"))
    await other.close()


@pytest.mark.parametrize("charges", [(), (month(1, 2),)], ids=["free", "charged"])
async def test_reserve_again(fragile: FleetStore, cutter: Cutter, charges: tuple[object, ...]) -> None:
    """A write that got its permit and its grant without an answer has them when it asks again."""
    await breaks(fragile, breaker())
    one = await approved(fragile)
    go = await wishing(fragile, granted(one), probe(), charges=charges)  # type: ignore[arg-type] # charges
    assert await lost(cutter, lambda: fragile.reserve(go)) == HeldWrite(go)
    assert (await probing(fragile), await stage(fragile)) == ("01A", Stage.EXECUTING)
    assert await fragile.reserve(go) == HeldWrite(go)


async def test_reserve_given_up(fragile: FleetStore, cutter: Cutter) -> None:
    """What a write got without an answer, and does not ask for again, is there for the next before it is judged."""
    await breaks(fragile, breaker())
    one = await approved(fragile)
    go = await wishing(fragile, granted(one), probe())
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.reserve(go)
    asked = granted(one, write("01B", "k:2", "f1:2", "e:2"))
    facts = await fragile.facts(asked)
    assert facts.breakers[KEY].probe is None
    assert await fragile.reserve(await wishing(fragile, asked, probe())) is not None
    known = await fragile.suggestion("01S")
    assert known is not None
    assert (await probing(fragile), known.intent) == ("01B", "01B")
    # Whoever asks again after all sends nothing: what it claimed was given back.
    again = await fragile.reserve(go)
    assert isinstance(again, HeldWrite)
    assert await fragile.dispatch(again, opened_by(go.call)) is Permit.LOST


async def test_claim_given_back(fragile: FleetStore, cutter: Cutter) -> None:
    """A claim that was taken without an answer keeps nobody out, and nothing held, once the store answers again."""
    charge = month(2, 2)
    go = await judged(fragile, write(), charge)
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.reserve(go)
    assert isinstance(await fragile.reserve(await judged(fragile, write("01B"), charge)), HeldWrite)
    assert await sums(fragile) == {charge.key: (0, 2)}


async def test_claim_of_before(fragile: FleetStore) -> None:
    """A claim from before all was told anew sends nothing, whether or not the store still has it."""
    held = await reserved(fragile, write())
    assert await fragile.dispatch(replace(held, epoch="1.1:.1/0"), opened_by(write())) is Permit.LOST
    turned_since = held.epoch.rpartition("/")[0] + "/7"
    assert await fragile.dispatch(replace(held, epoch=turned_since), opened_by(write())) is Permit.GRANTED


async def test_read_probes(fragile: FleetStore, cutter: Cutter) -> None:
    """A read that got the permit without an answer has it when it asks again, and leaves it when it does not."""
    await breaks(fragile, breaker())
    go = await wishing(fragile, read(), probe())
    assert await lost(cutter, lambda: fragile.reserve(go)) == HeldRead(go)
    await fragile.move((await fragile.breakers())[0], breaker(gen=4))
    later = await wishing(fragile, read("01S"), probe(gen=4), charges=(month(1, 2),))
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.reserve(later)
    assert await probing(fragile) == "01S"
    await fragile.facts(write())
    assert await probing(fragile) is None
    assert await sum_of(fragile, month()) == (0, 0)


async def test_let_go(fragile: FleetStore, cutter: Cutter) -> None:
    """A write that was let go while nobody answered has given back its permit and its grant before the next facts."""
    await breaks(fragile, breaker())
    held = await fragile.reserve(await wishing(fragile, granted(await approved(fragile)), probe()))
    assert isinstance(held, HeldWrite)
    port = cutter.upstream
    cutter.move_to(1)
    ended = nothing_done()
    await fragile.settle(held, type(ended)(ended.state, ended.at, applied=False))
    cutter.move_to(port)
    await fragile.facts(write("01B"))
    assert (await probing(fragile), await stage(fragile)) == (None, Stage.APPROVED)


async def test_dispatched_is_no_more_let_go(fragile: FleetStore, cutter: Cutter) -> None:
    """What was marked as sent without an answer is on record: its end makes it executed, and gives nothing back."""
    held = await reserved(fragile, granted(await approved(fragile)))
    with cutter.losing(), pytest.raises(StoreUnavailable):
        await fragile.dispatch(held, opened())
    await fragile.settle(held, nothing_done())
    known = await fragile.suggestion("01S")
    assert known is not None
    assert (known.stage, known.intent) == (Stage.EXECUTED, "01A")


async def test_view_of_reads(redis_server: RedisServer, fragile: FleetStore, cutter: Cutter) -> None:
    """A read is judged by what this process has seen last, and asks no server."""
    other = await other_of(redis_server, cutter)
    key = "api:shop/read"
    await breaks(other, breaker(key=key))
    assert not (await fragile.facts(read())).breakers
    for seen in (fragile.breakers(), fragile.count([Delta(key, 0, NOW)], "one")):
        moved: Breaker = breaker(State.BLOCKED, 4, key)
        await seen
        cutter.asked = []
        facts = await fragile.facts(read())
        assert cutter.asked == []
        assert facts.breakers == {key: (await other.breakers())[0]}
        await other.move((await other.breakers())[0], moved)
    await other.close()
