from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import peers
from loadtest.__main__ import main
from loadtest.bench import Bench, Planted, Scenario
from loadtest.filling import fill
from loadtest.installation import PROGRAM, ROOT, START_S, Breakwater, stripe_api
from loadtest.jobs import Done
from loadtest.measure import BARE, GOVERNED, ROADS
from loadtest.processes import Cores, choose_cores, on
from loadtest.profiles import CI, Flat, Loops, Mix, Profile
from loadtest.promises import Promise
from loadtest.report import document
from loadtest.results import EXITS, Check, Result, Run, State, Verdict
from loadtest.running import Runner
from loadtest.scenario import CREATE, READ, REFUSAL, REPLAY
from loadtest.scenarios import SCENARIOS, flat, footprint, in_flight, latency, mix, throughput, workers
from loadtest.scene import entries
from proxy.ledger.disk import RealDisk
from proxy.ledger.verify import verify
from tests.loadtest.test_scenarios_run import doubling

RUN = [sys.executable, "-m", "loadtest"]

SHORT = Loops(rounds=1, seconds=0.1, connections=4)
TINY = replace(
    CI,
    throughput=SHORT,
    latency=replace(SHORT, per_second=100.0),
    in_flight=30,
    footprint_starts=1,
    footprint_records=300,
    flat=Flat(SHORT, apart=False, agents=20, tasks=10, records=300),
    workers=SHORT,
    mix=Mix(seconds=0.5, per_second=120.0, agents=3, seed=1),
)


def ran(scenario: Scenario, *promises: Promise, profile: Profile = TINY, planted: Planted = Planted()) -> Run:  # noqa: B008
    return Runner(profile, promises, lambda _: None, Cores(None, None), planted).run([scenario])


def leftovers() -> set[str]:
    return {path.name for path in ROOT.glob(".tmp/load-*")}


# ---------------------------------------------------------------------------------------------------- speed, in small

# The figures that promises use, by scenario.
FIGURES: Mapping[str, set[str]] = {
    "throughput": {"read.of_bare", "create.of_bare", "replay.of_bare", "refusal.of_bare"},
    "latency": {"read.added_p50_ms", "read.added_p99_ms", "write.added_p50_ms", "write.added_p99_ms"},
    "in-flight": {"bytes.of_bare"},
    "footprint": {"idle_rss_mb", "start_s", "start_million_s"},
    "flat": {"all.of_small"},
    "workers": {"two.of_one"},
    "mix": {"create.p50_ms"},
}


@pytest.mark.slow
@pytest.mark.timeout(120)  # processes start, one after the other, on a machine that may be busy
@pytest.mark.parametrize(
    "scenario",
    [
        throughput.SCENARIO,
        in_flight.SCENARIO,
        mix.SCENARIO,
        # Of these the whole load test tells as much: they start one process after the other.
        *(
            pytest.param(module.SCENARIO, marks=pytest.mark.torture(weight=1))
            for module in (latency, footprint, flat, workers)
        ),
    ],
    ids=lambda scenario: scenario.name,
)
def test_speed_scenario(scenario: Scenario) -> None:
    """A scenario about speed measures what promises speak of, counts every call, and leaves nothing behind."""
    before = leftovers()
    (result,) = ran(scenario).results
    assert result.state in {State.RAN, State.INVALID}, result.why
    assert {check.name: check.found for check in result.checks if not check.held} == {}
    assert result.figures.keys() | result.absent.keys() >= FIGURES[scenario.name]
    assert result.lines or result.timeline
    assert leftovers() <= before


