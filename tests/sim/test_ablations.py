"""Each safeguard of the program is taken away once, and a simulated deployment must miss it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.sim.ablations import ABLATIONS
from tests.sim.run import SEEDS, simulated

FOUND_BY: dict[str, int] = json.loads(Path(__file__).with_name("seeds.json").read_text())
"""Which seed missed it when somebody last looked: it is tried first, and all others after it."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_found(name: str, figure: Figure) -> None:
    """Each safeguard that is taken away is missed within the seeds of the suite, and by which is printed."""
    ablation = ABLATIONS[name]
    first = FOUND_BY.get(name, 0)
    with ablation.away():
        for seed in (first, *(other for other in range(SEEDS) if other != first)):
            broken = simulated(seed).broken
            if broken is not None:
                figure(f"without a safeguard: {ablation.what} [{broken.invariant}], seed", seed)
                return
    raise AssertionError(f"no seed misses it: {ablation.what}")


def test_enough() -> None:
    """At least twelve safeguards are held against the simulation."""
    assert len(ABLATIONS) >= 12
