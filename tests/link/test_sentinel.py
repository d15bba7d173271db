"""Real Sentinels and a real failover: the address follows, and the new primary is another server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis as plain

from breakers.store import pool, redis
from breakers.store.link import Purpose
from breakers.store.protocol import StoreUnavailable
from breakers.store.redis import Access, RedisLink, redis_link
from config.store import Node, RedisAddress
from tests.canary.forms import secret
from tests.redis_server import RedisServer, running_redis, running_sentinel

NAME = "shop"
FAILS_OVER_S = 40.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wait for a busy machine, and not between attempts.
    """
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """
    A primary, its replica, and the Sentinel that watches both.
    """

    primary: RedisServer
    replica: RedisServer
    sentinel: int

    def link(self, name: str = NAME, password: str | None = None) -> RedisLink:
        """
        Return a link to whichever is the primary; the first of the Sentinels is not there.
        """
        seeds = (Node("127.0.0.1", 1), Node("127.0.0.1", self.sentinel))
        return redis_link(RedisAddress(seeds=seeds, primary=name), Access(sentinel_password=password), "shop")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """
    Return such a pair, the replica of which has caught up.
    """
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(running_redis(tmp_path / "a"))
        told = ("--replicaof", "127.0.0.1", str(primary.port))
        replica = stack.enter_context(running_redis(tmp_path / "b", *told))
        until = time.monotonic() + FAILS_OVER_S
        with contextlib.closing(replica.operator()) as operator:
            while operator.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < until, "the replica does not catch up"
                time.sleep(0.05)
        sentinel = stack.enter_context(running_sentinel(tmp_path / "s", NAME, primary.port))
        yield Pair(primary, replica, sentinel)


def sentinel(pair: Pair, password: str | None = None) -> Any:
    """
    Return a plain client for the Sentinel.
    """
    return plain.Redis("127.0.0.1", pair.sentinel, password=password, decode_responses=True)


async def fail_over(pair: Pair) -> None:
    """
    Have the Sentinel make the replica the primary.
    """
    until = time.monotonic() + FAILS_OVER_S
    with contextlib.closing(sentinel(pair)) as operator:
        while True:
            # It refuses until it has heard of the replica, and from it.
            with contextlib.suppress(plain.ResponseError):
                operator.execute_command("SENTINEL FAILOVER", NAME)
                break
            assert time.monotonic() < until, "the Sentinel finds no replica"
            await asyncio.sleep(0.05)
        while operator.execute_command("SENTINEL get-master-addr-by-name", NAME)[1] != pair.replica.port:
            assert time.monotonic() < until, "nobody fails over"
            await asyncio.sleep(0.05)


async def test_follows(pair: Pair) -> None:
    """After a failover the link leads to the new primary, which is trusted only when somebody says so."""
    link = pair.link()
    first = await link.server()
    link.trust(first)
    await link.ask("SET", "bw:{shop}:a", "1")
    await fail_over(pair)
    with contextlib.closing(pair.primary.operator()) as operator:
        # It hears of it within ten seconds, and hangs up on everybody: here at once.
        operator.client_kill_filter(_type="normal")
    for _ in range(2):
        with contextlib.suppress(StoreUnavailable):
            await link.ask("SET", "bw:{shop}:a", "2")
    assert link.moved
    with pytest.raises(StoreUnavailable, match="another Redis answers"):
        await link.ask("GET", "bw:{shop}:a")
    second = await link.server()
    assert second != first
    link.trust(second)
    await link.ask("SET", "bw:{shop}:a", "3", purpose=Purpose.BEHIND)
    with contextlib.closing(pair.replica.operator()) as operator:
        assert operator.get("bw:{shop}:a") == "3"
    await link.close()


async def test_refused(pair: Pair) -> None:
    """A name that the Sentinels do not know, and a password that they refuse, are told in words without either."""
    password = secret("store-password")
    stranger = pair.link("another")
    with pytest.raises(StoreUnavailable, match="know no Redis by the name"):
        await stranger.server()
    await stranger.close()
    with contextlib.closing(sentinel(pair)) as operator:
        operator.execute_command("ACL", "SETUSER", "default", "on", "resetpass", f">{password}")
    for given in (None, "another"):
        link = pair.link(password=given)
        with pytest.raises(StoreUnavailable, match="`sentinel_password`") as caught:
            await link.server()
        assert "another" not in str(caught.value)
        await link.close()
    link = pair.link(password=password)
    with contextlib.closing(pair.primary.operator()) as operator:
        assert await link.server() == operator.info("server")["run_id"]
    await link.close()


async def test_nobody_knows() -> None:
    """Where no Sentinel answers it is said that none does."""
    link = redis_link(RedisAddress(seeds=(Node("127.0.0.1", 1),), primary=NAME), Access(), "shop")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await link.ask("GET", "a")
    await link.close()
