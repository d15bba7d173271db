"""What every test stands on: properties that repeat, figures that are printed, a share of torture's time."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from tests.canary import plugin as canary

Figure = Callable[[str, float], None]

# The suite must say the same of one commit every time, and leaves no database behind; torture looks for what is new.
# Two busy cores make any deadline on a single example a lottery.
_QUIET = settings(database=None, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", _QUIET, derandomize=True)
settings.register_profile("torture", _QUIET)

# By what they took beside another worker; most of it is waiting for processes that they start.
LONGEST = (
    "tests/repeats/test_machine.py",
    "tests/chaos/",
    "tests/sim/",
    "tests/clients/",
    "tests/gaps/",
    "tests/crash/",
    "tests/workers/",
    "tests/wire/",
    "tests/starts/",
    "tests/loadtest/test_load.py",
    "tests/loadtest/test_scenarios_run.py",
    "tests/docs/",
    "tests/deploy/",
    "tests/loadtest/test_demo.py",
    "tests/ledger/test_snapshot_speed.py",
    "tests/contract/test_races.py",
    "tests/transcripts/",
    "tests/test_tidy.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """
    Choose how properties draw their examples, and let the canary into every test.
    """
    settings.load_profile("torture" if config.getoption("markexpr") == "torture" else "suite")
    config.pluginmanager.register(canary)


# Objects more than there were, after which those are looked for that nobody needs, as in a process that serves.
COLLECTED_AFTER = 10_000


def pytest_collection_finish() -> None:
    """
    Have the garbage collector look at what tests make, and seldom: the suite itself is large, and stays to the end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Begin with the files that take longest, so that no worker goes on alone at the end.
    """
    items.sort(
        key=lambda item: next((n for n, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))
    )


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """
    Return a function that records a figure; all of them are printed when the run ends.
    """

    def record(name: str, value: float) -> None:
        record_property(f"figure {name}", value)

    return record


@pytest.fixture
def torture_until(request: pytest.FixtureRequest) -> float:
    """
    Return the monotonic second at which this torture test ends: its share of `MINUTES`, by its mark's `weight`.
    """
    marks = [mark for item in request.session.items if (mark := item.get_closest_marker("torture"))]
    own = request.node.get_closest_marker("torture")
    weights = sum(_weight(mark) for mark in marks)
    return time.monotonic() + 60 * float(os.environ.get("MINUTES", "10")) * _weight(own) / max(1, weights)


def _weight(mark: pytest.Mark) -> float:
    return float(mark.kwargs.get("weight", 1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """
    Print the figures that tests recorded, from whichever process they ran in.
    """
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    figures = sorted(
        {
            (str(name)[7:], value)
            for report in reports
            for name, value in report.user_properties
            if str(name)[:7] == "figure "
        }
        | {(f"canary, {name}", float(value)) for name, value in canary.totals.items()}
    )
    if figures:
        terminalreporter.section("figures")
        for name, value in figures:
            terminalreporter.line(f"{name}: {value:,}")
