"""Whether two places of this machine are one: two listeners, or an upstream and a door."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from config.written import Address, Origin, UnixSocket

# Listening there takes the port at every address of the machine.
EVERYONE = frozenset({"0.0.0.0", "::"})  # noqa: S104 compared, not bound

# What the kernel keeps of a socket's path is 107 bytes; one is for the name under which it is made.
SOCKET_PATH_BYTES_MAX = 106


def clashes(one: Address | UnixSocket, other: Address | UnixSocket, folder: Path) -> bool:
    """
    Tell whether two listeners would get in each other's way: one port, and one address or everyone's; or one path.
    """
    match one, other:
        case UnixSocket(), UnixSocket():
            return one.within(folder) == other.within(folder)
        case Address(), Address():
            return one.port == other.port != 0 and (one.host == other.host or bool({one.host, other.host} & EVERYONE))
        case _:
            return False


def leads_back(origin: Origin | UnixSocket, door: Address | UnixSocket, folder: Path) -> bool:
    """
    Tell whether a call to this origin would come back here; another machine's address with a door's port would not.
    """
    match origin, door:
        case UnixSocket(), UnixSocket():
            return origin.within(folder) == door.within(folder)
        case Origin(literal=True), Address() if origin.port == door.port:
            here = ipaddress.ip_address(origin.host)
            return origin.host == door.host or ((here.is_loopback or here.is_unspecified) and door.host in EVERYONE)
        case _:
            return False


def is_too_long(address: Address | UnixSocket, folder: Path) -> bool:
    """
    Tell whether no socket can have this path.
    """
    return isinstance(address, UnixSocket) and len(address.within(folder).path.encode()) > SOCKET_PATH_BYTES_MAX
