"""Simulated deployments: whatever befalls them, no seed finds a write made twice, lost, over a cap, or after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.sim.run import SEEDS, Ran, simulated

PORTION = 25
"""Of the suite's seeds in one test, so that a failure names few."""

TORTURE_SEEDS = 10_000

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FLOORS: dict[str, int] = json.loads((HERE / "floors.json").read_text())

_reached: Counter[str] = Counter()


def _held(seed: int) -> Ran:
    ran = simulated(seed)
    assert ran.broken is None, f"seed {seed}: {ran.broken}\nits trace: python -m tests.sim {seed}"
    return ran


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SEEDS, PORTION))
def test_seeds(first: int) -> None:
    """Whatever a seed draws, every invariant holds at each moment and in the end."""
    for seed in range(first, first + PORTION):
        _reached.update(_held(seed).counted)


def test_rare_reached(figure: Figure) -> None:
    """The seeds of the suite reach every rare branch as often as it takes to mean anything."""
    if not _reached["seeds"]:
        pytest.skip("the seeds were not run")
    for name in FLOORS:
        figure(f"simulated, {name}", _reached[name])
    assert {name: _reached[name] for name, floor in FLOORS.items() if _reached[name] < floor} == {}


def test_same_trace() -> None:
    """One seed gives one trace: run twice, and in another process whose hashes are in another order."""
    seeds = (3, 7)
    here = [simulated(seed).trace for seed in seeds]
    assert [simulated(seed).trace for seed in seeds] == here
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    told = subprocess.run(
        [sys.executable, "-B", "-m", "tests.sim", "--digest", *map(str, seeds)],
        cwd=ROOT,
        env=environment | {"PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert told.stdout.split() == here


@pytest.mark.torture(weight=4)
def test_many_seeds(torture_until: float, figure: Figure) -> None:
    """The same holds for ten thousand seeds, as far as there is time for them."""
    begins, count = int(os.environ.get("SIM_FIRST", str(SEEDS))), 0
    for seed in range(begins, begins + TORTURE_SEEDS):
        if time.monotonic() > torture_until:
            break
        _held(seed)
        count += 1
    figure("torture simulated, seeds", count)
    assert count > 0 or float(os.environ.get("MINUTES", "10")) < 1
