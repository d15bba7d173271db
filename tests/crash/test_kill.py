from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import Fault, HangUp, Status, StripeSandbox
from proxy.ledger.disk import RealDisk
from proxy.ledger.verify import verify
from tests.conftest import Figure
from tests.crash import checks
from tests.crash.forked import Forker, Hook
from tests.crash.lies import LIES
from tests.crash.load import Load, Said
from tests.crash.mixes import GithubMix, Mix, StripeMix
from tests.crash.record import Log, read_log, torn_files
from tests.crash.site import SECRET, Site
from tests.crash.waiting import until as true

KILLS, KILLS_A_FOLDER = 20, 5
TORTURE_KILLS, TORTURE_KILLS_A_FOLDER = 200, 10

# In how many of the suite's kills something was left to recover.
LEFT_MIN = 15

AGENTS = 4

FAULTS = (
    Fault(Status(500), applied=True, method="POST", times=None, rate=0.02, delay_s=0.005),
    Fault(HangUp(), applied=True, method="POST", times=None, rate=0.02),
    Fault(HangUp(reset=True), method="POST", times=None, rate=0.02),
    Fault(method="POST", times=None, rate=0.3, delay_s=0.02),
    Fault(applied=True, method="POST", times=None, rate=0.5, delay_s=0.01),
)

# One kind of folder seals a segment every second, so that a kill meets that too; the other never does.
LEDGERS = ({"segment": {"max_age_s": 1}}, {"reads": "durable"})


@asynccontextmanager
async def sandbox(seed: int) -> AsyncIterator[tuple[StripeSandbox, str]]:
    """A stalling, failing sandbox, and a charge in it that was made without Breakwater."""
    async with StripeSandbox(secret=SECRET, seed=seed) as made:
        paid = {"amount": "90000000", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as session,
            session.post(f"{made.url}/v1/payment_intents", data=paid) as answer,
        ):
            charge = (await answer.json())["latest_charge"]
        made.wiretap.clear()
        made.faults.add(*FAULTS)
        yield made, charge


async def kill_under_load(site: Site, charge: str, said: Said, seed: int) -> Log:
    """Kill it at a random moment among its answers; return the log as the kill left it."""
    draw = random.Random(f"{seed}/kill")
    load = Load(site, charge, said, seed)
    working = asyncio.create_task(load.run())
    enough = asyncio.create_task(load.answered(draw.randrange(20, 160)).wait())
    await asyncio.wait({working, enough}, return_when=asyncio.FIRST_COMPLETED)
    assert not working.done(), f"it ended by itself:\n{site.log.read_text()[-3000:]}"
    # The moment itself: anywhere within what one write takes.
    await asyncio.sleep(draw.uniform(0, 0.03))
    assert site.child is not None
    assert await site.child.kill() == -9
    await working
    return read_log(site.state)


async def start_again(site: Site, draw: random.Random) -> None:
    """Start it; now and then, kill one start in its middle first."""
    if draw.random() < 0.3:
        child = await site.launch()
        await asyncio.sleep(draw.uniform(0, 0.25))
        await child.kill()
    await site.start()


async def check(site: Site, said: Said, before: Log) -> Counter[str]:
    """Check a folder after the start that followed a kill."""
    now = checks.Standing(site, said)
    checks.kept(before, now.log)
    assert not before.torn or before.torn in torn_files(site.state)
    counted = checks.answers_on_record(now)
    checks.one_intent_a_write(now)
    counted["received"] = checks.nothing_unrecorded(now, site.sandbox)
    checks.doubts_named_once(now)
    await checks.doubts_shown(now)
    assert await site.verified() == 0
    return counted


def left_open(log: Log) -> set[int]:
    """The intents without an outcome."""
    entries = log.entries
    ended = {entry["intent"] for entry in entries if entry["k"] == "call.outcome"}
    return {entry["i"] for entry in entries if entry["k"] == "call.intent"} - ended


async def one_folder(
    folder: Path, forker: Forker, seed: int, kills: int, *, until: float = math.inf, hook: Hook | None = None
) -> Counter[str]:
    """Kill and start one folder again and again; return what was counted."""
    draw, said, total = random.Random(seed), Said(), Counter[str]()
    async with sandbox(seed) as (upstream, charge):
        site = Site(folder, forker, upstream, agents=AGENTS, ledger=LEDGERS[seed % 2], hook=hook)
        await site.start()
        known: set[int] = set()
        counted: Counter[str] = Counter()
        while total["kills"] < kills and time.monotonic() < until:
            number = total["kills"]
            try:
                before = await kill_under_load(site, charge, said, seed * 1000 + number)
                fresh = left_open(before) - known
                known |= fresh
                found = {finding.finding for finding in verify(RealDisk(), site.state).findings}
                assert found <= {"torn-tail"}
                assert found or not before.torn
                total += Counter(kills=1, open=bool(fresh), torn=bool(before.torn), left=bool(fresh or before.torn))
                await start_again(site, draw)
                counted = await check(site, said, before)
            except AssertionError as error:
                error.add_note(f"seed {seed}, kill {number}")
                raise
        assert await site.stop() == 0
        assert await site.verified() == 0
        assert read_log(site.state).entries[-1]["k"] == "log.closed"
    return total + counted


FLOORS: dict[str, int] = json.loads((Path(__file__).parent / "floors.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_kills(tmp_path: Path, forker: Forker, figure: Figure) -> None:
    """After kill -9 under a load of writes, all that a client saw and all that the upstream got is on record."""
    total: Counter[str] = Counter()
    for seed in range(KILLS // KILLS_A_FOLDER):
        total += await one_folder(tmp_path / f"folder-{seed}", forker, seed, KILLS_A_FOLDER)
    for name, count in sorted(total.items()):
        figure(f"crash {name}", count)
    assert total["kills"] == KILLS
    assert total["left"] >= LEFT_MIN
    assert {name: total[name] for name, floor in FLOORS.items() if total[name] < floor} == {}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES)
async def test_lie_found(tmp_path: Path, forker: Forker, lie: str) -> None:
    """A program that does not keep one of the promises is found out by a kill."""
    with pytest.raises(AssertionError, match=LIES[lie][1]):
        await one_folder(tmp_path / "folder", forker, 1, KILLS_A_FOLDER, hook={"lie": lie})


@pytest.mark.torture(weight=3)
async def test_many_kills(tmp_path: Path, forker: Forker, figure: Figure, torture_until: float) -> None:
    """The same holds for two hundred kills at moments that nobody chose before."""
    total: Counter[str] = Counter()
    seed = int.from_bytes(os.urandom(4), "big")
    while total["kills"] < TORTURE_KILLS and time.monotonic() < torture_until:
        seed += 1
        folder = tmp_path / f"folder-{seed}"
        total += await one_folder(folder, forker, seed, TORTURE_KILLS_A_FOLDER, until=torture_until)
    for name, count in sorted(total.items()):
        figure(f"torture crash {name}", count)
    assert total["left"] >= total["kills"] * LEFT_MIN / KILLS > 0
    # A shorter run is for those who look for something; the whole one is the promise.
    assert total["kills"] >= TORTURE_KILLS or float(os.environ.get("MINUTES", "10")) < 10