# Once it is ready, whoever serves has one part of ten of its interpreter: another thread has the others, 50 ms at a
# time, and waits no longer than the 5 ms after which the interpreter is handed over.
SLOW = """
import pathlib, runpy, sys, threading, time
def busy(run):
    while not run.exists():
        time.sleep(0.05)
    while True:
        sum(range(2_500_000))
if "serve" in sys.argv:
    config = pathlib.Path(sys.argv[sys.argv.index("--config") + 1])
    threading.Thread(target=busy, args=(config.parent / "state" / "run.json",), daemon=True).start()
runpy.run_module("proxy", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_planted_slowdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Breakwater that is ten times slower than it was breaks a promise about speed and fails the run."""
    monkeypatch.setattr(throughput, "MEASURED", [(road, READ) for road in ROADS])
    # Long enough for a call that waits for its turn several times; nothing is measured once more.
    lasting = replace(TINY, lenient=False, throughput=replace(SHORT, seconds=0.5))
    was = ran(throughput.SCENARIO, profile=lasting).results[0].figures["read.of_bare"].value
    fast = Promise(name="fast", says="as it was", scenario="throughput", figure="read.of_bare", at_least=was / 2)
    run = ran(throughput.SCENARIO, fast, profile=lasting, planted=Planted(program=(PROGRAM[0], "-c", SLOW)))
    assert run.verdict is Verdict.FAILED
    (kept,) = run.promises
    assert not kept.held
    assert kept.found is not None, "it was measured"
    assert "read.of_bare is" in run.why[0]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_planted_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """One create that is made twice behind Breakwater fails the run, however fast it was."""
    monkeypatch.setattr(throughput, "MEASURED", [(road, CREATE) for road in ROADS])
    run = ran(throughput.SCENARIO, planted=Planted(between=doubling))
    assert run.verdict is Verdict.FAILED
    assert "governed create" in run.why[0]
    assert "and the upstream counts" in run.why[0]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_peer_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A promise about a peer that is not installed is not asked, with the reason, and fails nobody."""
    monkeypatch.setattr(throughput, "MEASURED", [(road, READ) for road in ROADS])
    monkeypatch.setattr(peers, "started", lambda *_: ([], {"nginx": "no nginx on PATH"}))
    beside = Promise(name="beside", says="as fast", scenario="throughput", figure="read.nginx", at_least=1.0)
    runner = Runner(TINY, [beside], lambda _: None, Cores(None, None), peers=tmp_path, whole=True)
    run = runner.run([throughput.SCENARIO])
    assert [(kept.held, kept.why) for kept in run.promises] == [(None, "read.nginx is absent: no nginx on PATH")]
    assert not any("read.nginx" in why for why in run.why)


# ------------------------------------------------------------------------------------------------------------ command


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of a scenario of one's own holds what it promises, and is told in every form of report."""
    out = tmp_path / "reports"
    assert main(["--scenario", str(ROOT / "loadtest" / "example.yaml"), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((out / "result.json").read_bytes()) == printed
    run = document.read(printed)
    assert (run.verdict, [kept.held for kept in run.promises]) == (Verdict.HELD, [True, True])
    assert [result.scenario for result in run.results] == ["support"]
    assert ET.parse(out / "junit.xml").getroot().tag.startswith("testsuite")
    assert "support" in (out / "report.md").read_text()
    assert "<svg" in (out / "report.html").read_text()
    assert main(["compare", str(out / "result.json"), str(out / "result.json")]) == 0
    assert "nothing changed" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_told_to_stop(tmp_path: Path) -> None:
    """A run that is told to stop ends with what it started, and leaves nothing behind."""
    before = leftovers()
    given = [*RUN, "--scenario", str(ROOT / "loadtest" / "example.yaml"), "--out", str(tmp_path / "reports")]
    with subprocess.Popen(given, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # Everything runs once it is told of.
        assert any("calling for" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        # Its children hold this pipe too: it ends when the last of them has.
        assert process.stderr.read() == ""
        assert process.wait(START_S) == EXITS[Verdict.FAILED]
    assert leftovers() <= before


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """The list names every scenario with its question."""
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [scenario.name for scenario in SCENARIOS]
    assert all(line.endswith("?") for line in lines)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only", "latancy"], "did you mean `latency`?"),
        (["--promises", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["--promises", str(ROOT / "loadtest" / "example.yaml")], "error: example.yaml:"),
        (["--scenario", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["--scenario", str(ROOT / "loadtest" / "promises.yaml")], "error: promises.yaml"),
        (["compare", "nowhere.json", "nowhere.json"], "nowhere.json"),
        (["compare", str(ROOT / "loadtest" / "floors.json"), "nowhere.json"], "floors.json"),
    ],
)
def test_usage(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read or is not there is told with a way out, and nothing is begun."""
    assert main(given) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.startswith("error: ")
    assert "hint: " in told.err
    assert told.out == ""


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help ends with examples and says what the exit codes mean."""
    for given in (["--help"], ["compare", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(given)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert "python -m loadtest compare old/result.json" in told
        assert ("exit codes" in told) == (given == ["--help"])


# ------------------------------------------------------------------------------------------------------------- parts


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


# The records of a read and of a write, as they stood on record of real calls.
PAST = Path(__file__).with_name("past.json")


def test_past(tmp_path: Path) -> None:
    """An installation is given a past that verifies, with as many records, tasks and keys as were asked for."""
    apis = {"stripe": stripe_api("http://127.0.0.1:9")}
    breakwater = Breakwater(tmp_path / "site", {"apis": apis, "agents": {}}, {})
    task = fill(breakwater, json.loads(PAST.read_text()), records=900, tasks=3, agents=["one", "two"])
    assert task.startswith("load_agent/")
    found = verify(RealDisk(), breakwater.state)
    assert found.findings == []
    told = list(entries(breakwater.state))
    kinds = Counter(entry["k"] for _, entry in told)
    calls = {kind: count for kind, count in kinds.items() if kind.startswith(("call.", "change."))}
    assert 900 <= sum(calls.values()) <= 903
    assert (kinds["task.opened"], kinds["key.minted"], kinds["log.closed"]) == (3, 2, 1)
    names = [entry["idem"]["k"] for _, entry in told if entry["k"] == "call.intent"]
    assert len(set(names)) == len(names) == kinds["change.recorded"]
    at = {index: entry["call"] for index, entry in told if entry["k"] == "call.intent"}
    ends = [entry for _, entry in told if entry["k"] == "call.outcome" and entry["intent"] is not None]
    assert all(at[entry["intent"]] == entry["call"] for entry in ends)


def test_files_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls in flight that need more open files than are allowed are not tried, and the reason has both numbers."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    assert in_flight.files_missing(1000) == ""
    assert "10400 open files, and 4096 are allowed" in in_flight.files_missing(5000)


DRAWN = [mix.Drawn(0, READ, 0), mix.Drawn(0, CREATE, 1), mix.Drawn(0, REPLAY, 1), mix.Drawn(1, REFUSAL, 3)]
RIGHT = ["200", "200", "200 replayed", "403 limit-exceeded"]

# What callers of the mixture were told, what the upstream counts, and which check finds it.
MIXED: tuple[tuple[str, list[str], tuple[int, int], set[str]], ...] = (
    ("all is right", RIGHT, (1, 1), set()),
    ("the repeat came first", ["200", "200 replayed", "200", "403 limit-exceeded"], (1, 1), set()),
    ("a write made twice", RIGHT, (1, 2), {"effects"}),
    ("a refusal that took effect", ["200", "200", "200 replayed", "200"], (1, 2), {"answered", "effects"}),
    ("a repeat told 200", ["200", "200", "200", "403 limit-exceeded"], (1, 1), {"answered"}),
    ("a write that nobody was told", ["200", "503 a", "200 replayed", "403 limit-exceeded"], (1, 1), {"answered"}),
    ("a read lost", ["503 a", "200", "200 replayed", "403 limit-exceeded"], (0, 1), {"answered", "effects"}),
)


@pytest.mark.parametrize(("said", "upstream", "wrong"), [case[1:] for case in MIXED], ids=[case[0] for case in MIXED])
def test_mixture_judged(said: list[str], upstream: tuple[int, int], wrong: set[str]) -> None:
    """In a mixture one of a write and its repeats is the first, all others are repeats, and each took effect once."""
    checks = mix.told_rightly(DRAWN, Done(said=said), dict(zip((READ, CREATE), upstream, strict=True)))
    assert {check.name for check in checks if not check.held} == wrong


@pytest.mark.parametrize(("taken", "held"), [(25, True), (50, False), (0, False)])
def test_spend_judged(taken: int, held: bool) -> None:
    """What was taken of a cap is what the writes moved, and repeats and refusals took nothing."""
    assert mix.spent_rightly(DRAWN, {"agent:agent_00": taken * mix.AMOUNT / 25}).held is held


def test_mixture_drawn() -> None:
    """A mixture has every kind of call, is the same for equal seeds, and repeats only what the agent wrote before."""
    sizes = Mix(seconds=5.0, per_second=100.0, agents=4, seed=3)
    drawn = mix.draw(sizes)
    assert drawn == mix.draw(sizes)
    assert {each.kind for each in drawn} == set(mix.PARTS)
    written: dict[int, int] = {}
    for each in drawn:
        if each.kind == CREATE:
            written[each.number] = each.agent
        assert each.kind != REPLAY or written[each.number] == each.agent


def test_workers_judged() -> None:
    """Two workers that count otherwise than one are told apart by what differs."""
    one = {"create 200": 5, "create at the upstream": 5}
    assert workers.same(one, one).held
    different = workers.same(one, {**one, "create at the upstream": 6})
    assert (different.held, different.found) == (False, "create at the upstream: 5, 6")


def test_peers_absent(tmp_path: Path) -> None:
    """A peer that is not installed, or ends before it answers, is absent with its reason and fails nobody."""
    nowhere = peers.Peer("nowhere", "no-such-program", None, lambda *_: ())
    ends = peers.Peer("ends", "false", None, lambda *_: ())
    with Bench(CI, tmp_path / "room", lambda _: None, Cores(None, None), peers=tmp_path / "peers") as bench:
        roads, absent = peers.started(bench, "http://127.0.0.1:9", [nowhere, ends])
    assert roads == []
    assert absent["nowhere"] == "no no-such-program on PATH"
    assert absent["ends"].startswith("it does not answer")


def test_added_latency() -> None:
    """What Breakwater adds is taken within a round, and beside a write stands what its syncs took of the disk."""
    at = {(road, kind): [[1.0], [2.0], [3.0]] for road in ROADS for kind in (READ, CREATE)}
    at[GOVERNED, CREATE] = [[4.0], [9.0], [5.0]]
    at[BARE, CREATE] = [[1.5], [2.5], [3.5]]
    told = latency.figures(at)
    assert (told["write.added_p50_ms"].value, told["write.added_p50_ms"].of) == (3.0, (3.0, 7.0, 2.0))
    assert told["read.added_p99_ms"].value == 0.0
    beside = latency.beside(at, [[0.25], [0.5], [0.25]])
    assert beside["write.beside_p50_ms"].value == 0.5 + latency.SYNCS * 0.25
    assert beside["read.beside_p50_ms"].value == 0.0


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_peer_configured(peer: peers.Peer, tmp_path: Path) -> None:
    """Each peer listens on loopback alone, at the port that it was given, and leads to the upstream."""
    given = " ".join(peer.command(tmp_path, "http://127.0.0.1:5001", 6001))
    said = given + "".join(path.read_text() for path in tmp_path.iterdir())
    assert "127.0.0.1:5001" in said
    assert "6001" in said
    assert "0.0.0.0" not in said


def test_checks_first() -> None:
    """A check that did not hold is told in the run's reasons before anything that could not be measured."""
    wrong = Check("counts", "all counted", held=False, found="6 of 5")
    first = Scenario("a", "Is it?", lambda _: Result("a", "Is it?", State.INVALID, "low ceiling"))
    second = Scenario("b", "Is it?", lambda _: Result("b", "Is it?", checks=(wrong,)))
    run = Runner(CI, (), lambda _: None, Cores(None, None)).run([first, second])
    assert (run.verdict, run.why[0]) == (Verdict.FAILED, "b: all counted: 6 of 5")
    assert "low ceiling" in run.why[1]
