"""How long anything is known: answers, outcomes, names that are free again, and what may never be forgotten."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import pytest

from breakers.known import State
from breakers.store.memory import MemoryStore
from breakers.store.protocol import LEASE_S, REMEMBERED_S
from tests.conftest import Figure
from tests.contract.world import (
    KEPT,
    Clock,
    World,
    dispatched,
    done,
    made,
    nothing_done,
    reserved,
    standing,
    unknown,
    versions,
    write,
)


async def test_answer_then_outcome(world: World) -> None:
    """An answer is kept for its time, after that only that the key was used and how that ended, then nothing."""
    store = await world.store()
    await made(store, write(), done())
    for seconds, answered in ((KEPT.answers_s - 1, True), (1.0, False), (KEPT.outcomes_s - 1, False)):
        world.clock.pass_by(seconds)
        (record,) = (await store.facts(write("01B"))).known.under["k:1"]
        assert (record.answered, record.status) == (answered, 200)
        assert (await store.earlier("01A")) == record
    world.clock.pass_by(1)
    assert await standing(store) == []
    assert await store.earlier("01A") is None


async def test_freed_is_remembered(world: World) -> None:
    """The record of a write that did nothing is there for a minute."""
    store = await world.store()
    await made(store, write(), nothing_done())
    world.clock.pass_by(REMEMBERED_S - 1)
    assert await store.earlier("01A") is not None
    world.clock.pass_by(1)
    assert await store.earlier("01A") is None


async def test_doubt_is_never_forgotten(world: World) -> None:
    """What may have been sent and has not ended is known however old it is."""
    store = await world.store()
    await dispatched(store, write())
    await made(store, write("01B", "k:2"), unknown())
    world.clock.pass_by(1000 * 86_400)
    await made(store, write("01C", "k:3"), done())
    assert await standing(store, "k:1") == [("01A", State.DISPATCHED)]
    assert await standing(store, "k:2") == [("01B", State.UNKNOWN)]
    assert len(await store.open_intents()) == 2


async def test_memory_is_given_back() -> None:
    """A store that has forgotten everything holds nothing, not even an empty name."""
    clock = Clock()
    store = MemoryStore(clock.now, KEPT)
    for n in range(40):
        asked = write(f"01{n:02}", f"k:{n}", f"f1:{n}", f"e:{n}")
        if n % 4 == 0:
            await reserved(store, asked)
        else:
            await made(store, asked, nothing_done() if n % 4 == 1 else done())
    clock.pass_by(max(LEASE_S + REMEMBERED_S, KEPT.whole.total_seconds()))
    for n in range(60):
        await made(store, write(f"02{n:02}", "k:9", "f1:9", "e:9"), nothing_done())
        clock.pass_by(REMEMBERED_S)
    await reserved(store, write("03"))
    assert len(store._standing) == 1
    assert len(store._freed) <= 1
    assert {*store._names.entries} <= {"k:1", "f1:1", "e:1", "k:9", "f1:9", "e:9"}
    assert len(store._soon) <= 3
    assert not store._later
    assert not store._open


async def test_sweep_in_steps(world: World) -> None:
    """However much has to be forgotten at once, no write waits for more than a few records of it."""
    clock = Clock()
    store = MemoryStore(clock.now, KEPT)
    for n in range(30):
        await made(store, write(f"01{n:02}", f"k:{n}", f"f1:{n}", None), done())
    clock.pass_by(KEPT.whole.total_seconds())
    before = len(store._standing)
    await reserved(store, write("02"))
    assert before - 8 <= len(store._standing) < before
    assert await versions(store, write("03", "k:3", "f1:3")) != {}


def _names(n: int) -> dict[str, str]:
    return {"key": f"k:{n:064x}", "fingerprint": f"f1:{n:064x}", "effect": f"e:{n:064x}"}


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer allocates as well")
async def test_bytes_a_record(figure: Figure) -> None:
    """A record that is kept under three names takes little more than its words."""
    store = MemoryStore(Clock().now, KEPT)
    count = 500
    gc.collect()
    tracemalloc.start()
    try:
        for n in range(count):
            place = f"example.com/payments/replica-1/0#12345/{n:07}/{n * 1000}/999"
            await made(store, write(f"{n:026}", **_names(n)), done(n, place=place))
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    figure("memory store, bytes a kept record", round(used / count))
    assert used / count < 2000
