"""Does a flapping upstream trip, suggest and recover without losing or doubling a write?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.bench import Bench, Scenario
from loadtest.diary import Diary
from loadtest.effects import only
from loadtest.pacing import calling, until, writing
from loadtest.remembering import Manner
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, build, ms, result

NAME, QUESTION = "flapping", (__doc__ or "").strip()

# Half of the answers to writes are lost, later every write fails; reads are answered throughout.
LOSING = Manner(failing=0.5, status=0, applied=True, reads_too=False)
FAILING = Manner(failing=1.0, status=503, reads_too=False)

# A rule has tripped by then, if calls fail at all; a tripped breaker waits for half a minute and a fifth of it.
TRIPPED_S, RECOVERED_S = 20.0, 90.0

# A write in doubt is looked for after a second, after five and after fifteen, one after the other.
SETTLED_S = 60.0

# More writes than can be under way at once where all of them wait for their answer.
WRITES_AT_ONCE = 16

HELD_BACK = "403 suggest-only"


@dataclass(frozen=True, slots=True)
class Flap:
    """
    How long the upstream had failed when a breaker tripped, how long it had been well when writes were made again, and
    which breakers had tripped.
    """

    tripped_s: float
    recovered_s: float
    breakers: tuple[str, ...]


def run(bench: Bench) -> Result:
    """
    Let the upstream lose answers, fail, and answer again, under writes whose callers ask until they are told.
    """
    scene, reads = build(bench, ["busy"], seed=bench.profile.faults.seed), Diary()
    flaps = scene.acted(_flapped(scene, reads))
    moved = scene.metric("breakwater_breaker_transitions_total", state="suggest_only")
    checks, _, _ = scene.ended()
    checks += judged(flaps, scene.diary.told, reads.told, moved)
    figures = {
        "tripped_s": Figure(max(flap.tripped_s for flap in flaps), "s", tuple(flap.tripped_s for flap in flaps)),
        "recovered_s": Figure(max(flap.recovered_s for flap in flaps), "s", tuple(flap.recovered_s for flap in flaps)),
        "suggested": Figure(scene.diary.told.get(HELD_BACK, 0), "writes"),
        "reads_p99_ms": ms(reads.latencies_ms, 0.99),
    }
    tripped = sorted({key for flap in flaps for key in flap.breakers})
    return result(NAME, QUESTION, scene, figures, checks, f"tripped: {', '.join(tripped)}")


def judged(flaps: Sequence[Flap], told: Mapping[str, int], reads: Mapping[str, int], moved: float) -> list[Check]:
    """
    Hold that each flap tripped a breaker, that writes were parked then, that they passed again, and that reads flowed.
    """
    tripped = all(flap.breakers for flap in flaps) and moved >= len(flaps)
    back = all(flap.recovered_s <= RECOVERED_S for flap in flaps)
    return [
        Check("tripped", "each time a breaker trips", tripped, f"{len(flaps)} flaps, {moved:.0f} trips"),
        Check("suggested", "writes are parked meanwhile", told.get(HELD_BACK, 0) > 0, f"{dict(told)}"),
        Check("recovered", "writes are made again", back, f"{[round(flap.recovered_s, 2) for flap in flaps]} s"),
        only("reads", "reads flow throughout", reads, "200"),
    ]


async def _flapped(scene: Scene, reads: Diary) -> list[Flap]:
    size, flaps = scene.bench.profile.faults.flapping, []
    writer, reader = scene.agent("busy", most=WRITES_AT_ONCE), scene.agent("busy", "reader", diary=reads)
    async with writing(writer, size.per_second, SETTLED_S), calling(size.per_second, reader.read):
        for _ in range(size.flaps):
            await asyncio.sleep(size.seconds)
            flaps.append(await _flap(scene))
        await asyncio.sleep(size.seconds)
    return flaps


async def _flap(scene: Scene) -> Flap:
    size, began = scene.bench.profile.faults.flapping, time.monotonic()
    await _now(scene, LOSING, "answers are lost")
    found: list[str] = []

    def tripped() -> bool:
        found[:] = [one["breaker"] for one in scene.admin("GET", "/v1/breakers") if one["state"] == "suggest_only"]
        return bool(found)

    await until(tripped, TRIPPED_S)
    tripped_s = time.monotonic() - began
    await _now(scene, FAILING, "tripped; now all writes fail")
    await asyncio.sleep(size.seconds)
    await _now(scene, Manner(), "all is well")
    well, passed = time.monotonic(), scene.diary.told.get("200", 0)
    if not size.waits:
        await asyncio.to_thread(_released, scene)
    # What was in doubt is sent again meanwhile; its callers are told that their answer is an earlier one.
    back = await until(lambda: scene.diary.told.get("200", 0) > passed, RECOVERED_S)
    scene.diary.mark("writes pass")
    return Flap(tripped_s, time.monotonic() - well if back else float("inf"), tuple(found))


async def _now(scene: Scene, manner: Manner, mark: str) -> None:
    await asyncio.to_thread(scene.manner, manner)
    scene.diary.mark(mark)


def _released(scene: Scene) -> None:
    """
    Let every breaker go on that has tripped, as an operator does who knows that all is well.
    """
    for one in scene.admin("GET", "/v1/breakers"):
        if one["state"] == "suggest_only":
            scene.admin("POST", f"/v1/breakers/{one['breaker']}/release", {"reason": "the load test says so"})


SCENARIO = Scenario(NAME, QUESTION, run)
