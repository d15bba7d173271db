from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.faults import ConfigurationFault
from loadtest import __main__ as command
from loadtest.bench import Bench, Scenario
from loadtest.installation import NotStartedError
from loadtest.processes import Cores, cpu_s
from loadtest.profiles import CI, FULL, PROFILES
from loadtest.promises import OURS, Promise, held, parse, read_promises
from loadtest.results import EXITS, Check, Figure, Kind, Result, Run, State, Verdict
from loadtest.running import Runner
from loadtest.scenarios import SCENARIOS

RIGHT = Check("counts", "everybody counts the same", held=True, found="5 calls")
WRONG = replace(RIGHT, held=False, found="6 calls")

FAST = Promise(name="fast", says="it is fast", scenario="a", figure="of_bare", at_least=0.6)
SOON = Promise(name="soon", says="it is soon", scenario="a", figure="added_ms", at_most=2.0, beside="bare_ms")
NONE = Promise(name="none", says="none is lost", scenario="a", figure="lost", at_most=0, kind=Kind.COUNT)


def result(*checks: Check, state: State = State.RAN, why: str = "", **figures: float) -> Result:
    told = {name: Figure(value, "x") for name, value in figures.items()}
    return Result("a", "Is it?", state, why, figures=told, checks=checks or (RIGHT,))


def invalid() -> Result:
    return result(state=State.INVALID, why="the ceiling is low", of_bare=9.0)


# ----------------------------------------------------------------------------------------------------------- promises

# A promise, what was found, whether the lenient profile lets it pass, and whether the other one does.
HELD: tuple[tuple[str, Promise, dict[str, Any], bool, bool], ...] = (
    ("as promised", FAST, {"of_bare": 0.6}, True, True),
    ("half of it", FAST, {"of_bare": 0.3}, True, False),
    ("less than half", FAST, {"of_bare": 0.29}, False, False),
    ("at the limit", SOON, {"added_ms": 2.0}, True, True),
    ("twice the limit", SOON, {"added_ms": 4.0}, True, False),
    ("more than twice", SOON, {"added_ms": 4.1}, False, False),
    ("the machine itself takes more", SOON, {"added_ms": 9.0, "bare_ms": 5.0}, True, False),
    ("and it twice that", SOON, {"added_ms": 10.1, "bare_ms": 5.0}, False, False),
    ("the machine takes less", SOON, {"added_ms": 4.1, "bare_ms": 1.0}, False, False),
    ("a count is right", NONE, {"lost": 0}, True, True),
    ("a count is wrong", NONE, {"lost": 1}, False, False),
    ("not measured", FAST, {}, False, False),
)


@pytest.mark.parametrize(("promise", "found", "lenient", "strict"), [c[1:] for c in HELD], ids=[c[0] for c in HELD])
def test_held(promise: Promise, found: dict[str, Any], lenient: bool, strict: bool) -> None:
    """Speed passes at half of a ratio and twice a limit where the profile is lenient, a count only if it is right."""
    for is_lenient, expected in ((True, lenient), (False, strict)):
        (kept,) = held([promise], [result(**found)], "ci", lenient=is_lenient)
        assert kept.held is expected
        assert kept.bound == promise.bound


@pytest.mark.parametrize("state", [State.FAILED, State.INVALID])
def test_unmeasured(state: State) -> None:
    """A scenario that failed or is invalid keeps no promise, whatever figures it has."""
    (kept,) = held([FAST], [result(state=state, of_bare=5.0)], "ci", lenient=True)
    assert (kept.held, kept.found) == (False, None)


GONE = result(state=State.ABSENT, why="no Redis")
NO_PEER = replace(result(), absent={"of_bare": "no nginx"})

# What came of the promise's scenario, whether the profile is whole, whether the promise is held, and what is said.
UNASKED: tuple[tuple[str, list[Result], bool, bool | None, str], ...] = (
    ("not chosen", [], False, None, "a was not run"),
    ("not run", [], True, False, "a was not run"),
    ("absent", [GONE], False, None, "a is absent: no Redis"),
    ("absent from all", [GONE], True, None, "a is absent: no Redis"),
    ("a figure is absent", [NO_PEER], False, None, "of_bare is absent: no nginx"),
    ("a figure is absent from all", [NO_PEER], True, None, "of_bare is absent: no nginx"),
    ("a figure is missing", [result()], False, False, ""),
    ("a figure is missing from all", [result()], True, False, ""),
    ("measured", [result(of_bare=0.6)], True, True, ""),
)


@pytest.mark.parametrize(
    ("results", "whole", "kept", "why"), [case[1:] for case in UNASKED], ids=[case[0] for case in UNASKED]
)
def test_not_asked(results: list[Result], whole: bool, kept: bool | None, why: str) -> None:
    """No promise is passed over: it is not asked, with the reason, or broken where nothing excuses that."""
    (one,) = held([FAST], results, "ci", lenient=True, whole=whole)
    assert (one.held, one.why) == (kept, why)


