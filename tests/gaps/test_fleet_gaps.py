"""The same gaps where the claims of a process outlive it: in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.crash.forked import Forker
from tests.crash.record import read_log
from tests.crash.site import CAPS, Site
from tests.crash.waiting import until
from tests.gaps.client import write
from tests.gaps.ending import KEYED, again, ends_once, held_back, starts_again
from tests.gaps.table import GAPS, Gap
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

# Longer than a start and a repeat take here, and short enough to be waited for.
LEASE_S = 3.0


@pytest.fixture
async def site(tmp_path: Path, forker: Forker, sandbox: StripeSandbox, fresh_redis: RedisServer) -> AsyncIterator[Site]:
    made = Site(tmp_path / "site", forker, sandbox, store=fresh_redis.url, caps=CAPS)
    yield made
    if made.child is not None:
        await made.child.kill()


def in_fleet(name: str) -> Gap:
    gap = GAPS[name]
    hook = {**gap.hook, "room": "fleet"} if gap.hook.get("room") == "store" else gap.hook
    return Gap(hook, gap.requests, gap.effects, gap.records, gap.doubt, gap.torn, gap.fault)


KNOWN = ("not claimed", "intent durable", "not marked", "marked, not sent", "answered upstream", "not settled")


@pytest.mark.parametrize("emptied", [False, True], ids=["kept", "emptied"])
@pytest.mark.parametrize("name", KNOWN)
async def test_stop_here(
    site: Site, sandbox: StripeSandbox, fresh_redis: RedisServer, name: str, emptied: bool
) -> None:
    """What the record says is true after the next start, whether Redis still knows it or lost everything."""
    gap = in_fleet(name)
    site.hook = gap.hook
    child = await site.start()
    assert await write(site, KEYED) is None
    assert await child.ended() == -9
    if emptied:
        fresh_redis.flush()
    assert sandbox.wiretap.count("POST", "/v1/customers") == gap.requests
    with held_back(sandbox, gap.doubt):
        await starts_again(site, doubt=gap.doubt)
        assert await again(site) == gap.told
    await ends_once(site, sandbox)


@pytest.mark.parametrize("name", ["claimed", "reserved"])
async def test_claim_outlives(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """A claim whose process is gone keeps others out until its lease passes, and is taken over then; caps it leaves."""
    site.hook = {**in_fleet(name).hook, "lease_s": LEASE_S}
    child = await site.start()
    assert await write(site, KEYED) is None
    assert await child.ended() == -9
    site.hook = None
    await site.start()
    # Its names are held, and nothing of any cap.
    assert await site.adds_up() == {}
    busy = await write(site, {**KEYED, "Breakwater-Deadline-Ms": "50"})
    assert busy is not None
    assert (busy.status, busy.ours["decision"].partition(":")[2]) == (409, "idempotency-in-flight")
    assert sandbox.wiretap.count("POST", "/v1/customers") == 0

    async def free() -> bool:
        answer = await write(site, {**KEYED, "Breakwater-Deadline-Ms": "500"})
        return answer is not None and answer.status == 200

    await until(free)
    await ends_once(site, sandbox)
    assert [entry["k"] for entry in read_log(site.state).entries].count("call.intent") == 1
