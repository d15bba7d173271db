"""How many failures of how many prove more than a rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.wilson import FEW, TAIL, lower_bound, proves, tail

HALF_A_PERCENT, QUARTER = 5_000, 250_000


@pytest.mark.parametrize(
    ("failed", "of", "ppm", "is_proved"),
    [
        (1, 200, HALF_A_PERCENT, False),
        (3, 60, HALF_A_PERCENT, True),
        (25, 3000, HALF_A_PERCENT, True),
        (24, 3000, HALF_A_PERCENT, False),
        # Three of more are chance: z = 2.576 takes them for proof up to 190.
        (3, 61, HALF_A_PERCENT, False),
        (4, 120, HALF_A_PERCENT, True),
        (4, 140, HALF_A_PERCENT, False),
        (5, 300, HALF_A_PERCENT, True),
        (8, 600, HALF_A_PERCENT, True),
        (7, 600, HALF_A_PERCENT, False),
        (2, 17, HALF_A_PERCENT, True),
        (2, 18, HALF_A_PERCENT, False),
        (1, 1, HALF_A_PERCENT, False),
        (0, 0, HALF_A_PERCENT, False),
        (0, 500, HALF_A_PERCENT, False),
        (3, 3, HALF_A_PERCENT, True),
        (4, 4, QUARTER, False),
        (5, 5, QUARTER, True),
        (50, 130, QUARTER, True),
        (40, 130, QUARTER, False),
        (100_000, 1_000_000, HALF_A_PERCENT, True),
    ],
)
def test_proof(failed: int, of: int, ppm: int, is_proved: bool) -> None:
    """So many of so many prove more than the rate, or do not."""
    assert proves(failed, of, ppm) is is_proved


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 500_000))
def test_one_way(k: int, more: int, ppm: int) -> None:
    """One more failure never proves less, and one more good call never proves more."""
    n = k + more
    assert not proves(k, n, ppm) or proves(k + 1, n + 1, ppm)
    assert not proves(k, n + 1, ppm) or proves(k, n, ppm)


@given(st.integers(0, 300), st.integers(1, 300))
def test_below_share(k: int, n: int) -> None:
    """The bound lies between nothing and the share itself, and nearer to it the less has to be sure."""
    k = min(k, n)
    assert 0 <= lower_bound(k, n, 3.0) <= lower_bound(k, n) <= lower_bound(k, n, 0.5) <= k / n + 1e-12


@given(st.integers(0, 6), st.integers(0, 12), st.floats(0.001, 0.6))
def test_tail(k: int, n: int, rate: float) -> None:
    """The tail is what the chances of each number from there on come to."""
    exact = sum(math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(k, n + 1))
    assert tail(k, n, rate) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("ppm", [100, 1_000, 5_000, 50_000])
def test_chance(ppm: int) -> None:
    """Of few, what counts as proof happens at the allowed rate once in 285 windows at most."""
    for k in range(1, FEW):
        n = max((n for n in range(k, 40_000) if proves(k, n, ppm)), default=0)
        assert n == 0 or tail(k, n, ppm / 1_000_000) <= TAIL
