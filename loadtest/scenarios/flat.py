"""
Does a call cost the same with many agents, tasks, records and catalogues?

What is compared is what a call takes of a processor, all threads together: the rate of a core that does nothing else
follows from it, and it is the same on a machine that does. Callers, upstream and each ledger are held against one
another; of a ledger, what the calls added is read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace

from loadtest.bench import Bench, Scenario
from loadtest.filling import Entry, fill
from loadtest.installation import Breakwater, agent
from loadtest.measure import over, ratio
from loadtest.processes import until_idle
from loadtest.profiles import Flat
from loadtest.results import Check, Figure, Result
from loadtest.roads import Roads, document, governed
from loadtest.scenario import CREATE, READ
from loadtest.scene import entries, size

QUESTION = "Does a call cost the same with many agents, tasks, records and catalogues?"

SMALL, ALL = "small", "all"

# Real calls of each kind, like which the records of a long past are made.
LIKE = 20

# How long an installation with a long past may have to do after its start.
SETTLED_S = 120.0

# What each larger installation has more of. Where time is short, one has all of it.
LARGER = ("agents", "tasks", "records", "catalogues", ALL)

# Of a call of each kind: a cost that grows may be on one of them only.
MEASURED = (READ, CREATE)

Rates = Mapping[tuple[str, str], float]


def run(bench: Bench) -> Result:
    """
    Call on a small installation and on larger ones in turn, round by round.
    """
    sizes = bench.profile.flat
    upstream = bench.answering()
    roads = Roads(bench.generator(), upstream, [])
    like, checks = _like(bench, roads, bench.breakwater(document(bench, upstream.url)))
    names = (SMALL, *(LARGER if sizes.apart else (ALL,)))
    installed, tasks, had = {}, {}, {}
    for name in names:
        bench.say(f"making {name}")
        installed[name] = bench.breakwater(grown(bench, upstream.url, name, sizes))
        if name == ALL and "records" in installed:
            # Such a past takes a minute to tell, and a moment to copy.
            shutil.copytree(installed["records"].state, installed[name].state)
        tasks[name] = filled(installed[name], name, sizes, like)
        had[name] = size(installed[name].state)
    # A past is much to write: while the system still does, an append that is to be durable waits for all of it.
    os.sync()
    for name in names:
        road = governed(bench, installed[name], name)
        roads.add([replace(road, more=(f"Breakwater-Task: {tasks[name]}",))])
    for road in roads.roads.values():
        # What a start leaves behind it, as proving a long past, is not what a call costs.
        if not until_idle(road.pid or 0, SETTLED_S):
            bench.say(f"{road.name} is still at work")
    rounds, worked = [], []
    for number in range(sizes.loops.rounds + 1):
        # The first one warms up.
        bench.say(f"round {number} of {sizes.loops.rounds}")
        made = [(name, kind) for kind in MEASURED for name in names]
        rounds.append(
            {(n, kind): roads.closed(n, kind, sizes.loops.seconds, sizes.loops.connections) for n, kind in made}
        )
        worked.append({(name, kind): roads.cpu_us(name, kind)[-1] for name, kind in made})
    for name in names:
        checks += roads.recorded(installed[name], name, since=had[name])
    checks.append(roads.evened())
    told = figures(worked[1:], names)
    return Result("flat", QUESTION, figures=told, checks=tuple(checks), lines=tuple(table(rounds[1:], told, names)))


def grown(bench: Bench, upstream: str, name: str, sizes: Flat) -> dict[str, object]:
    """
    Return the document of an installation, with more agents or more catalogues.
    """
    made = document(bench, upstream)
    if name in {"agents", ALL}:
        made["agents"] = {**_mapping(made["agents"]), **{other: agent({}) for other in _others(sizes)}}
    if name in {"catalogues", ALL}:
        credential = _mapping(_mapping(made["apis"])["stripe"])["credential"]
        others = {
            "github": {"catalog": "github", "upstream": upstream, "credential": credential},
            "jira": {
                "catalog": "jira",
                "upstream": upstream,
                "credential": {**_mapping(credential), "user": "load@a.test"},
            },
        }
        made["apis"] = {**_mapping(made["apis"]), **others}
    return made


def filled(breakwater: Breakwater, name: str, sizes: Flat, like: Sequence[Entry]) -> str:
    """
    Give an installation its past, and return a task that is open.
    """
    has_past = (breakwater.state / "ledger").exists()
    return fill(
        breakwater,
        like,
        records=sizes.records if name in {"records", ALL} and not has_past else 0,
        tasks=sizes.tasks if name in {"tasks", ALL} else 1,
        agents=list(_others(sizes)) if name in {"agents", ALL} else (),
    )


def figures(worked: Sequence[Rates], names: Sequence[str]) -> dict[str, Figure]:
    """
    Return what the small installation works for a call as a part of what each larger one does: the lower of reads'
    and creates'. A call that costs twice as much leaves half as many in a second.
    """
    found = {}
    for name in names[1:]:
        parts = [ratio([each[SMALL, kind] / max(each[name, kind], 1.0) for each in worked]) for kind in MEASURED]
        found[f"{name}.of_small"] = min(parts, key=lambda part: part.value)
    return found


def table(rounds: Sequence[Rates], found: Mapping[str, Figure], names: Sequence[str]) -> list[str]:
    """
    Return what is printed: a line for each installation.
    """
    told = [f"{'':12}{'reads/s':>10}{'creates/s':>11}{'of small':>10}"]
    for name in names:
        reads, creates = (over([each[name, kind] for each in rounds], "calls/s").value for kind in MEASURED)
        part = found[f"{name}.of_small"].value if name != SMALL else 1.0
        told.append(f"{name:12}{reads:>10,.0f}{creates:>11,.0f}{part:>10.2f}")
    return told


def _like(bench: Bench, roads: Roads, breakwater: Breakwater) -> tuple[list[Entry], list[Check]]:
    road = governed(bench, breakwater, "like")
    roads.add([road])
    for kind in MEASURED:
        roads.paced(road.name, kind, 200.0, LIKE, 8)
    checks = roads.recorded(breakwater, road.name)
    return [entry for _, entry in entries(breakwater.state)], checks


def _others(sizes: Flat) -> list[str]:
    return [f"agent_{number:05d}" for number in range(sizes.agents)]


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


SCENARIO = Scenario("flat", QUESTION, run)