def test_other_profile() -> None:
    """A promise of another profile only is none of this one."""
    full = FAST.model_copy(update={"profiles": ("full",)})
    assert held([full], [result(of_bare=5.0)], "ci", lenient=True, whole=True) == ()


# What stands in a file of promises, where its fault is, and what is said about it.
FAULTS: tuple[tuple[str, str, int, str], ...] = (
    ("a scenario", "{name: n, says: s, scenario: latancy, figure: f, at_most: 1}", 2, "did you mean `latency`?"),
    ("a key", "{name: n, says: s, scenario: latency, figure: f, at_mots: 1}", 2, "did you mean `at_most`?"),
    ("no bound", "{name: n, says: s, scenario: latency, figure: f}", 2, "`at_least:` or `at_most:`"),
    ("two bounds", "{name: n, says: s, scenario: latency, figure: f, at_most: 1, at_least: 1}", 2, "one bound"),
    ("a number", "{name: n, says: s, scenario: latency, figure: f, at_most: soon}", 2, "this must be a number"),
    ("a kind", "{name: n, says: s, scenario: latency, figure: f, at_most: 1, kind: sped}", 2, "kind"),
    ("a profile", "{name: n, says: s, scenario: latency, figure: f, at_most: 1, profiles: [cl]}", 2, "`cl`"),
    ("no profile", "{name: n, says: s, scenario: latency, figure: f, at_most: 1, profiles: []}", 2, "profile"),
    ("a name twice", "\n  - ".join(["{name: n, says: s, scenario: latency, figure: f, at_most: 1}"] * 2), 3, "twice"),
)


