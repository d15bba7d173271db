"""A stop of everything while Redis fails: once it is confirmed nothing begins at an upstream, whatever happens then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.chaos.fleet import HEALS_S, Fleet
from tests.chaos.table import LOST_S, REFUSED
from tests.chaos.walk import Walk
from tests.chaos.wire import Fault
from tests.crash.waiting import until

# As long as agents that are told no go on asking: each of them several times.
ON_S = 0.5

# More turns of the loop than a connection takes from its first byte to its last.
TURNS = 50


async def begun(fleet: Fleet) -> int:
    """
    Return how many writes have begun at the upstreams, with all that left before: that stands in this process's queues.
    """
    for _ in range(TURNS):
        await asyncio.sleep(0)
    return fleet.mix.begun()


async def order(fleet: Fleet, at: int) -> dict[str, Any]:
    """
    Stop every write by an order at one replica, and return what that says.
    """
    said = {"scope": "all", "mode": "stop-writes", "reason": "chaos"}
    done: dict[str, Any] = await fleet.sites[at].admin("POST", "/v1/kill", json=said)
    return done


async def is_confirmed(fleet: Fleet, at: int) -> bool:
    """
    Tell whether a replica says that nothing moves any more, anywhere.
    """
    return bool((await fleet.sites[at].admin("GET", "/v1/kill?scope=all")).get("confirmed"))


async def resumed(fleet: Fleet, at: int) -> None:
    """
    Let everything pass again, by an order at one replica, and wait until it does everywhere.
    """

    async def done() -> bool:
        shown = await fleet.sites[at].admin("GET", "/v1/kill?scope=all")
        if "record" not in shown:
            return False
        said = {"scope": "all", "epoch": shown["record"]["epoch"], "reason": "on", "full": True}
        answer = await fleet.sites[at].admin("POST", "/v1/resume", json=said)
        return bool(answer.get("mode") == "run")

    await until(done, HEALS_S)


@asynccontextmanager
async def nothing_begins(fleet: Fleet, counted: Counter[str]) -> AsyncIterator[None]:
    """
    Fail if a write begins at an upstream inside; agents go on asking.
    """
    before = await begun(fleet)
    yield
    await asyncio.sleep(ON_S)
    assert await begun(fleet) == before, "a write began after the stop was confirmed"
    counted["stops that held"] += 1


async def confirmed(fleet: Fleet, at: int) -> None:
    """
    Wait for the word.
    """

    async def said() -> bool:
        return await is_confirmed(fleet, at)

    await until(said, HEALS_S)


async def killed(walk: Walk, at: int) -> None:
    """
    Wait until a replica answers that all is stopped, and nothing but that it cannot tell before.
    """

    async def said() -> bool:
        word = (await walk.asker.write(at, walk.row)).word
        assert word in {*REFUSED, "killed"}, f"a write was answered {word}"
        return word == "killed"

    await until(said, HEALS_S)


async def stop_outlives_redis(walk: Walk) -> None:
    """
    Stop at one replica; nothing begins at any, not even after Redis has forgotten the stop. Resume at the other.
    """
    fleet = walk.fleet
    await order(fleet, 0)
    await confirmed(fleet, 0)
    async with nothing_begins(fleet, walk.counted):
        fleet.pair.told("FLUSHALL")
        for at in range(len(fleet.sites)):
            await killed(walk, at)
    await resumed(fleet, 1)
    await walk.whole()


async def stop_while_one_is_away(walk: Walk) -> None:
    """
    Stop while one replica hears nothing: it is not taken for stopped, writes nothing, and stops once it hears.
    """
    fleet = walk.fleet
    fleet.wires[1].begin(Fault(there=False, back=False))
    await order(fleet, 0)
    assert (await walk.asker.write(1, walk.row)).word in REFUSED
    async with nothing_begins(fleet, walk.counted):
        assert not await is_confirmed(fleet, 0), "a replica that nobody hears of was taken for stopped"
    fleet.wires[1].heal()
    await confirmed(fleet, 0)
    await killed(walk, 1)
    await resumed(fleet, 1)
    await walk.whole()


async def stop_beside_two_primaries(walk: Walk) -> None:
    """
    Stop at a replica that asks a new primary while another one asks the old: it is not confirmed before both are asked.
    """
    fleet = walk.fleet
    fleet.pair.part()
    await asyncio.sleep(LOST_S)
    fleet.pair.promote()
    fleet.wires[0].lead_to(fleet.pair.primary.port)
    await order(fleet, 0)
    before = await begun(fleet)
    for _ in range(5):
        word = (await walk.asker.write(1, walk.row)).word
        said = await is_confirmed(fleet, 0)
        walk.counted["writes beside a stop elsewhere"] += word == "executed"
        assert not (said and await begun(fleet) > before), "it was confirmed, and the other one wrote"
        assert not said, "confirmed although nobody knows what the other one does"
    fleet.wires[1].lead_to(fleet.pair.primary.port)
    await fleet.pair.follow()
    await confirmed(fleet, 0)
    async with nothing_begins(fleet, walk.counted):
        pass
    await resumed(fleet, 1)
    await walk.whole()


STOPS = (stop_outlives_redis, stop_while_one_is_away, stop_beside_two_primaries)
