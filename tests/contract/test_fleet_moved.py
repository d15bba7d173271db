"""A replica that takes the place of a Redis, or a restart, that lacks the last of what was acknowledged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import redis

from breakers.known import State
from breakers.store.events import ReadHeld, ReadSettled
from breakers.store.fleet import FleetStore
from breakers.store.protocol import Exhausted, Permit, StoreUnavailable
from breakers.store.whereabouts import MOVED
from tests.breakers.world import AT
from tests.contract.charges import month, spending, sum_of
from tests.contract.cutter import Cutter
from tests.contract.world import done, judged, opened, read, reserved, shown, standing, taken, write
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


def record_of(intent: str, server: RedisServer, deployment: str) -> bytes:
    """
    Return the record of an intent as a server has it.
    """
    with contextlib.closing(redis.Redis("127.0.0.1", server.port)) as there:
        found = there.get(f"bw:{{{deployment}}}:intent:{intent}")
        return found if isinstance(found, bytes) else b""


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


async def test_replica_lacks_the_mark(
    redis_server: RedisServer, fragile: FleetStore, cutter: Cutter, tmp_path: Path
) -> None:
    """A write that was sent is in flight after the replay, where of its claim and its mark the claim alone is left."""
    held = await reserved(fragile, write())
    with running_redis(tmp_path) as replica:
        copy(redis_server, replica, f"cut-{cutter.port}")
        assert record_of("01A", replica, f"cut-{cutter.port}").startswith(b"c ")
        assert await fragile.dispatch(held, opened()) is Permit.GRANTED
        cutter.move_to(replica.port)
        await fragile.fault()
        assert await fragile.fault() == MOVED
        await fragile.start([opened()])
        assert await standing(fragile) == [("01A", State.DISPATCHED)]
        assert await shown(fragile) == [("01A", False, False)]
        await fragile.settle(held, done())
        assert await standing(fragile) == [("01A", State.COMPLETED)]
