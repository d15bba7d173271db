"""Is every write that was acknowledged on record after a kill -9 in the middle of the load?"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence

from loadtest.bench import Bench, Scenario
from loadtest.calls import Agent
from loadtest.effects import some
from loadtest.pacing import writing
from loadtest.remembering import Manner
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, build, ms, result

NAME, QUESTION = "durability", (__doc__ or "").strip()

WRITERS = 4

# A write in doubt is looked for a second after a start, then after four more, then after ten; one after the other.
SETTLED_S = 60.0

# The upstream takes so long, so that a kill meets writes that have left.
UNDER_WAY_S = 0.04

# A moment at which nothing is under way is none to kill at.
STEP_S = 0.002

# Before each kill some of it is drawn, so that it falls on another moment each time.
DRAWN = 0.5


def run(bench: Bench) -> Result:
    """
    Kill the process again and again under keyed creates; everybody asks again until told.
    """
    scene = build(bench, [f"writer_{number}" for number in range(WRITERS)], seed=bench.profile.faults.seed)
    scene.manner(Manner(delay_s=UNDER_WAY_S))
    starts_s = scene.acted(_killed(scene))
    checks, record, _ = scene.ended()
    acknowledged = sum(len(each.acknowledged) for each in scene.agents)
    figures = {
        "ready_s": Figure(max(starts_s), "s", tuple(starts_s)),
        "started_s": Figure(scene.started_s, "s"),
        "acknowledged": Figure(acknowledged, "writes"),
        "entries": Figure(record.entries, "records"),
        "p99_ms": ms(scene.diary.latencies_ms, 0.99),
    }
    return result(NAME, QUESTION, scene, figures, [*checks, met(scene.diary.told), some(acknowledged)])


def met(told: Mapping[str, int]) -> Check:
    """
    Hold that the kills met calls that were under way: else nothing was asked.
    """
    lost = told.get("no answer", 0)
    return Check("met", "the kills met writes that were under way", lost > 0, f"{lost} calls got no answer")


async def _killed(scene: Scene) -> list[float]:
    sizes = scene.bench.profile.faults
    size, draw, starts_s = sizes.durability, random.Random(sizes.seed), []
    writers = [scene.agent(name, most=size.connections // WRITERS) for name in scene.keys]
    async with contextlib.AsyncExitStack() as stack:
        for writer in writers:
            await stack.enter_async_context(writing(writer, size.per_second / WRITERS, SETTLED_S))
        for _ in range(size.kills):
            await asyncio.sleep(size.seconds * (1 + DRAWN * (draw.random() - 0.5)))
            starts_s.append(await _kill(scene, writers))
        # Nothing more is to be met: what waited is answered as fast as it can be.
        await asyncio.to_thread(scene.manner, Manner())
        await asyncio.sleep(size.seconds)
    return starts_s


async def _kill(scene: Scene, writers: Sequence[Agent]) -> float:
    while not any(writer.under_way for writer in writers):  # noqa: ASYNC110 - no event of one of several
        await asyncio.sleep(STEP_S)
    scene.diary.mark("kill -9")
    # Nobody may ask at an address that is another's by now.
    for writer in writers:
        writer.away()
    scene.breakwater.kill()
    took = await asyncio.to_thread(scene.restarted)
    scene.diary.mark("ready")
    for writer in writers:
        writer.at(scene.breakwater.doors["stripe"])
    return took


SCENARIO = Scenario(NAME, QUESTION, run)
