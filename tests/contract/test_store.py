"""What every store promises of each verb: one suite, run on each of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.call import Call
from breakers.known import Ended, Names, State
from breakers.stops import ALL
from breakers.store.events import IntentDelivered, IntentEnded, opened_by
from breakers.store.protocol import LEASE_S, HeldRead, HeldWrite, Permit, Stale, Store
from tests.breakers.stopping import halted, running
from tests.breakers.world import AT
from tests.contract.world import (
    World,
    dispatched,
    done,
    judged,
    made,
    nothing_done,
    opened,
    parked,
    read,
    rejected,
    reserved,
    shown,
    standing,
    unknown,
    versions,
    write,
)

STOP = halted(1)


async def test_starts_empty(store: Store) -> None:
    """An empty store lets writes pass, says when it was asked, and knows nothing."""
    facts = await store.facts(write())
    assert (facts.at, facts.looks, dict(facts.known.under)) == (AT, {}, {})
    assert set(facts.known.versions.values()) == {0}
    assert (await store.open_intents(), await store.earlier("01A"), await store.fault()) == ((), None, None)
    assert (await store.stops()).by_scope.keys() <= {ALL}


async def test_reserve_grants(store: Store) -> None:
    """A verdict on current facts is granted, as a write or as a read, and neither is an open intent yet."""
    go, look = await judged(store, write()), await judged(store, read())
    assert await store.reserve(go) == HeldWrite(go)
    assert await store.reserve(look) == HeldRead(look)
    assert await store.open_intents() == ()


@pytest.mark.parametrize("asked", [write(), read()], ids=["write", "read"])
async def test_reserve_stale(store: Store, asked: Call) -> None:
    """A verdict on facts that have changed since takes nothing and must be made again."""
    go = await judged(store, asked)
    await store.apply(STOP)
    assert await store.reserve(go) == Stale()


async def test_claim_stands(store: Store) -> None:
    """A reserved write stands under each of its names as a claim that lasts for the lease."""
    await reserved(store, write())
    (record,) = (await store.facts(write("01B"))).known.under["k:1"]
    assert (record.intent, record.state, record.api, record.operation) == (
        "01A",
        State.CLAIMED,
        "shop",
        "refunds.create",
    )
    assert (record.fingerprint, record.key, record.effect) == ("f1:1", "k:1", "e:1")
    assert record.until is not None
    assert abs((record.until - AT).total_seconds() - LEASE_S) < 1
    assert await standing(store, "f1:1") == await standing(store, "e:1") == [("01A", State.CLAIMED)]


async def test_moved_name_is_stale(store: Store) -> None:
    """A write is judged again when any of its names has moved since, also one that it only asks for."""
    late = [
        await judged(store, write("01B", "k:2", "f1:2", "e:1")),
        await judged(store, write("01C", "k:1", "f1:3", "e:3")),
        await judged(store, replace(write("01D", None, "f1:4", None), names=Names(("f1:4", "f0:1")))),
    ]
    other = await judged(store, write("01E", "k:5", "f1:5", "e:5"))
    await reserved(store, write())
    await reserved(store, write("01F", None, "f0:1", None))
    assert [await store.reserve(go) for go in late] == [Stale()] * 3
    assert isinstance(await store.reserve(other), HeldWrite)


async def test_names_left_out(store: Store) -> None:
    """A write without names is held and known by its intent alone."""
    asked = replace(write(), names=None)
    await made(store, asked, done())
    record = await store.earlier("01A")
    assert record is not None
    assert (record.state, record.fingerprint, record.key) == (State.COMPLETED, "", None)


async def test_former_fingerprint(store: Store) -> None:
    """A write asks under every version of its fingerprint, and holds only the current one."""
    await made(store, write("01A", None, "f0:1", None), done())
    asked = replace(write("01B", None, "f1:1", None), names=Names(("f1:1", "f0:1")))
    assert [one.intent for one in (await store.facts(asked)).known.under["f0:1"]] == ["01A"]
    await made(store, asked, done(1))
    assert await standing(store, "f0:1") == [("01A", State.COMPLETED)]


async def test_dispatch(store: Store) -> None:
    """A dispatched write is an open intent in flight, with everything that its record says and where it stands."""
    await dispatched(store, write())
    (open_,) = await store.open_intents()
    assert open_.opened == opened_by(write(), "log/0#0/01A")
    assert (open_.suspended, open_.parked) == (False, False)
    assert await standing(store) == [("01A", State.DISPATCHED)]


async def test_dispatch_again(store: Store) -> None:
    """A re-send is granted as the first was, as long as the intent is in flight."""
    held = await dispatched(store, write())
    assert await store.dispatch(held, opened()) is Permit.GRANTED
    await store.settle(held, unknown())
    assert await store.dispatch(held, opened()) is Permit.LOST


@pytest.mark.parametrize("end", [done(), rejected(), nothing_done(), unknown(), parked()])
async def test_dispatch_after_end(store: Store, end: Ended) -> None:
    """Nothing leaves for an intent that has ended or is in doubt, although its claim was granted."""
    held = await reserved(store, write())
    await store.settle(held, end)
    assert await store.dispatch(held, opened()) is Permit.LOST


async def test_dispatch_after_stop(store: Store) -> None:
    """Nothing leaves once writes are stopped, although it was judged and reserved before, and the intent is open."""
    held = await reserved(store, write())
    await store.apply(STOP)
    assert await store.dispatch(held, opened()) is Permit.STOPPED
    assert await shown(store) == [("01A", False, False)]
    await store.settle(held, nothing_done())
    assert await shown(store) == []


# end, whether it stands under its names, whether it is open
ENDS = [(done(1), True, False), (rejected(1), True, False), (nothing_done(1), False, False), (unknown(1), True, True)]


@pytest.mark.parametrize(("end", "stands", "is_open"), ENDS, ids=["applied", "rejected", "nothing", "unknown"])
async def test_life_of_write(store: Store, end: Ended, stands: bool, is_open: bool) -> None:
    """A settled write stands under its names unless it did nothing, is open while nobody knows, and is remembered."""
    await made(store, write(), end)
    for name in ("k:1", "f1:1", "e:1"):
        assert await standing(store, name) == ([("01A", end.state)] if stands else [])
    assert await shown(store) == ([("01A", True, False)] if is_open else [])
    record = await store.earlier("01A")
    assert record is not None
    said = (record.state, record.ended_at, record.applied, record.status, record.place, record.delivered)
    assert said == (end.state, end.at, end.applied, end.status, end.place, True)
    assert record.answered


async def test_freed_names(store: Store) -> None:
    """After a write that did nothing the same names are free, and its record is there for whoever waited."""
    await made(store, write(), nothing_done())
    await made(store, write("01B"), done())
    assert await standing(store) == [("01B", State.COMPLETED)]
    assert (await store.earlier("01A")) is not None


async def test_newest_and_effect(store: Store) -> None:
    """Under a name stand the newest that is completed and the newest that took effect: a refusal hides no deed."""
    ends = [("01A", done(1)), ("01B", done(2)), ("01C", rejected(3)), ("01D", rejected(4))]
    for intent, end in ends:
        await made(store, write(intent, f"k:{intent}", f"f1:{intent}"), end)
    assert await standing(store, "e:1") == [("01D", State.COMPLETED), ("01B", State.COMPLETED)]
    assert await standing(store, "k:01A") == [("01A", State.COMPLETED)]


async def test_several_in_doubt(store: Store) -> None:
    """Everything that is open stays under a name, beside what is completed."""
    await made(store, write("01A", "k:1"), unknown())
    await made(store, write("01B", "k:2"), unknown())
    await made(store, write("01C", "k:3"), done())
    doubts = [("01B", State.UNKNOWN), ("01A", State.UNKNOWN)]
    assert await standing(store, "f1:1") == [("01C", State.COMPLETED), *doubts]


async def test_settle_own(store: Store) -> None:
    """Settling one write leaves every other one as it was."""
    first = await dispatched(store, write("01A"))
    await dispatched(store, write("01B", "k:2", "f1:2", "e:2"))
    await store.settle(first, done())
    assert await shown(store) == [("01B", False, False)]


async def test_settle_read(store: Store) -> None:
    """A read leaves nothing behind."""
    held = await store.reserve(await judged(store, read()))
    assert isinstance(held, HeldRead)
    await store.settle(held, None)
    assert await store.earlier("01R") is None


async def test_settle_unknown_undispatched(store: Store) -> None:
    """A write in doubt is kept although nobody marked its dispatch, with all that is known of it."""
    await store.settle(await reserved(store, write()), unknown())
    assert [one.opened for one in await store.open_intents()] == [opened_by(write())]


async def test_answer_completes_doubt(store: Store) -> None:
    """The answer itself completes a write that was put in doubt meanwhile."""
    held = await dispatched(store, write())
    await store.resolve(opened(), unknown())
    await store.settle(held, done())
    assert await standing(store) == [("01A", State.COMPLETED)]
    assert await shown(store) == []


# how it stands, what is found out, what is said, how it stands then
RESOLVED = [
    (unknown(), done(5), True, State.COMPLETED),
    (unknown(), nothing_done(5), True, None),
    (unknown(), parked(5), True, State.PARKED),
    (parked(), unknown(5), True, State.PARKED),
    (parked(), done(5), True, State.COMPLETED),
    (done(), unknown(5), False, State.COMPLETED),
    (done(), parked(5), False, State.COMPLETED),
    (done(), done(5), False, State.COMPLETED),
    (nothing_done(), done(5), False, None),
    (None, unknown(5), True, State.UNKNOWN),
    (None, done(5), True, State.COMPLETED),
]


@pytest.mark.parametrize(("before", "found", "said", "after"), RESOLVED)
async def test_resolve(store: Store, before: Ended | None, found: Ended, said: bool, after: State | None) -> None:
    """What is found out settles doubt; what is completed stays, and what a person decides is not put in doubt again."""
    held = await dispatched(store, write())
    if before is not None:
        await store.settle(held, before)
    assert await store.resolve(opened(), found) is said
    assert await standing(store) == ([] if after is None else [("01A", after)])


async def test_resolve_unheard(store: Store) -> None:
    """What is found out of an intent that this store never heard of is kept, with its names."""
    assert await store.resolve(opened("01A"), unknown())
    assert await store.resolve(opened("01B", key="k:2"), nothing_done())
    assert await standing(store) == [("01A", State.UNKNOWN)]
    assert await shown(store) == [("01A", True, False)]
    assert await store.earlier("01B") is not None


async def test_delivered(store: Store) -> None:
    """Whether an answer reached its caller is noted on what is completed, and moves its names."""
    await made(store, write(), done(delivered=False))
    before = await versions(store)
    await store.delivered("01A", reached=True)
    record = await store.earlier("01A")
    assert record is not None
    assert record.delivered
    assert all(version > before[name] for name, version in (await versions(store)).items())
    await store.delivered("01X", reached=True)
    assert await store.earlier("01X") is None


async def test_delivered_before_end(store: Store) -> None:
    """Of what has not ended there is no answer that could reach anyone."""
    await made(store, write(), unknown())
    before = await store.earlier("01A")
    await store.delivered("01A", reached=False)
    assert await store.earlier("01A") == before


async def test_versions_grow(store: Store) -> None:
    """Every step of a write moves all of its names, and none of anybody else's."""
    seen = [await versions(store)]
    held = await reserved(store, write())
    seen.append(await versions(store))
    await store.dispatch(held, opened())
    seen.append(await versions(store))
    await store.settle(held, nothing_done())
    seen.append(await versions(store))
    for name in ("k:1", "f1:1", "e:1"):
        steps = [versions[name] for versions in seen]
        assert steps == sorted(set(steps))
    assert set((await versions(store, write("01Y", "k:9", "f1:9", "e:9"))).values()) == {0}


