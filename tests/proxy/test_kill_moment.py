"""A stop at every moment between what is reserved and its first byte: after it was applied, nothing leaves."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial

from breakers.stops import ALL, Mode, Stop
from breakers.store.events import IntentOpened, KillChanged, opened_by
from breakers.store.protocol import HeldWrite, Permit
from proxy.errors import Broken
from proxy.exchange import Gate
from tests.breakers.world import allow, policy
from tests.proxy.stoppable import WRITE, Process

RUNS = 10_000

# More steps than there are between any two moments here.
APART_MAX = 4

GO = allow(policy({"*": {}}), WRITE)


async def steps(count: int) -> None:
    """Let everybody else take so many steps."""
    for _ in range(count):
        await asyncio.sleep(0)


async def one_run(draw: random.Random) -> str:
    """Send one write and stop it at some moment; return where it ended, and fail if it left afterwards."""
    process, happened = Process(), list[str]()
    switch, store = process.switch, process.store
    assert store is not None
    held = await store.reserve(GO)
    assert isinstance(held, HeldWrite)
    before, asked, between, until = (draw.randrange(APART_MAX) for _ in range(4))

    async def marked(opened: IntentOpened) -> Permit:
        assert isinstance(held, HeldWrite)
        said = await store.dispatch(held, opened)
        await steps(asked)
        return said

    still = partial(switch.permit, WRITE)
    flight = switch.flights.begin(WRITE)
    gate = Gate(
        partial(flight.permitted, partial(marked, opened_by(WRITE, "place")), still), process.clock.monotonic, still
    )

    async def send() -> str:
        await steps(before)
        place = "at the permit"
        try:
            await gate.pass_through()
            place = "at the first byte"
            # A body leaves in a task of its own.
            await steps(between)
            gate.refuse_late()
        except Broken:
            return place
        happened.append("left")
        return "left"

    sending = asyncio.ensure_future(send())
    await steps(until + draw.randrange(2 * APART_MAX))
    stopped = Stop(ALL, draw.choice((Mode.STOP_WRITES, Mode.STOP_ALL, Mode.SUGGEST)), 2)
    # The first two steps of every order; what follows changes nothing here.
    switch.here.take(stopped)
    happened.append("applied")
    await store.apply(KillChanged(stopped))
    ended = await sending
    assert happened in (["applied"], ["left", "applied"]), happened
    assert (ended == "left") is (happened[0] == "left")
    return ended


async def test_every_moment() -> None:
    """In ten thousand runs a stop comes before the permit, between permit and first byte, and after it."""
    draw, ended = random.Random(6), Counter[str]()
    for _ in range(RUNS):
        ended[await one_run(draw)] += 1
    assert ended.keys() == {"at the permit", "at the first byte", "left"}
    assert min(ended.values()) > RUNS / 20
