"""
Who may be dialled: the check sits on the socket, after every name has become an address.

A name is never dialled at an address that is not public, whatever it resolved to a moment ago; an address or a unix
socket that stands in the configuration is dialled exactly as written, unless it is a door of ours.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from proxy.errors import AddressRefused
from proxy.pool import Pool

Address = tuple[str, int]
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that a gateway turns into IPv4 ones (RFC 6052): judged by the address inside."""

Trusted = tuple[str, int, int, int, int]
"""A place of authorities: its path, and what tells it from another one there."""


def is_public(host: str) -> bool:
    """
    Tell whether an IP address is one that the public internet routes to one machine.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return address.is_global and not address.is_multicast


class Dialer:
    """
    Builds connectors that can only reach what the configuration allows.

    `doors` returns the addresses that this process listens on, which are never an upstream; a unix socket's is its path
    and port 0.
    """

    def __init__(self, doors: Callable[[], Sequence[Address]]) -> None:
        self._doors = doors
        self._tls = tls_context()

    def pool(self, origin: URL, path: str | None, *, idle_s: float) -> Pool:
        """
        Return the connections to an origin, which is dialled at a unix socket where it has one.

        Raise `AddressRefused` as dialling does.
        """
        connector: aiohttp.BaseConnector
        if path is not None:
            connector = self.socket_connector(path, idle_s=idle_s)
        else:
            connector = self.connector(str(origin.host), int(origin.port or 443), idle_s=idle_s)
        return Pool(connector, origin, idle_s)

    def connector(self, host: str, port: int, *, idle_s: float) -> aiohttp.TCPConnector:
        """
        Return a connector for one origin that reuses connections idle for less than `idle_s` seconds.

        Raise `AddressRefused` where the origin is an address that is a door of ours; dialling raises it otherwise.
        """
        literal = _literal(host)

        def guarded(info: Any) -> socket.socket:
            family, kind, proto, _, sockaddr = info
            self._check(str(sockaddr[0]), int(sockaddr[1]), allowed=(literal, port) if literal else None)
            made = socket.socket(family=family, type=kind, proto=proto)
            made.setblocking(False)  # noqa: FBT003
            return made

        return aiohttp.TCPConnector(
            resolver=_Resolver(),
            socket_factory=guarded,
            ssl=self._tls,
            limit=0,
            keepalive_timeout=idle_s,
            use_dns_cache=False,
            timeout_ceil_threshold=float("inf"),
        )

    def socket_connector(self, path: str, *, idle_s: float) -> aiohttp.UnixConnector:
        """
        Return a connector for an origin behind a unix socket; dialling one of our doors raises `AddressRefused`.
        """
        return _SocketConnector(path, idle_s, self._doors)

    def _check(self, host: str, port: int, *, allowed: Address | None) -> None:
        if any(_same_door((host, port), door) for door in self._doors()):
            raise AddressRefused(f"{host}:{port} is a door of this Breakwater")
        if allowed is not None:
            if (ipaddress.ip_address(host), port) != (ipaddress.ip_address(allowed[0]), allowed[1]):
                raise AddressRefused(f"{host}:{port} is not the address that the configuration names")
        elif not is_public(host):
            raise AddressRefused(f"{host} is not a public address")


class _SocketConnector(aiohttp.UnixConnector):
    """
    A connector that asks, each time, whether the file is one of our doors' by now.
    """

    def __init__(self, path: str, idle_s: float, doors: Callable[[], Sequence[Address]]) -> None:
        super().__init__(path, keepalive_timeout=idle_s, limit=0)
        self._doors = doors

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 aiohttp's own name for it
    ) -> Connection:
        if any(port == 0 and _same_file(self.path, door) for door, port in self._doors()):
            raise AddressRefused(f"unix:{self.path} is a door of this Breakwater")
        return await super().connect(req, traces, timeout)


class _Resolver(AbstractResolver):
    """
    The system's resolver, all answers of it, with the first that must not be dialled refusing the name.
    """

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = await self._system.resolve(host, port, family)
        for answer in answers:
            if not is_public(answer["host"]):
                raise AddressRefused(f"{host} resolves to an address that is not public")
        return answers

    async def close(self) -> None:
        await self._system.close()


def tls_context() -> ssl.SSLContext:
    """
    Return a context that trusts the system's authorities and nothing that the environment names.

    `ssl.create_default_context` would write session secrets to SSLKEYLOGFILE and trust SSL_CERT_FILE. The authorities
    are read once, and again when their file is another.
    """
    where = ssl.get_default_verify_paths()
    return _trusting(tuple(_known(Path(path)) for path in (where.openssl_cafile, where.openssl_capath)))


def _known(path: Path) -> Trusted | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _trusting(places: tuple[Trusted | None, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for kind, place in zip(("cafile", "capath"), places, strict=True):
        if place is not None:
            context.load_verify_locations(**{kind: place[0]})
    return context


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:  # nothing can be dialled at one that is not there
        return False


def _same_door(dialled: Address, door: Address) -> bool:
    if dialled[1] != door[1]:
        return False
    host, door_host = _plain(dialled[0]), _plain(door[0])
    if host.is_unspecified:  # the kernel takes it for loopback
        return door_host.is_unspecified or door_host.is_loopback
    return host == door_host or (door_host.is_unspecified and _is_ours(host))


def _plain(text: str) -> IPAddress:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


def _is_ours(host: IPAddress) -> bool:
    """
    Tell whether an address is one of this machine's: the kernel lets nobody bind another.
    """
    if host.is_loopback:
        return True
    with socket.socket(socket.AF_INET6 if host.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(host), 0))
        except OSError:
            return False
    return True
