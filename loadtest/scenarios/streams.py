"""Do long streams keep flowing beside short calls?"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

from loadtest.bench import Bench, Scenario
from loadtest.diary import Diary
from loadtest.effects import only
from loadtest.pacing import after, at_rate, calling
from loadtest.readers import Read, read_slowly
from loadtest.remembering import stream_of
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, build, ms, result
from loadtest.sizes import Streams

NAME, QUESTION = "streams", (__doc__ or "").strip()

# Of the short calls, each so many-th is a write.
WRITES_EACH = 10

# Of the short calls, so many are under way at once; more wait at their callers.
MOST = 32

# How often memory is looked at.
LOOK_S = 0.1

# What a stream may take of memory, however long it is: the buffers between its two sockets, several times over.
STREAM_BYTES_MAX = 1536 << 10


def run(bench: Bench) -> Result:
    """
    Make short calls alone, then beside many streams that are read slowly.
    """
    scene, size = build(bench, ["short", "long"], seed=bench.profile.faults.seed), bench.profile.faults.streams
    alone, resident = Diary(), list[float]()
    reads = scene.acted(_streamed(scene, alone, resident))
    checks, record, _ = scene.ended()
    grown_mb = max(resident) - resident[0]
    checks += [
        whole(reads, size),
        only("short", "short calls are all answered", scene.diary.told, "200"),
        flat(grown_mb, size),
        Check("streams", "every stream is on record", record.reads >= size.streams, f"{record.reads} reads"),
    ]
    figures = {
        "short.alone_p99_ms": ms(alone.latencies_ms, 0.99),
        "short.beside_p99_ms": ms(scene.diary.latencies_ms, 0.99),
        "grown_mb": Figure(grown_mb, "MB"),
        "kib_a_stream": Figure(1e6 * grown_mb / 1024 / size.streams, "KiB"),
        "streamed_mb": Figure(sum(read.size for read in reads) / 1e6, "MB"),
    }
    return result(NAME, QUESTION, scene, figures, checks)


def whole(reads: Sequence[Read], size: Streams) -> Check:
    """
    Hold that each stream came to its reader as it was, to the last byte.
    """
    wrong = [
        f"stream {number}: {read.status}, {read.size} bytes"
        for number, read in enumerate(reads)
        if read != Read(200, size.bytes_each, zlib.crc32(stream_of(number, size.bytes_each)))
    ]
    found = "; ".join(wrong[:3]) or f"{len(reads)} streams of {size.bytes_each} bytes"
    return Check("bytes", "every stream arrives as it was", not wrong and len(reads) == size.streams, found)


def flat(grown_mb: float, size: Streams) -> Check:
    """
    Hold that streams are passed on and not gathered.
    """
    bound_mb = 16 + size.streams * min(STREAM_BYTES_MAX, size.bytes_each) / 1e6
    found = f"{grown_mb:.1f} MB, {bound_mb:.0f} at most"
    return Check("memory", "streams are not gathered", grown_mb <= bound_mb, found)


async def _streamed(scene: Scene, alone: Diary, resident: list[float]) -> list[Read]:
    size = scene.bench.profile.faults.streams
    scene.diary.mark("alone")
    undisturbed, agent = scene.agent("short", "alone", most=MOST, diary=alone), scene.agent("short", most=MOST)
    await at_rate(size.per_second, after(size.seconds), partial(undisturbed.either, WRITES_EACH))
    resident.append(scene.resident_mb())
    scene.diary.mark("the streams begin")
    door = scene.breakwater.doors["stripe.files"]
    async with calling(size.per_second, partial(agent.either, WRITES_EACH)), watching(scene, resident):
        slow = (
            read_slowly(door, target(number, size), scene.keys["long"], size.bytes_each, size.seconds)
            for number in range(size.streams)
        )
        reads = list(await asyncio.gather(*slow))
        scene.diary.mark("the streams end")
    return reads


def target(number: int, size: Streams) -> str:
    """
    Return what is asked for, so that the upstream streams so many bytes as fast as they are taken.
    """
    return f"/v1/quotes/qt_{number}_{size.bytes_each}_0/pdf"


@contextlib.asynccontextmanager
async def watching(scene: Scene, resident: list[float]) -> AsyncIterator[None]:
    """
    Look at the process' memory again and again meanwhile.
    """

    async def watch() -> None:
        while True:
            resident.append(scene.resident_mb())
            await asyncio.sleep(LOOK_S)

    watched = asyncio.create_task(watch())
    try:
        yield
    finally:
        watched.cancel()


SCENARIO = Scenario(NAME, QUESTION, run)
