"""Speed: a repeat is answered in a tenth of a millisecond, so that clients that repeat cost next to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.proxy.bench_repeats import FLOORS, figures


@pytest.mark.slow
async def test_rates(tmp_path: Path, figure: Callable[[str, float], None]) -> None:
    """Repeats a second at the store, in the pipeline and through a socket stay above their floors, and are printed."""
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    rates = await figures(tmp_path)
    for name, rate in rates.items():
        figure(name, round(rate))
    assert rates.keys() == floors.keys()
    assert {name: rate for name, rate in rates.items() if rate < floors[name]} == {}
