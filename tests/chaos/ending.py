"""The end of a run: every client is told, and what was told and what the upstreams did is held against the records."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.crowd import Crowd
from tests.chaos.fleet import HEALS_S, Fleet
from tests.chaos.standing import doubts_listed, held
from tests.crash.load import Said

# What a client asks again about although it was told: nobody knows yet, or it is done and its answer is gone for good.
TOLD = frozenset({"outcome-unknown", "answer-not-kept"})


def untold(said: Said) -> dict[str, str | None]:
    """
    Return the writes that are to be asked again, each with what was said last, but for those that it tells all about.
    """
    last = {seen.asked.name: seen.reason for seen in said.answers}
    names = {asked.name for each in said.broken.values() for asked in each}
    return {name: last.get(name) for name in names if last.get(name) not in TOLD}


def all_at_once(said: Said) -> int:
    """
    Give each write that broke off a client of its own, so that none waits for another one's turn, and return how many.
    """
    every = [asked for each in said.broken.values() for asked in each]
    said.broken.clear()
    for number, asked in enumerate(every):
        said.broken[number].append(asked)
    return len(every)


async def settled(fleet: Fleet, said: Said) -> Counter[str]:
    """
    Let every client ask until it is told, at upstreams that fail no longer; then hold everything against everything.
    """
    for sandbox in (fleet.stripe, fleet.github):
        sandbox.faults.clear()
    # In how many rounds they are told is a matter of leases; that they are, is the promise.
    asking = untold(said)
    try:
        async with asyncio.timeout(HEALS_S):
            await Crowd(fleet, said, 0, writers=all_at_once(said)).finish()
            while asking := untold(said):
                await Crowd(fleet, said, 0, writers=all_at_once(said)).finish()
    except TimeoutError:
        # Who is being asked about in this moment is not among `untold`: these were, when the last round began.
        raise AssertionError(f"these are never told what became of them: {asking}") from None
    await fleet.nothing_under_way()
    counted = held(fleet, said)
    counted["doubts left"] = await doubts_listed(fleet, said)
    counted["caps that add up"] = len(await fleet.adds_up())
    await fleet.stop()
    return counted
