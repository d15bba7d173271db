"""
The ways in to Breakwater as an SDK is told of them: one base URL for each style of door.

The names `*.localhost` are loopback (RFC 6761), but not every system's resolver knows it; `loopback` answers for them
in this process, as docs/CLIENTS.md tells people to do.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from loadtest.installation import Breakwater

PORT, HOST, PREFIX, UNIX = "port", "host", "prefix", "unix"
STYLES = (PORT, HOST, PREFIX)

# This system's own resolver.
SYSTEM = socket.getaddrinfo

_LOCAL = ".localhost"


def way(installation: Breakwater, door: str, style: str) -> str:
    """
    Return the base URL of a door; that of a unix socket names the host that goes through it.
    """
    shared = installation.doors["shared"]
    match style:
        case "port":
            return installation.doors[door]
        case "host":
            return f"http://{door}{_LOCAL}:{shared.rpartition(':')[2]}"
        case "prefix":
            return f"{shared}/{door}"
        case _:
            return f"http://{door}{_LOCAL}"


@contextlib.contextmanager
def loopback() -> Iterator[None]:
    """
    Resolve `*.localhost` in this process.
    """
    before = socket.getaddrinfo
    socket.getaddrinfo = _resolved
    try:
        yield
    finally:
        socket.getaddrinfo = before


def _resolved(host: Any, *rest: Any, **more: Any) -> Any:
    local = isinstance(host, str) and host.endswith(_LOCAL)
    return SYSTEM("127.0.0.1" if local else host, *rest, **more)
