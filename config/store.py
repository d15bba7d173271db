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

# Redis' own; a URL without a port means it.
PORT = 6379

# A deployment's name is part of every key, inside the braces that keep them together: it can hold no brace.
DEPLOYMENT = re.compile(r"[a-z0-9-]{1,40}")

_SCHEMES = ("redis", "rediss", "unix")
_DATABASE = re.compile(r"/?|/(?:0|[1-9][0-9]{0,4})")
_USER = re.compile(r"[A-Za-z0-9._-]{1,128}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,20}")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FORMS = "write `memory`, `redis://HOST:PORT/DB`, `rediss://…` or `unix:///PATH`"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """
    A Redis: `host` and `port`, over TLS with `tls`, or the socket at `path`.
    """

    host: str = ""
    port: int = PORT
    database: int = 0
    tls: bool = False
    user: str | None = None
    path: str | None = None


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
        port, host, password = parts.port, parts.hostname or "", parts.password
    except ValueError:
        raise Unreadable("this URL cannot be read", _FORMS) from None
    if parts.scheme not in _SCHEMES:
        raise Unreadable("a store is `memory` or a Redis", _FORMS)
    # Whatever stands before an `@` is left unread as soon as it could be a password.
    if password is not None or url.count("@") > 1:
        hint = "take it out of the URL, and name where it is: `store_password: {env: NAME}` or `{file: PATH}`"
        raise Unreadable("a password is never written here", hint)
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise Unreadable("this is no user of a Redis", _FORMS)
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise Unreadable("a store's URL has no options", "end it after the database's number")
    if parts.scheme == "unix":
        return _socket(host, parts.path, parts.username)
    if not _is_host(host, parts.netloc) or port == 0:
        raise Unreadable("this URL names no host", _FORMS)
    if not _DATABASE.fullmatch(parts.path):
        raise Unreadable("after the host stands the number of a database, or nothing", _FORMS)
    return RedisAddress(host, port or PORT, int(parts.path[1:] or 0), parts.scheme == "rediss", parts.username)


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
