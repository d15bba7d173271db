"""Replicas killed where they stand, under agents that go on at another one, and a Redis that forgets all."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.asking import Asker
from tests.chaos.crowd import Crowd
from tests.chaos.ending import settled
from tests.chaos.fleet import Fleet, fleet_of
from tests.chaos.losses import one_is_gone
from tests.chaos.walk import Walk
from tests.conftest import Figure
from tests.crash.forked import Forker
from tests.crash.load import Said
from tests.crash.record import read_log

KILLS = 20
TORTURE_KILLS, TORTURE_KILLS_A_FLEET = 1000, 25

# In which all of torture's kills are made, on two cores.
WHOLE_MINUTES = 60

# More than in the walk along the table: a kill shall come where something is under way.
WRITERS, PAUSE_S = 8, 0.05

FLOORS: dict[str, int] = json.loads((Path(__file__).parent / "floors.json").read_text())["kills"]


async def killed(fleet: Fleet, crowd: Crowd, draw: random.Random) -> Counter[str]:
    """Kill one of them, or all, at a random moment among the answers; now and then, have Redis forget all."""
    numbers = range(len(fleet.sites))
    victims = [*numbers] if draw.random() < 0.15 else [draw.choice(numbers)]
    await crowd.more(draw.randrange(6, 24))
    await asyncio.sleep(draw.uniform(0, 0.03))
    for number in victims:
        await fleet.kill(number)
    left = sum(_open(fleet, number) for number in victims)
    if forgot := draw.random() < 0.25:
        fleet.pair.told("FLUSHALL")
    if len(victims) < len(numbers):
        await crowd.more(draw.randrange(2, 8))
    for number in victims:
        await fleet.restart(number, draw)
    return Counter(kills=len(victims), left=bool(left), forgot=forgot)


def _open(fleet: Fleet, number: int) -> int:
    entries = read_log(fleet.sites[number].state).entries
    ended = {entry["intent"] for entry in entries if entry["k"] == "call.outcome"}
    return len({entry["i"] for entry in entries if entry["k"] == "call.intent"} - ended)


async def one_fleet(folder: Path, forker: Forker, seed: int, kills: int, until: float = float("inf")) -> Counter[str]:
    """Kill and start the replicas of one fleet again and again; return what was counted."""
    draw, said, total = random.Random(seed), Said(), Counter[str]()
    async with fleet_of(folder, forker, seed) as fleet:
        crowd = Crowd(fleet, said, seed, writers=WRITERS, pause_s=PAUSE_S)
        try:
            async with Asker(fleet, said) as asker, crowd.working():
                while total["kills"] < kills and time.monotonic() < until:
                    total += await killed(fleet, crowd, draw)
                await fleet.ready()
                walk = Walk(fleet, said, asker)
                await one_is_gone(walk)
                total += walk.counted
        except AssertionError as error:
            error.add_note(f"seed {seed}, kill {total['kills']}; not ready because {await fleet.why()}")
            raise
        return total + crowd.counted + await settled(fleet, said)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_replicas_killed(tmp_path: Path, forker: Forker, figure: Figure) -> None:
    """After kill -9 under load nothing is done twice, all that was told is true, and the fleet is whole again."""
    total = await one_fleet(tmp_path, forker, 3, KILLS)
    for name, count in sorted(total.items()):
        figure(f"chaos kills, {name}", count)
    assert {name: total[name] for name, floor in FLOORS.items() if total[name] < floor} == {}


@pytest.mark.torture(weight=6)
async def test_many_replicas_killed(tmp_path: Path, forker: Forker, figure: Figure, torture_until: float) -> None:
    """The same holds for a thousand kills at moments that nobody chose before."""
    total, seed = Counter[str](), int.from_bytes(os.urandom(4), "big")
    while total["kills"] < TORTURE_KILLS and time.monotonic() < torture_until:
        seed += 1
        total += await one_fleet(tmp_path / f"fleet-{seed}", forker, seed, TORTURE_KILLS_A_FLEET, torture_until)
    for name, count in sorted(total.items()):
        figure(f"torture chaos kills, {name}", count)
    assert total["left"] > 0
    # A shorter run is for those who look for something; the whole one is the promise.
    assert total["kills"] >= TORTURE_KILLS or float(os.environ.get("MINUTES", "10")) < WHOLE_MINUTES
