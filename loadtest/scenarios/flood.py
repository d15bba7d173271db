"""Does a flood of refusals stay cheap, bounded on record, and leave others alone?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from loadtest.arrivals import percentile
from loadtest.bench import Bench, Scenario
from loadtest.calls import Agent
from loadtest.diary import Diary
from loadtest.effects import OnRecord, counted, only
from loadtest.pacing import after, at_rate
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, build, ms, result

NAME, QUESTION = "flood", (__doc__ or "").strip()

GOOD, BAD = "good", "hammering"

REFUSED = "403 not-allowed"

# Of the good one's calls, each so many-th is a write.
WRITES_EACH = 4

# One process records so many refusals of an agent in a minute by themselves; a run may lie in two of them.
RECORDED_MAX = 2 * 60

# What the record of one refusal takes on disk with its payloads, at most.
RECORD_BYTES = 4096


def run(bench: Bench) -> Result:
    """
    Call at a rate, alone, then beside an agent that calls what it may not as fast as it is refused.
    """
    sizes = bench.profile.faults
    scene, size = build(bench, {GOOD: {}, BAD: {"loops": {}}}, seed=sizes.seed), sizes.flood
    alone, hammered = Diary(), Diary()
    grown = scene.acted(_flooded(scene, alone, hammered))
    checks, record, _ = scene.ended()
    refusals = sum(count for verdict, count in hammered.told.items() if verdict.startswith("403"))
    checks += [
        only("good", "the good agent is answered as if nothing were", scene.diary.told, "200"),
        only("flood", "everything of the flood is refused", hammered.told, REFUSED),
        counted("on record", "every refusal is on record", {"told": refusals, "record": record.refusals.total()}),
        bounded(record, refusals, grown),
    ]
    figures = {
        "good.alone_p99_ms": ms(alone.latencies_ms, 0.99),
        "good.beside_p99_ms": ms(scene.diary.latencies_ms, 0.99),
        "good.added_p50_ms": Figure(
            percentile(scene.diary.latencies_ms, 0.5) - percentile(alone.latencies_ms, 0.5), "ms"
        ),
        "refusals_per_second": Figure(refusals / size.seconds, "calls/s"),
        "bytes_a_refusal": Figure(grown / max(1, refusals), "bytes"),
    }
    return result(NAME, QUESTION, scene, figures, checks, f"the flood was told: {hammered.said()}")


def bounded(record: OnRecord, refusals: int, grown: int) -> Check:
    """
    Hold that what a flood leaves on disk does not grow with it: few records of their own, summaries for the rest.
    """
    counted_too = record.summaries > 0 or refusals <= RECORDED_MAX
    fits = counted_too and grown <= RECORDED_MAX * RECORD_BYTES
    found = f"{refusals} refusals, {record.summaries} summaries, {grown} bytes"
    return Check("bounded", "the flood is counted, and not recorded one by one", fits, found)


async def _flooded(scene: Scene, alone: Diary, hammered: Diary) -> int:
    size = scene.bench.profile.faults.flood
    grown = []
    bad = scene.agent(BAD, most=size.connections, diary=hammered)
    parts = (("alone", scene.agent(GOOD, "alone", diary=alone), 0), ("the flood", scene.agent(GOOD), size.connections))
    for part, good, hammering in parts:
        scene.diary.mark(f"{part} begins")
        over, before = after(size.seconds), scene.disk_bytes()
        async with asyncio.TaskGroup() as all_:
            all_.create_task(at_rate(size.per_second, over, partial(good.either, WRITES_EACH)))
            for _ in range(hammering):
                all_.create_task(_hammer(bad, over))
        grown.append(scene.disk_bytes() - before)
    scene.diary.mark("the flood ends")
    # The good one's calls grow it in both parts, equally.
    return max(0, grown[1] - grown[0])


async def _hammer(bad: Agent, over: Callable[[], bool]) -> None:
    while not over():
        await bad.may_not()


SCENARIO = Scenario(NAME, QUESTION, run)
