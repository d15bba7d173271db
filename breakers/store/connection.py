"""
One connection to a Redis: a command, the whole of its answer, then the next.

An asker that gives up, or is told to end, costs the connection, whatever has arrived by then: what comes over it later
is the answer to a command that nobody waits for. So is what arrives while nothing was asked.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast

from breakers.store.protocol import StoreUnavailable
from breakers.store.resp import Answer, More, Reply, pack
from config.store import Node

GONE = "Redis cannot be reached: it hung up"


class Connection(asyncio.Protocol):
    """
    A connection, open until it is dropped.

    `server` is the id of whoever answers, `answered` counts what it was good for, and `failed` tells that the other end
    hung up or spoke garbage.
    """

    def __init__(self) -> None:
        self.server, self.answered = "", 0
        self.open = self.failed = False
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[Reply] | None = None
        self._answer = Answer()

    def __repr__(self) -> str:
        return f"<Connection {'open' if self.open else 'closed'} answered={self.answered}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked of the object: uvloop's are transports of its own.
        self._transport, self.open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        asked = self._asked
        if asked is None or asked.done():
            self.drop()
            return
        try:
            whole = self._answer.feed(data)
        except StoreUnavailable as error:
            self.failed = True
            self.drop()
            asked.set_exception(error)
            return
        if not isinstance(whole, More):
            asked.set_result(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed = self.failed or self.open
        self.open = False
        if self._asked is not None and not self._asked.done():
            why = f"Redis ends TLS ({exc.reason})" if isinstance(exc, ssl.SSLError) else GONE
            self._asked.set_exception(StoreUnavailable(why))

    async def ask(self, *words: str | int | bytes) -> Reply:
        """
        Send a command once, and return its answer. Raise `StoreUnavailable` where none comes any more.
        """
        if not self.open or self._transport is None:
            raise StoreUnavailable(GONE)
        self._asked = asyncio.get_running_loop().create_future()
        self._transport.write(pack(words))
        try:
            answer = await self._asked
        except BaseException:
            self.drop()
            raise
        self._asked, self._answer = None, Answer()
        self.answered += 1
        return answer

    def is_closed(self) -> bool:
        """
        Tell whether nothing can be asked over it any more.
        """
        return not self.open

    def drop(self) -> None:
        """
        Close it at once, with what was not sent yet.
        """
        self.open = False
        if self._transport is not None:
            self._transport.abort()


@dataclass(frozen=True, slots=True)
class Login:
    """
    What a server is told before anything is asked.
    """

    user: str | None = None
    password: str | None = None
    database: int = 0

    def __repr__(self) -> str:
        return f"<Login database={self.database}>"

    def commands(self) -> tuple[tuple[str | int, ...], ...]:
        """
        Return it as commands.
        """
        user = () if self.user is None else (self.user,)
        auth = () if self.password is None else (("AUTH", *user, self.password),)
        return (*auth, *((("SELECT", self.database),) if self.database else ()))


async def dial(node: Node, tls: ssl.SSLContext | None) -> Connection:
    """
    Return a connection to a server of which nothing is known yet. Raise `StoreUnavailable`.
    """
    loop = asyncio.get_running_loop()
    try:
        if node.path is not None:
            _, made = await loop.create_unix_connection(Connection, node.path)
        else:
            name = None if tls is None else node.host
            _, made = await loop.create_connection(Connection, node.host, node.port, ssl=tls, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise StoreUnavailable(f"the certificate of Redis is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise StoreUnavailable(f"Redis and this process agree on no TLS ({error.reason})") from None
    except (OSError, ValueError) as error:
        # A host that no resolver takes is a `ValueError`.
        raise StoreUnavailable(f"Redis cannot be reached ({type(error).__name__})") from None
    return made
