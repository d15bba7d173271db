"""A real Redis Cluster of three nodes: every verb on each of them, and a slot that moves under a deployment."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from breakers.store import pool, redis
from breakers.store.fleet import FleetStore
from breakers.store.protocol import StoreUnavailable
from breakers.store.redis import Access, redis_link
from config.store import Node, RedisAddress
from tests.contract.every import every_verb
from tests.contract.every_fleet import every_member
from tests.contract.world import BRIEF_S, done, made, standing, write
from tests.link.verbs import Made, verbs_of
from tests.redis_cluster import NODES, RedisCluster, redis_cluster, slot_of
from tests.redis_server import RedisServer

__all__ = ["redis_cluster"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wait for a busy machine, and not between attempts.
    """
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)


@contextlib.asynccontextmanager
async def open_store(cluster: RedisCluster, deployment: str) -> AsyncIterator[FleetStore]:
    """
    Return a store of a deployment for a while.
    """
    store = cluster.store(deployment, lease_s=BRIEF_S)
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize("node", range(NODES))
async def test_every_verb(redis_cluster: RedisCluster, node: int) -> None:
    """Every verb works on each node, which refuses a script over keys of slots that it does not serve."""
    deployment, made_by = redis_cluster.deployment_on(node), Made()
    async with open_store(redis_cluster, deployment) as store:
        with verbs_of(store, made_by):
            await store.start(())
            await every_verb(store)
    async with open_store(redis_cluster, redis_cluster.deployment_on(node)) as store:
        with verbs_of(store, made_by):
            await every_member(store)
    made_by.is_all()
    keys = redis_cluster.command(node, "KEYS", "*")
    assert any(key.startswith(f"bw:{{{deployment}}}:") for key in keys)


async def test_dead_seeds(redis_cluster: RedisCluster) -> None:
    """Of the nodes that are named one that answers is enough."""
    seeds = (Node("127.0.0.1", 1), Node("127.0.0.1", redis_cluster.nodes[0].port))
    link = redis_link(RedisAddress(seeds=seeds), Access(), redis_cluster.deployment_on(2))
    told = redis_cluster.command(2, "INFO", "server")
    assert await link.server() == told["run_id"]
    await link.close()


async def test_no_cluster(redis_server: RedisServer) -> None:
    """A Redis that is no cluster, and nodes that are not there, are said in words."""
    for port, why in ((redis_server.port, "this Redis is none"), (1, "cannot be reached")):
        link = redis_link(RedisAddress(seeds=(Node("127.0.0.1", port),)), Access(), "shop")
        with pytest.raises(StoreUnavailable, match=why):
            await link.server()
        await link.close()


async def test_one_node(redis_cluster: RedisCluster) -> None:
    """Where one node is named as if it were all, it is said what to write."""
    node = redis_cluster.nodes[0]
    link = redis_link(node.address, Access(), deployment := redis_cluster.deployment_on(1))
    with pytest.raises(StoreUnavailable, match="`store: cluster://…` follows"):
        await link.ask("GET", f"bw:{{{deployment}}}:epoch")
    await link.close()


async def test_slot_moves(redis_cluster: RedisCluster) -> None:
    """While a slot moves nothing is held, and afterwards it is asked where its keys are, of a server that is new."""
    slot = slot_of(deployment := redis_cluster.deployment_on(0))
    names = [redis_cluster.command(node, "CLUSTER MYID") for node in range(NODES)]
    async with open_store(redis_cluster, deployment) as store:
        await store.start(())
        await made(store, write(), done())
        redis_cluster.command(1, "CLUSTER SETSLOT", slot, "IMPORTING", names[0])
        redis_cluster.command(0, "CLUSTER SETSLOT", slot, "MIGRATING", names[1])
        keys = redis_cluster.command(0, "CLUSTER GETKEYSINSLOT", slot, 100)
        port = redis_cluster.nodes[1].port
        redis_cluster.command(0, "MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys[: len(keys) // 2])
        with pytest.raises(StoreUnavailable, match="on their way"):
            await store.facts(write("01B"))
        redis_cluster.command(0, "MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys[len(keys) // 2 :])
        with pytest.raises(StoreUnavailable, match="on their way"):
            await store.facts(write("01B"))
        for node in (1, 0, 2):
            redis_cluster.command(node, "CLUSTER SETSLOT", slot, "NODE", names[1])
        with pytest.raises(StoreUnavailable):
            await store.facts(write("01B"))
        was_moved = store._link.moved
        # What had moved is replayed: here nobody has a ledger, and what is there stays.
        await store.start(())
        assert [intent for intent, _ in await standing(store)] == ["01A"]
        assert (was_moved, store._link.moved) == (True, False)
    assert redis_cluster.command(0, "CLUSTER COUNTKEYSINSLOT", slot) == 0
    # The others go on with the cluster as it was.
    keys = redis_cluster.command(1, "CLUSTER GETKEYSINSLOT", slot, 100)
    redis_cluster.command(1, "DEL", *keys)
    for node in (0, 1, 2):
        redis_cluster.command(node, "CLUSTER SETSLOT", slot, "NODE", names[0])
