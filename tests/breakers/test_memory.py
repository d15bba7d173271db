"""What the memory store adds to the contract: how it shows itself to an operator, and how fast it is."""

from __future__ import annotations

import time
from dataclasses import replace

from breakers.call import Call
from breakers.known import Ended, Names, State
from breakers.store.events import IntentEnded, opened_by
from breakers.store.memory import MemoryStore
from breakers.store.protocol import HeldWrite
from breakers.verdict import Forward
from tests.breakers.stopping import halted
from tests.breakers.world import AT, call
from tests.conftest import Figure

WRITES = 2000

DONE = Ended(State.COMPLETED, AT, applied=True, keeps=True, status=200, place="log/0#0/1/2/3")


def named(n: int) -> Call:
    """
    Return a write with three names of its own, as long as real ones.
    """
    return replace(call("refunds.create", id=f"{n:026}"), names=Names((f"f1:{n:064x}",), f"k:{n:064x}", f"e:{n:064x}"))


async def test_shows_state() -> None:
    """Its one line says whether writes are stopped, what is open, and how much it remembers."""
    store = MemoryStore(lambda: AT)
    stop, first, second = halted(7), opened_by(named(1)), opened_by(named(2))
    await store.start([stop, first, second, IntentEnded(second.intent, DONE)])
    assert repr(store) == "<MemoryStore generation=1 all=stop-writes in_flight=0 in_doubt=1 kept=1>"


async def test_speed(figure: Figure) -> None:
    """Far more writes and replays go through it in a second than any process can carry."""
    store = MemoryStore(lambda: AT)
    calls = [named(n) for n in range(WRITES)]
    marks = [opened_by(each, "log/0#0/1/2/3") for each in calls]
    began = time.perf_counter()
    for each, mark in zip(calls, marks, strict=True):
        held = await store.reserve(Forward(each, await store.facts(each), "v1", ()))
        assert isinstance(held, HeldWrite)
        await store.dispatch(held, mark)
        await store.settle(held, DONE)
    middle = time.perf_counter()
    for each in calls:
        await store.facts(each)
    ended = time.perf_counter()
    figure("memory store, writes a second (facts, reserve, dispatch, settle)", round(WRITES / (middle - began)))
    figure("memory store, replays a second (facts)", round(WRITES / (ended - middle)))
    assert WRITES / (ended - middle) >= 10_000
