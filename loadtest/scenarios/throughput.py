"""How many calls a second pass on one core, beside a bare proxy that does nothing but pass bytes on?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from loadtest import peers
from loadtest.bench import Bench, Scenario
from loadtest.measure import BARE, GOVERNED, ROADS, SAME, Round, low_ceiling, of_bare, over, rate, silent
from loadtest.results import Figure, Result, State
from loadtest.roads import Roads, build
from loadtest.scenario import CREATE, READ, REFUSAL, REPLAY

QUESTION = "How many calls a second pass on one core, beside a bare proxy?"

# Replays and refusals are Breakwater's own; to whoever only passes requests on they are creates.
MEASURED = (
    *((road, operation) for operation in (READ, CREATE) for road in ROADS),
    (GOVERNED, REPLAY),
    (GOVERNED, REFUSAL),
)

# What part of a round's time every road is driven once before the first round.
WARM_UP = 0.3

# How often the roads take turns within a round: what else the machine does comes and goes within seconds.
SLICES = 2

HEAD = f"{'':9}{'':14}{'calls/s':>9}{'of bare':>9}{'CPU us':>9}"


def run(bench: Bench) -> Result:
    """
    Call on every road in turn, round by round; peers pass the read alone.
    """
    sizes = bench.profile.throughput
    roads, breakwater = build(bench)
    measured, missing = list(MEASURED), dict[str, str]()
    if bench.peers:
        others, missing = peers.started(bench, roads.upstream.url)
        roads.add(others)
        measured += [(peer.name, READ) for peer in others]

    def one_round(seconds: float) -> Round:
        slices = [
            {(road, kind): roads.closed(road, kind, seconds / SLICES, sizes.connections) for road, kind in measured}
            for _ in range(SLICES)
        ]
        return {name: sum(each[name] for each in slices) / SLICES for name in slices[0]}

    one_round(WARM_UP * sizes.seconds)
    rounds = []
    for number in range(1, sizes.rounds + 1):
        bench.say(f"round {number} of {sizes.rounds}")
        rounds.append(one_round(sizes.seconds))
    checks = (roads.evened(), *roads.recorded(breakwater))
    absent = {named(name, READ): why for name, why in missing.items()}
    if why := silent(rounds):
        return Result("throughput", QUESTION, State.INVALID, why, checks=checks, absent=absent)
    why = low_ceiling(rounds)
    return Result(
        "throughput",
        QUESTION,
        State.INVALID if why else State.RAN,
        why,
        figures=figures(rounds) | worked(roads),
        checks=checks,
        lines=(*table(rounds, roads), *(f"{name} is absent: {reason}" for name, reason in missing.items())),
        absent=absent,
    )


def figures(rounds: Sequence[Round]) -> dict[str, Figure]:
    """
    Return what every road did, and Breakwater as a part of the bare proxy.
    """
    found = {f"{kind}.of_bare": of_bare(rounds, kind) for kind in SAME if (GOVERNED, kind) in rounds[0]}
    return found | {named(road, kind): rate(rounds, road, kind) for road, kind in rounds[0]}


def named(road: str, kind: str) -> str:
    """
    Return the name of the figure that says how many calls of a kind passed on a road.
    """
    return f"{kind}.{road.replace(' ', '_')}"


def worked(roads: Roads) -> dict[str, Figure]:
    """
    Return what a call takes of a processor, which is the same on a machine that does other things at the same time.
    """
    ours = {kind: over(roads.cpu_us(GOVERNED, kind), "us") for kind in SAME}
    bare = {kind: median(roads.cpu_us(BARE, same)) for kind, same in SAME.items()}
    told = {f"{kind}.cpu_us": figure for kind, figure in ours.items()}
    return told | {f"{kind}.cpu_of_bare": Figure(bare[kind] / us.value, "x") for kind, us in ours.items() if us.value}


def table(rounds: Sequence[Round], roads: Roads) -> list[str]:
    """
    Return what is printed: a line for each road and operation, with what the process on it worked for a call.
    """
    told = [HEAD]
    for road, kind in rounds[0]:
        line = f"{kind:9}{road:14}{rate(rounds, road, kind).value:>9,.0f}{of_bare(rounds, kind, road).value:>9.2f}"
        told.append(f"{line}{us:>9,.0f}" if (us := median(roads.cpu_us(road, kind))) else line)
    return told


SCENARIO = Scenario("throughput", QUESTION, run)
