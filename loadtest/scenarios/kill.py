"""After a stop is thrown under load, how soon does no write leave, and none after the proof?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from loadtest.bench import Bench, Scenario
from loadtest.installation import Command
from loadtest.pacing import calling, until
from loadtest.remembering import Manner
from loadtest.results import Check, Figure, Result
from loadtest.roads import BrokenOffError
from loadtest.scene import Scene, build, ms, result

NAME, QUESTION = "kill", (__doc__ or "").strip()

WRITES_EACH = 2

# The upstream takes so long, so that a stop meets writes that are under way.
UNDER_WAY_S = 0.05

# Callers are answered again within this once writes may pass.
RESUMED_S = 30.0

# How long it is watched that nothing comes after a proof.
QUIET_S = 0.4

REASON = "the load test stops this"


@dataclass(frozen=True, slots=True)
class Stop:
    """
    One stop: seconds until the last write came to the upstream, until it was acknowledged, and until it was proved; how
    many writes came by then, and how many at the end; how many reads flowed meanwhile.
    """

    last_write_s: float
    told_s: float
    proved_s: float
    acknowledged: int
    proved: int
    after: int
    confirmed: bool
    reads: int


def run(bench: Bench) -> Result:
    """
    Stop all writes under load, hold the proof against what comes to the upstream, and resume; then drill.
    """
    scene = build(bench, ["busy"], seed=bench.profile.faults.seed)
    scene.manner(Manner(delay_s=UNDER_WAY_S))
    stops = scene.acted(_stopped(scene))
    drill = scene.breakwater.cli("kill", "--drill", "--json")
    exported = scene.metric("breakwater_kill_drill_timestamp_seconds")
    checks, _, _ = scene.ended()
    told = scene.diary.told
    checks += [
        *judged(stops),
        Check("killed", "writes are refused as killed meanwhile", told.get("403 killed", 0) > 0, f"{told}"),
        Check("drill", "a drill goes all the way, and is exported", drill.code == 0 and exported > 0, _drilled(drill)),
    ]
    figures = {
        "effect_s": _most([stop.last_write_s for stop in stops]),
        "told_s": _most([stop.told_s for stop in stops]),
        "proved_s": _most([stop.proved_s for stop in stops]),
        "drill_told_s": Figure(float(drill.json["told_s"]) if drill.code == 0 else 0.0, "s"),
        "p99_ms": ms(scene.diary.latencies_ms, 0.99),
    }
    return result(NAME, QUESTION, scene, figures, checks)


def judged(stops: Sequence[Stop]) -> list[Check]:
    """
    Hold what a stop promises: no write begins after its acknowledgement, none comes after its proof, and reads flow.
    """
    late = sum(stop.proved - stop.acknowledged for stop in stops)
    later = sum(stop.after - stop.proved for stop in stops)
    unproved = sum(not stop.confirmed for stop in stops)
    still = [stop.reads for stop in stops]
    return [
        Check("told", "no write comes after a stop is acknowledged", late == 0, f"{late} in {len(stops)} stops"),
        Check("proved", "no write comes after its proof", later == 0, f"{later} in {len(stops)} stops"),
        Check("confirmed", "every stop is proved", unproved == 0, f"{unproved} of {len(stops)} are not"),
        Check("reads", "reads flow while writes are stopped", min(still, default=0) > 0, f"{still}"),
    ]


def _drilled(drill: Command) -> str:
    return f"everyone told after {drill.json['told_s']:.3f} s" if drill.code == 0 else drill.err.strip()


def _most(values: Sequence[float]) -> Figure:
    return Figure(max(values, default=0.0), "s", tuple(values))


async def _stopped(scene: Scene) -> list[Stop]:
    size, busy, stops = scene.bench.profile.faults.kill, scene.agent("busy"), []
    async with calling(size.per_second, partial(busy.either, WRITES_EACH)):
        for _ in range(size.stops):
            await asyncio.sleep(size.seconds)
            stops.append(await _stop(scene))
            await _resumed(scene)
    return stops


async def _stop(scene: Scene) -> Stop:
    """
    Stop everything, then have the command prove it, and see what came to the upstream by then.
    """
    scene.diary.mark("stop")
    began = time.monotonic()
    await _asked(scene, "POST", "/v1/kill", {"reason": REASON})
    told_s = time.monotonic() - began
    # What left before the answer stands in the kernel's queues by now: the upstream reads it before it reads this.
    acknowledged, last = await _arrived(scene)
    waited = await asyncio.to_thread(scene.breakwater.cli, "kill", "--reason", REASON, "--wait", "--json")
    proved_s = time.monotonic() - began
    scene.diary.mark("proved")
    proved, _ = await _arrived(scene)
    before = (await asyncio.to_thread(scene.counts))["reads"]
    await asyncio.sleep(QUIET_S)
    counts = await asyncio.to_thread(scene.counts)
    confirmed = waited.code == 0 and bool(waited.json["confirmed"])
    reads = counts["reads"] - before
    return Stop(max(0.0, last - began), told_s, proved_s, acknowledged, proved, counts["writes"], confirmed, reads)


async def _arrived(scene: Scene) -> tuple[int, float]:
    """
    Return how many writes have come, and when the last did, once all that had left before has been read.
    """
    for _ in range(2):
        await asyncio.to_thread(scene.counts)
    counts = await asyncio.to_thread(scene.counts)
    return counts["writes"], counts["last_write_at"]


async def _resumed(scene: Scene) -> None:
    shown = await _asked(scene, "GET", "/v1/kill?scope=all")
    order = {"scope": "all", "epoch": shown["record"]["epoch"], "reason": REASON, "full": True}
    await _asked(scene, "POST", "/v1/resume", order)
    scene.diary.mark("resume")
    before = (await asyncio.to_thread(scene.counts))["writes"]
    if not await until(lambda: scene.counts()["writes"] > before, RESUMED_S):
        raise BrokenOffError("no write passes after the resume")


async def _asked(scene: Scene, method: str, path: str, body: object = None) -> Any:
    return await asyncio.to_thread(scene.admin, method, path, body)


SCENARIO = Scenario(NAME, QUESTION, run)
