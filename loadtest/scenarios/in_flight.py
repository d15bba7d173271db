"""What memory does a call take while the upstream keeps thousands of them waiting, and are all of them answered?"""

from __future__ import annotations

import resource
import time

from loadtest.bench import Bench, Scenario
from loadtest.counting import check
from loadtest.measure import BARE, GOVERNED
from loadtest.processes import memory_bytes
from loadtest.results import Check, Figure, Result, State
from loadtest.roads import BrokenOffError, Roads, build
from loadtest.scenario import READ
from loadtest.scene import allow_descriptors

QUESTION = "What memory does a call take while the upstream keeps thousands of them waiting?"

# What a subject serves first, so that what it takes once is not counted as what a call takes.
WARM_UP = 100

# A call has a connection on both sides of a proxy, and a proxy has files beside.
FILES_A_CALL, FILES_BESIDE = 2, 400

# How long all calls may need to reach the upstream, and how often that is looked at.
HELD_S, LOOK_S = 60.0, 0.05


def files_missing(count: int) -> str:
    """
    Say that so many calls need more open files than are allowed; empty where they do not.
    """
    needed, (_, hard) = FILES_A_CALL * count + FILES_BESIDE, resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return ""
    return f"{count} calls in flight need {needed} open files, and {hard} are allowed: raise `ulimit -Hn`"


def run(bench: Bench) -> Result:
    """
    Have as many calls under way as the profile says, on one road after the other, look at the memory, let go of them.
    """
    count = bench.profile.in_flight
    if why := files_missing(count):
        return Result("in-flight", QUESTION, State.ABSENT, why)
    allow_descriptors(bench)
    roads, breakwater = build(bench, limits={"connections": count + WARM_UP})
    bytes_a_call, checks = {}, []
    for road in (BARE, GOVERNED):
        hold(roads, road, min(WARM_UP, count))
        before = memory_bytes(pid(roads, road))
        bytes_a_call[road] = (hold(roads, road, count) - before) / count
        bench.say(f"{road}: {bytes_a_call[road]:,.0f} bytes a call with {count:,} in flight")
        checks.append(answered(roads, road))
    bare, ours = bytes_a_call[BARE], bytes_a_call[GOVERNED]
    return Result(
        "in-flight",
        QUESTION,
        figures={
            "bytes.governed": Figure(ours, "bytes"),
            "bytes.bare_proxy": Figure(bare, "bytes"),
            "bytes.of_bare": Figure(ours / max(bare, 1.0), "x"),
            "calls": Figure(count, "calls"),
        },
        checks=(*checks, *roads.recorded(breakwater)),
        lines=tuple(
            f"{road:14}{each:>12,.0f} bytes a call, {count:,} in flight" for road, each in bytes_a_call.items()
        ),
    )


def pid(roads: Roads, road: str) -> int:
    """
    Return a road's process.
    """
    found = roads.roads[road].pid
    assert found is not None, "a road without a process"
    return found


def hold(roads: Roads, road: str, count: int) -> int:
    """
    Have so many calls held, and return the subject's memory meanwhile; all are answered afterwards.
    """
    before = roads.upstream.counts()
    roads.upstream.hold()
    roads.generator.begin(roads.hold(road, READ, count))
    until = time.monotonic() + HELD_S
    while (held := roads.upstream.counts()["held"]) < count and time.monotonic() < until:
        time.sleep(LOOK_S)
    memory = memory_bytes(pid(roads, road))
    roads.upstream.release()
    roads.end(road, READ, before)
    if held < count:
        raise BrokenOffError(f"{road}: of {count} calls {held} reached the upstream")
    return memory


def answered(roads: Roads, road: str) -> Check:
    """
    Check that every call of a road was answered rightly, and reached the upstream once.
    """
    said = roads.said[road, READ]
    faults = [f"{count} were told {told}" for told, count in said.told.items() if told != "200"]
    if said.told["200"] != said.upstream:
        faults.append(f"{said.told['200']} were told 200, and the upstream counts {said.upstream}")
    return check(f"answered, {road}", f"{road}: all that were held are answered", faults, said.told.total())


SCENARIO = Scenario("in-flight", QUESTION, run)
