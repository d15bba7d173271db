"""Budgets against a reference that counts every call anew: no cap is passed, whatever crashes, lapses or is lost."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.budgets.lies import LIES
from tests.budgets.machine import Machine
from tests.conftest import Figure
from tests.redis_server import RedisServer, redis_server
from tests.repeats.backings import Alone, Fleet
from tests.repeats.world import Backing

__all__ = ["redis_server"]

FLOORS: dict[str, dict[str, int]] = json.loads(Path(__file__).with_name("floors.json").read_text())

# Runs that each begin elsewhere: one alone stays near what it found first.
SEEDS = {"memory": 6, "redis": 4}
# What is drawn depends on which modules are loaded, so on which tests ran before: more runs where something is rare.
SEEDS_MAX = 3
EXAMPLES = {"memory": 40, "redis": 10}
STEPS = 40

# A lie ends its run where it is found.
LIE_EXAMPLES = 600

# A run of torture is many short ones, so that it ends on time.
TORTURE_EXAMPLES = 100


def run(backing: Backing, examples: int, begins: int | None = None, **more: object) -> Counter[str]:
    """Let the machine run, and return what happened in it and how often."""

    class Run(Machine):
        pass

    Run.backing, Run.counted = backing, Counter()
    if begins is not None:
        seed(begins)(Run)
    asked = settings(max_examples=examples, stateful_step_count=STEPS, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(Run, settings=settings(asked, **more))  # type: ignore[arg-type]
    return Run.counted


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_against_model(kind: str, redis_server: RedisServer, figure: Figure) -> None:
    """Whatever is asked, crashes, gets lost or comes late: every total is what the model counts, and within its cap."""
    counted: Counter[str] = Counter()
    for begins in range(SEEDS_MAX * SEEDS[kind]):
        counted += run(Alone() if kind == "memory" else Fleet(redis_server), EXAMPLES[kind], begins)
        if begins >= SEEDS[kind] - 1 and not _missed(kind, counted):
            break
    for name, count in sorted(counted.items()):
        figure(f"budgets on {kind}, {name}", count)
    assert _missed(kind, counted) == {}


def _missed(kind: str, counted: Counter[str]) -> dict[str, int]:
    return {name: counted[name] for name, floor in FLOORS[kind].items() if counted[name] < floor}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES)
def test_lie_found(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not keep one of the promises is found out."""
    target, name, instead = LIES[lie]
    monkeypatch.setattr(target, name, instead)
    with pytest.raises((AssertionError, KeyError)):
        run(Alone(), LIE_EXAMPLES, phases=[Phase.generate], report_multiple_bugs=False)


@pytest.mark.torture(weight=1)
def test_against_model_for_long(redis_server: RedisServer, figure: Figure, torture_until: float) -> None:
    """The same holds in orders that nobody chose before."""
    total: Counter[str] = Counter()
    while time.monotonic() < torture_until:
        for backing in (Alone(), Alone(), Alone(), Fleet(redis_server)):
            total += run(backing, TORTURE_EXAMPLES, derandomize=False)
    figure("torture budgets, calls", total["calls"])
    assert total["calls"] > 0 or float(os.environ.get("MINUTES", "10")) < 1
