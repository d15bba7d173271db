from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtest.upstreams.faults import Fault
from loadtest.upstreams.sandbox import Sandbox
from tests.clients.nodejs import Process, running_script
from tests.clients.retries.asking import MADE, Door, Told
from tests.clients.retries.relay import Relay
from tests.clients.retries.stand import (
    APIS,
    TIMEOUTS,
    Client,
    account,
    allowed,
    clients,
    configured,
    environ,
    sandboxes,
)
from tests.conftest import Figure
from tests.crash.forked import Forker
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.crash.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

NAMES = tuple(APIS)

Hook = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """
    Where the process dies: at a step of its own, or (None) while the upstream has done the write and does not answer;
    and how many effects the write can have had by then.
    """

    hook: Hook | None
    effects: int


def at(room: str, verb: str, when: str) -> Hook:
    return {"room": room, "verb": verb, "when": when}


def torn(verb: str) -> Hook:
    return {"verb": verb, "step": "append", "nth": 2, "act": "tear"}


MOMENTS = {
    "reserved": Moment(at("ledger", "intend", "before"), 0),
    "intent torn": Moment(torn("intend"), 0),
    "intent durable": Moment(at("ledger", "intend", "after"), 0),
    "marked, not sent": Moment(at("store", "dispatch", "after"), 0),
    "with the upstream": Moment(None, 1),
    "answered": Moment(at("forward", "write", "after"), 1),
    "outcome torn": Moment(torn("conclude"), 1),
    "outcome durable": Moment(at("ledger", "conclude", "after"), 1),
    "not settled": Moment(at("store", "settle", "before"), 1),
    "settled": Moment(at("store", "settle", "after"), 1),
}

# In which no record of the write is left: its repeat is the first that anybody knows of.
UNRECORDED = {"reserved", "intent torn"}

# What an SDK shows where it does not end with the object.
OURS = ("outcome-unknown", "idempotency-in-flight", "duplicate-suspected")


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker() as made:
        yield made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running_script(tmp_path_factory.mktemp("node"), "retries.mjs", "lines.mjs") as made:
        yield made


@dataclass(frozen=True, slots=True)
class Ground:
    """
    One SDK, its sandbox, one state folder, and an address that outlives the process behind it.
    """

    client: Client
    site: Site
    upstream: Sandbox
    relay: Relay

    @property
    def effects(self) -> int:
        """
        Return how many things the sandbox has made.
        """
        return self.upstream.effects[MADE[self.client.api]]

    async def kill_at(self, moment: str) -> Told:
        """
        Let the SDK make one thing, kill the process at a moment of that, and start it while the SDK asks again.
        """
        self.upstream.faults.clear()
        self.site.hook = MOMENTS[moment].hook
        child = await self.site.start()
        if self.site.hook is None:
            self.upstream.faults.add(Fault(held=True, applied=True, method="POST"))
        door = Door(self.relay.url, self.site.keys[0])
        name = f"{moment}, {time.monotonic_ns()}"
        asking = asyncio.create_task(asyncio.to_thread(self.client.ask, door, name))
        if self.site.hook is None:
            await until(self.upstream.faults.holding.is_set)
            await child.kill()
            self.upstream.faults.release()
        assert await child.ended() == -9
        self.site.hook = None
        await self.site.start()
        told = await asking
        if told.made or any(reason in told.error for reason in OURS):
            return told
        # One that does not ask again by itself: its caller does.
        return await asyncio.to_thread(self.client.ask, door, name)


@asynccontextmanager
async def standing(folder: Path, forker: Forker, node: Process, name: str) -> AsyncIterator[Ground]:
    """Run the sandboxes and a relay, and Breakwater as often as a test kills it."""
    async with AsyncExitStack() as stack:
        upstreams = {api: await stack.enter_async_context(made) for api, made in sandboxes().items()}
        urls = {api: made.url for api, made in upstreams.items()}
        apis, allow = configured(urls, name), allowed(name)
        site = Site(folder, forker, upstreams[APIS[name]], apis=apis, allow=allow, secrets=environ(), timeouts=TIMEOUTS)
        relay = await stack.enter_async_context(Relay(lambda: site.doors.get(account(name))))
        client = clients(node)[name]
        try:
            yield Ground(client, site, upstreams[client.api], relay)
        finally:
            if site.child is not None:
                await site.child.kill()


async def killed(on: Ground, moment: str) -> str:
    """Kill it at one moment, and hold what the SDK was told against what happened; return what that was."""
    before = on.effects
    told = await on.kill_at(moment)
    done = on.effects - before
    assert MOMENTS[moment].effects <= done <= 1
    assert told.made or any(reason in told.error for reason in OURS), told.error
    # Where nothing is on record the repeat is the first that anybody knows of, and is carried through.
    assert done == 1 if told.made or moment in UNRECORDED else moment not in UNRECORDED
    await ended(on.site)
    assert on.site.child is not None
    await on.site.child.kill()
    return "the object" if told.made else next(reason for reason in OURS if reason in told.error)


async def ended(site: Site) -> None:
    """Every intent has an end on record, or is named as in doubt."""

    async def nothing_under_way() -> bool:
        return bool((await site.admin("GET", "/v1/status"))["in_flight"] == 0)

    await until(nothing_under_way)
    entries = read_log(site.state).entries
    doubted = {each["intent"] for each in (await site.admin("GET", "/v1/status"))["in_doubt"]}
    by_index = {entry["i"]: entry["call"] for entry in entries if entry["k"] == "call.intent"}
    over = {
        by_index[entry["intent"]] for entry in entries if entry["k"] == "call.outcome" and entry["intent"] is not None
    }
    over |= {by_index[entry["intent"]] for entry in entries if entry["k"] == "recovery.resolved"}
    assert set(by_index.values()) == over | doubted


# In the suite each SDK meets some of the moments, and each moment some of the SDKs.
SHARE = 3


@pytest.mark.parametrize("name", NAMES)
async def test_killed(tmp_path: Path, forker: Forker, node: Process, name: str, figure: Figure) -> None:
    """An SDK whose proxy is killed under its write and comes back never makes two of it, and is told what is true."""
    first, moments = NAMES.index(name), list(MOMENTS)
    told: Counter[str] = Counter()
    async with standing(tmp_path / "site", forker, node, name) as on:
        for turn in range(SHARE):
            told[await killed(on, moments[(first * SHARE + turn) % len(moments)])] += 1
    for kind, count in told.items():
        figure(f"killed under an SDK, {kind}, {name}", count)


@pytest.mark.torture(weight=2)
async def test_killed_everywhere(
    tmp_path: Path, forker: Forker, node: Process, figure: Figure, torture_until: float
) -> None:
    """So it is for every SDK at every moment."""
    told: Counter[str] = Counter()
    for name in NAMES:
        async with standing(tmp_path / account(name), forker, node, name) as on:
            for moment in MOMENTS:
                if time.monotonic() < torture_until:
                    told[await killed(on, moment)] += 1
    for kind, count in told.items():
        figure(f"torture killed under an SDK, {kind}", count)
    assert told.total() == len(NAMES) * len(MOMENTS) or float(os.environ.get("MINUTES", "10")) < 10
