"""A real Redis Cluster of three nodes for a test, which refuses scripts over undeclared slots; up in two seconds."""

from __future__ import annotations

import contextlib
import itertools
import time
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from breakers.store.fleet import FleetStore
from breakers.store.moves import BY_DEFAULT, Retention
from breakers.store.protocol import LEASE_S
from breakers.store.redis import Access, redis_store
from config.store import Node, RedisAddress
from tests.breakers.world import AT
from tests.redis_server import RedisServer, running_redis

SLOTS = 16_384
NODES = 3
# A node that was restarted waits two seconds before it takes writes.
READY_S = 30.0

_numbers = itertools.count(1)


def slot_of(deployment: str) -> int:
    """
    Return on which slot all keys of a deployment are.
    """
    return crc_hqx(deployment.encode(), 0) % SLOTS


@dataclass(frozen=True, slots=True)
class RedisCluster:
    """
    A running cluster.
    """

    nodes: tuple[RedisServer, ...]

    @property
    def address(self) -> RedisAddress:
        """
        Return where it is.
        """
        return RedisAddress(seeds=tuple(Node("127.0.0.1", node.port) for node in self.nodes))

    def store(
        self,
        deployment: str | None = None,
        now: object = None,
        retention: Retention = BY_DEFAULT,
        lease_s: float = LEASE_S,
    ) -> FleetStore:
        """
        Return a store in it that was not started yet; without a name, of a deployment that nobody has used.
        """
        clock = now if callable(now) else lambda: AT
        return redis_store(self.address, Access(), deployment or f"test-{next(_numbers)}", clock, retention, lease_s)

    def node_of(self, deployment: str) -> int:
        """
        Return which node has the keys of a deployment, as it was when the cluster was made.
        """
        return slot_of(deployment) * NODES // SLOTS

    def deployment_on(self, node: int) -> str:
        """
        Return a name that nobody has used, whose keys are on this node.
        """
        return next(name for n in _numbers if self.node_of(name := f"test-{n}") == node)

    def command(self, node: int, *words: object) -> Any:
        """
        Return a node's answer to a plain command.
        """
        with contextlib.closing(self.nodes[node].operator()) as operator:
            # The client's own method is untyped.
            execute: Callable[..., Any] = operator.execute_command
            return execute(*words)


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[RedisCluster]:
    """
    Run a cluster of three nodes, each of which serves a third of the slots.
    """
    options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(running_redis(folder / f"{n}", *options)) for n in range(NODES)]
        cluster = RedisCluster(tuple(nodes))
        for node in range(NODES):
            mine = [slot for slot in range(SLOTS) if slot * NODES // SLOTS == node]
            cluster.command(node, "CLUSTER ADDSLOTS", *mine)
            cluster.command(node, "CLUSTER SET-CONFIG-EPOCH", node + 1)
        for other in range(1, NODES):
            cluster.command(0, "CLUSTER MEET", "127.0.0.1", nodes[other].port)
        until = time.monotonic() + READY_S
        while not all(_is_whole(cluster, node) for node in range(NODES)):
            assert time.monotonic() < until, "the nodes do not come together"
            time.sleep(0.02)
        yield cluster


def _is_whole(cluster: RedisCluster, node: int) -> bool:
    told = cluster.command(node, "CLUSTER INFO")
    return bool(told["cluster_state"] == "ok" and int(told["cluster_slots_assigned"]) == SLOTS)


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """
    Return the one cluster of this test process.
    """
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
