"""
The link to a Redis, 6.2 or newer: every command is sent once, over connections that its purpose has to itself.

A script whose answer was lost may have run, so that nothing is ever sent again by itself: what surely did not run,
because the server does not know the script yet, is the one exception. Whatever goes wrong is `StoreUnavailable`, with a
sentence in which nothing stands that was sent or is secret.

The protocol is spoken by the redis library's connections (`connection.py`, `bounded.py`); which of them carries what,
and that nothing is sent twice, is seen to here, where its clients and pools would decide otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from breakers.store.connection import Connection, Login
from breakers.store.fleet import FleetStore
from breakers.store.link import Purpose, Server, purpose_of
from breakers.store.moves import BY_DEFAULT, Retention
from breakers.store.pool import Pool
from breakers.store.protocol import LEASE_S, StoreUnavailable
from breakers.store.refusals import ELSEWHERE, REPLACED, Refusal, Reply, code_of, sentence
from breakers.store.scripts import SCRIPTS
from breakers.store.whereabouts import MOVED, Whereabouts, server_of
from config.store import RedisAddress

ANSWERS_WITHIN_S = 0.25
"""A decision does not wait longer for the shared state; a healthy Redis needs a thousandth of it."""

DIALS = 4
"""A new connection may take so many times that: over TLS it is several journeys, and whoever waits gives up before."""

CONNECTIONS = 32
"""A command takes well under a millisecond, so that so many at once are tens of thousands a second."""

# What is told behind a call is told by a few; a letter is waited for on a connection of its own.
MOST: Mapping[Purpose, int] = MappingProxyType({
    Purpose.DECISIONS: CONNECTIONS, Purpose.BEHIND: 8, Purpose.LETTERS: 4,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """
    How the server is entered: the passwords of it and of its Sentinels, and whom TLS to it believes.

    `chance` draws between 0 and 1, so that processes that lost a server together do not come back together.
    """

    password: str | None = None
    sentinel_password: str | None = None
    tls: ssl.SSLContext | None = None
    chance: Callable[[], float] = lambda: 1.0

    def __repr__(self) -> str:
        return f"<Access tls={self.tls is not None}>"


def redis_store(
    address: RedisAddress,
    access: Access,
    deployment: str,
    now: Callable[[], datetime],
    retention: Retention = BY_DEFAULT,
    lease_s: float = LEASE_S,
) -> FleetStore:
    """
    Return the store of a deployment; nothing is dialled before its first verb.
    """
    return FleetStore(redis_link(address, access, deployment), deployment, now, retention, lease_s)


def redis_link(address: RedisAddress, access: Access, deployment: str) -> RedisLink:
    """
    Return a link to the server of a deployment; nothing is dialled before it is asked.
    """
    login = Login(address.user, access.password, address.database)
    at = Whereabouts(
        *(address, deployment, login, access.sentinel_password, access.tls), lambda: DIALS * ANSWERS_WITHIN_S
    )
    return RedisLink(at, access.chance)


class RedisLink:
    """
    The connections to the server, and the scripts that it runs.
    """

    def __init__(self, at: Whereabouts, chance: Callable[[], float]) -> None:
        self._at = at
        self._pools = {purpose: Pool(at.connect, most, chance) for purpose, most in MOST.items()}

    def __repr__(self) -> str:
        return f"<RedisLink {self._at!r} {self._pools!r}>"

    @property
    def moved(self) -> bool:
        """
        Return whether another server answered than the trusted one, or that one as one that takes no writes.
        """
        return self._at.moved

    def trust(self, server: str) -> None:
        self._at.trust(server)
        self._drop_all()

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        async with self._lent(purpose, within_s) as connection:
            answer = self._judged(connection, await connection.ask(command, key, *arguments))
        # This protocol has no maps.
        return dict(zip(answer[::2], answer[1::2], strict=True)) if command == "HGETALL" else answer

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        script, told = SCRIPTS[verb], (len(keys), *keys, *arguments)
        async with self._lent(purpose or purpose_of(verb)) as connection:
            answer = await connection.ask("EVALSHA", script.sha, *told)
            if isinstance(answer, Refusal) and code_of(answer) == "NOSCRIPT":
                # It did not run: Redis does not know it yet, and learns it by running it.
                answer = await connection.ask("EVAL", script.text, *told)
            return self._judged(connection, answer)

    async def eviction(self) -> str:
        return (await self.look()).policy

    async def look(self) -> Server:
        async with self._lent(Purpose.BEHIND) as connection:
            return server_of(await connection.ask("INFO"))

    async def server(self) -> str:
        return (await self._at.server()).id

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.close()

    @contextlib.asynccontextmanager
    async def _lent(self, purpose: Purpose, within_s: float | None = None) -> AsyncIterator[Connection]:
        """
        Lend a connection for one command, for as long as one may take.
        """
        if self._at.moved:
            raise StoreUnavailable(MOVED)
        within_s = ANSWERS_WITHIN_S if within_s is None else within_s
        until = asyncio.get_running_loop().time() + within_s
        try:
            async with asyncio.timeout_at(until), self._pools[purpose].lent(until) as connection:
                if not self._at.trusts(connection):
                    raise StoreUnavailable(MOVED)
                yield connection
        except TimeoutError:
            raise StoreUnavailable(f"Redis did not answer within {round(within_s * 1000)} ms") from None

    def _judged(self, connection: Connection, answer: Reply) -> Any:
        """
        Return an answer. Raise `StoreUnavailable` where it is an error, and connect anew where that says so.
        """
        if not isinstance(answer, Refusal):
            return answer
        code = code_of(answer)
        if code in REPLACED:
            self._at.doubt()
            self._drop_all()
        elif code in ELSEWHERE:
            connection.drop()
        raise StoreUnavailable(sentence(answer))

    def _drop_all(self) -> None:
        for pool in self._pools.values():
            pool.drop_all()
