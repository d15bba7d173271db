from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import Schedule, percentile
from loadtest.counting import Said, uneven, unrecorded
from loadtest.measure import BARE, DIRECT, GOVERNED, Round, Sample, Verdict, judge, rows
from loadtest.scenario import CREATE, READ

# -------------------------------------------------------------------------------------------------- the run's judgement


def one_round(direct: float, bare: float, governed: float, *, late_ms: float = 0.0) -> Round:
    speeds = {DIRECT: direct, BARE: bare, GOVERNED: governed}
    p50s = {DIRECT: 0.5, BARE: 1.0, GOVERNED: 3.0}
    return {
        (road, operation): Sample(speeds[road], p50s[road] + late_ms, 2 * p50s[road] + late_ms)
        for road in speeds
        for operation in (READ, CREATE)
    }


# What direct, bare and governed did in each of three rounds, and what the run is worth.
RUNS: tuple[tuple[str, list[tuple[float, float, float]], Verdict], ...] = (
    ("a ceiling well above", [(40_000, 8_000, 900)] * 3, Verdict.HELD),
    ("a ceiling of exactly twice", [(16_000, 8_000, 900)] * 3, Verdict.HELD),
    ("a ceiling just under twice", [(15_999, 8_000, 900)] * 3, Verdict.INVALID),
    ("the governed road is the best", [(16_000, 800, 9_000)] * 3, Verdict.INVALID),
    ("one slow direct round", [(40_000, 8_000, 900), (9_000, 8_000, 900), (40_000, 8_000, 900)], Verdict.HELD),
    ("two slow direct rounds", [(9_000, 8_000, 900), (9_000, 8_000, 900), (40_000, 8_000, 900)], Verdict.INVALID),
)


@pytest.mark.parametrize(("speeds", "verdict"), [run[1:] for run in RUNS], ids=[run[0] for run in RUNS])
def test_ceiling(speeds: list[tuple[float, float, float]], verdict: Verdict) -> None:
    """A run whose ceiling is under twice its best subject is invalid and not passed."""
    judgement = judge(rows([one_round(*speed) for speed in speeds]), [])
    assert judgement.verdict is verdict
    assert bool(judgement.why) == (verdict is not Verdict.HELD)


def test_one_low_ceiling() -> None:
    """The ceiling is that of the operation that has the lower one."""
    slow = dict(one_round(40_000, 8_000, 900))
    slow[DIRECT, CREATE] = Sample(10_000, 0.5, 1.0)
    assert judge(rows([slow] * 3), []).verdict is Verdict.INVALID


@pytest.mark.parametrize("direct", [40_000.0, 9_000.0])
def test_wrong_count_fails(direct: float) -> None:
    """A wrong count fails a run whatever its figures, and is not called invalid."""
    judgement = judge(rows([one_round(direct, 8_000, 900)] * 3), ["a create has no outcome"])
    assert (judgement.verdict, judgement.why) == (Verdict.FAILED, ("a create has no outcome",))


def test_nothing_answered() -> None:
    """A round in which a road answered nothing has no ratio, so its run has no table and is invalid."""
    table = rows([one_round(40_000, 8_000, 900), one_round(40_000, 0, 900), one_round(40_000, 8_000, 900)])
    assert not table
    assert judge(table, []).verdict is Verdict.INVALID
    assert judge(table, ["a create has no outcome"]).verdict is Verdict.FAILED


def test_exit_codes() -> None:
    """Held, failed and invalid are told apart by the exit code, and none of them is the one for usage."""
    assert {verdict.name: verdict.value for verdict in Verdict} == {"HELD": 0, "FAILED": 1, "INVALID": 3}


def test_within_a_round() -> None:
    """A ratio and an added latency are taken within a round, so a slow machine does not change their medians."""
    rounds = [one_round(40_000, 8_000, 800), one_round(4_000, 800, 80, late_ms=50), one_round(20_000, 4_000, 400)]
    row = next(row for row in rows(rounds) if (row.road, row.operation) == (GOVERNED, READ))
    figures = [row.calls_per_second, row.of_bare, row.added_p50_ms, row.added_p99_ms]
    assert figures == pytest.approx([400, 0.1, 2.5, 5.0])


# ------------------------------------------------------------------------------------------------------------- arrivals


def test_from_intended_start() -> None:
    """A call that had to wait for its turn took as long as it waited and was under way."""
    schedule = Schedule(began=100.0, per_second=10.0, count=5)
    assert schedule.intended(3) == pytest.approx(100.3)
    # Sent at 100.9 because the one before it took so long, and answered at once.
    assert schedule.latency(3, 100.9) == pytest.approx(0.6)