@pytest.mark.parametrize(("written", "line", "said"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_promise_faults(written: str, line: int, said: str) -> None:
    """What is wrong with a file of promises is told with its place and the right spelling."""
    raw = f"promises:\n  - {written}\n".encode()
    with pytest.raises(ConfigurationFault) as found:
        parse("p.yaml", raw, {"latency"}, PROFILES)
    fault = found.value.faults[0]
    assert fault.line == line
    assert said in f"{fault.message} {fault.hint} {written}"
    assert fault.hint or "number" in said or "kind" in said


def test_our_promises() -> None:
    """The promises of this repository are read, and each has a scenario that both profiles, or the long one, run."""
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    promises = read_promises(OURS, by_name, PROFILES)
    assert len(promises) >= 17
    assert all(set(promise.profiles) <= set(by_name[promise.scenario].profiles) for promise in promises)


# -------------------------------------------------------------------------------------------------------------- a run


class Ran:
    def __init__(self, *results: Result | Exception, needs: str = "") -> None:
        self.results, self.times, self.benches = list(results), 0, list[Bench]()
        self.scenario = Scenario("a", "Is it?", self.run, needs=lambda: needs)

    def run(self, bench: Bench) -> Result:
        self.benches.append(bench)
        assert bench.folder.is_dir()
        found = self.results[min(self.times, len(self.results) - 1)]
        self.times += 1
        if isinstance(found, Exception):
            raise found
        return found


def ran(of: Ran, *promises: Promise, lenient: bool = True, say: Callable[[str], None] = lambda _: None) -> Run:
    profile = CI if lenient else FULL
    return Runner(profile, promises, say, Cores(None, None)).run([of.scenario])


# What the scenario comes to each time, whether the profile is lenient, how often it runs, and what the run is worth.
VERDICTS: tuple[tuple[str, list[Result | Exception], bool, int, Verdict], ...] = (
    ("all is well", [result(of_bare=0.6)], True, 1, Verdict.HELD),
    ("a wrong count", [result(WRONG, of_bare=0.6)], True, 1, Verdict.FAILED),
    ("a wrong count and slow", [result(WRONG, of_bare=0.1)], True, 1, Verdict.FAILED),
    ("slow once", [result(of_bare=0.1), result(of_bare=0.4)], True, 2, Verdict.HELD),
    ("slow twice", [result(of_bare=0.1), result(of_bare=0.2)], True, 2, Verdict.FAILED),
    ("slow, then miscounted", [result(of_bare=0.1), result(WRONG, of_bare=0.6)], True, 2, Verdict.FAILED),
    ("slow, all promises asked", [result(of_bare=0.5), result(of_bare=0.6)], False, 1, Verdict.FAILED),
    ("invalid once", [invalid(), result(of_bare=0.6)], True, 2, Verdict.HELD),
    ("invalid twice", [invalid(), invalid()], True, 2, Verdict.INVALID),
    ("invalid twice, all asked", [invalid(), invalid()], False, 2, Verdict.INVALID),
    ("not measured", [result()], True, 1, Verdict.FAILED),
    ("it does not start", [NotStartedError("no")], True, 1, Verdict.FAILED),
    ("a connection breaks", [ConnectionResetError()], False, 1, Verdict.FAILED),
)


@pytest.mark.parametrize(
    ("results", "lenient", "times", "verdict"), [case[1:] for case in VERDICTS], ids=[case[0] for case in VERDICTS]
)
def test_verdicts(results: list[Result | Exception], lenient: bool, times: int, verdict: Verdict) -> None:
    """A wrong count fails at once, speed is measured once more where it is judged leniently, invalid figures always."""
    of = Ran(*results)
    run = ran(of, FAST, lenient=lenient)
    assert (of.times, run.verdict) == (times, verdict), run.why
    assert bool(run.why) == (verdict is not Verdict.HELD)
    assert not any(bench.folder.exists() for bench in of.benches)


@pytest.mark.parametrize("name", ["{0}/mine", "..", "."])
def test_any_name(name: str, tmp_path: Path) -> None:
    """Whatever a scenario is called, its folder is one of ours, and what has that name stays."""
    mine = tmp_path / "mine"
    mine.mkdir()
    of, rooms = Ran(result()), tmp_path / "rooms"
    (rooms / "run").mkdir(parents=True)
    scenario = replace(of.scenario, name=name.format(tmp_path))
    Runner(CI, (), lambda _: None, Cores(None, None))._whole(scenario, rooms / "run")
    assert [bench.folder.parent for bench in of.benches] == [rooms / "run"]
    assert mine.exists()
    assert (rooms / "run").exists()


def test_absent() -> None:
    """A scenario that lacks what it needs is absent with its reason, runs nothing, and fails nobody."""
    of, said = Ran(result(), needs="no redis-server"), list[str]()
    run = ran(of, FAST, say=said.append)
    assert (of.times, run.verdict, run.results[0].state) == (0, Verdict.HELD, State.ABSENT)
    assert run.results[0].why == "no redis-server"
    assert [(kept.held, kept.why) for kept in run.promises] == [(None, "a is absent: no redis-server")]
    assert "no redis-server" in said[0]


OTHER = NONE.model_copy(update={"name": "other", "scenario": "b"})


@pytest.mark.parametrize("whole", [False, True])
def test_whole(whole: bool) -> None:
    """A whole profile fails that left a promise unasked, and says which; what is slow is still measured once more."""
    of = Ran(result(of_bare=0.1), result(of_bare=0.6))
    run = Runner(CI, (FAST, OTHER), lambda _: None, Cores(None, None), whole=whole).run([of.scenario])
    assert of.times == 2
    assert run.verdict is (Verdict.FAILED if whole else Verdict.HELD)
    assert run.why == (("b: lost was not asked: b was not run",) if whole else ())


PROMISED = """\
promises:
  - {name: here, says: it is here, scenario: a, figure: of_bare, at_least: 0.6}
  - {name: elsewhere, says: it is elsewhere, scenario: b, figure: of_bare, at_least: 0.6}
"""


@pytest.mark.parametrize(
    ("given", "code", "told"), [([], 1, "BROKEN   b was not run"), (["--only", "a"], 0, "1 promises were not asked")]
)
def test_command(
    given: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who runs a whole profile is failed by a promise whose scenario it has not, who names scenarios is told of it."""
    scenarios = (Ran(result(of_bare=0.6)).scenario, Scenario("b", "And b?", Ran(result()).run, profiles=("full",)))
    monkeypatch.setattr(command, "SCENARIOS", scenarios)
    (tmp_path / "promises.yaml").write_text(PROMISED)
    given = [*given, "--profile", "ci", "--out", str(tmp_path / "out"), "--promises", str(tmp_path / "promises.yaml")]
    assert command.main(given) == code
    printed = capsys.readouterr().out
    assert told in printed
    assert "not asked   at least 0.30 here (0.60 promised)" in printed
    assert (tmp_path / "out" / "report.md").read_text().count("b was not run") == 1 + code


def test_stops_what_started(tmp_path: Path) -> None:
    """What a scenario started ends in the opposite order when it is over, also where it broke off."""
    ended: list[str] = []
    with pytest.raises(NotStartedError), Bench(CI, tmp_path / "room", print, Cores(None, None)) as bench:
        bench.later(lambda: ended.append("first"))
        bench.later(lambda: ended.append("second"))
        raise NotStartedError
    assert ended == ["second", "first"]


def test_processor_time(tmp_path: Path) -> None:
    """What a process worked is what its threads did; one that cannot be read any more hides no other one's."""
    for thread, nanoseconds in (("7", "1500000000"), ("8", "500000000")):
        (tmp_path / "7" / "task" / thread).mkdir(parents=True)
        (tmp_path / "7" / "task" / thread / "schedstat").write_text(f"{nanoseconds} 12 3\n")
    assert cpu_s(7, tmp_path) == 2.0
    (tmp_path / "7" / "task" / "9" / "schedstat").mkdir(parents=True)
    assert cpu_s(7, tmp_path) == 2.0
    assert cpu_s(1, tmp_path) == 0.0


def test_exit_codes() -> None:
    """Held, failed and invalid are told apart by the exit code, and none of them is the one for usage."""
    assert dict(EXITS) == {Verdict.HELD: 0, Verdict.FAILED: 1, Verdict.INVALID: 3}
