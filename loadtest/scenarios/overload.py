"""At ten times what it can serve, what becomes of goodput, latency, memory and the admin door?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loadtest.arrivals import percentile
from loadtest.bench import Bench, Scenario
from loadtest.calls import Agent
from loadtest.diary import Diary
from loadtest.pacing import after
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, allow_descriptors, build, ms, result

NAME, QUESTION = "overload", (__doc__ or "").strip()

# Of the calls, each so many-th is a write.
WRITES_EACH = 10

# What part of a part's time is driven before any of it is counted.
WARM = 0.2

# How often memory and the admin door are looked at.
LOOK_S = 0.1

# An agent has this many calls under way at once at most; more agents call where more are asked for.
EACH = 64

# Whoever is told by then was told; R8 asks for half a second, and the machine may be busy with everything else.
ADMIN_MS_MAX = 5_000.0


@dataclass(slots=True)
class Part:
    """
    One part: what was answered well in its counted time, each call's latency, memory, and how the admin door answered.
    """

    diary: Diary = field(default_factory=Diary)
    good: int = 0
    seconds: float = 0.0
    resident_mb: list[float] = field(default_factory=list)
    admin_ms: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """
        Return good answers a second.
        """
        return self.good / self.seconds if self.seconds else 0.0


def run(bench: Bench) -> Result:
    """
    Find out how much is served to some callers, then let ten times as many call at once, each again as soon as it can.
    """
    allow_descriptors(bench)
    scene, size = build(bench, ["crowd"], seed=bench.profile.faults.seed), bench.profile.faults.overload
    peak, over = Part(), Part(scene.diary)
    scene.acted(_both(scene, peak, over, size.connections, size.connections * size.times))
    checks, _, _ = scene.ended()
    checks += judged(peak, over)
    figures = {
        "peak_per_second": Figure(peak.goodput, "calls/s"),
        "goodput.of_peak": Figure(over.goodput / peak.goodput if peak.goodput else 0.0, "x"),
        "peak_p99_ms": ms(peak.diary.latencies_ms, 0.99),
        "over_p99_ms": ms(over.diary.latencies_ms, 0.99),
        "resident.of_peak": Figure(max(over.resident_mb) / max(peak.resident_mb), "x"),
        "admin_p99_ms": ms(over.admin_ms, 0.99),
    }
    return result(NAME, QUESTION, scene, figures, checks)


def judged(peak: Part, over: Part) -> list[Check]:
    """
    Hold that everybody is answered, and that an operator is, too.
    """
    told: Mapping[str, int] = over.diary.told
    lost = sum(count for verdict, count in told.items() if verdict.startswith("no answer"))
    slow = percentile(over.admin_ms, 0.5) if over.admin_ms else float("inf")
    served = peak.good > 0 and over.good > 0
    return [
        Check("served", "calls are served all the time", served, f"{peak.good} and {over.good} good answers"),
        Check("told", "every caller is told", lost == 0, f"{dict(told)}"),
        Check("admin", "the admin door answers", slow <= ADMIN_MS_MAX, f"half of its answers within {slow:.0f} ms"),
    ]


async def _both(scene: Scene, peak: Part, over: Part, few: int, many: int) -> None:
    for part, count, mark in ((peak, few, "as many as it serves"), (over, many, "ten times as many")):
        scene.diary.mark(mark)
        await _driven(scene, part, count)


async def _driven(scene: Scene, part: Part, callers: int) -> None:
    seconds = scene.bench.profile.faults.overload.seconds
    agents = [
        scene.agent("crowd", f"crowd-{callers}-{number}", most=EACH, diary=part.diary)
        for number in range(-(-callers // EACH))
    ]
    ends, counted_from = after(seconds * (1 + WARM)), after(seconds * WARM)
    part.seconds = seconds
    async with asyncio.TaskGroup() as all_:
        all_.create_task(_watched(scene, part, ends))
        for number in range(callers):
            all_.create_task(_caller(agents[number % len(agents)], part, ends, counted_from))


async def _caller(agent: Agent, part: Part, ends: Callable[[], bool], counted: Callable[[], bool]) -> None:
    while not ends():
        told = await agent.either(WRITES_EACH)
        part.good += told is not None and told.status == 200 and counted() and not ends()


async def _watched(scene: Scene, part: Part, ends: Callable[[], bool]) -> None:
    while not ends():
        began = time.monotonic()
        await asyncio.to_thread(scene.admin, "GET", "/v1/status")
        part.admin_ms.append(1000 * (time.monotonic() - began))
        part.resident_mb.append(scene.resident_mb())
        await asyncio.sleep(LOOK_S)


SCENARIO = Scenario(NAME, QUESTION, run)
