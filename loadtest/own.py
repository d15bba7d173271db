"""
A user's own scenario: their Breakwater, their policy, their calls, judged like every other one.

Doors that are served already are called under a key; a configuration is started for the run (`placed.py`). The calls
are drawn from a seed, by the weights of the operations. What is wrong with the file, or with what it names, is said
before anything starts.
"""

from __future__ import annotations

import base64
import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from config.faults import ConfigurationFault, Unreadable
from config.shape import Places, shaped
from config.source import read_source
from loadtest.arrivals import percentile
from loadtest.bench import Bench, Scenario
from loadtest.counting import check
from loadtest.installation import Breakwater
from loadtest.jobs import PLACE, Closed, Done, Paced
from loadtest.measure import distribution
from loadtest.placed import placed, read_configuration
from loadtest.promises import Promise
from loadtest.results import Check, Distribution, Figure, Result, Timeline
from loadtest.roads import BrokenOffError, mint
from loadtest.scenario import Numbered
from loadtest.scene import entries
from loadtest.written import Called, Own, address_of, faults, misfits, read_key

# How many of its last calls a repeat is one of.
LATELY = 8

NUMBER = "{number}"


def read_own(
    path: Path, *, remote: bool = False, environment: Mapping[str, str] = os.environ, config: Path | None = None
) -> tuple[Scenario, list[Promise]]:
    """
    Read a scenario's file, and return it with its promises; `config` goes before the configuration that it names.

    Raise `ConfigurationFault` with everything that is wrong in it, `OSError` where it cannot be read.
    """
    source = read_source(path.name, path.read_bytes())
    places = Places(source)
    own, found = shaped(Own, source.value, (), places) if source.whole else (None, [])
    found = [*source.faults, *found]
    if own is not None and config is not None:
        target = own.target.model_copy(update={"config": str(config.absolute())})
        own = own.model_copy(update={"target": target})
    if own is not None and not found:
        found = list(faults(own, places, remote=remote))
    if found or own is None:
        raise ConfigurationFault(sorted(found))
    target, folder, key, document = own.target, path.parent, "", dict[str, Any]()
    if target.config is not None:
        document, configuration = read_configuration(folder / target.config, target.upstreams, remote=remote)
        if found := list(misfits(own, configuration, places)):
            raise ConfigurationFault(sorted(found))
    elif target.key is not None:
        try:
            key = read_key(target.key, folder, environment)
        except Unreadable as wrong:
            raise ConfigurationFault([places.value(("target", "key")).fault(wrong.message, wrong.hint)]) from None
    promises: list[Promise] = [promise.model_copy(update={"scenario": own.name}) for promise in own.promises]
    return Scenario(own.name, own.question, Run(own, remote, key, document, environment).run), promises


@dataclass(frozen=True, slots=True)
class Run:
    """
    A scenario that can be run: with an agent's `key` for doors that are served, or with a configuration's `document`.
    """

    own: Own
    remote: bool
    key: str = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    def run(self, bench: Bench) -> Result:
        """
        Start what is to be started, call, and judge.
        """
        own = self.own
        breakwater, doors, key = self._target(bench)
        drawn = {door: draw(own, door) for door in {called.door: None for called in own.operations}}
        bench.say(f"calling for {own.seconds:g} s")
        done = {}
        generators = {door: bench.generator() for door in drawn}
        for door, generator in generators.items():
            generator.begin(self._job(door, doors[door], key, drawn[door]))
        for door, generator in generators.items():
            done[door] = generator.end()
            if done[door].error:
                raise BrokenOffError(f"{door}: {done[door].error}")
        outcomes = [outcome for door, each in drawn.items() for outcome in _outcomes(_at(own, door), each, done[door])]
        checks = [expected(own, outcomes), *(recorded(breakwater) if breakwater is not None else ())]
        return Result(
            own.name,
            own.question,
            figures={"calls_per_second": rate(own, done.values()), **figures(own, outcomes)},
            checks=tuple(checks),
            distributions=tuple(distributions(own, outcomes)),
            timeline=_timeline(done.values()) if own.per_second is not None else None,
            lines=tuple(table(own, outcomes)),
        )

    def _job(self, door: str, url: str, key: str, drawn: Sequence[tuple[int, int]]) -> Closed | Paced:
        own, at = self.own, _at(self.own, door)
        texts = [text(called, address_of(url, remote=self.remote), key) for called in at]
        if own.per_second is None:
            order = [which for which, _ in drawn]
            return Closed(url, texts, own.connections, own.seconds, first=own.seed, order=order)
        return Paced(url, texts, drawn, own.connections, own.per_second * _share(own, door))

    def _target(self, bench: Bench) -> tuple[Breakwater | None, Mapping[str, str], str]:
        target = self.own.target
        if target.doors is not None:
            return None, target.doors, self.key
        document, secrets = placed(bench, self.document, self.environment)
        breakwater = bench.breakwater(document, secrets)
        bench.serve(breakwater)
        return breakwater, breakwater.doors, mint(breakwater, target.agent or "")