async def test_oldest_first(store: Store) -> None:
    """Open intents come oldest first, and by id within one moment."""
    for intent, after_s in (("01C", 5), ("01B", 9), ("01D", 5), ("01E", 1)):
        await store.apply(opened(intent, after_s, key=f"k:{intent}"))
    assert [name for name, _, _ in await shown(store)] == ["01E", "01C", "01D", "01B"]


@pytest.mark.parametrize(
    ("changes", "stopped"),
    [
        ([(True, 2), (False, 1)], True),
        ([(False, 2), (True, 1)], False),
        ([(True, 1), (False, 1)], True),
        ([(False, 1), (True, 1)], True),
        ([(True, 1), (False, 1), (False, 2)], False),
    ],
)
async def test_epochs(store: Store, changes: list[tuple[bool, int]], stopped: bool) -> None:
    """An older record never undoes a newer one, and of two with one epoch the stricter holds."""
    for change in changes:
        await store.apply(halted(change[1]) if change[0] else running(change[1]))
    newest = max(epoch for _, epoch in changes)
    said = halted(newest) if stopped else running(newest)
    assert (await store.facts(write())).stops.by_scope[ALL] == said.stop
    assert (await store.stops()).by_scope[ALL] == said.stop


async def test_generation(store: Store) -> None:
    """Only a change of what is judged by makes every verdict stale: a record that says the same does not."""
    go = await judged(store, write())
    await store.apply(running(1))
    assert isinstance(await store.reserve(go), HeldWrite)
    go = await judged(store, write("01B", "k:2", "f1:2", "e:2"))
    await store.apply(halted(2))
    await store.apply(running(3))
    assert await store.reserve(go) == Stale()


