from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
from tests.crash.site import CAPS, SECRET, Site
from tests.crash.waiting import until as true

KILLS, KILLS_A_FOLDER = 20, 5
TORTURE_KILLS, TORTURE_KILLS_A_FOLDER = 1000, 10

# In how many of the suite's kills something was left to recover.
LEFT_MIN = 15

# In which all of torture's kills are made, on two cores.
WHOLE_MINUTES = 60

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

# So that a kill meets the looking for doubts as well.
SOON: Hook = {"soon": True}

GITHUB_CARD: Mapping[str, Mapping[str, object]] = {
    "github": {"issues/create": {}, "issues/create-comment": {}, "issues/get": {}}
}


@asynccontextmanager
async def stripe(seed: int) -> AsyncIterator[tuple[Sandbox, Mix, Mapping[str, Any]]]:
    """A stalling, failing Stripe, and a charge in it that was made without Breakwater."""
    async with StripeSandbox(secret=SECRET, seed=seed) as made:
        paid = {"amount": "90000000", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
        answer = await before(made, "/v1/payment_intents", data=paid)
        yield made, StripeMix(made, answer["latest_charge"]), {}


@asynccontextmanager
async def github(seed: int) -> AsyncIterator[tuple[Sandbox, Mix, Mapping[str, Any]]]:
    """A stalling, failing GitHub, which does whatever arrives, and an issue in it that was made without Breakwater."""
    async with GithubSandbox(secret=SECRET, seed=seed) as made:
        await before(made, "/repos/ada/engine/issues", json={"title": "The first"})
        bases = dict.fromkeys(("api", "uploads"), made.url)
        account = {"catalog": "github", "upstream": bases, "credential": {"env": "UPSTREAM"}}
        yield (
            made,
            GithubMix(made),
            {"apis": {"github": account}, "allow": GITHUB_CARD, "secrets": {"UPSTREAM": SECRET}},
        )


UPSTREAMS = (stripe, stripe, github, github)


async def before(sandbox: Sandbox, path: str, **said: Any) -> Any:
    """Make something at a sandbox without Breakwater, and let it fail from then on."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as session,
        session.post(sandbox.url + path, **said) as answer,
    ):
        made = await answer.json()
    sandbox.wiretap.clear()
    sandbox.faults.add(*FAULTS)
    return made


async def kill_under_load(site: Site, mix: Mix, said: Said, seed: int) -> Log:
    """Kill it at a random moment among its answers; return the log as the kill left it."""
    draw = random.Random(f"{seed}/kill")
    load = Load(site, mix, said, seed)
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


async def check(site: Site, said: Said, mix: Mix, before: Log, doubted: set[str]) -> Counter[str]:
    """Check a folder after the start that followed a kill."""
    now = checks.Standing(site, said, mix)
    checks.kept(before, now.log)
    assert not before.torn or before.torn in torn_files(site.state)
    counted = held(now)
    await checks.doubts_shown(now, doubted)
    counted["caps that add up"] = len(await site.adds_up())
    assert await site.verified() == 0
    return counted


def held(now: checks.Standing) -> Counter[str]:
    """Hold all that clients saw and all that the upstream did against the record."""
    counted = checks.answers_on_record(now)
    checks.one_intent_a_write(now)
    counted["received"] = checks.once_or_not_at_all(now)
    checks.doubts_named_once(now)
    return counted


async def settled(site: Site, said: Said, mix: Mix, sandbox: Sandbox) -> Counter[str]:
    """Let every client ask once more, at an upstream that fails no longer: what is told at last is true as well."""
    sandbox.faults.clear()
    await Load(site, mix, said, 0).finish()

    async def nothing_under_way() -> bool:
        return bool((await site.admin("GET", "/v1/status"))["in_flight"] == 0)

    await true(nothing_under_way)
    now = checks.Standing(site, said, mix)
    counted = held(now)
    counted["caps that add up"] = len(await site.adds_up())
    shown = {each["intent"] for each in (await site.admin("GET", "/v1/status"))["in_doubt"]}
    assert shown <= now.doubted, "an end is on record, and is called a doubt"
    counted["doubts found"] = sum(entry["eff"] == "applied" for entry in now.resolved.values())
    counted["doubts left"] = len(shown)
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
    async with UPSTREAMS[seed % len(UPSTREAMS)](seed) as (sandbox, mix, more):
        site = Site(
            folder,
            forker,
            sandbox,
            agents=AGENTS,
            ledger=LEDGERS[seed % 2],
            hook={**(hook or {}), **SOON},
            caps=CAPS,
            **more,
        )
        await site.start()
        known: set[int] = set()
        while total["kills"] < kills and time.monotonic() < until:
            number = total["kills"]
            try:
                left = await kill_under_load(site, mix, said, seed * 1000 + number)
                doubted = checks.Standing(site, said, mix).doubted
                fresh = left_open(left) - known
                known |= fresh
                found = {finding.finding for finding in verify(RealDisk(), site.state).findings}
                assert found <= {"torn-tail"}
                assert found or not left.torn
                total += Counter(kills=1, open=bool(fresh), torn=bool(left.torn), left=bool(fresh or left.torn))
                await start_again(site, draw)
                await check(site, said, mix, left, doubted)
            except AssertionError as error:
                error.add_note(f"seed {seed}, kill {number}")
                raise
        counted = await settled(site, said, mix, sandbox)
        assert await site.stop() == 0
        assert await site.verified() == 0
        assert read_log(site.state).entries[-1]["k"] == "log.closed"
    return total + counted


FLOORS: dict[str, int] = json.loads((Path(__file__).parent / "floors.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_kills(tmp_path: Path, forker: Forker, figure: Figure) -> None:
    """After kill -9 under writers that ask again nothing is done twice, and all that they were told is true."""
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
        await one_folder(tmp_path / "folder", forker, LIES[lie][2], KILLS_A_FOLDER, hook={"lie": lie})


@pytest.mark.torture(weight=6)
async def test_many_kills(tmp_path: Path, forker: Forker, figure: Figure, torture_until: float) -> None:
    """The same holds for a thousand kills at moments that nobody chose before."""
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
    assert total["kills"] >= TORTURE_KILLS or float(os.environ.get("MINUTES", "10")) < WHOLE_MINUTES
