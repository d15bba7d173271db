from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import Schedule, percentile
from loadtest.counting import NOT_NOW, SHOWN, Said, check, uneven, unrecorded
from loadtest.jobs import Done, Paced
from loadtest.measure import (
    BARE,
    COARSER,
    DIRECT,
    FINEST_MS,
    GOVERNED,
    Round,
    distribution,
    low_ceiling,
    of_bare,
    silent,
)
from loadtest.roads import TRIES, BrokenOffError, Road, Roads
from loadtest.scenario import CREATE, READ, REFUSAL, REPLAY

# ------------------------------------------------------------------------------------------------ what rounds come to


def one_round(direct: float, bare: float, governed: float, own: float = 1.0) -> Round:
    speeds = {DIRECT: direct, BARE: bare, GOVERNED: governed}
    both = {(road, operation): speeds[road] for road in speeds for operation in (READ, CREATE)}
    return both | {(GOVERNED, REPLAY): own * governed, (GOVERNED, REFUSAL): own * governed}


# What direct, bare and governed did in each of three rounds, and whether the figures mean anything.
RUNS: tuple[tuple[str, list[tuple[float, float, float, float]], bool], ...] = (
    ("a ceiling well above", [(40_000, 8_000, 900, 1)] * 3, True),
    ("a ceiling of exactly twice", [(16_000, 8_000, 900, 1)] * 3, True),
    ("a ceiling just under twice", [(15_999, 8_000, 900, 1)] * 3, False),
    ("the governed road is the best", [(16_000, 800, 9_000, 1)] * 3, False),
    ("only its refusals are", [(16_000, 800, 900, 9)] * 3, False),
    ("one slow direct round", [(40_000, 8_000, 900, 1), (9_000, 8_000, 900, 1), (40_000, 8_000, 900, 1)], True),
    ("two slow direct rounds", [(9_000, 8_000, 900, 1), (9_000, 8_000, 900, 1), (40_000, 8_000, 900, 1)], False),
)


@pytest.mark.parametrize(("speeds", "valid"), [run[1:] for run in RUNS], ids=[run[0] for run in RUNS])
def test_ceiling(speeds: list[tuple[float, float, float, float]], valid: bool) -> None:
    """A run whose ceiling is under twice its best subject is invalid, and says by how much."""
    why = low_ceiling([one_round(*speed) for speed in speeds])
    assert (why == "") == valid
    assert valid or "under 2 times" in why


class Busy:
    """An upstream that is never reached, and a generator whose calls are all told to come again."""

    def __init__(self) -> None:
        self.jobs = 0

    def counts(self) -> dict[str, int]:
        return {READ: 0, CREATE: 0}

    def begin(self, job: Paced) -> None:
        self.jobs += 1
        assert len(job.calls) == 5

    def end(self) -> Done:
        return Done({NOT_NOW: 5}, said=[NOT_NOW] * 5)


def test_never_told() -> None:
    """Calls that are told to come again for ever break the scenario off, and are not forgotten."""
    busy: Any = Busy()
    roads = Roads(busy, busy, [Road(GOVERNED, "http://127.0.0.1:1", "upstream-key")])
    with pytest.raises(BrokenOffError, match=f"5 were told {NOT_NOW}"):
        roads.insisted(GOVERNED, READ, 100.0, 5, 1)
    assert busy.jobs == TRIES


def test_one_low_ceiling() -> None:
    """The ceiling is that of the operation that has the lower one."""
    slow = {**one_round(40_000, 8_000, 900), (DIRECT, CREATE): 10_000.0}
    assert "10,000" in low_ceiling([slow] * 3)


def test_nothing_answered() -> None:
    """A round in which a road answered nothing has no ratio, and says which road that was."""
    rounds = [one_round(40_000, 8_000, 900), {**one_round(40_000, 8_000, 900), (BARE, READ): 0.0}]
    assert silent(rounds).startswith("bare proxy read")
    assert silent(rounds[:1]) == ""


def test_within_a_round() -> None:
    """A ratio is taken within a round, so a slow machine does not change its median."""
    rounds = [one_round(40_000, 8_000, 800), one_round(4_000, 800, 80), one_round(20_000, 4_000, 400)]
    found = of_bare(rounds, READ)
    assert (found.value, *found.of) == pytest.approx((0.1, 0.1, 0.1, 0.1))


@pytest.mark.parametrize("kind", [REPLAY, REFUSAL])
def test_same_request(kind: str) -> None:
    """What Breakwater answers itself is compared with the bare proxy's create, which is the same request."""
    rounds = [{**one_round(40_000, 8_000, 800, own=5), (BARE, READ): 1.0}]
    assert of_bare(rounds, kind).value == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1e5), min_size=1))
def test_distribution(values: list[float]) -> None:
    """Every latency is in one bucket, whose bound it does not exceed and comes near to."""
    told = distribution("read", values)
    assert sum(told.counts) == len(values)
    assert all(told.counts)
    assert list(told.bounds_ms) == sorted(set(told.bounds_ms))
    slowest = max(*values, FINEST_MS)
    assert slowest <= told.bounds_ms[-1] * 1.001 <= slowest * COARSER * 1.01


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


def decision(verdict: str) -> dict[str, Any]:
    return {"k": "call.decision", "call": "D", "pol": {"verdict": verdict}}


