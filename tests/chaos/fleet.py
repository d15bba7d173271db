"""
Replicas of Breakwater as real processes over one Redis, each by a wire of its own, and both upstreams behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.installation import stripe_api
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import Fault as Failure
from loadtest.upstreams.stripe import HangUp, Status, StripeSandbox
from proxy.ledger.disk import RealDisk
from proxy.ledger.keyring import make_ring
from proxy.ledger.layout import KEY_RING
from tests.chaos.mixes import BothMix
from tests.chaos.pair import Pair, redis_pair
from tests.chaos.replica import WorkedSite
from tests.chaos.wire import Wire, wired
from tests.crash.forked import Forker, Hook
from tests.crash.record import read_log
from tests.crash.site import CARD, SECRET, Site
from tests.crash.totals import Sums, spent_on_record
from tests.crash.waiting import until

REPLICAS, AGENTS = 2, 4

# Whose caps are what a fault may not make them forget: they have tasks of their own.
PAYER, READER = "payer", "reader"

# How many there may be, each with a charge and a customer of its own.
TASKS = 48

# Far more than anything here takes. Reads take nothing of any cap, but in tasks of their own: they need no store.
CAPS: Mapping[str, object] = {
    "task": {"writes": 10**6, "moved": "1000000000 USD"},
    "month": {"moved": "1000000000 USD"},
}

# Longer than a fleet needs to be whole again, on a machine that does everything else at once.
HEALS_S = 45.0

# Between two looks at everything.
LOOKS_S = 0.25

# Upstreams fail as well, a little: what a fault of Redis leaves in doubt meets what they leave in doubt.
FAILURES = (
    Failure(Status(500), applied=True, method="POST", times=None, rate=0.02, delay_s=0.005),
    Failure(HangUp(), applied=True, method="POST", times=None, rate=0.02),
    Failure(method="POST", times=None, rate=0.2, delay_s=0.02),
    Failure(applied=True, method="POST", times=None, rate=0.2, delay_s=0.02),
)

GITHUB: Mapping[str, Mapping[str, object]] = {"issues/create": {}, "issues/create-comment": {}, "issues/get": {}}

# A claim whose process was killed keeps others out for its lease: a short one, or the end would wait for the last.
SHORT: Hook = {"lease_s": 4.0}


@dataclass(eq=False)
class Fleet:
    """
    The replicas, the wires by which they reach their Redis, and what stands behind them.
    """

    pair: Pair
    wires: list[Wire]
    sites: list[Site]
    stripe: StripeSandbox
    github: GithubSandbox
    mix: BothMix
    charges: list[str]
    customers: list[str]
    # Which of them may be asked at the moment: one that was killed hangs up on everybody.
    up: set[int] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """
        Return the agents that work all the time.
        """
        return self.sites[0].names[:AGENTS]

    @property
    def states(self) -> list[Path]:
        """
        Return the state folder of every process.
        """
        return [state for site in self.sites for state in site.states]

    def key(self, number: int, agent: str) -> str:
        """
        Return the key that an agent shows at a replica.
        """
        site = self.sites[number]
        return site.keys[site.names.index(agent)]

    def door(self, number: int, path: str) -> str:
        """
        Return where a path is at a replica, by whose it is.
        """
        return self.sites[number].doors["stripe" if path.startswith("/v1/") else "github"] + path

    def reset(self) -> None:
        """
        Let every wire be well, and lead to the primary.
        """
        for wire in self.wires:
            wire.heal()
            if wire.target != self.pair.primary.port:
                wire.lead_to(self.pair.primary.port)

    async def start(self) -> None:
        """
        Start every replica, with one key ring.
        """
        for number, site in enumerate(self.sites):
            site.state.mkdir(mode=0o700)
            if number:
                shutil.copy2(self.sites[0].state / KEY_RING, site.state / KEY_RING)
            else:
                make_ring(RealDisk(), site.state / KEY_RING, os.urandom)
        await asyncio.gather(*(site.start() for site in self.sites))
        self.up.update(range(len(self.sites)))
        await self.ready()

    async def ready(self, *numbers: int) -> None:
        """
        Wait until replicas, all where none is named, say that they are.
        """

        async def everywhere() -> bool:
            said = [await self.sites[number].ready() for number in numbers or range(len(self.sites))]
            return all(said)

        await until(everywhere, HEALS_S)

    async def why(self) -> list[Any]:
        """
        Return why each replica is not ready, for whoever reads a failure.
        """
        found: list[Any] = []
        for site in self.sites:
            try:
                found.append((await site.admin("GET", "/v1/status"))["why"])
            except (aiohttp.ClientError, OSError) as error:
                found.append(repr(error))
        return found

    async def adds_up(self) -> Sums:
        """
        Return what was taken and is held, as soon as every replica says what follows from all the records.
        """
        said: list[Sums] = []

        def on_record() -> Sums:
            return spent_on_record(entry for state in self.states for entry in read_log(state).entries)

        async def holds() -> bool:
            # Slices that reads took ahead are given back within seconds; to read every record is work.
            await asyncio.sleep(LOOKS_S)
            before = on_record()
            try:
                said[:] = [before, *[await site.totals() for site in self.sites], on_record()]
            except AssertionError:
                # A store that is late, on a machine that is busy.
                return False
            return all(each in {0: before, 1: said[-1]}.values() for each in said[1:-1])

        try:
            await until(holds, HEALS_S)
        except AssertionError:
            found = [
                [f"{key}: {of.get(key)}" for key in {*of, *said[-1]} if of.get(key) != said[-1].get(key)] for of in said
            ]
            raise AssertionError(f"the store adds up otherwise than the records: {found}") from None
        return said[-1]

    async def nothing_under_way(self) -> None:
        """
        Wait until no replica has a write on its way.
        """

        async def still() -> bool:
            said = [(await site.admin("GET", "/v1/status"))["in_flight"] for site in self.sites]
            return bool(sum(said) == 0)

        await until(still, HEALS_S)

    async def kill(self, number: int) -> None:
        """
        Kill a replica where it stands.
        """
        site = self.sites[number]
        self.up.discard(number)
        if isinstance(site, WorkedSite):
            await site.kill_all()
            return
        assert site.child is not None
        assert await site.child.kill() == -9

    async def restart(self, number: int, draw: random.Random) -> None:
        """
        Start it again; now and then, kill one start in its middle first.
        """
        site = self.sites[number]
        if draw.random() < 0.2:
            child = await site.launch()
            await asyncio.sleep(draw.uniform(0, 0.25))
            await child.kill()
        await site.start()
        self.up.add(number)

    async def stop(self) -> None:
        """
        Stop every replica; each ends well, and its record is whole.
        """
        codes = await asyncio.gather(*(site.stop() for site in self.sites))
        assert codes == [0] * len(self.sites), [site.log.read_text()[-3000:] for site in self.sites]
        for site in self.sites:
            assert await site.verified() == 0
        for state in self.states:
            assert read_log(state).entries[-1]["k"] == "log.closed"

    def counted(self) -> Counter[str]:
        """
        Return what the wires did.
        """
        return sum((wire.met for wire in self.wires), Counter[str]())


@contextlib.asynccontextmanager
async def fleet_of(folder: Path, forker: Forker, seed: int = 0, *, kind: type[Site] = Site) -> AsyncIterator[Fleet]:
    """
    Start a fleet and everything around it once.
    """
    async with contextlib.AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(StripeSandbox(secret=SECRET, seed=seed))
        github = await stack.enter_async_context(GithubSandbox(secret=SECRET, seed=seed))
        pair = await stack.enter_async_context(redis_pair(folder))
        wires = [await stack.enter_async_context(wired(pair.primary.port)) for _ in range(REPLICAS)]
        charges, customers = await _before(stripe, github)
        mix = BothMix(stripe, github, charges[0])
        sites = [
            _site(kind, folder / f"replica-{number}", forker, stripe, github, wire) for number, wire in enumerate(wires)
        ]
        fleet = Fleet(pair, wires, sites, stripe, github, mix, charges, customers)
        stack.push_async_callback(_killed, fleet)
        await fleet.start()
        for sandbox in (stripe, github):
            sandbox.wiretap.clear()
            sandbox.faults.add(*FAILURES)
        yield fleet


def _site(
    kind: type[Site], folder: Path, forker: Forker, stripe: StripeSandbox, github: GithubSandbox, wire: Wire
) -> Site:
    bases = dict.fromkeys(("api", "uploads"), github.url)
    account = {"catalog": "github", "upstream": bases, "credential": {"env": "UPSTREAM"}}
    return kind(
        folder,
        forker,
        stripe,
        apis={"stripe": stripe_api(stripe.url), "github": account},
        allow={"stripe": CARD, "github": GITHUB},
        secrets={"STRIPE_SECRET": SECRET, "UPSTREAM": SECRET},
        agents=AGENTS,
        called=(PAYER, READER),
        hook=SHORT,
        store=f"redis://127.0.0.1:{wire.port}",
        caps=CAPS,
        timeouts={"caller_deadline": "2s"},
        more={"deployment": "chaos"},
    )


async def _before(stripe: StripeSandbox, github: GithubSandbox) -> tuple[list[str], list[str]]:
    """
    Make what is there before anybody comes: an issue, charges and customers; return the ids of these two.
    """
    paid = {"amount": "90000000", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as session:

        async def made(url: str, field: str, **said: Any) -> str:
            async with session.post(url, **said) as answer:
                return str((await answer.json())[field])

        await made(f"{github.url}/repos/ada/engine/issues", "number", json={"title": "The first"})
        charges = [await made(f"{stripe.url}/v1/payment_intents", "latest_charge", data=paid) for _ in range(TASKS)]
        customers = [await made(f"{stripe.url}/v1/customers", "id", data={"name": "a"}) for _ in range(TASKS)]
        return charges, customers


async def _killed(fleet: Fleet) -> None:
    for site in fleet.sites:
        if isinstance(site, WorkedSite) and site.child is not None and await site.child.runs():
            await site.kill_all()
        elif site.child is not None:
            await site.child.kill()


def every(fleet: Fleet) -> Iterator[int]:
    """
    Yield the number of every replica.
    """
    yield from range(len(fleet.sites))
