"""Who is at the other end of a connection: its address, or on a unix socket the user that it runs as."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

_CREDENTIALS = struct.Struct("3i")
"""As Linux says who connected to a unix socket: process, user, group."""


class Peer:
    """
    The other end of one connection; it is asked only where a token says from where it may be shown.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.BaseTransport | None) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        return f"Peer({self.address() or self.user()})"

    def address(self) -> IPv4Address | IPv6Address | None:
        """
        Return its address; None on a unix socket, and where it has gone.
        """
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        if not isinstance(name, tuple):
            return None
        address = ip_address(name[0].partition("%")[0])
        # A listener of both families sees the one in the clothes of the other.
        return getattr(address, "ipv4_mapped", None) or address

    def user(self) -> int | None:
        """
        Return the user id that it runs as; None where it came over a network, or where the system does not say it.
        """
        connected = self._transport.get_extra_info("socket") if self._transport is not None else None
        option = getattr(socket, "SO_PEERCRED", None)
        if connected is None or option is None or connected.family != socket.AF_UNIX:
            return None
        _, user, _ = _CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
        return int(user)
