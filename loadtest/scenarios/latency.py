"""
How much later is an answer, at a rate that leaves everybody time?

Every road is called in turn, and between them the disk is asked for what a write waits for: a few appends, each made
durable. What the bare proxy adds and what such appends take is what this machine needs for less work at the same time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.arrivals import percentile
from loadtest.bench import Bench, Scenario
from loadtest.measure import BARE, DIRECT, GOVERNED, ROADS, distribution, over
from loadtest.results import Figure, Result
from loadtest.roads import build
from loadtest.scenario import CREATE, READ

QUESTION = "How much later is an answer, at a rate that leaves everybody time?"

# A create is what promises call a write.
NAMES = {READ: "read", CREATE: "write"}

# What is called on every road before any of it is timed: connections to the upstream stand by then.
WARM_UP = 40

# What a write waits for: payloads and record are each made durable, before it is sent and before it is answered.
SYNCS = 4

# How many appends are timed in a round, and how large each is: a record with its payloads.
APPENDS, APPEND_BYTES = 20, 2048

Latencies = dict[tuple[str, str], list[list[float]]]
"""In ms, a list a round, by road and operation."""


def run(bench: Bench) -> Result:
    """
    Call on every road in turn at one rate, round by round, each call timed from its intended beginning.
    """
    sizes = bench.profile.latency
    roads, breakwater = build(bench)
    found: Latencies = {(road, kind): [] for kind in NAMES for road in ROADS}
    synced: list[list[float]] = []
    for road, kind in found:
        roads.paced(road, kind, sizes.per_second, WARM_UP, sizes.connections)
    for number in range(1, sizes.rounds + 1):
        bench.say(f"round {number} of {sizes.rounds}")
        synced.append(appends_ms(bench.folder / "appended"))
        for (road, kind), rounds in found.items():
            count = max(1, round(sizes.seconds * sizes.per_second))
            rounds.append(roads.paced(road, kind, sizes.per_second, count, sizes.connections))
    return Result(
        "latency",
        QUESTION,
        figures=figures(found) | beside(found, synced),
        checks=(roads.evened(), *roads.recorded(breakwater)),
        distributions=tuple(
            distribution(f"{NAMES[kind]}, {road}", [value for each in rounds for value in each])
            for (road, kind), rounds in found.items()
        ),
        lines=tuple(table(found)),
    )


def figures(found: Latencies) -> dict[str, Figure]:
    """
    Return what Breakwater adds to calling directly; each difference is taken within a round.
    """
    told = {}
    for kind, name in NAMES.items():
        for part, percent in ((0.50, "p50"), (0.99, "p99")):
            told[f"{name}.added_{percent}_ms"] = added(found, GOVERNED, kind, part)
            told[f"{name}.{percent}_ms"] = over([percentile(each, part) for each in found[GOVERNED, kind]], "ms")
    return told


def appends_ms(path: Path) -> list[float]:
    """
    Append to a file, and return how many ms each append took to be durable.
    """
    took = []
    with path.open("ab", buffering=0) as file:
        for _ in range(APPENDS):
            began = time.perf_counter()
            file.write(bytes(APPEND_BYTES))
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    return took


def beside(found: Latencies, synced: Sequence[Sequence[float]]) -> dict[str, Figure]:
    """
    Return what the machine took for less: the bare proxy, and beside a write its syncs.
    """
    told = {}
    for kind, name in NAMES.items():
        for part, percent in ((0.50, "p50"), (0.99, "p99")):
            more = SYNCS * over([percentile(each, part) for each in synced], "ms").value if kind == CREATE else 0.0
            bare = added(found, BARE, kind, part).value
            told[f"{name}.beside_{percent}_ms"] = Figure(bare + more, "ms")
    return told


def added(found: Latencies, road: str, kind: str, part: float) -> Figure:
    """
    Return how much more a road takes than none at all, at one percentile.
    """
    pairs = zip(found[road, kind], found[DIRECT, kind], strict=True)
    return over([percentile(own, part) - percentile(direct, part) for own, direct in pairs], "ms")


def table(found: Latencies) -> list[str]:
    """
    Return what is printed: a line for each road and operation.
    """
    head = f"{'':8}{'':14}{'p50 ms':>9}{'p99 ms':>9}{'added p50':>11}{'added p99':>11}"
    return [head, *(_line(found, road, kind) for road, kind in found)]


def _line(found: Latencies, road: str, kind: str) -> str:
    p50, p99 = (over([percentile(each, part) for each in found[road, kind]], "ms").value for part in (0.5, 0.99))
    told = f"{NAMES[kind]:8}{road:14}{p50:>9.2f}{p99:>9.2f}"
    if road == DIRECT:
        return told
    more = (added(found, road, kind, part).value for part in (0.5, 0.99))
    return told + "".join(f"{value:>+11.2f}" for value in more)


SCENARIO = Scenario("latency", QUESTION, run)
