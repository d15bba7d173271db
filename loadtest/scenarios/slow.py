"""Do a thousand slow connections harm the others?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from loadtest.bench import Bench, Scenario
from loadtest.diary import Diary
from loadtest.effects import only
from loadtest.pacing import after, at_rate, calling
from loadtest.readers import dripped
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, allow_descriptors, build, ms, result
from loadtest.sizes import Slow

NAME, QUESTION = "slow", (__doc__ or "").strip()

# Of the others' calls, each so many-th is a write.
WRITES_EACH = 10

# A body that is never whole is waited for this long, so that a short scenario sees it closed.
BODY = "2s"
BODY_S = 2.0

# A head that is never whole, and a connection on which nothing is said, are waited for this long.
HEAD_S = 15.0

# What a busy machine takes on top of a deadline.
MACHINE_S = 15.0

# All of them connect at once; what others wait for then is told apart from what they wait for while all are there.
ARRIVING_S = 1.0

# The least time between two bytes of a slow connection.
DRIP_S = 0.5


@dataclass(slots=True)
class Slowed:
    """
    How long each connection was kept, by what was slow on it; those that were never closed are not among them.
    """

    heads: list[float] = field(default_factory=list)
    bodies: list[float] = field(default_factory=list)
    silent: list[float] = field(default_factory=list)


def run(bench: Bench) -> Result:
    """
    Call at a rate, alone, then beside connections whose heads and bodies come byte by byte, or that say nothing.
    """
    allow_descriptors(bench)
    more = {"timeouts": {"request_body": BODY}}
    scene, size = build(bench, ["others"], seed=bench.profile.faults.seed, more=more), bench.profile.faults.slow
    alone, slowed = Diary(), Slowed()
    settled: list[int] = []
    scene.acted(_beside(scene, alone, slowed, settled))
    checks, _, _ = scene.ended()
    checks += [only("others", "the others are all answered", scene.diary.told, "200"), *closed(slowed, size)]
    figures = {
        "others.alone_p99_ms": ms(alone.latencies_ms, 0.99),
        "others.arriving_p99_ms": ms(scene.diary.latencies_ms[: settled[0]], 0.99),
        "others.beside_p99_ms": ms(scene.diary.latencies_ms[settled[0] :], 0.99),
        "body_closed_s": Figure(max(slowed.bodies, default=0.0), "s"),
        "head_closed_s": Figure(max(slowed.heads, default=0.0), "s"),
    }
    return result(NAME, QUESTION, scene, figures, checks)


def closed(slowed: Slowed, size: Slow) -> list[Check]:
    """
    Hold that what is slow is closed when its time is over; heads are waited for only where the size says so.
    """
    due = [("bodies", slowed.bodies, BODY_S)]
    due += [("heads", slowed.heads, HEAD_S), ("first bytes", slowed.silent, HEAD_S)] if size.closes else []
    return [_closed(name, kept, within_s, size.connections // 3) for name, kept, within_s in due]


def _closed(name: str, kept: Sequence[float], within_s: float, count: int) -> Check:
    held = len(kept) == count and max(kept, default=0.0) <= within_s + MACHINE_S
    found = f"{len(kept)} of {count}, the last after {max(kept, default=0.0):.1f} s"
    return Check(name, f"connections with slow {name} are closed after {within_s:.0f} s", held, found)


async def _beside(scene: Scene, alone: Diary, slowed: Slowed, settled: list[int]) -> None:
    size = scene.bench.profile.faults.slow
    undisturbed, others = scene.agent("others", "alone", diary=alone), scene.agent("others")
    scene.diary.mark("alone")
    await at_rate(size.per_second, after(size.seconds), partial(undisturbed.either, WRITES_EACH))
    door, key = scene.breakwater.doors["stripe"], scene.keys["others"]
    scene.diary.mark("the slow ones come")
    host = door.removeprefix("http://")
    head = f"GET /v1/charges/ch_load HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nX-Slow: ".encode()
    body = (
        f"POST /v1/payment_intents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n"
    ).encode()
    kinds = ((head, slowed.heads), (body, slowed.bodies), (b"", slowed.silent))
    slow = [
        asyncio.create_task(dripped(door, first, DRIP_S, kept))
        for first, kept in kinds
        for _ in range(size.connections // len(kinds))
    ]
    try:
        async with calling(size.per_second, partial(others.either, WRITES_EACH)):
            await asyncio.sleep(ARRIVING_S)
            scene.diary.mark("all have come")
            settled.append(len(scene.diary.latencies_ms))
            await asyncio.sleep(size.seconds)
            await _until_closed(slowed, size)
    finally:
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def _until_closed(slowed: Slowed, size: Slow) -> None:
    count = size.connections // 3
    ends = time.monotonic() + (HEAD_S if size.closes else BODY_S) + MACHINE_S
    while time.monotonic() < ends:
        waited = [slowed.bodies, *([slowed.heads, slowed.silent] if size.closes else [])]
        if all(len(kept) >= count for kept in waited):
            return
        await asyncio.sleep(0.1)


SCENARIO = Scenario(NAME, QUESTION, run)
