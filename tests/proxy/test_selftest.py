"""What a start proves of the libraries underneath, and that it would notice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from breakers.store.redis import Access, RedisLink, redis_link
from config.store import RedisAddress
from loadtest.installation import stripe_api
from proxy import app, selftest, server
from proxy.errors import StartRefused
from proxy.selftest import METHODS, Dropping, Send, check_commands, check_requests, check_sends_once
from proxy.stores import open_store
from tests.ledger.world import StillClock
from tests.proxy.road import SECRET, Lines, closed_port, configured


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[Dropping]:
    """
    Return the peers that a self-test makes.
    """
    made: list[Dropping] = []

    class Watched(Dropping):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(selftest, "Dropping", Watched)
    return made


@asynccontextmanager
async def by_session(port: int) -> AsyncIterator[Send]:
    """
    Give what sends requests by a session of aiohttp, which sends again by itself.
    """
    async with aiohttp.ClientSession() as session:

        async def send(method: str, target: str) -> None:
            with suppress(aiohttp.ClientError):  # it was hung up on
                async with session.request(method, f"http://{selftest.HOST}:{port}{target}") as answer:
                    await answer.read()

        yield send


def ours(port: int) -> RedisLink:
    """
    Return the link that the store is built on.
    """
    return redis_link(RedisAddress(selftest.HOST, port), Access(), "")


class Eager:
    """A client of Redis that sends a command again by itself."""

    def __init__(self, port: int) -> None:
        self._redis = Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 1))

    async def ask(self, command: str, key: str) -> object:
        """
        Send a command, and again.
        """
        said: object = await self._redis.execute_command(command, key)  # type: ignore[no-untyped-call]
        return said

    async def close(self) -> None:
        """
        Close it.
        """
        await self._redis.aclose()


async def test_requests_once(peers: list[Dropping]) -> None:
    """Each method arrives once over a fresh and once over a reused connection that drops."""
    await check_requests()
    assert dict(peers[0].seen) == {(method, used): 1 for method in METHODS for used in (False, True)}


async def test_would_notice() -> None:
    """With sessions of aiohttp a start would be refused, and would say which method was sent again."""
    with pytest.raises(StartRefused, match="aiohttp sends a GET again by itself") as caught:
        await check_requests(by_session)
    assert "requirements/" in caught.value.hint


@pytest.mark.parametrize("method", METHODS)
async def test_which_are_repeated(method: str, peers: list[Dropping]) -> None:
    """A session of aiohttp repeats what it takes for repeatable, fresh and reused, and nothing else."""
    with pytest.raises(StartRefused):
        await check_requests(by_session)
    counts = {peers[0].seen[method, used] for used in (False, True)}
    assert (counts == {1}) is (method in {"POST", "PATCH"})


async def test_commands_once(peers: list[Dropping]) -> None:
    """A command arrives once over a fresh and once over a reused connection that drops."""
    await check_commands(ours)
    assert dict(peers[0].seen) == {("ECHO", False): 1, ("ECHO", True): 1}


async def test_would_notice_commands() -> None:
    """A client of Redis that repeats a command is no start."""
    with pytest.raises(StartRefused, match="the client of Redis sends a command again by itself"):
        await check_commands(Eager)


@pytest.mark.parametrize(("kind", "names"), [("memory", {*METHODS}), ("redis", {*METHODS, "ECHO"})])
async def test_what_is_asked(kind: str, names: set[str], peers: list[Dropping]) -> None:
    """The client of Redis is asked only where the store is one."""
    await check_sends_once(kind)
    assert {name for peer in peers for name, _ in peer.seen} == names


async def test_start_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that could send twice ends before it has touched its state folder."""
    upstream = {"apis": {"stripe": stripe_api("http://127.0.0.1:9")}, "agents": {}}
    configuration, clock = configured(tmp_path, upstream), StillClock()
    accounts = app.open_accounts(configuration, {"STRIPE_SECRET": SECRET})
    monkeypatch.setattr(selftest, "check_requests", partial(check_requests, by_session))
    store = open_store(configuration, {}, clock)
    with pytest.raises(StartRefused, match="again by itself"):
        await server.startup(configuration, accounts, {}, [], None, clock=clock, log=Lines(), store=store)
    assert not configuration.settings.state.exists()


async def test_takes_no_time() -> None:
    """The proof costs a start less than a tenth of a second of processor."""
    await check_requests()
    began = time.process_time()
    await check_requests()
    await check_commands(ours)
    assert time.process_time() - began < 0.1


async def test_nothing_arrived() -> None:
    """A machine that cannot reach itself proves nothing, and that is no start."""
    with pytest.raises(StartRefused, match="0 arrived, so nothing is proved") as no:
        await check_commands(lambda _: ours(closed_port()))
    assert "must reach itself" in no.value.hint
