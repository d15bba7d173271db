"""
The link to Redis 6.2 or newer: one client that sends every command once; the only file that imports redis.

The client's own re-sends are off, because a script whose answer was lost may have run. What it raises is told in a
sentence in which nothing stands that was sent or configured.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoScriptError, OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from breakers.store.fleet import FleetStore
from breakers.store.link import Purpose, Server
from breakers.store.moves import BY_DEFAULT, Retention
from breakers.store.protocol import LEASE_S, StoreUnavailable
from breakers.store.scripts import SCRIPTS
from config.store import RedisAddress

ANSWERS_WITHIN_S = 0.25
"""A decision does not wait longer for the shared state; a healthy Redis needs a thousandth of it."""

CONNECTIONS = 32
"""A command takes well under a millisecond, so that so many at once are tens of thousands a second."""


def redis_store(
    address: RedisAddress,
    password: str | None,
    deployment: str,
    now: Callable[[], datetime],
    retention: Retention = BY_DEFAULT,
    lease_s: float = LEASE_S,
) -> FleetStore:
    """
    Return the store of a deployment; nothing is dialled before its first verb.
    """
    return FleetStore(RedisLink(client(address, password)), deployment, now, retention, lease_s)


def client(address: RedisAddress, password: str | None) -> Redis:
    """
    Return a client that sends every command once and waits for it a quarter of a second.
    """
    link: dict[str, Any]
    if address.path is not None:
        link = {"connection_class": UnixDomainSocketConnection, "path": address.path}
    else:
        secure: dict[str, Any] = {"connection_class": SSLConnection, "ssl_cert_reqs": "required"}
        link = (secure if address.tls else {"connection_class": Connection}) | {
            "host": address.host,
            "port": address.port,
        }
    pool = BlockingConnectionPool(
        max_connections=CONNECTIONS,
        timeout=ANSWERS_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=ANSWERS_WITHIN_S,
        socket_connect_timeout=ANSWERS_WITHIN_S,
        health_check_interval=0,
        db=address.database,
        username=address.user,
        password=password,
        protocol=2,
        driver_info=None,
        **link,
    )
    return Redis.from_pool(pool)


class RedisLink:
    """
    A client, and the scripts that it runs.
    """

    def __init__(self, redis: Redis) -> None:
        self.moved = False
        self._redis = redis
        # Its own signature is untyped.
        self._client: Callable[..., Awaitable[Any]] = redis.execute_command

    async def _execute(self, *command: object) -> Any:
        task = asyncio.current_task()
        before = 0 if task is None else task.cancelling()
        answer = await self._client(*command)
        if task is not None and task.cancelling() > before:
            # The client sends by `wait_for`, which up to Python 3.11 drops what comes as it ends: whoever was to stop
            # would go on for ever.
            raise asyncio.CancelledError
        return answer

    def trust(self, server: str) -> None:
        self.moved = False

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        with _telling():
            return await self._execute(command, key, *arguments)

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        script = SCRIPTS[verb]
        with _telling():
            try:
                return await self._execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
            except NoScriptError:
                # It did not run: Redis does not know it yet, and learns it by running it.
                return await self._execute("EVAL", script.text, len(keys), *keys, *arguments)

    async def eviction(self) -> str:
        with _telling():
            told: Mapping[Any, Any]
            try:
                told = await self._execute("CONFIG GET", "maxmemory-policy")
            except ResponseError:
                # A managed Redis refuses `CONFIG`, and says it among other things.
                told = await self._execute("INFO", "memory")
            named = {_text(name).replace("_", "-"): _text(value) for name, value in told.items()}
            return named.get("maxmemory-policy", "unknown")

    async def look(self) -> Server:
        with _telling():
            told: Mapping[Any, Any] = await self._execute("INFO")
            said = {_text(name): _text(value) for name, value in told.items()}
        return Server(
            *(said.get(name, "") for name in ("run_id", "redis_version", "role", "maxmemory_policy")),
            int(said.get("evicted_keys", "0")),
        )

    async def server(self) -> str:
        with _telling():
            told: Mapping[Any, Any] = await self._execute("INFO", "server")
            return _text(told.get("run_id", ""))

    async def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """
    Turn what the client raises into a sentence of ours: nothing that was sent or configured stands in it.
    """
    try:
        yield
    except AuthenticationError:
        raise StoreUnavailable("Redis refuses the password that `store_password` names, or asks for one") from None
    except (RedisTimeout, TimeoutError):
        raise StoreUnavailable(f"Redis did not answer within {round(ANSWERS_WITHIN_S * 1000)} ms") from None
    except ResponseError as error:
        # A script's error is a sentence of its own, in which the code of what went wrong stands last.
        if isinstance(error, OutOfMemoryError) or "-OOM " in str(error):
            raise StoreUnavailable("Redis has no memory left for what a write needs: raise its maxmemory") from None
        code = str(error).partition(" ")[0]
        said = f" ({code})" if code.isalpha() and code.isupper() else ""
        raise StoreUnavailable(f"Redis refused what it was asked{said}") from None
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"Redis cannot be reached ({type(error).__name__})") from None


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
