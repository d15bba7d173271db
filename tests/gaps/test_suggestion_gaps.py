"""A stop between two durable steps of a suggestion: the next start goes on, and its write is made once, or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from loadtest.upstreams.stripe import StripeSandbox
from tests.crash.forked import Forker
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.client import write
from tests.gaps.ending import KEYED
from tests.gaps.table import room
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@dataclass(frozen=True, slots=True)
class Stop:
    """
    Where the process stops, and how the suggestion stands after the next start: in the store, and in the end.
    """

    hook: Mapping[str, Any]
    parked: bool
    executed: bool


STOPS = {
    # Nothing is on record of it: whoever asks again is parked then.
    "not on record": Stop(room("approvals", "requested", "before"), parked=False, executed=False),
    # On record, and nobody was told its id: whoever asks again joins it.
    "on record": Stop(room("approvals", "requested", "after"), parked=True, executed=False),
    "in the store": Stop(room("store", "suggest", "after"), parked=True, executed=False),
    # The word is not on record: nobody has said anything.
    "no word": Stop(room("approvals", "decided", "before"), parked=True, executed=False),
    # From here on the word is on record, and is kept.
    "word on record": Stop(room("approvals", "decided", "after"), parked=True, executed=True),
    "word in the store": Stop(room("store", "turn", "after"), parked=True, executed=True),
    "not reserved": Stop(room("store", "reserve", "before"), parked=True, executed=True),
    "reserved": Stop(room("store", "reserve", "after"), parked=True, executed=True),
    # From here on the intent is on record: it is never sent anew, and looked for.
    "intent on record": Stop(room("ledger", "intend", "after"), parked=True, executed=True),
    "sent": Stop(room("forward", "write", "after"), parked=True, executed=True),
    "outcome on record": Stop(room("ledger", "conclude", "after"), parked=True, executed=True),
    "settled": Stop(room("store", "settle", "after"), parked=True, executed=True),
    "end not on record": Stop(room("approvals", "ended", "before"), parked=True, executed=True),
    "end on record": Stop(room("approvals", "ended", "after"), parked=True, executed=True),
}


@pytest_asyncio.fixture
async def site(tmp_path: Path, forker: Forker, sandbox: StripeSandbox) -> AsyncIterator[Site]:
    """
    Give an installation whose agent's writes are parked, and one operator who approves.
    """
    operators = {"operators": {"ana": {"roles": ["approver"]}}}
    made = Site(tmp_path / "site", forker, sandbox, card={"tier": "suggest"}, more=operators)
    yield made
    if made.child is not None:
        await made.child.kill()


async def as_ana(site: Site, token: str, method: str, path: str, body: object = None) -> Any:
    """
    Ask the admin door with a personal token; None where the connection broke.
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, site.doors["admin"] + path, json=body) as answer,
        ):
            return await answer.json()
    except (aiohttp.ClientError, OSError):
        return None


async def token_of(site: Site) -> str:
    """
    Give the operator a token.
    """
    made = await site.admin("POST", "/v1/operators", json={"operator": "ana"})
    return str(made["token"])


async def approve(site: Site, token: str) -> bool:
    """
    Approve what waits; False where the process went away meanwhile, or nothing waits.
    """
    waiting = await as_ana(site, token, "GET", "/v1/suggestions")
    if not waiting:
        return False
    card = await as_ana(site, token, "GET", f"/v1/suggestions/{waiting[0]['suggestion']}")
    said = {"digest": card["digest"]}
    return await as_ana(site, token, "POST", f"/v1/suggestions/{card['suggestion']}/approve", said) is not None


def ends(site: Site) -> list[str]:
    """
    Return the ends of suggestions on record.
    """
    return [entry["end"] for entry in read_log(site.state).entries if entry["k"] == "approval.ended"]


# One stop for each thing that may be true then; the others, which are beside them, are for the long run.
OFTEN = ("word on record", "reserved", "intent on record")


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.torture) for name in STOPS]
)
async def test_stop_here(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop in a gap a suggestion is where the gap's comment says, and what is approved is made once."""
    stop = STOPS[name]
    site.hook = stop.hook
    child = await site.start()
    token = await token_of(site)
    answer = await write(site, KEYED)
    assert answer is None or answer.status == 403
    if answer is not None:
        await approve(site, token)
    assert await child.ended() == -9
    site.hook = {"soon": True}
    await site.start()
    waiting = await as_ana(site, token, "GET", "/v1/suggestions?all=true")
    assert len(waiting) == stop.parked
    if not stop.executed:
        assert ([one["state"] for one in waiting], ends(site)) == (["open"] * stop.parked, [])
        again = await write(site, KEYED)
        assert again is not None
        assert again.status == 403
        assert await approve(site, token)
    await until(lambda: ends(site) == ["executed"])
    again = await write(site, KEYED)
    assert again is not None
    assert (again.status, again.ours["outcome"]) == (200, "replayed")
    assert sandbox.account.effects["customer.created"] == 1
    assert await site.stop() == 0
    assert ends(site) == ["executed"]


# The same where the store outlives the process.
SHARED = {
    "in the store": room("fleet", "suggest", "after"),
    "word in the store": room("fleet", "turn", "after"),
    "reserved": room("fleet", "reserve", "after"),
    "intent on record": room("ledger", "intend", "after"),
    "not settled": room("fleet", "settle", "before"),
}


@pytest.mark.torture
@pytest.mark.parametrize("name", SHARED)
async def test_stop_in_fleet(
    sandbox: StripeSandbox, fresh_redis: RedisServer, name: str, forker: Forker, tmp_path: Path
) -> None:
    """What a Redis knows of a suggestion whose process stopped leads to one execution after the next start, too."""
    operators = {"operators": {"ana": {"roles": ["approver"]}}}
    site = Site(
        tmp_path / "shared", forker, sandbox, card={"tier": "suggest"}, more=operators, store=fresh_redis.url,
        hook=SHARED[name],
    )  # fmt: skip
    child = await site.start()
    token = await token_of(site)
    answer = await write(site, KEYED)
    if answer is not None:
        await approve(site, token)
    assert await child.ended() == -9
    site.hook = {"soon": True}
    child = await site.start()
    if answer is None:
        assert await approve(site, token)
    await until(lambda: ends(site) == ["executed"])
    assert sandbox.account.effects["customer.created"] == 1
    await child.kill()
