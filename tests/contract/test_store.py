"""What every store promises: one suite, run on each of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakers.call import Applied, Health, Outcome, Retry, Sent
from breakers.decide import decide
from breakers.store.protocol import Event, HeldRead, HeldWrite, IntentEnded, IntentOpened, Stale, Store, WritesChanged
from breakers.verdict import Forward, Reason, Refuse
from tests.breakers.world import AT, call, policy

CARD = policy({"*": {}})


async def forward(store: Store, name: str = "refunds.create", intent: str = "01A") -> Forward:
    asked = call(name, id=intent)
    go = decide(asked, CARD, await store.facts(asked))
    assert isinstance(go, Forward)
    return go


async def held_write(store: Store, intent: str = "01A") -> HeldWrite:
    held = await store.reserve(await forward(store, intent=intent))
    assert isinstance(held, HeldWrite)
    return held


def opened(intent: str = "01A", after_s: int = 0) -> IntentOpened:
    return IntentOpened(intent, "shop", "refunds.create", "clerk", "task-1", AT + timedelta(seconds=after_s))


def ended(applied: Applied) -> Outcome:
    return Outcome(applied, Health.OK, Retry.NEVER, Sent.YES, status=200)


def shown(store: Store) -> list[tuple[str, bool]]:
    return [(open_.opened.intent, open_.suspended) for open_ in store.open_intents()]


async def test_starts_empty(store: Store) -> None:
    """An empty store lets writes pass, says when it was asked, and knows of no open intent."""
    facts = await store.facts(call("refunds.create"))
    assert (facts.at, facts.writes_stopped, facts.looks, store.open_intents()) == (AT, False, {}, ())


@pytest.mark.parametrize(("name", "kind"), [("refunds.create", HeldWrite), ("refunds.retrieve", HeldRead)])
async def test_reserve_grants(store: Store, name: str, kind: type[HeldWrite | HeldRead]) -> None:
    """A verdict on current facts is granted, as a write or as a read."""
    go = await forward(store, name)
    assert await store.reserve(go) == kind(go)
    assert store.open_intents() == ()


@pytest.mark.parametrize("name", ["refunds.create", "refunds.retrieve"])
async def test_reserve_stale(store: Store, name: str) -> None:
    """A verdict on facts that have changed since takes nothing and must be made again."""
    go = await forward(store, name)
    store.apply(WritesChanged(stopped=True, epoch=1))
    assert await store.reserve(go) == Stale()


async def test_generation_moves_with_state(store: Store) -> None:
    """Only a change of what is judged by makes facts stale: a record that says the same, or an intent, does not."""
    go = await forward(store)
    store.apply(WritesChanged(stopped=False, epoch=1))
    store.apply(opened("01Z"))
    assert await store.reserve(go) == HeldWrite(go)
    store.apply(WritesChanged(stopped=True, epoch=2))
    store.apply(WritesChanged(stopped=False, epoch=3))
    assert await store.reserve(go) == Stale()
    assert await store.reserve(await forward(store)) != Stale()


@pytest.mark.parametrize(
    ("applied", "left"),
    [(Applied.APPLIED, []), (Applied.NOT_APPLIED, []), (Applied.UNKNOWN, [("01A", True)])],
)
async def test_life_of_write(store: Store, applied: Applied, left: list[tuple[str, bool]]) -> None:
    """A dispatched write is open until it is settled, and stays in doubt when its effect is not known."""
    held = await held_write(store)
    assert await store.dispatch(held, opened())
    assert shown(store) == [("01A", False)]
    await store.settle(held, ended(applied))
    assert shown(store) == left
    await store.settle(held, ended(applied))
    assert shown(store) == left


async def test_settle_read(store: Store) -> None:
    """A read leaves nothing behind."""
    held = await store.reserve(await forward(store, "refunds.retrieve"))
    assert isinstance(held, HeldRead)
    await store.settle(held, ended(Applied.NOT_APPLIED))
    assert store.open_intents() == ()


async def test_settle_own(store: Store) -> None:
    """Settling one write leaves every other one as it was."""
    first = await held_write(store, "01A")
    second = await held_write(store, "01B")
    await store.dispatch(first, opened("01A"))
    await store.dispatch(second, opened("01B"))
    await store.settle(first, ended(Applied.APPLIED))
    assert shown(store) == [("01B", False)]


async def test_settle_unknown_undispatched(store: Store) -> None:
    """A write in doubt is kept although nobody marked its dispatch, with all that is known of it."""
    held = await held_write(store)
    await store.settle(held, ended(Applied.UNKNOWN))
    assert [open_.opened for open_ in store.open_intents()] == [opened()]


async def test_dispatch_after_stop(store: Store) -> None:
    """Nothing leaves once writes are stopped, although it was judged and reserved before."""
    held = await held_write(store)
    store.apply(WritesChanged(stopped=True, epoch=1))
    assert not await store.dispatch(held, opened())
    assert shown(store) == [("01A", False)]
    await store.settle(held, ended(Applied.NOT_APPLIED))
    assert shown(store) == []


async def test_stop_and_resume(store: Store) -> None:
    """A stop is seen by the next judgement, and so is its end."""
    asked = call("refunds.create")
    store.apply(WritesChanged(stopped=True, epoch=1))
    verdict = decide(asked, CARD, await store.facts(asked))
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.KILLED
    store.apply(WritesChanged(stopped=False, epoch=2))
    assert isinstance(decide(asked, CARD, await store.facts(asked)), Forward)


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
        store.apply(WritesChanged(*change))
    assert (await store.facts(call("refunds.create"))).writes_stopped is stopped


async def test_suspend(store: Store) -> None:
    """A suspended intent is in doubt, whether it was known or not, and suspending it again changes nothing."""
    held = await held_write(store)
    await store.dispatch(held, opened("01A"))
    for _ in range(2):
        await store.suspend(opened("01A"))
        await store.suspend(opened("01B", after_s=1))
        assert shown(store) == [("01A", True), ("01B", True)]


async def test_dispatch_keeps_doubt(store: Store) -> None:
    """An intent that is in doubt stays so when its dispatch is marked late."""
    held = await held_write(store)
    await store.suspend(opened())
    await store.dispatch(held, opened())
    assert shown(store) == [("01A", True)]


def test_oldest_first(store: Store) -> None:
    """Open intents come oldest first, and by id within one moment."""
    for event in (opened("01C", 5), opened("01B", 9), opened("01D", 5), opened("01E", 1)):
        store.apply(event)
    assert [name for name, _ in shown(store)] == ["01E", "01C", "01D", "01B"]


def test_replay(store: Store) -> None:
    """Replaying the ledger leaves exactly the intents without a known outcome, in doubt."""
    for event in (
        opened("01A"),
        opened("01B"),
        opened("01C"),
        IntentEnded("01A", unknown=False),
        IntentEnded("01B", unknown=True),
        IntentEnded("01X", unknown=True),
        IntentEnded("01Y", unknown=False),
    ):
        store.apply(event)
    assert shown(store) == [("01B", True), ("01C", True)]


async def test_replay_spares_in_flight(store: Store) -> None:
    """A replayed record of a write that this store carries does not put it in doubt."""
    held = await held_write(store)
    await store.dispatch(held, opened())
    store.apply(opened())
    assert shown(store) == [("01A", False)]


EVENTS = st.lists(
    st.one_of(
        st.builds(opened, st.sampled_from("ABC"), st.integers(0, 3)),
        st.builds(IntentEnded, st.sampled_from("ABC"), unknown=st.booleans()),
        st.builds(WritesChanged, stopped=st.booleans(), epoch=st.integers(0, 3)),
    ),
    max_size=12,
)


@given(events=EVENTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_apply_twice(fresh: Callable[[], Store], events: list[Event]) -> None:
    """Each event applied twice leaves what it leaves when applied once, facts and generation included."""
    once, twice = fresh(), fresh()
    for event in events:
        once.apply(event)
        twice.apply(event)
        twice.apply(event)
    assert once.open_intents() == twice.open_intents()
    asked = call("refunds.create")
    assert await once.facts(asked) == await twice.facts(asked)
