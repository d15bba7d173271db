"""A stop at every moment between what is reserved and its first byte: after it was applied, nothing leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from itertools import product

import pytest

from breakers.stops import ALL, Mode, Stop
from breakers.store.events import IntentOpened, KillChanged, opened_by
from breakers.store.protocol import HeldWrite, Permit
from proxy.errors import Broken
from proxy.exchange import Gate
from tests.breakers.world import allow, policy
from tests.proxy.stoppable import WRITE, Process

# More steps than there are between any two moments here; a stop comes after at most so many.
APART_MAX, UNTIL_MAX = 4, 11

GO = allow(policy({"*": {}}), WRITE)


async def steps(count: int) -> None:
    """Let everybody else take so many steps."""
    for _ in range(count):
        await asyncio.sleep(0)


async def one_run(before: int, asked: int, between: int, until: int, mode: Mode) -> str:
    """Send one write and stop it at one moment; return where it ended, and fail if it left afterwards."""
    process, happened = Process(), list[str]()
    switch, store = process.switch, process.store
    assert store is not None
    held = await store.reserve(GO)
    assert isinstance(held, HeldWrite)

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
            await gate.ask()
            place = "at the first byte"
            await steps(between)
            gate.pass_through()
        except Broken:
            return place
        happened.append("left")
        return "left"

    sending = asyncio.ensure_future(send())
    await steps(until)
    stopped = Stop(ALL, mode, 2)
    # The first two steps of every order; what follows changes nothing here.
    switch.here.take(stopped)
    happened.append("applied")
    await store.apply(KillChanged(stopped))
    ended = await sending
    assert happened in (["applied"], ["left", "applied"]), happened
    assert (ended == "left") is (happened[0] == "left")
    return ended


@pytest.mark.parametrize("mode", [Mode.SUGGEST, Mode.STOP_WRITES, Mode.STOP_ALL])
async def test_every_moment(mode: Mode) -> None:
    """At every moment before the permit, between permit and first byte, and after it, a stop that came is in time."""
    ended = Counter[str]()
    for before, asked, between, until in product(*[range(APART_MAX)] * 3, range(UNTIL_MAX)):
        ended[await one_run(before, asked, between, until, mode)] += 1
    assert ended.keys() == {"at the permit", "at the first byte", "left"}
    assert min(ended.values()) > sum(ended.values()) / 20
