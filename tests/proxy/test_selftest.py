"""What a start proves of the libraries underneath, and that it would notice."""

from __future__ import annotations

import time
from functools import partial

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from proxy import selftest
from proxy.errors import StartRefused
from proxy.exchange import GatedRequest, open_session
from proxy.selftest import METHODS, Dropping, check_commands, check_requests


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


def unguarded(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """
    Open a session as ours is, without what keeps aiohttp from sending again.
    """
    return aiohttp.ClientSession(connector=connector, request_class=GatedRequest)


def redis(port: int, *, retries: int) -> Redis:
    """
    Return a client of Redis that sends a command again so many times.
    """
    return Redis(host="127.0.0.1", port=port, protocol=2, retry=Retry(NoBackoff(), retries), driver_info=None)


async def test_requests_once(peers: list[Dropping]) -> None:
    """Each method arrives once over a fresh and once over a reused connection that drops."""
    await check_requests()
    assert dict(peers[0].seen) == {(method, used): 1 for method in METHODS for used in (False, True)}


async def test_would_notice() -> None:
    """Without the guard in the session a start is refused, and says which method was sent again."""
    with pytest.raises(StartRefused, match="aiohttp sends a GET again by itself") as caught:
        await check_requests(unguarded)
    assert "requirements/" in caught.value.hint


@pytest.mark.parametrize("method", METHODS)
async def test_which_are_repeated(method: str, peers: list[Dropping]) -> None:
    """Without the guard aiohttp repeats what it takes for repeatable, fresh and reused, and nothing else."""
    with pytest.raises(StartRefused):
        await check_requests(unguarded)
    counts = {peers[0].seen[method, used] for used in (False, True)}
    assert (counts == {1}) is (method in {"POST", "PATCH"})


async def test_commands_once(peers: list[Dropping]) -> None:
    """A command arrives once over a fresh and once over a reused connection that drops."""
    await check_commands(partial(redis, retries=0))
    assert dict(peers[0].seen) == {("ECHO", False): 1, ("ECHO", True): 1}


async def test_would_notice_commands() -> None:
    """A client of Redis that repeats a command is no start."""
    with pytest.raises(StartRefused, match="the client of Redis sends a command again by itself"):
        await check_commands(partial(redis, retries=1))


async def test_takes_no_time() -> None:
    """The proof costs a start less than a tenth of a second of processor."""
    await check_requests(open_session)
    began = time.process_time()
    await check_requests(open_session)
    await check_commands(partial(redis, retries=0))
    assert time.process_time() - began < 0.1
