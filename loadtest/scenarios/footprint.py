"""What does it take when it has nothing to do, and how soon is it ready, also with a long past?"""

from __future__ import annotations

import time

from loadtest.bench import Bench, Scenario
from loadtest.filling import fill
from loadtest.installation import Breakwater
from loadtest.measure import over
from loadtest.processes import resident_bytes, until_idle
from loadtest.results import Check, Figure, Result
from loadtest.roads import Roads, document, governed
from loadtest.scenario import CREATE, READ
from loadtest.scene import entries

QUESTION = "What does it take when it has nothing to do, and how soon is it ready?"

# Real calls of each kind, like which the records of a long past are made.
LIKE = 20

# How often an installation with a long past is started: its stops take longest.
LARGE_STARTS = 3

# Of the bare proxy's, how long a start may take where the machine is too busy for seconds to mean anything.
BARE_STARTS = 3

# How long it may have to do after a start before it is idle, as proving a long past.
SETTLED_S = 60.0


def run(bench: Bench) -> Result:
    """
    Start and stop an installation that has hardly been used, and one with a long past where the profile has one.
    """
    starts, records = bench.profile.footprint_starts, bench.profile.footprint_records
    upstream = bench.answering()
    small = bench.breakwater(document(bench, upstream.url))
    roads = Roads(bench.generator(), upstream, [road := governed(bench, small)])
    for kind in (READ, CREATE):
        roads.paced(road.name, kind, 200.0, LIKE, 8)
    checks = [roads.evened(), *roads.recorded(small)]
    took, idle = started(bench, small, starts)
    figures = {"start_s": over(took, "s"), "idle_rss_mb": over(idle, "MB")}
    figures["start_beside_s"] = Figure(BARE_STARTS * bare_start_s(bench, upstream.url), "s")
    if records:
        bench.say(f"telling {records:,} records")
        large = bench.breakwater(document(bench, upstream.url))
        fill(large, [entry for _, entry in entries(small.state)], records=records)
        took, idle = started(bench, large, min(starts, LARGE_STARTS))
        figures |= {"start_million_s": over(took, "s"), "idle_million_mb": over(idle, "MB")}
        checks.append(grown(large, records))
    return Result("footprint", QUESTION, figures=figures, checks=tuple(checks), lines=tuple(lines(figures)))


def bare_start_s(bench: Bench, upstream: str) -> float:
    """
    Return in how many seconds the bare proxy listens: an interpreter and aiohttp, and nothing else.
    """
    began = time.monotonic()
    bench.bare(upstream)
    return time.monotonic() - began


def started(bench: Bench, breakwater: Breakwater, times: int) -> tuple[list[float], list[float]]:
    """
    Start an installation and stop it again, and return in how many seconds it was ready, and the MB that it had then.
    """
    took, idle = [], []
    for _ in range(times):
        began = time.monotonic()
        bench.serve(breakwater)
        took.append(time.monotonic() - began)
        assert breakwater.process is not None
        until_idle(breakwater.process.pid, SETTLED_S)
        idle.append(resident_bytes(breakwater.process.pid) / 1e6)
        breakwater.terminate()
    return took, idle


def grown(breakwater: Breakwater, records: int) -> Check:
    """
    Check that the starts were those of an installation with so many records.
    """
    count = sum(1 for _ in entries(breakwater.state))
    return Check("past", f"it has {records:,} records", count >= records, f"{count:,}")


def lines(figures: dict[str, Figure]) -> list[str]:
    """
    Return what is printed.
    """
    told = [f"ready in {figures['start_s'].value:.2f} s, {figures['idle_rss_mb'].value:.0f} MB when idle"]
    if "start_million_s" in figures:
        past = figures["start_million_s"].value, figures["idle_million_mb"].value
        told.append(f"with a long past ready in {past[0]:.2f} s, {past[1]:.0f} MB when idle")
    return told


SCENARIO = Scenario("footprint", QUESTION, run)
