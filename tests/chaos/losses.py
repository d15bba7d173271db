"""Processes that go: a worker whose parent puts another in its place, and a replica that does not come back."""

from __future__ import annotations

import random

from tests.chaos.asking import EXECUTED
from tests.chaos.fleet import HEALS_S
from tests.chaos.replica import WorkedSite
from tests.chaos.table import REFUSED
from tests.chaos.walk import Walk
from tests.crash.waiting import until

GONE = 1


async def worker_killed(walk: Walk) -> None:
    """
    Kill a worker: its parent starts another, and the replica goes on meanwhile.
    """
    site = walk.fleet.sites[GONE]
    assert isinstance(site, WorkedSite)
    await site.kill_worker(walk.row % 2)
    assert (await walk.asker.read(GONE, f"/v1/customers/{walk.fleet.customers[0]}")).word == EXECUTED
    await walk.fleet.ready()
    await walk.whole()
    walk.counted["workers killed"] += 1


async def one_is_gone(walk: Walk) -> None:
    """
    Kill a replica and have Redis forget all: the other reads, and writes once an operator has said to go on without it.

    What is forgotten may come back: it joins, and tells what it has on record.
    """
    fleet = walk.fleet
    await fleet.kill(GONE)
    fleet.pair.told("FLUSHALL")
    await walk.refuses(0)
    gone = await _waited_for(walk)
    assert (await walk.asker.read(0, f"/v1/customers/{fleet.customers[0]}")).word == EXECUTED
    for replica in gone:

        async def forgotten(replica: str = replica) -> bool:
            answer = await fleet.sites[0].admin("POST", f"/v1/fleet/{replica}/forget", json={"reason": "chaos"})
            return "doubts" in answer

        assert (await walk.asker.write(0, walk.row)).word in REFUSED, "it went on before the operator said so"
        await until(forgotten, HEALS_S)
        walk.counted["forgotten"] += 1
    await walk.writes(0)
    await fleet.restart(GONE, random.Random(1))
    await fleet.ready()
    await walk.whole()


async def _waited_for(walk: Walk) -> list[str]:
    """
    Return the replicas that the fault names, once it names every process that is gone.
    """
    fleet, named = walk.fleet, list[str]()
    processes = len(fleet.sites[GONE].states)

    async def all_named() -> bool:
        said = await fleet.sites[0].admin("GET", "/v1/fleet")
        silent = [row["replica"] for row in said["members"] if row["state"] == "silent"]
        named[:] = [replica for replica in silent if replica in (said["fault"] or "")]
        return len(named) == processes

    await until(all_named, HEALS_S)
    return list(named)
