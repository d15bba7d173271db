"""Every store that the contract is run on; a new one joins by a line here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from breakers.store.protocol import Store
from tests.contract.cutter import cutter, fragile
from tests.contract.replicas import replica
from tests.contract.world import Clock, World
from tests.redis_cluster import redis_cluster
from tests.redis_server import fresh_redis, redis_server
from tests.sim.redis_link import ModelServer

__all__ = ["cutter", "fragile", "fresh_redis", "redis_cluster", "redis_server", "replica"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine, and not between attempts; a case about that sets it back.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr("breakers.store.pool.PAUSE_S", 0.0)


# On a cluster every verb is made in the suite (tests/link/test_cluster.py), and the whole contract where there is time;
# it takes what it takes, and no share of the others'.
SERVERS = {"redis": "redis_server", "cluster": "redis_cluster"}
CLUSTER = pytest.param("cluster", marks=pytest.mark.torture(weight=0))


@pytest.fixture(params=["memory", "redis", "model", CLUSTER])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """
    Return what makes stores of the kind under test.
    """
    real = request.param in SERVERS
    server, clock = request.getfixturevalue(SERVERS[request.param]) if real else None, Clock()
    world = World(ModelServer(clock.now) if request.param == "model" else server, clock)
    yield world
    await world.close()


@pytest.fixture
async def store(world: World) -> Store:
    """
    Return one empty store of the kind under test.
    """
    return await world.store()
