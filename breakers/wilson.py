"""
Whether so many of so many prove a rate: the lower end of Wilson's interval, and the exact tail where few happened.

A share of few says little: one error of a hundred is 1 %, and nothing. So a rate counts as exceeded only where what was
seen could hardly come of it. Wilson's interval says so well where five or more happened:

    WilsonLB(k, n, z) = (p + z²/2n - z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n),  p = k/n

Below that the bell curve behind it promises too much: with z = 2.576 it takes 3 of 190 for proof of more than 0.5 %,
which an upstream that keeps to 0.1 % shows every other week in each of its breakers. There the binomial tail itself is
asked: how often k or more of n happen at the rate that is allowed.
"""

from __future__ import annotations

import math

Z = 2.576
"""The 99 % interval, of which one side counts: whoever keeps to the rate is above it once in two hundred windows."""

FEW = 5
"""Below so many the exact tail is asked."""

TAIL = 0.0035
"""What k of n may be worth at the allowed rate: three of 60 at 0.5 % are 0.0034, and must be enough."""

PPM = 1_000_000


def lower_bound(k: int, n: int, z: float = Z) -> float:
    """
    Return the lower end of Wilson's interval for k of n.
    """
    if n <= 0:
        return 0.0
    p, over = k / n, z * z / n
    low = (p + over / 2 - z * math.sqrt(p * (1 - p) / n + over / (4 * n))) / (1 + over)
    return max(0.0, low)


def tail(k: int, n: int, rate: float) -> float:
    """
    Return how likely k or more of n are where each happens at this rate.
    """
    below = sum(math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(min(k, n + 1)))
    return max(0.0, 1 - below)


def proves(k: int, n: int, ppm: int) -> bool:
    """
    Tell whether k of n prove more than this rate, in parts per million.
    """
    if k <= 0 or k * PPM <= n * ppm:
        return False
    return tail(k, max(k, n), ppm / PPM) <= TAIL if k < FEW else lower_bound(k, max(k, n)) > ppm / PPM
