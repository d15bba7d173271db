"""Whether a figure stays where it is while time passes: the slope of a straight line through its samples. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Samples = Sequence[tuple[float, float]]
"""Moments in seconds, each with a value."""


def slope(samples: Samples) -> float:
    """
    Return by how much a value grows in a second, by least squares; 0 where there are too few samples to say.
    """
    count = len(samples)
    if count < 2:
        return 0.0
    middle = sum(at for at, _ in samples) / count
    mean = sum(value for _, value in samples) / count
    spread = sum((at - middle) ** 2 for at, _ in samples)
    return sum((at - middle) * (value - mean) for at, value in samples) / spread if spread else 0.0


def since(samples: Samples, warm_s: float) -> Samples:
    """
    Return the samples that were taken once it was warm.
    """
    return [(at, value) for at, value in samples if at >= warm_s]
