from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loadtest.bench import Planted, Scenario
from loadtest.results import State
from loadtest.scenarios import durability, flapping, flood, kill, overload, slow, soak, store, storm, streams
from loadtest.sizes import Soak
from tests.conftest import Figure
from tests.loadtest.tiny import TINY, failed, run

# Those of the others are run by every whole load test.
HERE = (durability, storm, flapping, kill, store, soak)
OTHERS = (flood, streams, overload, slow)

SCENARIOS = [
    *(pytest.param(module.SCENARIO, id=module.NAME) for module in HERE),
    *(pytest.param(module.SCENARIO, id=module.NAME, marks=pytest.mark.torture(weight=0)) for module in OTHERS),
]

# What every one of them holds, whatever its question.
ALWAYS = {"once", "acknowledged", "refused", "recorded", "settled", "stopped", "verified"}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    """A scenario runs in a small size, every check of it holds, and it says what its callers were told and when."""
    result = run(scenario, tmp_path)
    assert (result.state, failed(result)) == (State.RAN, {}), result.lines
    names = [check.name for check in result.checks]
    assert len(set(names)) == len(names) > len(ALWAYS & set(names)) == len(ALWAYS)
    assert result.figures
    assert result.timeline is not None
    assert len({len(counts) for counts in result.timeline.by_verdict.values()}) == 1
    assert not list(tmp_path.rglob("run.json")), "a process was left behind, or killed"


# ---------------------------------------------------------------------------------------------- a planted second effect


class Doubling:
    """
    A road to the upstream that sends one create once more, under another key, and keeps that answer to itself.
    """

    def __init__(self, upstream: str) -> None:
        at = urlsplit(upstream)
        self._host, self._port = at.hostname, at.port
        self.doubled = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(self._host, self._port)
        back = asyncio.ensure_future(_copied(there, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                to.write(data)
                if data.startswith(b"POST /v1/payment_intents") and b"order%5D=" in data and not self.doubled:
                    self.doubled += 1
                    await self._again(data)
        to.close()
        await back
        writer.close()

    async def _again(self, data: bytes) -> None:
        again, to = await asyncio.open_connection(self._host, self._port)
        to.write(re.sub(rb"(?i)\r\nidempotency-key:[^\r]*", b"", data))
        await again.readuntil(b"\r\n\r\n")
        to.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)


@contextlib.contextmanager
def doubling(upstream: str) -> Iterator[str]:
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    urls: list[str] = []

    async def serve() -> None:
        async with await asyncio.start_server(Doubling(upstream).pass_on, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            urls.append(f"http://{host}:{port}")
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_planted_double(tmp_path: Path) -> None:
    """One write that is made twice behind Breakwater fails a scenario, by the number of its order."""
    size = replace(TINY, storm=replace(TINY.storm, repeats=5, keys=1, each=2))
    wrong = failed(run(storm.SCENARIO, tmp_path, size=size, planted=Planted(between=doubling)))
    assert wrong.keys() >= {"once", "recorded", "spent"}
    assert wrong["once"] == "stormy-000000 has 2"


# ------------------------------------------------------------------------------------------------------------ at length

SOAKED_MAX_S = 30 * 60.0

# What counts calls forgets them after five minutes: memory is flat from then on.
WARM_S = 330.0


@pytest.mark.torture(weight=3)
def test_soak(tmp_path: Path, torture_until: float, figure: Figure) -> None:
    """For as long as there is, half an hour at most, nothing grows with time alone, and everybody counts the same."""
    seconds = min(SOAKED_MAX_S, torture_until - time.monotonic(), 60 * float(os.environ.get("MINUTES", "10")))
    warm_s = min(WARM_S, seconds / 3)
    size = replace(TINY, soak=Soak(seconds, warm_s, per_second=100.0))
    result = run(soak.SCENARIO, tmp_path, size=size)
    for name, found in result.figures.items():
        figure(f"soak: {name}, {found.unit}", found.value)
    assert failed(result) == {}
