"""What a trail notes of the stages of its request."""

from __future__ import annotations

import pytest

from proxy.trail import Trail
from tests.ledger.world import StillClock


def test_stages() -> None:
    """A stage is noted with what it took however it ends, and one that comes again is added to."""
    clock = StillClock()
    trail = Trail("C1", clock, 0.0)
    with trail.stage("decide"):
        clock.seconds += 0.25
    clock.seconds += 5
    with pytest.raises(ValueError, match="broken"), trail.stage("look"):
        clock.seconds += 0.5
        raise ValueError("broken")
    with trail.stage("decide"):
        clock.seconds += 0.25
    assert trail.stages == {"decide": 500_000, "look": 500_000}
    assert (trail.total_us(), trail.left_s(7_000)) == (6_000_000, 1.0)
