"""A histogram of durations by one label, counted in plain integers: whoever ends a call has eight of them to count."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Durations(Collector):
    """
    How long things took, by what they were; one thread counts and reads.

    The library's own takes a lock for each number and looks at one bound after the other, which is five times as dear.
    """

    def __init__(
        self, name: str, says: str, label: str, bounds_s: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._says, self._label = name, says, label
        self._bounds_us = [round(bound * 1_000_000) for bound in bounds_s]
        # As the library spells the bounds of its own histograms.
        self._shown = [floatToGoString(bound) for bound in (*bounds_s, float("inf"))]  # type: ignore[no-untyped-call]
        # Of each label one number for each bound, one for what is beyond them, and the sum.
        self._held: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(self._shown) + 1))
        registry.register(self)

    def __repr__(self) -> str:
        return f"Durations({self._name}, {len(self._held)} labels)"

    def took(self, taken: Mapping[str, int]) -> None:
        """
        Count what took so many microseconds each.
        """
        for what, micros in taken.items():
            held = self._held[what]
            held[bisect_left(self._bounds_us, micros)] += 1
            held[-1] += micros

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """
        Yield the metric without its numbers, by which a registry knows its name.
        """
        yield HistogramMetricFamily(self._name, self._says, labels=[self._label])

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """
        Yield the metric as it is read.
        """
        (family,) = self.describe()
        for what, (*counts, micros) in self._held.items():
            so_far, buckets = 0, []
            for bound, count in zip(self._shown, counts, strict=True):
                so_far += count
                buckets.append((bound, float(so_far)))
            family.add_metric([what], buckets, micros / 1_000_000)
        yield family
