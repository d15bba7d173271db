"""
A run: the chosen scenarios one after the other, what they came to held against promises, and what that is worth.

What could not be measured properly is measured once more: a scenario whose ceiling was too low, and in the lenient
profile one that broke a promise about speed and nothing else. A wrong count is wrong the first time. A scenario that
breaks off fails alone, and the next one runs.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from loadtest.bench import NOTHING, Bench, Planted, Scenario
from loadtest.installation import ROOT
from loadtest.processes import Cores
from loadtest.profiles import Profile
from loadtest.promises import Promise, held
from loadtest.results import Kept, Kind, Result, Run, State, Verdict


@dataclass(frozen=True, slots=True)
class Runner:
    """
    How a run is made. `say` is told of progress, a line at a time; a `whole` run is one of all that its profile has.
    """

    profile: Profile
    promises: Sequence[Promise]
    say: Callable[[str], None]
    cores: Cores
    planted: Planted = NOTHING
    peers: Path | None = None
    whole: bool = False

    def run(self, scenarios: Iterable[Scenario]) -> Run:
        """
        Run scenarios, and judge.
        """
        with folder() as room:
            results = tuple(self._whole(scenario, room) for scenario in scenarios)
        kept = self._held(results, whole=self.whole)
        verdict, why = judge(results, kept)
        return Run(self.profile.name, setting(self.cores), results, kept, verdict, why)

    def _held(self, results: Iterable[Result], *, whole: bool = False) -> tuple[Kept, ...]:
        return held(self.promises, results, self.profile.name, lenient=self.profile.lenient, whole=whole)

    def _whole(self, scenario: Scenario, room: Path) -> Result:
        result = self._once(scenario, room)
        again = self.again(result)
        if not again:
            return result
        self.say(f"{scenario.name}: once more, since {again}")
        # A count that is wrong the second time is wrong; those of the first were right, or it would not be repeated.
        return self._once(scenario, room)

    def again(self, result: Result) -> str:
        """
        Say why a scenario is repeated; empty where it is not.
        """
        if not all(check.held for check in result.checks):
            return ""
        if result.state is State.INVALID:
            return result.why
        broken = [kept for kept in self._held([result]) if kept.held is False]
        if not self.profile.lenient or result.state is not State.RAN or any(k.kind is Kind.COUNT for k in broken):
            return ""
        return ", ".join(f"{kept.figure} is {kept.found:.2f}" for kept in broken if kept.found is not None)

    def _once(self, scenario: Scenario, rooms: Path) -> Result:
        if why := scenario.needs():
            self.say(f"{scenario.name}: absent: {why}")
            return Result(scenario.name, scenario.question, State.ABSENT, why)
        self.say(f"{scenario.name}: {scenario.question}")
        began = time.monotonic()
        # Never named after the scenario: anybody's own may be called anything, and this folder is removed.
        room = Path(tempfile.mkdtemp(dir=rooms))
        say = lambda line: self.say(f"{scenario.name}: {line}")  # noqa: E731
        try:
            with Bench(self.profile, room, say, self.cores, self.planted, self.peers) as bench:
                result = scenario.run(bench)
        except Exception as error:
            # Whatever it was: it ends a scenario and not the run, and where it stands is said.
            self.say("".join(traceback.format_exception(error)).rstrip())
            result = Result(scenario.name, scenario.question, State.FAILED, _reason(error))
        # A run's folders together would fill a small disk.
        shutil.rmtree(room, ignore_errors=True)
        took = time.monotonic() - began
        self.say(f"{scenario.name}: {result.state} in {took:.1f} s{': ' + result.why if result.why else ''}")
        return replace(result, seconds=round(took, 2))


def _reason(error: Exception) -> str:
    """
    Return why a scenario broke off in a line: what a process that did not start said last says it.
    """
    first, *rest = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {first}{' … ' + rest[-1].strip() if rest else ''}"


def judge(results: Iterable[Result], kept: Iterable[Kept]) -> tuple[Verdict, tuple[str, ...]]:
    """
    Say what a run is worth, and why: what is wrong goes before what could not be measured.
    """
    wrong, void = [], []
    for result in results:
        if result.state is State.FAILED:
            wrong.append(f"{result.scenario} broke off: {result.why}")
        if result.state is State.INVALID:
            void.append(f"{result.scenario} is invalid, once more: {result.why}")
        wrong += [f"{result.scenario}: {check.says}: {check.found}" for check in result.checks if not check.held]
    states = {result.scenario: result.state for result in results}
    for one in kept:
        # Of a scenario that broke off or is invalid that was said above.
        if one.held is False and states.get(one.scenario, State.RAN) is State.RAN:
            missed = f"was not asked: {one.why}" if one.why else "was not measured"
            if one.found is not None:
                missed = f"is {one.found:.2f}, {'under' if one.at_least else 'over'} {one.needed:.4g}"
            wrong.append(f"{one.scenario}: {one.figure} {missed}")
    if wrong:
        return Verdict.FAILED, (*wrong, *void)
    return (Verdict.INVALID, tuple(void)) if void else (Verdict.HELD, ())


def setting(cores: Cores) -> dict[str, str]:
    """
    Say on what and with what it is measured.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "uvloop"))
    return {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": f"{platform.python_version()}, {packages}",
        "cores": str(cores),
        "breakwater": version("breakwater"),
    }


@contextmanager
def folder() -> Iterator[Path]:
    """
    Make a folder in the checkout for everything, and remove it.
    """
    room = ROOT / ".tmp"
    room.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="load-", dir=room))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
