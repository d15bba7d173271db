"""Several processes of one deployment, each with its own ledger, on one Redis that was empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from breakers.store.events import Event
from breakers.store.fleet import FleetStore
from breakers.store.protocol import LEASE_S
from tests.contract.world import KEPT
from tests.redis_server import RedisServer

Replica = Callable[..., Awaitable[FleetStore]]


@pytest.fixture
async def replica(fresh_redis: RedisServer) -> AsyncIterator[Replica]:
    """
    Return what starts one more process of the same deployment, with its own ledger.
    """
    stores = []

    async def start(
        events: Iterable[Event] = (), lease_s: float = LEASE_S, now: object = None, **said: str
    ) -> FleetStore:
        store = fresh_redis.store("shop", now, KEPT, lease_s)
        stores.append(store)
        await store.start(events, **said)
        return store

    yield start
    for store in stores:
        await store.close()