async def test_wait_for_end(store: Store) -> None:
    """Whoever waits for an intent in flight is told how it ended, as soon as it has."""
    held = await dispatched(store, write())
    waiting = [asyncio.create_task(store.wait("01A", 30)) for _ in range(3)]
    await asyncio.sleep(0)
    await store.settle(held, nothing_done())
    for record in await asyncio.gather(*waiting):
        assert record is not None
        assert (record.state, record.status) == (State.COMPLETED, 429)


async def test_wait_in_vain(store: Store) -> None:
    """Whoever waits too short a time is told how it stands, and of an unknown intent nothing, at once."""
    await dispatched(store, write())
    for within_s in (0.0, 0.03):
        record = await store.wait("01A", within_s)
        assert record is not None
        assert record.state is State.DISPATCHED
    assert await store.wait("01X", 30) is None


@pytest.mark.parametrize("end", [unknown(), parked(), done()])
async def test_wait_ended(store: Store, end: Ended) -> None:
    """What is in doubt or has ended is not waited for."""
    await made(store, write(), end)
    record = await store.wait("01A", 30)
    assert record is not None
    assert record.state is end.state


async def test_wait_cancelled(store: Store) -> None:
    """Whoever gives up waiting leaves nothing behind, and the next answer is its own."""
    held = await dispatched(store, write())
    for _ in range(5):
        waiting = asyncio.create_task(store.wait("01A", 30))
        await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert len(store._waiters) == 0  # type: ignore[attr-defined]
    assert await standing(store) == [("01A", State.DISPATCHED)]
    await store.settle(held, done())
    assert await store.open_intents() == ()


async def test_answer(world: World) -> None:
    """A sealed answer is there for every process of a fleet, and nowhere where there is only one."""
    store = await world.store()
    await made(store, write(), done(), b"sealed")
    assert await store.answer("01A") == (b"sealed" if store.kind == "redis" else None)
    assert await store.answer("01X") is None


async def test_live_events(store: Store) -> None:
    """An event of a write that this process carries says nothing new; its end and its delivery are taken."""
    await dispatched(store, write())
    await store.apply(opened())
    assert await shown(store) == [("01A", False, False)]
    await store.apply(IntentEnded("01A", replace(done(), at=AT + timedelta(seconds=2))))
    await store.apply(IntentDelivered("01A", delivered=False))
    record = await store.earlier("01A")
    assert record is not None
    assert (record.state, record.delivered) == (State.COMPLETED, False)
