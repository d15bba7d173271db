"""
A stop under load, real processes: counted at the upstream, where a write begins with its first byte.

What left before the answer to an order stands in the kernel's queues by then, in this process: whoever reads all that
is there first, and counts then, counts what left before, however busy the machine is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from loadtest.upstreams.stripe import Fault, StripeSandbox
from proxy.exchange import FIRST_BYTE_WITHIN_S
from tests.conftest import Figure
from tests.crash.forked import Forker, Hook
from tests.crash.load import Load, Said
from tests.crash.mixes import StripeMix
from tests.crash.record import read_log
from tests.crash.site import SECRET, Site
from tests.crash.test_kill import before
from tests.crash.waiting import until as true
from tests.redis_server import RedisServer, running_redis

STOPS, TORTURE_STOPS = 2, 200

# Enough for a write to begin at every moment; more would only take a processor from what is measured.
WRITERS, PAUSE_S = 6, 0.02

# As long as writers that are told no go on asking: each of them half a dozen times.
ON_S = 0.15

# Promised on a machine that has time for it: a disk that is busy with everything else is waited for.
PATIENT: Hook = {"recorded_s": 30.0}

# Promised on a machine that has time for it; what a busy one may not lose is counted, not measured.
EFFECT_S = 1.0

# More turns of the loop than a connection takes from its first byte to its last.
TURNS = 50

BEGINS, READS = b"POST /v1/", b"GET /v1/"

SLOW = (Fault(method="POST", times=None, rate=0.5, delay_s=0.05),)


@dataclass
class Upstream:
    """What arrived at the sandbox."""

    sandbox: StripeSandbox

    @property
    def writes(self) -> list[bytearray]:
        """
        Return the bytes of every connection that writes came over.
        """
        return [wire for wire in self.sandbox.wiretap._wires if BEGINS in wire[:200]]

    def begun(self) -> int:
        """
        Return how many writes have begun.
        """
        return sum(wire.count(BEGINS) for wire in self.writes)

    def sent(self) -> int:
        """
        Return how many bytes of writes have come.
        """
        return sum(map(len, self.writes))

    def read(self) -> int:
        """
        Return how many reads have come.
        """
        return sum(wire.count(READS) for wire in self.sandbox.wiretap._wires)


async def everything_here() -> None:
    """Read all that has arrived."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