def draw(own: Own, door: str) -> list[tuple[int, int]]:
    """
    Draw the calls of one door: which operation of it, and the number, an earlier call's where it is a repeat.
    """
    at, chance = _at(own, door), random.Random(own.seed)
    count = round((own.per_second or 1000.0) * own.seconds * _share(own, door)) or 1
    drawn: list[tuple[int, int]] = []
    lately: list[list[int]] = [[] for _ in at]
    for number in range(count):
        (which,) = chance.choices(range(len(at)), [called.weight for called in at])
        again = lately[which] and chance.randrange(100) < at[which].repeats
        used = chance.choice(lately[which][-LATELY:]) if again else number
        if not again:
            lately[which].append(number)
        drawn.append((which, used))
    return drawn


def _at(own: Own, door: str) -> list[Called]:
    return [called for called in own.operations if called.door == door]


def _share(own: Own, door: str) -> float:
    return sum(called.weight for called in _at(own, door)) / sum(called.weight for called in own.operations)


def text(called: Called, host: str, key: str) -> str:
    """
    Return an operation's requests, with a place for the number.
    """
    body = urlencode(called.form, safe="{}") if called.form is not None else called.body or ""
    basic = base64.b64encode(f"{called.user}:{key}".encode()).decode()
    fields = {
        "Host": host,
        "Authorization": f"Basic {basic}" if called.user else f"Bearer {key}",
        "Accept": "application/json",
        "User-Agent": "load",
        **({"Content-Type": "application/x-www-form-urlencoded"} if called.form is not None else {}),
        **called.headers,
    }
    if body or called.method not in {"GET", "HEAD", "DELETE"}:
        fields["Content-Length"] = str(len(Numbered(body, NUMBER).at(0)))
    head = [f"{called.method} {called.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*head, "", body]).replace(NUMBER, PLACE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How often one operation's callers were told something, and how long each of those calls took, where that is timed.
    """

    name: str
    told: str
    count: int = 1
    ms: float | None = None


def _outcomes(at: Sequence[Called], drawn: Sequence[tuple[int, int]], done: Done) -> list[Outcome]:
    if done.by_text:
        told = zip(at, done.by_text, strict=True)
        return [Outcome(called.name, verdict, count) for called, each in told for verdict, count in each.items()]
    calls = zip(drawn, done.said, done.latencies_ms(), strict=True)
    return [Outcome(at[which].name, said, 1, ms) for (which, _), said, ms in calls]


def is_expected(called: Called, told: str) -> bool:
    """
    Tell whether an answer is one of those that are right: a status stands for all reasons that come with it.
    """
    return any(told == right or told.startswith(f"{right} ") for right in called.expect)


def expected(own: Own, outcomes: Iterable[Outcome]) -> Check:
    """
    Check that every call was told what its operation expects.
    """
    wrong, total = unexpected(own, outcomes), sum(outcome.count for outcome in outcomes)
    faults = [f"{name}: {count} were told {told}" for (name, told), count in sorted(wrong.items())]
    return check("expected", "each call is told what its operation expects", faults, total)


def unexpected(own: Own, outcomes: Iterable[Outcome]) -> Counter[tuple[str, str]]:
    """
    Count the calls that were told something else.
    """
    by_name = {called.name: called for called in own.operations}
    found: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        if not is_expected(by_name[outcome.name], outcome.told):
            found[outcome.name, outcome.told] += outcome.count
    return found


def recorded(breakwater: Breakwater) -> list[Check]:
    """
    Stop Breakwater, verify its record, and check that every write on it has an end.
    """
    code, verified = breakwater.terminate(), breakwater.cli("ledger", "verify")
    writes, ends = set[str](), set[str]()
    for _, entry in entries(breakwater.state):
        if entry["k"] == "call.intent":
            writes.add(entry["call"])
        elif entry["k"] == "call.outcome" and entry["intent"] is not None:
            ends.add(entry["call"])
    faults = [f"{call} has no end" for call in sorted(writes - ends)]
    return [
        Check("stopped", "it stops when it is told to", code == 0, f"exit {code}"),
        Check("verified", "its ledger verifies", verified.code == 0, (verified.out + verified.err).partition("\n")[0]),
        check("ended", "each write that was sent has its end on record", faults, len(writes)),
    ]


def _of(name: str, outcomes: Iterable[Outcome]) -> list[float]:
    return [outcome.ms for outcome in outcomes if outcome.name == name and outcome.ms is not None]


def rate(own: Own, done: Iterable[Done]) -> Figure:
    """
    Return how many calls were answered in a second: at a rate of their own, until the last one was.
    """
    if own.per_second is None:
        return Figure(sum(each.calls_per_second for each in done), "calls/s")
    told, ended_ms = 0, [1000.0 * own.seconds]
    for each in done:
        told += each.total
        ended_ms += each.ended_ms
    return Figure(told / (max(ended_ms) / 1000), "calls/s")


def figures(own: Own, outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """
    Return how many calls were answered otherwise than expected, and how long each operation took.
    """
    found = {"unexpected": Figure(unexpected(own, outcomes).total(), "calls")}
    for called in own.operations:
        if ms := _of(called.name, outcomes):
            found[f"{called.name}.p50_ms"] = Figure(percentile(ms, 0.50), "ms")
            found[f"{called.name}.p99_ms"] = Figure(percentile(ms, 0.99), "ms")
    return found


def distributions(own: Own, outcomes: Sequence[Outcome]) -> Iterable[Distribution]:
    """
    Yield how long the calls of each operation took.
    """
    return (distribution(called.name, ms) for called in own.operations if (ms := _of(called.name, outcomes)))


def table(own: Own, outcomes: Sequence[Outcome]) -> list[str]:
    """
    Return what is printed: a line for each operation and what its callers were told.
    """
    found = figures(own, outcomes)
    told = [f"{'':20}{'p50 ms':>9}{'p99 ms':>9}   told"]
    for called in own.operations:
        counts = Counter[str]()
        for outcome in outcomes:
            if outcome.name == called.name:
                counts[outcome.told] += outcome.count
        times = (found.get(f"{called.name}.{part}_ms") for part in ("p50", "p99"))
        shown = "".join(f"{each.value:>9.2f}" if each else f"{'':9}" for each in times)
        told.append(
            f"{called.name:20}{shown}   {', '.join(f'{count} x {verdict}' for verdict, count in counts.items())}"
        )
    return told


def _timeline(done: Iterable[Done]) -> Timeline:
    """
    Return what callers of all doors were told, second by second.
    """
    merged: dict[str, Counter[int]] = {}
    for each in done:
        for verdict, counts in each.by_second().items():
            merged.setdefault(verdict, Counter()).update(dict(enumerate(counts)))
    length = max((second for counts in merged.values() for second in counts), default=-1) + 1
    return Timeline({verdict: tuple(counts[second] for second in range(length)) for verdict, counts in merged.items()})
