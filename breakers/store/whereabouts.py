"""
Which server has a deployment's keys, and connections to it that were checked before anything is asked.

Before each connection Sentinels are asked who the primary is, nodes of a cluster who serves the deployment's one slot:
a server that lost its place may not know it yet. A connection that leads to another server than the trusted one, after
a restart or a failover or because an address was given away, is never used: that server may lack the last of what was
acknowledged.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from binascii import crc_hqx
from collections.abc import Callable

from breakers.store.connection import Connection, Login, dial
from breakers.store.link import Server
from breakers.store.protocol import StoreUnavailable
from breakers.store.refusals import GARBAGE, Refusal, Reply, sentence
from config.store import Node, RedisAddress

SLOTS = 16_384

OLDEST = (6, 2)
"""The first that has all that is used here."""

MOVED = "another Redis answers than the one that the ledger was replayed into"

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


class Whereabouts:
    """
    Makes connections to the server of a deployment: to none but `trusted` where one is.

    `moved` tells that another one answered, or the trusted one as one that takes no writes. `within_s` is how long a
    connection may take to be made.
    """

    def __init__(
        self,
        address: RedisAddress,
        deployment: str,
        login: Login,
        sentinel_password: str | None,
        tls: ssl.SSLContext | None,
        within_s: Callable[[], float],
    ) -> None:
        self._address, self._tls, self._within_s = address, tls, within_s
        self._login, self._sentinel_login = login, Login(password=sentinel_password)
        self._slot = crc_hqx(deployment.encode(), 0) % SLOTS
        # Whoever answered last is asked first.
        self._seeds = list(address.seeds)
        self.trusted, self.moved = "", False

    def __repr__(self) -> str:
        return f"<Whereabouts trusted={self.trusted[:8]} moved={self.moved}>"

    def trust(self, server: str) -> None:
        """
        Connect to this server only from here on.
        """
        self.trusted, self.moved = server, False

    def trusts(self, connection: Connection) -> bool:
        """
        Tell whether a connection that was made before may be used still.
        """
        return not self.moved and self.trusted in {"", connection.server}

    def doubt(self) -> None:
        """
        Note that the trusted server said itself that another has the keys.
        """
        self.moved = self.trusted != ""

    async def connect(self) -> Connection:
        """
        Return a connection to the trusted server, or to any where none is trusted yet. Raise `StoreUnavailable`.
        """
        connection, told = await self._reached()
        is_other = self.trusted not in {"", told.id}
        if why := unfit(told) or (MOVED if is_other else ""):
            connection.drop()
            self.doubt()
            raise StoreUnavailable(why)
        connection.server = told.id
        return connection

    async def server(self) -> Server:
        """
        Return what the server says of itself that is to be asked now, whichever is trusted. Raise `StoreUnavailable`.
        """
        connection, told = await self._reached()
        connection.drop()
        if why := unfit(told):
            raise StoreUnavailable(why)
        return told

    async def _reached(self) -> tuple[Connection, Server]:
        within_s = self._within_s()
        try:
            async with asyncio.timeout(within_s):
                connection = await _entered(await self._found(within_s), self._login, self._tls)
                try:
                    told = server_of(await connection.ask("INFO"))
                except BaseException:
                    connection.drop()
                    raise
        except TimeoutError:
            raise StoreUnavailable(f"Redis made no connection within {round(within_s * 1000)} ms") from None
        # What it was good for is counted from here on.
        connection.answered = 0
        return connection, told

    async def _found(self, within_s: float) -> Node:
        if not self._seeds:
            return self._address.node
        why = ""
        for seed in list(self._seeds):
            try:
                async with asyncio.timeout(within_s / len(self._seeds)):
                    node = await (self._primary(seed) if self._address.primary else self._serving(seed))
            except TimeoutError:
                why = "those who know where Redis is do not answer"
            except StoreUnavailable as error:
                why = str(error)
            else:
                self._seeds.remove(seed)
                self._seeds.insert(0, seed)
                return node
        raise StoreUnavailable(why)

    async def _primary(self, sentinel: Node) -> Node:
        try:
            connection = await _entered(sentinel, self._sentinel_login, self._tls)
        except StoreUnavailable as error:
            raise StoreUnavailable(str(error).replace("store_password", "sentinel_password")) from None
        told = await _last(connection, "SENTINEL", "get-master-addr-by-name", self._address.primary)
        match told:
            case None:
                raise StoreUnavailable("the Sentinels know no Redis by the name that `store` ends with")
            case [bytes(host), bytes(port)] if port.isdigit():
                return Node(host.decode(), int(port))
            case Refusal():
                raise StoreUnavailable(sentence(told).replace("store_password", "sentinel_password"))
            case _:
                raise StoreUnavailable(GARBAGE)

    async def _serving(self, seed: Node) -> Node:
        connection = await _entered(seed, Login(self._login.user, self._login.password), self._tls)
        told = await _last(connection, "CLUSTER", "SLOTS")
        if isinstance(told, Refusal):
            raise StoreUnavailable(sentence(told))
        for range_ in told if isinstance(told, list) else ():
            match range_:
                case [int(first), int(last), [host, int(port), *_], *_] if first <= self._slot <= last:
                    # A node that was never told its own address is where it was found.
                    return Node(host.decode() if isinstance(host, bytes) and host else seed.host, port)
        raise StoreUnavailable("no node of the cluster serves the keys of this deployment")


async def _entered(node: Node, login: Login, tls: ssl.SSLContext | None) -> Connection:
    connection = await dial(node, tls)
    try:
        for command in login.commands():
            answer = await connection.ask(*command)
            if isinstance(answer, Refusal):
                raise StoreUnavailable(sentence(answer))
    except BaseException:
        connection.drop()
        raise
    return connection


async def _last(connection: Connection, *words: str) -> Reply:
    try:
        return await connection.ask(*words)
    finally:
        connection.drop()


def server_of(told: Reply) -> Server:
    """
    Read what a server says of itself. Raise `StoreUnavailable`.
    """
    if isinstance(told, Refusal):
        raise StoreUnavailable(sentence(told))
    if not isinstance(told, bytes):
        raise StoreUnavailable(GARBAGE)
    lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
    said = {name: value.strip() for name, _, value in lines}
    evicted, former = said.get("evicted_keys", "0"), said.get("master_replid2", "")
    return Server(
        id=said.get("run_id", ""),
        version=said.get("redis_version", ""),
        role=said.get("role", ""),
        policy=said.get("maxmemory_policy", "unknown"),
        evicted=int(evicted) if evicted.isdecimal() else 0,
        loading=said.get("loading", "0") != "0",
        promoted=former if former.strip("0") else "",
    )


def unfit(told: Server) -> str:
    """
    Return in words why nothing can be asked of a server, or nothing.
    """
    version = _VERSION.match(told.version)
    if version is None or not told.id:
        return GARBAGE
    if (int(version[1]), int(version[2])) < OLDEST:
        return f"this Redis is {version[0]}, and 6.2 is the oldest that will do"
    if told.loading:
        return "Redis is loading its data from its disk"
    if told.role != "master":
        return "this Redis is a replica and takes no writes: `store` leads to its primary"
    return ""
