"""Do file descriptors, memory and tasks stay flat, and ledger, spend and sandbox agree?"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from loadtest.bench import Bench, Scenario
from loadtest.calls import Agent
from loadtest.effects import counted, some, spent
from loadtest.pacing import after, at_rate, until
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, build, ms, result
from loadtest.sizes import Soak
from loadtest.slopes import Samples, since, slope

NAME, QUESTION = "soak", (__doc__ or "").strip()

AGENTS = 4

# Of a hundred calls: so many write, so many repeat a write from before, so many ask for what they may not; others read.
WRITES, REPEATS, REFUSED = 15, 15, 5

NOT_ALLOWED = "not-allowed"

# A caller gives up after this; nothing here takes so long.
TOLD_S = 60.0

# So many writes of an agent are repeated, drawn from its newest.
KEPT = 64

# How often it is looked at.
LOOK_S = 1.0

# Nothing is under way any more within this, once nobody calls.
QUIET_S = 30.0

# What a process keeps in memory of a write, for as long as it is remembered (docs/SIZING.md), and some room.
WRITE_KIB_MAX = 24.0

# What an hour without new writes may add, and what allocators do without a reason however short it is.
HOUR_MB_MAX, ROOM_MB = 8.0, 6.0

# What breakers count of each call is forgotten after five minutes; until then it is more with each.
FORGOTTEN_S, CALL_KIB = 330.0, 1.5

# Of each agent; more calls wait at their callers, so that what grows is not a queue.
MOST = 4

# Descriptors beyond those before the first call, once nobody calls: of what is opened when it is first needed.
FEW = 8

# Descriptors and threads come and go with connections, two for each call; what leaks grows by more than this.
BUSY = FEW + 2 * AGENTS * MOST


@dataclass(slots=True)
class Looked:
    """
    What was seen of the process, from second to second, while writes were made and, behind that, while none were.
    """

    resident_mb: list[tuple[float, float]] = field(default_factory=list)
    descriptors: list[tuple[float, float]] = field(default_factory=list)
    threads: list[tuple[float, float]] = field(default_factory=list)
    written: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Left:
    """
    What is still there once nobody calls any more: calls under way, records on their way, intents without an end, and
    descriptors beyond those before the first call.
    """

    in_flight: float
    queue: float
    intents: int
    descriptors: int

    @property
    def nothing(self) -> bool:
        """
        Tell whether nothing is.
        """
        return not any((self.in_flight, self.queue, self.intents)) and self.descriptors <= FEW


def run(bench: Bench) -> Result:
    """
    Drive a mixture for as long as the size says, the second half of it without new writes, and see what grows.
    """
    size = bench.profile.faults.soak
    scene = build(bench, [f"agent_{number}" for number in range(AGENTS)], seed=bench.profile.faults.seed)
    before, looked = scene.descriptors(), Looked()
    scene.acted(_soaked(scene, looked))
    left = scene.acted(_left(scene, before))
    taken, told = scene.spent(), scene.diary.told
    checks, record, effects = scene.ended()
    acknowledged = sum(len(each.acknowledged) for each in scene.agents)
    writes = {"callers": acknowledged, "record": len(record.made), "upstream": sum(effects.values())}
    refusals = {"callers": told.get(f"403 {NOT_ALLOWED}", 0), "record": record.refusals[NOT_ALLOWED]}
    checks += [
        spent(taken, effects),
        some(acknowledged),
        counted("writes", "callers, record and upstream counted the same writes", writes),
        counted("refusals", "callers and record counted the same refusals", refusals),
        *flat(looked, left, size),
    ]
    half = after_half(looked.resident_mb, size)
    figures = {
        "rss_mb_per_hour": Figure(3600 * slope(half), "MB/h"),
        "kib_a_write": Figure(write_kib(looked, size), "KiB"),
        "descriptors_per_hour": Figure(3600 * slope(since(looked.descriptors, size.warm_s)), "1/h"),
        "resident_mb": Figure(looked.resident_mb[-1][1], "MB"),
        "writes": Figure(acknowledged, "writes"),
        "p99_ms": ms(scene.diary.latencies_ms, 0.99),
    }
    return result(NAME, QUESTION, scene, figures, checks)


def after_half(samples: Samples, size: Soak) -> Samples:
    """
    Return the samples of the half without new writes, once it is warm, too.
    """
    return since(samples, (size.seconds + size.warm_s) / 2)


def write_kib(looked: Looked, size: Soak) -> float:
    """
    Return by how much memory grew for each write, in the half in which writes were made.
    """
    by_write = [
        (writes, resident)
        for (at, writes), (_, resident) in zip(looked.written, looked.resident_mb, strict=True)
        if size.warm_s <= at <= size.seconds / 2
    ]
    return slope(by_write) * 1e6 / 1024


def flat(looked: Looked, left: Left, size: Soak) -> list[Check]:
    """
    Hold that nothing grows with time alone, and that nothing is left once nobody calls.
    """
    half, write = after_half(looked.resident_mb, size), write_kib(looked, size)
    seconds = half[-1][0] - half[0][0] if half else 0.0
    fills_s = min(seconds, max(0.0, FORGOTTEN_S - half[0][0])) if half else 0.0
    room = ROOM_MB + HOUR_MB_MAX * seconds / 3600 + fills_s * size.per_second * CALL_KIB * 1024 / 1e6
    grown = slope(half) * seconds
    flatness = f"{grown:+.1f} MB in {seconds:.0f} s, {room:.1f} at most"
    counts = [
        (name, slope(since(samples, size.warm_s)) * (size.seconds - size.warm_s))
        for name, samples in (("descriptors", looked.descriptors), ("threads", looked.threads))
    ]
    return [
        Check("memory", "memory is flat while nothing new is written", grown <= room, flatness),
        Check("write", "a write takes what is remembered of it", write <= WRITE_KIB_MAX, f"{write:.1f} KiB"),
        *(Check(name, f"{name} are flat", by <= BUSY, f"{by:+.1f}") for name, by in counts),
        Check("left", "nothing is left once nobody calls", left.nothing, f"{left}"),
    ]


async def _soaked(scene: Scene, looked: Looked) -> None:
    sizes = scene.bench.profile.faults
    size, over = sizes.soak, asyncio.Event()
    agents = [scene.agent(name, most=MOST) for name in scene.keys]
    draw = random.Random(sizes.seed)
    newest = {agent.prefix: deque[str](maxlen=KEPT) for agent in agents}
    writes_until = after(size.seconds / 2)

    async def call(agent: Agent, since: float) -> None:
        drawn, known = draw.random() * 100, newest[agent.prefix]
        if drawn < REFUSED:
            await agent.may_not()
        elif drawn < REFUSED + REPEATS and known:
            await agent.insist(draw.choice(known), after(TOLD_S), since)
        elif drawn < REFUSED + REPEATS + WRITES and not writes_until():
            order = agent.order()
            await agent.insist(order, after(TOLD_S), since)
            known.append(order)
        else:
            await agent.read(since)

    async with asyncio.TaskGroup() as all_:
        all_.create_task(_look(scene, agents, looked, over))
        calls = [
            all_.create_task(at_rate(size.per_second / AGENTS, after(size.seconds), partial(call, agent)))
            for agent in agents
        ]
        await asyncio.gather(*calls)
        over.set()


async def _look(scene: Scene, agents: Sequence[Agent], looked: Looked, over: asyncio.Event) -> None:
    while not over.is_set():
        at = scene.diary.now
        looked.resident_mb.append((at, scene.resident_mb()))
        looked.descriptors.append((at, scene.descriptors()))
        looked.threads.append((at, scene.threads()))
        looked.written.append((at, sum(len(agent.acknowledged) for agent in agents)))
        await asyncio.sleep(LOOK_S)


async def _left(scene: Scene, before: int) -> Left:
    found: list[Left] = []

    def nothing() -> bool:
        store = scene.admin("GET", "/v1/status")["store"]
        in_flight, queue = scene.metric("breakwater_in_flight"), scene.metric("breakwater_ledger_queue")
        found[:] = [Left(in_flight, queue, store["open_intents"], scene.descriptors() - before)]
        return found[0].nothing

    await until(nothing, QUIET_S)
    return found[0]


SCENARIO = Scenario(NAME, QUESTION, run, profiles=("full",))
