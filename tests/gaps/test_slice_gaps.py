"""The gaps of calls that are leased ahead: what is taken of the cap after a kill between two steps of a lease."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from proxy.slices import SLICE_MAX
from tests.crash.forked import Forker
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.table import room
from tests.gaps.test_read_gaps import read
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

CALLS = 8 * SLICE_MAX

TAKEN, ENDED = "lease.taken", "lease.ended"


@dataclass(frozen=True, slots=True)
class SliceGap:
    """Where the process stops, what is on record of the lease by then, what is taken of it: None for what was read."""

    hook: Mapping[str, Any]
    records: tuple[str, ...]
    taken: int | None


GAPS = {
    # Held in the store at most: nothing of it was taken.
    "not recorded": SliceGap(room("reads", "leased", "before"), (), 0),
    # On record, so calls may have been taken from it: it is taken whole.
    "recorded": SliceGap(room("reads", "leased", "after"), (TAKEN,), SLICE_MAX),
    "end not recorded": SliceGap(room("reads", "given_back", "before"), (TAKEN,), SLICE_MAX),
    # What was read is taken, and the rest is others' again.
    "end recorded": SliceGap(room("reads", "given_back", "after"), (TAKEN, ENDED), None),
}


@pytest.fixture(params=["memory", "kept", "emptied"])
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, forker: Forker, sandbox: StripeSandbox
) -> AsyncIterator[tuple[Site, RedisServer | None]]:
    """
    Give an installation, and the Redis that is to lose everything after the stop, where one is.
    """
    server = None if request.param == "memory" else request.getfixturevalue("fresh_redis")
    more = {} if server is None else {"store": server.url}
    made = Site(tmp_path / "site", forker, sandbox, caps={"task": {"calls": CALLS}}, **more)
    yield made, server if request.param == "emptied" else None
    if made.child is not None:
        await made.child.kill()


def leases(site: Site) -> tuple[str, ...]:
    """Return what the record says of leases."""
    return tuple(entry["k"] for entry in read_log(site.state).entries if entry["k"] in {TAKEN, ENDED})


def of(site: Site, kind: str, *, leased: bool = False) -> int:
    """Return how many records there are of a kind, of all or of reads that took one of a lease."""
    return sum(entry["k"] == kind and ("lease" in entry or not leased) for entry in read_log(site.state).entries)


def _on_record(site: Site, reads: int) -> bool:
    return of(site, "call.outcome") == reads


async def leased(site: Site) -> bool:
    """Tell whether a slice is in hand."""
    return TAKEN in leases(site)


@pytest.mark.parametrize("name", GAPS)
async def test_stop_here(site: tuple[Site, RedisServer | None], name: str) -> None:
    """After a stop in a gap the totals follow from the record alone, and a lease without an end is taken whole."""
    (on, emptied), gap = site, GAPS[name]
    on.hook = gap.hook
    child = await on.start()
    first = await read(on)
    if gap.hook["verb"] == "given_back":
        await until(lambda: leased(on), 20)
        # On record comes before in hand: a read between the two asks for itself. Each is on record before the next is
        # sent, or a slow disk would see half of the slice used up, and a second one taken.
        reads = 1
        while not of(on, "call.outcome", leased=True):
            assert await read(on) == 200
            reads += 1
            await until(partial(_on_record, on, reads), 20)
        assert first == 200
        assert await on.stop() == -9
    else:
        assert await child.ended() == -9
    assert leases(on) == gap.records
    if emptied is not None:
        emptied.flush()
    on.hook = None
    await on.start()
    (sum_,) = (await on.adds_up()).values() or [(0, 0)]
    taken = of(on, "call.outcome", leased=True) if gap.taken is None else gap.taken
    assert sum_ == (of(on, "call.held") + taken, 0)
    assert await on.stop() == 0
