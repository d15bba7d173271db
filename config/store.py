"""Where the shared state is, as it is written: this process's memory, or a Redis; and where its password is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import model_validator

from config.faults import Unreadable, did_you_mean
from config.written import HOST_NAME, Strict, address_literal

MEMORY = "memory"

# Redis' own, and its Sentinel's; a URL without a port means it.
PORT, SENTINEL_PORT = 6379, 26379

# A deployment's name is part of every key, inside the braces that keep them together: it can hold no brace.
DEPLOYMENT = re.compile(r"[a-z0-9-]{1,40}")

_SCHEMES = ("redis", "rediss", "unix")
# Several addresses of what knows where the server is; with an `s` over TLS, as `rediss`.
_SENTINELS, _CLUSTERS = ("sentinel", "sentinels"), ("cluster", "clusters")
_TLS = frozenset({"rediss", "sentinels", "clusters"})
# Sentinels are three or five, and of a cluster's nodes a few are enough to find the others.
_SEEDS_MAX = 16
_PRIMARY = re.compile(r"[A-Za-z0-9._-]{1,128}")
_DATABASE = re.compile(r"/?|/(?:0|[1-9][0-9]{0,4})")
_USER = re.compile(r"[A-Za-z0-9._-]{1,128}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,20}")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FORMS = (
    "write `memory`, `redis://HOST:PORT/DB`, `rediss://…`, `unix:///PATH`, `sentinel://HOST:PORT,…/NAME/DB` or "
    "`cluster://HOST:PORT,…`"
)


@dataclass(frozen=True, slots=True)
class Node:
    """
    Where a server listens: a host and a port, or the socket at `path`.
    """

    host: str
    port: int
    path: str | None = None


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """
    A Redis: `host` and `port`, over TLS with `tls`, or the socket at `path`.

    Where `seeds` are named, they know where it is: Sentinels, that call it `primary`, or nodes of a cluster.
    """

    host: str = ""
    port: int = PORT
    database: int = 0
    tls: bool = False
    user: str | None = None
    path: str | None = None
    seeds: tuple[Node, ...] = ()
    primary: str = ""

    @property
    def node(self) -> Node:
        """
        Return where it is, where nobody needs to be asked.
        """
        return Node(self.host, self.port, self.path)


def read_store(written: object) -> str:
    """
    Read `memory` or the URL of a Redis. Raises `Unreadable`, without repeating what may hold a password.
    """
    if written == MEMORY:
        return MEMORY
    if not isinstance(written, str):
        raise Unreadable("this must be text", _FORMS)
    if "://" not in written:
        # Only a plain word is repeated: a URL without its scheme may hold a password.
        shown = f"`{written}` is no store" if _WORD.fullmatch(written) else "this is no store"
        near = did_you_mean(written, [MEMORY])
        raise Unreadable(shown, near if near.startswith("did") else _FORMS)
    redis_address(written)
    return written


def read_deployment(written: object) -> str:
    """
    Read the name of a deployment. Raises `Unreadable`.
    """
    if not isinstance(written, str) or not DEPLOYMENT.fullmatch(written):
        raise Unreadable(
            f"`{str(written)[:40]}` is no name of a deployment", "use small letters, digits and `-`, at most 40"
        )
    return written


def redis_address(url: str) -> RedisAddress:
    """
    Return where a URL leads. Raises `Unreadable`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unreadable("this URL cannot be read", _FORMS) from None
    if parts.scheme not in (*_SCHEMES, *_SENTINELS, *_CLUSTERS):
        raise Unreadable("a store is `memory` or a Redis", _FORMS)
    named, at, hosts = parts.netloc.rpartition("@")
    # Whatever stands before an `@` is left unread as soon as it could be a password.
    if ":" in named or url.count("@") > 1:
        hint = "take it out of the URL, and name where it is: `store_password: {env: NAME}` or `{file: PATH}`"
        raise Unreadable("a password is never written here", hint)
    if at and not _USER.fullmatch(named):
        raise Unreadable("this is no user of a Redis", _FORMS)
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise Unreadable("a store's URL has no options", "end it after the database's number")
    user = named if at else None
    if parts.scheme == "unix":
        return _socket(hosts, parts.path, user)
    if parts.scheme in _SCHEMES:
        node, database = _node(hosts, PORT), _database(parts.path)
        return RedisAddress(node.host, node.port, database, parts.scheme in _TLS, user)
    seeds = _seeds(hosts, SENTINEL_PORT if parts.scheme in _SENTINELS else PORT)
    if parts.scheme in _CLUSTERS:
        if parts.path not in {"", "/"}:
            raise Unreadable("a cluster has one database, and no number stands after its hosts", _FORMS)
        return RedisAddress(tls=parts.scheme in _TLS, user=user, seeds=seeds)
    primary, slash, number = parts.path[1:].partition("/")
    if not _PRIMARY.fullmatch(primary):
        raise Unreadable("after the Sentinels stands the name that they know the Redis by", _FORMS)
    return RedisAddress(
        database=_database(slash + number), tls=parts.scheme in _TLS, user=user, seeds=seeds, primary=primary
    )


def _node(written: str, port: int) -> Node:
    try:
        parts = urlsplit(f"redis://{written}")
        host, named = parts.hostname or "", parts.port
    except ValueError:
        raise Unreadable("this URL cannot be read", _FORMS) from None
    if not _is_host(host, written) or named == 0:
        raise Unreadable("this URL names no host", _FORMS)
    return Node(host, named or port)


def _seeds(written: str, port: int) -> tuple[Node, ...]:
    seeds = tuple(_node(one, port) for one in written.split(","))
    if len(seeds) > _SEEDS_MAX or len(set(seeds)) < len(seeds):
        raise Unreadable(f"name each host once, and {_SEEDS_MAX} at most", _FORMS)
    return seeds


def _database(path: str) -> int:
    if not _DATABASE.fullmatch(path):
        raise Unreadable("after the host stands the number of a database, or nothing", _FORMS)
    return int(path[1:] or 0)


def _socket(host: str, path: str, user: str | None) -> RedisAddress:
    if host or not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise Unreadable("a socket's path begins with a slash", "write `unix:///run/redis/redis.sock`")
    return RedisAddress(user=user, path=path)


def _is_host(host: str, netloc: str) -> bool:
    literal = f"[{host}]" if "[" in netloc else host
    return address_literal(literal) is not None or (":" not in host and HOST_NAME.fullmatch(host) is not None)


class PasswordSource(Strict):
    """
    Where the store's password is; it is read once, at start.
    """

    what: ClassVar[str] = "a password"
    example: ClassVar[str] = "REDIS_PASSWORD"

    env: str | None = None
    """The name of an environment variable."""
    file: Path | None = None
    """A file that holds nothing else. Relative to this file."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_secret(cls, written: object) -> object:
        """
        Refuse a password that stands in the file, without repeating it.
        """
        if not isinstance(written, Mapping | PasswordSource):
            raise Unreadable(f"{cls.what} is never written here", "name where it is: `{env: NAME}` or `{file: PATH}`")
        name = written.get("env") if isinstance(written, Mapping) else None
        if name is not None and not (isinstance(name, str) and _ENV.fullmatch(name)):
            raise Unreadable("`env` is the name of an environment variable", f"write `{{env: {cls.example}}}`")
        return written

    @model_validator(mode="after")
    def _is_one_place(self) -> PasswordSource:
        """
        Refuse two places, and none.
        """
        if (self.env is None) == (self.file is None):
            raise Unreadable(f"{self.what} has exactly one place", "write either `{env: NAME}` or `{file: PATH}`")
        return self
