from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, cast

import pytest

from loadtest import course
from loadtest.__main__ import main
from loadtest.course import Course, Plan
from loadtest.installation import ROOT, START_S, Breakwater
from loadtest.measure import BARE, OPERATIONS, ROADS, Verdict
from loadtest.stage import Generator, Stage, choose_cores, on

RUN = [sys.executable, "-m", "loadtest"]


def leftovers() -> set[str]:
    return {path.name for path in ROOT.glob(".tmp/load-*")}


@pytest.mark.slow
def test_tiny_run() -> None:
    """A tiny run measures every road, counts every call, leaves nothing behind, and says whether its figures stand."""
    before = leftovers()
    ran = subprocess.run(
        [*RUN, "--json", "--seconds", "0.1", "--connections", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * START_S,
        check=False,
    )
    assert ran.returncode in {Verdict.HELD.value, Verdict.INVALID.value}, ran.stdout + ran.stderr
    assert ran.stderr == ""
    document = json.loads(ran.stdout)
    assert document["verdict"] == Verdict(ran.returncode).name.lower()
    assert bool(document["why"]) == (ran.returncode != 0)
    shown = {(row["road"], row["operation"]) for row in document["table"]}
    assert shown == {(r, o) for r in ROADS for o in OPERATIONS} or "answered nothing" in document["why"][0]
    assert min(document["counts"].values()) > 0
    assert leftovers() <= before


@pytest.mark.slow
def test_told_to_stop() -> None:
    """A run that is told to stop ends with what it started, and leaves nothing behind."""
    before = leftovers()
    with subprocess.Popen(RUN, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # The first line is there once everything runs.
        assert "Python" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        # Its children hold this pipe too: it ends when the last of them has.
        assert process.stderr.read() == ""
        assert process.wait(START_S) == Verdict.FAILED.value
    assert leftovers() <= before


class FakeGenerator(Generator):
    def __init__(self, lost: int) -> None:
        self.upstream, self.lost = dict.fromkeys(OPERATIONS, 0), lost

    def do(self, job: Mapping[str, object]) -> Any:
        # The first job loses what is to be lost.
        self.upstream[str(job["operation"])] += 2 - self.lost
        self.lost = 0
        speed = {"loop://direct": 100.0, "loop://bare proxy": 10.0}.get(str(job["url"]), 1.0)
        error = "" if job["url"] != "loop://broken" else "a kept connection was closed"
        done = {"statuses": {"200": 2}, "calls": ["C"], "calls_per_second": speed, "p50_ms": 1.0, "p99_ms": 2.0}
        return {**done, "error": error}


class FakeStage(Stage):
    def counts(self) -> dict[str, int]:
        return dict(cast("FakeGenerator", self.generator).upstream)


@pytest.mark.parametrize(
    ("lost", "unrecorded", "bare", "why"),
    [
        (0, [], "bare proxy", ""),
        (1, [], "bare proxy", "direct read: 8 answered 200, and the upstream counts 7"),
        (0, ["create: C has 1 intents and 0 outcomes"], "bare proxy", "create: C has 1 intents and 0 outcomes"),
        (0, [], "broken", "bare proxy read: a kept connection was closed"),
    ],
)
def test_count_fails_run(
    monkeypatch: pytest.MonkeyPatch, lost: int, unrecorded: list[str], bare: str, why: str
) -> None:
    """A call that the upstream or the ledger counts otherwise, or that was not answered, fails the run."""
    monkeypatch.setattr(course, "recorded", lambda breakwater, governed: unrecorded)
    roads = {road: (f"loop://{bare if road == BARE else road}", "") for road in ROADS}
    stage = FakeStage(roads, FakeGenerator(lost), "", cast("Breakwater", None))
    result = Course(stage, Plan(rounds=3, seconds=1.0, connections=1, per_second=1.0)).run()
    assert result.judgement.verdict is (Verdict.FAILED if why else Verdict.HELD)
    assert why in "\n".join(result.judgement.why)


@pytest.mark.parametrize("given", [["--rounds", "2"], ["--seconds", "0"], ["--connections", "0"], ["--rate", "nan"]])
def test_usage(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A run of too few rounds, or of nothing, is not begun."""
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    assert given[0] in capsys.readouterr().err


def test_two_cores() -> None:
    """Who is under test and who calls it are on different cores where there are two, and this process stays free."""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this machine cannot choose")
    allowed, cores = os.sched_getaffinity(0), choose_cores()
    assert (cores.subject is None) == (len(allowed) == 1)
    with on(cores.subject):
        assert os.sched_getaffinity(0) == ({cores.subject} if cores.subject is not None else allowed)
    assert os.sched_getaffinity(0) == allowed
    assert cores.beside != cores.subject or cores.subject is None
