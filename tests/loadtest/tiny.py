"""Scenarios in a size in which nothing of them is left out and all of them end within seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loadtest import sizes
from loadtest.bench import Bench, Planted, Scenario
from loadtest.processes import Cores
from loadtest.profiles import CI
from loadtest.results import Result

TINY = sizes.Sizes(
    seed=1,
    durability=sizes.Durability(kills=1, seconds=0.3, per_second=30.0, connections=8),
    storm=sizes.Storm(repeats=40, keys=3, each=5, connections=20),
    flood=sizes.Flood(seconds=0.3, per_second=40.0, connections=4),
    streams=sizes.Streams(streams=4, bytes_each=200_000, seconds=0.3, per_second=40.0),
    flapping=sizes.Flapping(flaps=1, seconds=0.3, per_second=40.0, waits=False),
    kill=sizes.Kill(stops=1, seconds=0.2, per_second=60.0),
    store=sizes.Store(seconds=0.3, per_second=15.0),
    overload=sizes.Overload(seconds=0.3, connections=4, times=4),
    slow=sizes.Slow(connections=12, seconds=0.3, per_second=40.0, closes=False),
    soak=sizes.Soak(seconds=1.2, warm_s=0.2, per_second=60.0),
)


def run(
    scenario: Scenario,
    folder: Path,
    *,
    size: sizes.Sizes = TINY,
    planted: Planted = Planted(),  # noqa: B008 - it is frozen
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """
    Run one scenario on a bench of its own.
    """
    with Bench(replace(CI, faults=size), folder / "bench", say, Cores(None, None), planted) as bench:
        return scenario.run(bench)


def failed(result: Result) -> dict[str, str]:
    """
    Return what was found of each check that does not hold.
    """
    return {check.name: check.found for check in result.checks if not check.held}
