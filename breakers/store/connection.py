"""
One connection to a Redis: a command, the whole of its answer, then the next; spoken by the library's own connection.

Of the library only its connections are used, which do one thing and nothing by themselves. Its clients and pools send
again what may have run, and decide which connection carries what; both are decided here.

An asker that gives up, or is told to end, costs the connection, whatever has arrived by then: what comes over it later
is the answer to a command that nobody waits for. So is what arrives while nothing was asked.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Connection as Wire
from redis.asyncio import UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from breakers.store.bounded import Bounded
from breakers.store.protocol import StoreUnavailable
from breakers.store.refusals import GARBAGE, Refusal, Reply
from config.store import Node

GONE = "Redis cannot be reached: it hung up"


class Connection:
    """
    A connection, open until it is dropped.

    `server` is the id of whoever answers, `answered` counts what it was good for, and `failed` tells that the other end
    hung up or spoke garbage.
    """

    def __init__(self, wire: AbstractConnection) -> None:
        self._wire = wire
        self.server, self.answered, self.failed = "", 0, False
        self._dropped = False

    def __repr__(self) -> str:
        return f"<Connection {'open' if self.open else 'closed'} answered={self.answered}>"

    @property
    def open(self) -> bool:
        """
        Tell whether anything can be asked over it.
        """
        return not self._dropped and bool(self._wire.is_connected)

    async def is_fit(self) -> bool:
        """
        Tell whether it can carry something more: the other end has not hung up, and said nothing that was not asked.
        """
        try:
            # What has arrived before anything is asked is the answer to nothing.
            fit = self.open and not await self._wire.can_read()
        except (RedisError, OSError):
            fit = False
        if not fit:
            self.drop()
        return fit

    async def ask(self, *words: str | int | bytes) -> Reply:
        """
        Send a command once, and return its answer. Raise `StoreUnavailable` where none comes any more.
        """
        wire = self._wire
        if not self.open:
            raise StoreUnavailable(GONE)
        try:
            await wire.send_command(*words, check_health=False)
            answer: Reply = await wire.read_response()
        except RedisError as error:
            answer = self._said(error)
        except RuntimeError:
            # So uvloop refuses to write where the other end has reset the connection.
            self._fail()
            raise StoreUnavailable(GONE) from None
        except BaseException:
            self.drop()
            raise
        self.answered += 1
        return answer

    def drop(self) -> None:
        """
        Close it at once, and wait for nobody.
        """
        self._dropped = True
        # Its own way without a wait, for where no task is under way; the public one waits for a turn of the loop.
        self._wire._close()  # type: ignore[no-untyped-call] # noqa: SLF001

    def _said(self, error: RedisError) -> Refusal:
        """
        Return what the server refused. Raise `StoreUnavailable` where it was not the server who said so.
        """
        code: str | None = getattr(error, "status_code", None)
        if code is not None:
            return Refusal(f"{code} {error}")
        if isinstance(error, ResponseError):
            return Refusal(str(error))
        self._fail()
        raise StoreUnavailable(GARBAGE if isinstance(error, InvalidResponse) else _why(error)) from None

    def _fail(self) -> None:
        self.failed = True
        self.drop()


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


class Secured(Wire):
    """
    The library's connection, over TLS by a context that was made at the start.
    """

    def __init__(self, tls: ssl.SSLContext, **more: Any) -> None:
        self._tls = tls
        super().__init__(**more)

    def _connection_arguments(self) -> Mapping[str, object]:
        return {**super()._connection_arguments(), "ssl": self._tls, "server_hostname": self.host}


async def dial(node: Node, tls: ssl.SSLContext | None) -> Connection:
    """
    Return a connection to a server of which nothing is known yet. Raise `StoreUnavailable`.
    """
    wire = _wire(node, tls)
    try:
        await wire.connect()  # type: ignore[no-untyped-call] # its own signature is untyped
    except (RedisError, OSError, ValueError) as error:
        # A host that no resolver takes is a `ValueError`.
        raise StoreUnavailable(_why(error)) from None
    return Connection(wire)


def _wire(node: Node, tls: ssl.SSLContext | None) -> AbstractConnection:
    # Nothing is sent but what is asked, once, and whoever asks says how long it waits.
    bare: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "health_check_interval": 0,
        "protocol": 2,
        "driver_info": None,
        "parser_class": Bounded,
    }
    if node.path is not None:
        return UnixDomainSocketConnection(path=node.path, **bare)
    where: dict[str, Any] = {"host": node.host, "port": node.port, **bare}
    return Wire(**where) if tls is None else Secured(tls, **where)


def _why(error: BaseException) -> str:
    """
    Return in words what the library found: what it says itself may hold where the server is.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of Redis is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"Redis and this process agree on no TLS ({cause.reason})"
        if isinstance(cause, OSError):
            return f"Redis cannot be reached ({type(cause).__name__})"
        cause = cause.__cause__ or cause.__context__
    return GONE
