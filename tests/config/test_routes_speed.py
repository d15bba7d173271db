"""Speed: a look-up stays cheap, from a target's bytes to typed arguments."""

from __future__ import annotations

import json
from collections.abc import Callable

from loadtest import lookups


def test_lookup_rate(figure: Callable[[str, float], None]) -> None:
    """Each API's look-ups a second on one core stay above their floors, and are printed."""
    floors = json.loads(lookups.FLOORS.read_text(encoding="utf-8"))["lookups_per_second"]
    figures = lookups.measure()
    for name, rate in figures.items():
        figure(f"look-ups a second, {name}", rate)
    assert figures.keys() == floors.keys()
    assert all(figures[name] >= floor for name, floor in floors.items())


def test_rate_in_large_table() -> None:
    """A table a hundred times as large does not make one of its look-ups twice as dear."""
    # By turns, and the best of each: whatever else the machine does strikes one as well as the other.
    rounds = [(lookups.rate_in_table_of(20), lookups.rate_in_table_of(2_000)) for _ in range(3)]
    small, large = (max(rates) for rates in zip(*rounds, strict=True))
    assert large > small / 2
