"""Tasks and revoked tokens, in every store: what was opened, what is over, and what is not valid any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.store.events import Event, TaskClosed, TaskOpened, TokenRevoked
from breakers.store.protocol import Store
from breakers.task import STANDING, Above, Closed, Envelope, Task
from config.caps import Caps
from tests.breakers.world import AT
from tests.contract.world import World

HOUR = timedelta(hours=1)
CAPS = Caps.model_validate({"paid": "0.02 USD", "calls": 6, "moved": ["50 USD", "40 EUR"], "alert": [80]})


def task(name: str = "clerk/01T", after_s: float = 0, **more: object) -> Task:
    """
    Return a task of one hour.
    """
    at = AT + timedelta(seconds=after_s)
    return replace(Task(name, name.partition("/")[0], at, at + HOUR, CAPS), **more)  # type: ignore[arg-type] # its fields


WHOLE = task(
    "clerk/01W",
    record="stripe:ch_1",
    trace="00-ab-cd-01",
    model="large-2",
    prompt="refunds@7",
    above=(Above("clerk/01T", CAPS, AT + HOUR), Above("clerk/01S", Caps(), AT + HOUR)),
)


async def opened_in(world: World, *tasks: Task) -> Store:
    """
    Return a store in which these tasks were opened.
    """
    store = await world.store()
    for one in tasks:
        await store.apply(TaskOpened(one))
    return store


@pytest.mark.parametrize("one", [task(), WHOLE], ids=["bare", "whole"])
async def test_opened(world: World, one: Task) -> None:
    """A task that was opened is there with everything that was said of it, and takes calls."""
    store = await opened_in(world, one)
    found = await store.envelope(one.id, ())
    assert found == Envelope(one)
    assert found.task is not None
    assert found.task.is_open(AT)
    assert await store.tasks() == (one,)


async def test_never_opened(world: World) -> None:
    """A task that was not opened, and the standing task of a day, have no record, and no token of theirs is revoked."""
    store = await opened_in(world, task())
    for name in ("clerk/01X", "clerk/2026-11-21", "CLERK/01T", ""):
        assert await store.envelope(name, ("abc",)) == STANDING


async def test_closed(world: World) -> None:
    """A task that was closed says when and why, is not among the open ones, and is not opened or closed again."""
    store = await opened_in(world, task(), task("clerk/01U"))
    closed = task(closed_at=AT + HOUR / 2, closed=Closed.DONE)
    await store.apply(TaskClosed("clerk/01T", AT + HOUR / 2, Closed.DONE))
    await store.apply(TaskClosed("clerk/01T", AT + HOUR, Closed.EXPIRED))
    await store.apply(TaskOpened(task()))
    assert await store.envelope("clerk/01T", ()) == Envelope(closed)
    assert not closed.is_open(AT)
    assert await store.tasks() == (task("clerk/01U"),)


async def test_expired(world: World) -> None:
    """A task whose time is over stays among those that are not closed until somebody closes it."""
    store = await opened_in(world, task())
    world.clock.pass_by(30 * 86_400)
    await store.apply(TaskOpened(task("clerk/01U", 30 * 86_400)))
    (first, _) = await store.tasks()
    assert (first.id, first.is_open(world.clock.at)) == ("clerk/01T", False)
    await store.apply(TaskClosed("clerk/01T", world.clock.at, Closed.EXPIRED))
    assert [one.id for one in await store.tasks()] == ["clerk/01U"]


async def test_oldest_first(world: World) -> None:
    """Tasks come oldest first, and by id within one moment."""
    names = (("a/03", 5), ("a/02", 9), ("a/04", 5), ("a/01", 1))
    store = await opened_in(world, *(task(name, after_s) for name, after_s in names))
    assert [one.id for one in await store.tasks()] == ["a/01", "a/03", "a/04", "a/02"]


async def test_closed_unheard(world: World) -> None:
    """The end of a task that was never opened here says nothing."""
    store = await opened_in(world)
    await store.apply(TaskClosed("clerk/01T", AT, Closed.DONE))
    assert (await store.envelope("clerk/01T", ()), await store.tasks()) == (STANDING, ())


async def test_revoked(world: World) -> None:
    """A token is revoked when any stage of its narrowing is, and no other is by that."""
    store = await opened_in(world, task())
    await store.apply(TokenRevoked("bbb", AT + HOUR))
    for tokens, revoked in (((), False), (("aaa",), False), (("aaa", "bbb"), True), (("bbb", "ccc"), True)):
        assert await store.envelope("clerk/01T", tokens) == Envelope(task(), revoked)
    assert (await store.envelope("clerk/2026-11-21", ("bbb",))).revoked


async def test_revoked_for_longer(world: World) -> None:
    """A token that is revoked twice is so until the later end, and a day longer."""
    store = await opened_in(world)
    for hours in (1, 3, 2):
        await store.apply(TokenRevoked("bbb", AT + hours * HOUR))
    world.clock.pass_by(26 * 3600 - 1)
    await store.apply(TokenRevoked("ccc", AT + 48 * HOUR))
    assert (await store.envelope("", ("bbb",))).revoked


EVENTS: list[Event] = [
    TaskOpened(task()),
    TaskOpened(WHOLE),
    TaskClosed("clerk/01T", AT + HOUR / 2, Closed.ORPHANED),
    TokenRevoked("bbb", AT + HOUR),
]


async def said(store: Store) -> object:
    """
    Return all that a store says of tasks and tokens.
    """
    names = ("clerk/01T", "clerk/01W", "clerk/01X")
    return (
        [await store.envelope(name, ("bbb",)) for name in names],
        await store.envelope("", ("ccc",)),
        await store.tasks(),
    )


async def test_any_portion(world: World) -> None:
    """Told one by one, at the start, each twice, or once more from the beginning, a ledger says the same of tasks."""
    once, twice = await world.store(), await world.store()
    for event in EVENTS:
        await once.apply(event)
        await twice.apply(event)
        await twice.apply(event)
    expected = await said(once)
    assert await said(twice) == expected
    assert await said(await world.store(events=EVENTS)) == expected
    for cut in range(len(EVENTS)):
        resumed = await world.store(events=EVENTS[:cut])
        await resumed.start(EVENTS)
        assert await said(resumed) == expected
