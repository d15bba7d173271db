"""Durations are counted as the library's own histogram counts them, and shown as it shows them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from proxy.durations import Durations
from proxy.metrics import SECONDS


def shown(registry: CollectorRegistry) -> set[tuple[str, str, float]]:
    """
    Return the samples of the one metric there is, but for when it was made.
    """
    (family,) = registry.collect()
    assert (family.name, family.documentation, family.type) == ("took", "What it took.", "histogram")
    return {
        (one.name, str(sorted(one.labels.items())), round(one.value, 6))
        for one in family.samples
        if not one.name.endswith("_created")
    }


MICROS = st.integers(0, 100_000_000) | st.sampled_from([round(bound * 1_000_000) for bound in SECONDS])


@given(st.lists(st.tuples(st.sampled_from("abc"), MICROS)))
def test_as_the_library(took: list[tuple[str, int]]) -> None:
    """Any durations make the samples that the library's histogram makes of them, those at a bound below it."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("took", "What it took.", "what", SECONDS, ours)
    histogram = Histogram("took", "What it took.", ("what",), buckets=SECONDS, registry=theirs)
    for what, micros in took:
        durations.took({what: micros})
        histogram.labels(what).observe(micros / 1_000_000)
    assert shown(ours) == shown(theirs)