@dataclass
class Measured:
    """Seconds from an order to the last write that began, for each stop."""

    effects: list[float] = field(default_factory=list)

    def p99(self) -> float:
        """
        Return what all but one of a hundred were below.
        """
        return sorted(self.effects)[max(0, -(-99 * len(self.effects) // 100) - 1)]


@contextlib.asynccontextmanager
async def upstream(seed: int) -> AsyncIterator[tuple[StripeSandbox, StripeMix]]:
    """Give a slow Stripe."""
    async with StripeSandbox(secret=SECRET, seed=seed) as sandbox:
        paid = {"amount": "90000000", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
        answer = await before(sandbox, "/v1/payment_intents", data=paid)
        sandbox.faults.clear()
        sandbox.faults.add(*SLOW)
        yield sandbox, StripeMix(sandbox, answer["latest_charge"])


def work(site: Site, mix: StripeMix, seed: int) -> Load:
    """Return writers at a process."""
    return Load(site, mix, Said(), seed, writers=WRITERS, pause_s=PAUSE_S)


async def last_begin(seen: Upstream, ordering: asyncio.Task[Any]) -> tuple[float, Any]:
    """Watch until an order is answered; return how long after it began the last write did, and the answer."""
    began, count, last = time.monotonic(), seen.begun(), 0.0
    while not ordering.done():
        await asyncio.sleep(0)
        if seen.begun() > count:
            count, last = seen.begun(), time.monotonic() - began
    return last, ordering.result()


async def resumed(site: Site, scope: str = "all") -> None:
    """Let everything pass again."""
    shown = await site.admin("GET", f"/v1/kill?scope={scope}")
    order = {"scope": scope, "epoch": shown["record"]["epoch"], "reason": "on", "full": True}
    done = await site.admin("POST", "/v1/resume", json=order)
    assert done["mode"] == "run", done


async def one_stop(site: Site, seen: Upstream, draw: random.Random, measured: Measured) -> None:
    """Stop everything at a random moment, hold the proof against what arrives, and resume."""
    faults = seen.sandbox.faults
    faults.add(Fault(held=True, method="POST"))
    await true(faults.holding.is_set)
    await asyncio.sleep(draw.uniform(0.0, 0.05))
    order = {"mode": draw.choice(("stop-writes", "stop-all")), "reason": "a test"}
    effect_s, said = await last_begin(seen, asyncio.create_task(site.admin("POST", "/v1/kill", json=order)))
    await everything_here()
    begun = seen.begun()
    measured.effects.append(effect_s)
    assert (said["recorded"], said["shared"], said["confirmed"]) == (True, True, False)
    assert said["process"]["in_flight"]
    faults.release()

    async def confirmed() -> bool:
        proof = await site.admin("GET", "/v1/kill")
        assert bool(proof["confirmed"]) is not bool(proof["process"]["in_flight"])
        return bool(proof["confirmed"])

    await true(confirmed)
    await everything_here()
    sent, read = seen.sent(), seen.read()
    await asyncio.sleep(ON_S)
    if order["mode"] == "stop-writes":
        await true(lambda: seen.read() > read)
    else:
        assert seen.read() == read, "a read began although everything is stopped"
    assert seen.begun() == begun, "a write began after the stop was acknowledged"
    assert seen.sent() == sent, "a byte of a write came after it was confirmed that all have stopped"
    await resumed(site)
    await true(lambda: seen.begun() > begun)


async def stops_under_load(folder: Path, forker: Forker, seed: int, stops: int, *, ends: float) -> Measured:
    """Stop one process again and again while writers work."""
    draw, measured = random.Random(seed), Measured()
    async with upstream(seed) as (sandbox, mix):
        site, seen = Site(folder, forker, sandbox, agents=4, hook=PATIENT), Upstream(sandbox)
        child = await site.start()
        load = work(site, mix, seed)
        working = asyncio.create_task(load.run())
        await load.answered(20).wait()
        while len(measured.effects) < stops and time.monotonic() < ends:
            await one_stop(site, seen, draw, measured)
            assert not working.done()
        # Killed right after it said that it has stopped.
        said = await site.admin("POST", "/v1/kill", json={"reason": "the last one"})
        await child.kill()
        await working
        begun = seen.begun()
        await site.start()
        again = asyncio.create_task(work(site, mix, seed + 1).run())
        await asyncio.sleep(ON_S)
        kill = (await site.admin("GET", "/v1/status"))["kill"]
        assert (kill["mode"], kill["epoch"], kill["confirmed"]) == ("stop-writes", said["epoch"], True)
        assert kill["scopes"][0]["reason"] == "the last one"
        assert seen.begun() == begun, "a write began in a process that began stopped"
        assert await site.stop() == 0
        await again
        recorded = [entry for entry in read_log(site.state).entries if entry["k"] == "kill.changed"]
        assert len(recorded) == 2 + 2 * len(measured.effects)
    return measured


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_stops(tmp_path: Path, forker: Forker, figure: Figure) -> None:
    """After the acknowledgement no write begins, after the proof not one byte comes, and a killed process stays so."""
    measured = await stops_under_load(tmp_path / "site", forker, 6, STOPS, ends=float("inf"))
    figure("stop: seconds to effect", measured.p99())
    assert len(measured.effects) == STOPS


@pytest.mark.torture
async def test_many_stops(tmp_path: Path, forker: Forker, figure: Figure, torture_until: float) -> None:
    """The same holds for many, and within a second each."""
    seed = int.from_bytes(os.urandom(4), "big")
    measured = await stops_under_load(tmp_path / "site", forker, seed, TORTURE_STOPS, ends=torture_until)
    figure("torture stop: seconds to effect, 99 of 100", measured.p99())
    assert measured.effects
    assert measured.p99() <= EFFECT_S


# -------------------------------------------------------------------------------------------------------------- a fleet


@dataclass
class Fleet:
    """Two processes, what they share, and their upstream."""

    here: Site
    there: Site
    seen: Upstream
    mix: StripeMix
    server: RedisServer
    redis: int

    async def stopped(self, site: Site) -> bool:
        """
        Tell whether a process has a stop in force.
        """
        return bool((await site.admin("GET", "/v1/status"))["kill"]["mode"] != "run")

    def work(self, site: Site, seed: int) -> asyncio.Task[None]:
        """
        Let writers work at a process.
        """
        return asyncio.create_task(work(site, self.mix, seed).run())

    async def kill(self) -> None:
        """
        Stop all writes, once more where a Redis on a busy machine did not answer in time.
        """

        async def everywhere() -> bool:
            said = await self.here.admin("POST", "/v1/kill", json={})
            assert said["recorded"], said
            return bool(said["shared"])

        await true(everywhere)

    async def resume(self) -> None:
        """
        Let everything pass again, likewise.
        """

        async def everywhere() -> bool:
            if not await self.stopped(self.here):
                return not await self.stopped(self.there)
            with contextlib.suppress(AssertionError, KeyError):
                await resumed(self.here)
            return False

        await true(everywhere)

    async def quiet(self, why: str) -> None:
        """
        Fail if a write begins from here on.
        """
        await everything_here()
        begun = self.seen.begun()
        await asyncio.sleep(ON_S)
        assert self.seen.begun() == begun, why


@contextlib.asynccontextmanager
async def fleet(folder: Path, forker: Forker) -> AsyncIterator[Fleet]:
    """Give two processes of one deployment."""
    with running_redis(folder / "redis") as server:
        with contextlib.closing(redis.Redis("127.0.0.1", server.port)) as operator:
            pid = int(operator.info("server")["process_id"])
        async with upstream(7) as (sandbox, mix):
            here = Site(folder / "here", forker, sandbox, store=server.url, hook=PATIENT)
            there = Site(folder / "there", forker, sandbox, store=server.url, hook=PATIENT)
            await here.start()
            there.state.mkdir(mode=0o700)
            (there.state / "keyring").write_bytes((here.state / "keyring").read_bytes())
            await there.start()
            try:
                yield Fleet(here, there, Upstream(sandbox), mix, server, pid)
            finally:
                os.kill(pid, signal.SIGCONT)
                for site in (here, there):
                    if site.child is not None:
                        await site.child.kill()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_fleet(tmp_path: Path, forker: Forker, figure: Figure) -> None:
    """One process' stop stops the other's writes, also where their Redis is away, and what that loses lifts nothing."""
    async with fleet(tmp_path, forker) as both:
        working = [both.work(both.here, 1), both.work(both.there, 2)]
        await true(lambda: both.seen.begun() > 20)
        await both.kill()
        acknowledged = time.monotonic()
        await true(lambda: both.stopped(both.there))
        figure("stop: seconds until another process stopped", time.monotonic() - acknowledged)
        await both.quiet("a write began although everyone knew of the stop")
        # It loses all that it knew, and then everyone begins anew.
        both.server.flush()
        await both.quiet("a write began because Redis forgot the stop")
        for site, work in zip((both.here, both.there), working, strict=True):
            assert await site.stop() == 0
            await work
        both.server.flush()
        for site in (both.here, both.there):
            await site.start()
        working = [both.work(both.here, 3), both.work(both.there, 4)]
        await both.quiet("a write began after everything was started anew")
        assert await both.stopped(both.here)
        assert await both.stopped(both.there)
        await both.resume()
        begun = both.seen.begun()
        await true(lambda: both.seen.begun() > begun + 20)
        # Nobody reaches it: neither hears of the other.
        os.kill(both.redis, signal.SIGSTOP)
        away = await both.here.admin("POST", "/v1/kill", json={})
        assert (away["recorded"], away["shared"], away["confirmed"]) == (True, False, False)
        # A permit that was given before is worth nothing by then.
        await asyncio.sleep(FIRST_BYTE_WITHIN_S + ON_S)
        await both.quiet("a write began in a process that cannot hear of a stop")
        os.kill(both.redis, signal.SIGCONT)
        await true(lambda: both.stopped(both.there))
        await both.quiet("a write began although Redis came back")
        for site, work in zip((both.here, both.there), working, strict=True):
            assert site.child is not None
            await site.child.kill()
            await work


@pytest.mark.parametrize("step", ["server.allow_descriptors", "server.open_ledger"])
async def test_called_at_the_start(step: str, tmp_path: Path, forker: Forker) -> None:
    """The signal that comes while a process starts ends nothing: it stops writes as soon as there are any."""
    async with StripeSandbox(secret=SECRET) as sandbox:
        site = Site(tmp_path / "site", forker, sandbox, hook={"called": step})
        await site.start()
        kill = (await site.admin("GET", "/v1/status"))["kill"]
        assert (kill["mode"], [scope["by"] for scope in kill["scopes"]]) == ("stop-writes", ["signal"])
        assert await site.stop() == 0
