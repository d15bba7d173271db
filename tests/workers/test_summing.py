"""Several workers' metrics as one process's: what is summed, what is the same everywhere, what is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from proxy.control.summing import SHARED, SUMMED, Totals, read, spelled
from proxy.metrics import Metrics


class Shown:
    """
    What one process counts.
    """

    def __init__(self) -> None:
        r = CollectorRegistry()
        self._registry = r
        self.calls = Counter("breakwater_calls_total", "Calls.", ("api",), registry=r)
        self.took = Histogram("breakwater_stage_seconds", "Time.", buckets=(1, 2), registry=r)
        self.flying = Gauge("breakwater_in_flight", "Writes.", registry=r)
        self.epoch = Gauge("breakwater_kill_epoch", "Epoch.", registry=r)
        self.ready = Gauge("breakwater_ledger_ready", 'It says "ready"\\.', registry=r)

    @property
    def text(self) -> str:
        """
        Return what it shows.
        """
        return generate_latest(self._registry).decode()


def value(totals: Totals, name: str, heard: set[int], **labels: str) -> float | None:
    """
    Return a sample of what several come to.
    """
    found = {key: value for family in totals.all(heard).values() for key, value in family.samples.items()}
    return found.get((name, tuple(sorted(labels.items()))))


def test_summed() -> None:
    """Counts and histograms add up, parts of a gauge do, what is shared is said once, and what is a worker's is its."""
    one, two, totals = Shown(), Shown(), Totals()
    one.calls.labels("stripe").inc(3)
    two.calls.labels("stripe").inc(4)
    two.calls.labels("jira").inc()
    one.took.observe(0.5)
    two.took.observe(1.5)
    one.flying.set(1)
    two.flying.set(2)
    one.epoch.set(7)
    two.epoch.set(6)
    one.ready.set(1)
    for worker, shown in enumerate((one, two), 1):
        totals.heard(worker, worker, read(shown.text))
    both = {1, 2}
    assert value(totals, "breakwater_calls_total", both, api="stripe") == 7
    assert value(totals, "breakwater_calls_total", both, api="jira") == 1
    assert value(totals, "breakwater_stage_seconds_bucket", both, le="1.0") == 1
    assert value(totals, "breakwater_stage_seconds_bucket", both, le="+Inf") == 2
    assert value(totals, "breakwater_stage_seconds_sum", both) == 2
    assert value(totals, "breakwater_in_flight", both) == 3
    assert value(totals, "breakwater_kill_epoch", both) == 7
    assert value(totals, "breakwater_ledger_ready", both, worker="1") == 1
    assert value(totals, "breakwater_ledger_ready", both, worker="2") == 0
    assert value(totals, "breakwater_ledger_ready", both) is None


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["count", "look", "end", "miss"]), st.integers(0, 5)), max_size=30
    )
)
def test_never_falls(steps: list[tuple[int, str, int]]) -> None:
    """A sum of counts never falls, whichever process ends, and is the truth where each was asked before it ended."""
    counts, pids, truth, shown = {1: 0, 2: 0, 3: 0}, {1: 1, 2: 2, 3: 3}, 0, 0.0
    totals, missed = Totals(), False
    for worker, step, more in steps:
        if step == "count":
            counts[worker] += more
            truth += more
        elif step == "end":
            look(totals, worker, pids[worker], counts[worker])
            counts[worker], pids[worker] = 0, pids[worker] + 3
        elif step == "miss":
            missed = missed or counts[worker] > 0
            counts[worker], pids[worker] = 0, pids[worker] + 3
        else:
            for each, count in counts.items():
                look(totals, each, pids[each], count)
            now = value(totals, "breakwater_calls_total", set(counts)) or 0.0
            assert shown <= now <= truth
            assert missed or now == truth
            shown = now


def look(totals: Totals, worker: int, pid: int, count: int) -> None:
    """
    Have a worker asked.
    """
    text = f"# TYPE breakwater_calls_total counter\nbreakwater_calls_total {count}\n"
    totals.heard(worker, pid, read(text))


def test_silent() -> None:
    """Of a worker that is not heard its counts stay, and how it stood is not said."""
    one, totals = Shown(), Totals()
    one.calls.labels("stripe").inc()
    one.flying.set(5)
    totals.heard(1, 1, read(one.text))
    assert value(totals, "breakwater_calls_total", set(), api="stripe") == 1
    assert value(totals, "breakwater_in_flight", set()) is None


@given(label=st.text(max_size=20))
def test_spelled(label: str) -> None:
    """What is shown is read as what it was, whatever a label holds."""
    one = Shown()
    one.calls.labels(label).inc()
    one.took.observe(1.0)
    families = read(one.text)
    assert read(spelled(families.values())) == families


def test_rules_named() -> None:
    """Every gauge for which there is a rule is one of the program's."""
    gauges = {family.name for family in read(generate_latest(Metrics().registry).decode()).values()}
    assert gauges >= SUMMED | SHARED


@pytest.mark.parametrize("name", sorted(SUMMED | SHARED))
def test_rules_written(name: str) -> None:
    """Every gauge for which there is a rule is on the page of metrics."""
    page = Path(__file__).parents[2] / "docs" / "METRICS.md"
    assert f"`{name}`" in page.read_text("utf-8")
