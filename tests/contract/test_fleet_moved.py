"""A replica that takes the place of a Redis, or a restart, that lacks the last of what was acknowledged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import redis

from breakers.store.events import ReadHeld, ReadSettled
from breakers.store.fleet import FleetStore
from breakers.store.protocol import Exhausted, StoreUnavailable
from breakers.store.whereabouts import MOVED
from tests.breakers.world import AT
from tests.contract.charges import month, spending, sum_of
from tests.contract.cutter import Cutter
from tests.contract.world import judged, read, taken
from tests.redis_server import RedisServer, running_redis

ONE = month(1, 2)


def copy(server: RedisServer, replica: RedisServer, deployment: str) -> None:
    """
    Bring a replica to where a server stands now.
    """
    there, here = redis.Redis("127.0.0.1", server.port), redis.Redis("127.0.0.1", replica.port)
    with contextlib.closing(there), contextlib.closing(here):
        for key in there.keys(f"bw:{{{deployment}}}:*"):
            here.restore(key, max(0, there.pttl(key)), there.dump(key) or b"")


async def settled(store: FleetStore, call: str) -> list[ReadHeld | ReadSettled]:
    """
    Make a read that is charged, and return what the record says of it.
    """
    await store.settle(await taken(store, read(call), ONE), spending(1))
    return [ReadHeld(call, AT, (ONE,)), ReadSettled(call, (1,))]


async def test_replica_lacks_the_last(
    redis_server: RedisServer, fragile: FleetStore, cutter: Cutter, tmp_path: Path
) -> None:
    """Nothing is taken of a cap from a replica that lacks what was taken last, until the record was replayed."""
    record = await settled(fragile, "01A")
    with running_redis(tmp_path) as replica:
        copy(redis_server, replica, f"cut-{cutter.port}")
        record += await settled(fragile, "01B")
        assert await fragile.fault() is None
        cutter.move_to(replica.port)
        # Whoever asks first may only find the connection gone.
        await fragile.fault()
        assert await fragile.fault() == MOVED
        assert fragile.emptied
        with pytest.raises(StoreUnavailable, match="replayed first"):
            await fragile.reserve(await judged(fragile, read("01C"), ONE))
        await fragile.start(record)
        assert await sum_of(fragile, ONE) == (2, 0)
        assert isinstance(await fragile.reserve(await judged(fragile, read("01D"), ONE)), Exhausted)
        assert await fragile.fault() is None
