"""The gaps of a read under a cap: what it took of the cap after a kill in each, and how many reads are left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.crash.forked import Forker
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.gaps.table import room
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

CALLS = 3

HELD, OUTCOME = "call.held", "call.outcome"


@dataclass(frozen=True, slots=True)
class ReadGap:
    """Where the process stops: what the upstream was sent by then, what is on record, and what of the cap is taken."""

    hook: Mapping[str, Any]
    requests: int
    records: tuple[str, ...]
    taken: int


GAPS = {
    # Held in the store at most, and that is gone.
    "not held": ReadGap(room("store", "reserve", "before"), 0, (), 0),
    "held in the store": ReadGap(room("store", "reserve", "after"), 0, (), 0),
    "not recorded": ReadGap(room("reads", "held", "before"), 0, (), 0),
    # On record, so it may have left: it is taken whole.
    "recorded": ReadGap(room("reads", "held", "after"), 0, (HELD,), 1),
    "not sent": ReadGap(room("forward", "read", "before"), 0, (HELD,), 1),
    "answered upstream": ReadGap(room("forward", "read", "after"), 1, (HELD,), 1),
    "end not recorded": ReadGap(room("reads", "ended", "before"), 1, (HELD,), 1),
    "end recorded": ReadGap(room("reads", "ended", "after"), 1, (HELD, OUTCOME), 1),
    "settled": ReadGap(room("store", "settle", "after"), 1, (HELD, OUTCOME), 1),
}


@pytest.fixture
async def site(tmp_path: Path, forker: Forker, sandbox: StripeSandbox) -> AsyncIterator[Site]:
    made = Site(tmp_path / "site", forker, sandbox, caps={"task": {"calls": CALLS}})
    yield made
    if made.child is not None:
        await made.child.kill()


async def read(site: Site) -> int | None:
    """One read: its status, None where the connection broke without an answer."""
    said = {"Authorization": f"Bearer {site.keys[0]}"}
    try:
        async with (
            aiohttp.ClientSession(headers=said) as session,
            session.get(site.doors["stripe"] + "/v1/customers") as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, OSError):
        return None


async def stops(site: Site, hook: Mapping[str, Any], *, behind: bool = False) -> None:
    """Start a process that stops in a gap of its first read; `behind` the road that may have its answer."""
    site.hook = hook
    child = await site.start()
    assert await read(site) in ({None, 200} if behind else {None})
    assert await child.ended() == -9


async def goes_on(site: Site, taken: int) -> None:
    """The next process has so much room left, and not one call more."""
    site.hook = None
    await site.start()
    assert list((await site.adds_up()).values()) == [(taken, 0)] * taken
    statuses = [await read(site) for _ in range(CALLS + 1)]
    assert statuses == [200] * (CALLS - taken) + [403] * (1 + taken)
    assert list((await site.adds_up()).values()) == [(CALLS, 0)]
    assert await site.stop() == 0
    assert await site.verified() == 0


@pytest.mark.parametrize("name", GAPS)
async def test_stop_here(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop in a gap the totals follow from the record alone, and no more reads pass than the cap has left."""
    gap = GAPS[name]
    await stops(site, gap.hook)
    assert sandbox.wiretap.count("GET", "/v1/customers") == gap.requests
    assert tuple(entry["k"] for entry in read_log(site.state).entries if "call" in entry) == gap.records
    await goes_on(site, gap.taken)


IN_FLEET = ("held in the store", "not recorded", "recorded", "answered upstream", "end recorded", "settled")


@pytest.mark.parametrize("emptied", [False, True], ids=["kept", "emptied"])
@pytest.mark.parametrize("name", IN_FLEET)
async def test_stop_in_fleet(
    tmp_path: Path, forker: Forker, sandbox: StripeSandbox, fresh_redis: RedisServer, name: str, emptied: bool
) -> None:
    """It is the same where the totals outlive the process, whether Redis still knows them or lost everything."""
    gap = GAPS[name]
    hook = {**gap.hook, "room": "fleet"} if gap.hook["room"] == "store" else gap.hook
    site = Site(tmp_path / "site", forker, sandbox, store=fresh_redis.url, caps={"task": {"calls": CALLS}})
    try:
        await stops(site, hook, behind=name == "settled")
        if emptied:
            fresh_redis.flush()
        await goes_on(site, gap.taken)
    finally:
        if site.child is not None:
            await site.child.kill()