def summary(kind: str, count: int) -> dict[str, Any]:
    return {"k": kind, "counts": {"limit-exceeded": count - 1, "not-allowed": 1}}


WHOLE = [{"k": "log.opened"}, intent("C1"), intent("C2"), outcome("C2", 2), read("R1"), outcome("C1", 1)]
OWN = [
    decision("repeat"),
    summary("agent.repeated", 3),
    decision("deny"),
    decision("deny"),
    summary("agent.refused", 2),
]

# What stands in the ledger where creates C1 and C2 and the read R1 were answered with 200, and what is found.
LEDGERS: tuple[tuple[str, list[dict[str, Any]], str], ...] = (
    ("all of it", [*WHOLE, *OWN], ""),
    ("an outcome is missing", [*WHOLE[:5], *OWN], "create: C1 has 1 intents and 0 outcomes"),
    ("an outcome too many", [*WHOLE, outcome("C1", 1), *OWN], "create: C1 has 1 intents and 2 outcomes"),
    ("an intent too many", [*WHOLE, intent("C1"), *OWN], "create: C1 has 2 intents and 1 outcomes"),
    ("a create of nobody", [*WHOLE, intent("C3"), *OWN], "creates: 2 answered, and the ledger has 3 intents"),
    ("an outcome of another intent", [*WHOLE[:5], outcome("C1", 2), *OWN], "its outcome says applied, 200"),
    ("a create in doubt", [*WHOLE[:5], outcome("C1", 1, eff="unknown"), *OWN], "its outcome says unknown, 200"),
    ("a read is missing", [*WHOLE[:4], WHOLE[5], *OWN], "R1 has 0 records"),
    ("a read broke off", [*WHOLE[:4], read("R1", complete=False), WHOLE[5], *OWN], "R1 has 0 records"),
    ("a read twice", [*WHOLE, read("R1"), *OWN], "R1 has 2 records"),
    ("a read of nobody", [*WHOLE, read("R2"), *OWN], "reads: 1 answered, and the ledger has 2 records"),
    ("a refusal is missing", [*WHOLE, *OWN[:4]], "refusals: 4 answered, and the ledger has 2"),
    ("a refusal too many", [*WHOLE, *OWN, decision("deny")], "refusals: 4 answered, and the ledger has 5"),
    ("a replay is missing", [*WHOLE, *OWN[1:]], "replays: 4 answered, and the ledger has 3"),
)


@pytest.mark.parametrize(("entries", "found"), [case[1:] for case in LEDGERS], ids=[case[0] for case in LEDGERS])
def test_ledger_counts(entries: list[dict[str, Any]], found: str) -> None:
    """Exactly the governed calls are in the ledger, each write with an intent and its outcome, all others once."""
    said = {
        CREATE: Said(calls=["C1", "C2"]),
        READ: Said(calls=["R1"]),
        REPLAY: Said(Counter({"200 replayed": 4})),
        REFUSAL: Said(Counter({"403 limit-exceeded": 4})),
    }
    faults = unrecorded(enumerate(entries), said)
    assert found in "\n".join(faults)
    assert bool(faults) == bool(found)


def test_one_call_named_twice() -> None:
    """Two answers that name one call are not two calls."""
    said = {CREATE: Said(calls=["C1", "C2", "C2"]), READ: Said(calls=["R1"])}
    assert "creates: 3 answers name 2 calls" in unrecorded(enumerate(WHOLE), said)


# What callers were told, what reached the upstream, what they should be told, and what is found.
TOLD: tuple[tuple[dict[str, int], int, str, bool, list[str]], ...] = (
    ({"200": 5}, 5, "200", True, []),
    ({"200": 5}, 4, "200", True, ["read: 5 were told 200, and the upstream counts 4"]),
    ({"200": 5}, 6, "200", True, ["read: 5 were told 200, and the upstream counts 6"]),
    ({"200": 5, "503 killed": 2}, 5, "200", True, ["read: 2 were told 503 killed"]),
    ({"200 replayed": 5}, 0, "200 replayed", False, []),
    ({"200 replayed": 5}, 1, "200 replayed", False, ["read: none was to be sent, and the upstream counts 1"]),
    ({"200 replayed": 5, "424 lost": 1}, 0, "200 replayed", False, []),
)


@pytest.mark.parametrize(("told", "upstream", "wanted", "sent", "found"), TOLD)
def test_upstream_counts(told: dict[str, int], upstream: int, wanted: str, sent: bool, found: list[str]) -> None:
    """Every call is told what it should be, and the upstream counts those that were to be sent and no others."""
    assert uneven("read", Said(Counter(told), [], upstream), wanted, sent=sent, also="424 lost") == found


def test_shown_faults() -> None:
    """Of many faults of one kind only the first few are spelled out."""
    calls = [f"C{n}" for n in range(50)]
    faults = unrecorded([], {CREATE: Said(calls=calls), READ: Said()})
    assert faults[3:] == [
        "create: and 47 more",
        "creates: 50 answered, and the ledger has 0 intents",
        "creates: 50 answered, and the ledger has 0 outcomes",
    ]
    told = check("recorded", "all are on record", faults, 50)
    assert not told.held
    assert told.found.count(";") == SHOWN
    assert check("recorded", "all are on record", [], 50).held