@given(st.floats(0, 1e6), st.floats(0.1, 1e5), st.integers(1, 10_000), st.floats(-1, 1e6))
def test_due(began: float, per_second: float, count: int, later: float) -> None:
    """All calls up to the last one that is due were meant to begin by now, and the next one was not."""
    schedule, now = Schedule(began, per_second, count), began + later
    due, rounding = schedule.due(now), 1e-9 * max(1.0, now)
    assert 0 <= due <= count
    assert due == 0 or schedule.intended(due - 1) <= now + rounding
    assert due == count or schedule.intended(due) >= now - rounding


@given(st.lists(st.floats(0, 1e3), min_size=1), st.sampled_from((0.5, 0.99, 1.0)))
def test_percentile(values: list[float], part: float) -> None:
    """A percentile is one of the values, at least its part of them do not exceed it, and fewer stay below it."""
    found = percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values)
    assert sum(value < found for value in values) < part * len(values)


# -------------------------------------------------------------------------------------------------------------- counts


def intent(call: str) -> dict[str, Any]:
    return {"k": "call.intent", "call": call}


def outcome(call: str, index: int, **more: object) -> dict[str, Any]:
    return {"k": "call.outcome", "call": call, "intent": index, "eff": "applied", "st": 200, **more}


def read(call: str, *, complete: bool = True) -> dict[str, Any]:
    return {"k": "call.outcome", "call": call, "intent": None, "st": 200, "dlv": {"complete": complete}}


WHOLE = [{"k": "log.opened"}, intent("C1"), intent("C2"), outcome("C2", 2), read("R1"), outcome("C1", 1)]

# What stands in the ledger where creates C1 and C2 and the read R1 were answered with 200, and what is found.
LEDGERS: tuple[tuple[str, list[dict[str, Any]], str], ...] = (
    ("all of it", WHOLE, ""),
    ("an outcome is missing", WHOLE[:5], "create: C1 has 1 intents and 0 outcomes"),
    ("an outcome too many", [*WHOLE, outcome("C1", 1)], "create: C1 has 1 intents and 2 outcomes"),
    ("an intent too many", [*WHOLE, intent("C1")], "create: C1 has 2 intents and 1 outcomes"),
    ("a create that nobody was answered", [*WHOLE, intent("C3")], "creates: 2 answered, and the ledger has 3 intents"),
    ("an outcome of another intent", [*WHOLE[:5], outcome("C1", 2)], "its outcome says applied, 200"),
    ("a create in doubt", [*WHOLE[:5], outcome("C1", 1, eff="unknown")], "its outcome says unknown, 200"),
    ("a read is missing", [*WHOLE[:4], WHOLE[5]], "R1 has 0 records"),
    ("a read broke off", [*WHOLE[:4], read("R1", complete=False), WHOLE[5]], "R1 has 0 records"),
    ("a read twice", [*WHOLE, read("R1")], "R1 has 2 records"),
    ("a read that nobody was answered", [*WHOLE, read("R2")], "reads: 1 answered, and the ledger has 2 records"),
)


@pytest.mark.parametrize(("entries", "found"), [case[1:] for case in LEDGERS], ids=[case[0] for case in LEDGERS])
def test_ledger_counts(entries: list[dict[str, Any]], found: str) -> None:
    """Exactly the governed calls are in the ledger, each create with one intent and its outcome, each read once."""
    said = {CREATE: Said(calls=["C1", "C2"]), READ: Said(calls=["R1"])}
    faults = unrecorded(enumerate(entries), said)
    assert found in "\n".join(faults)
    assert bool(faults) == bool(found)


def test_one_call_named_twice() -> None:
    """Two answers that name one call are not two calls."""
    said = {CREATE: Said(calls=["C1", "C2", "C2"]), READ: Said(calls=["R1"])}
    assert "creates: 3 answers name 2 calls" in unrecorded(enumerate(WHOLE), said)


@pytest.mark.parametrize(
    ("statuses", "upstream", "found"),
    [
        ({200: 5}, 5, []),
        ({200: 5}, 4, ["bare read: 5 answered 200, and the upstream counts 4"]),
        ({200: 5}, 6, ["bare read: 5 answered 200, and the upstream counts 6"]),
        ({200: 5, 503: 2}, 5, ["bare read: 2 answered 503"]),
    ],
)
def test_upstream_counts(statuses: dict[int, int], upstream: int, found: list[str]) -> None:
    """Every call is answered with 200, and the upstream counts as many."""
    assert uneven("bare read", Said(Counter(statuses), [], upstream)) == found


def test_shown_faults() -> None:
    """Of many faults of one kind only the first few are spelled out."""
    calls = [f"C{n}" for n in range(50)]
    faults = unrecorded([], {CREATE: Said(calls=calls), READ: Said()})
    assert faults[3:] == [
        "create: and 47 more",
        "creates: 50 answered, and the ledger has 0 intents",
        "creates: 50 answered, and the ledger has 0 outcomes",
    ]
