"""
Doors: where a call comes in, and under which name, says which API, and which base of it, the call is for.

A door of its own needs no name. On the shared one the `Host` says it (`stripe.files.localhost`, or a host that the
configuration names), else the first segment of the path. A unix socket has an address that no URL can carry, so on one
the `Host` may also name another base of the same API: that is how a client that came by the socket gets there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from breakers.noun import noun
from breakers.verdict import Reason
from config.consistency import SHARED, host_of
from proxy.errors import Refused

__all__ = ["SHARED", "Came", "Door", "Style", "door_hosts", "refuse_other_door", "through"]

HOSTS_LISTED_MAX = 16
"""Of those that a refusal lists: enough to see what they look like."""


class Style(StrEnum):
    """
    How a caller names a door, and so how URLs that it is shown must name one.
    """

    PORT = "port"
    PREFIX = "prefix"
    HOST = "host"
    UNIX = "unix"


@dataclass(frozen=True, slots=True)
class Door:
    """
    One listener: `api` and `base` are empty on the shared one; `unix` tells that it is a socket of this machine.
    """

    name: str
    api: str = ""
    base: str = ""
    unix: bool = False


@noun
class Came:
    """
    How a call came in: the door that it means, and by what it was named.
    """

    door: Door
    style: Style


def door_hosts(doors: Mapping[str, Door], configured: Mapping[str, str]) -> dict[str, str]:
    """
    Return the door of every host that names one: `DOOR.localhost`, and those of the configuration.
    """
    return {host_of(name): name for name, door in doors.items() if door.api} | dict(configured)


def refuse_other_door(host: str, port: int | None, door: Door, addresses: Mapping[str, str]) -> None:
    """
    Raise `Refused` (`door-unknown`) where a request's Host is the address of another door than the one it came through.
    """
    for name, url in addresses.items():
        if name != door.name and url == f"http://{host}:{port}":
            raise Refused(Reason.DOOR_UNKNOWN, "The Host header names another door than the one this came through.")


def through(
    door: Door, host: str, segments: tuple[str, ...], doors: Mapping[str, Door], hosts: Mapping[str, str]
) -> tuple[Came, tuple[str, ...]]:
    """
    Return how a call really came in, and its path without the prefix of the shared door.

    Raise `Refused` (`door-unknown`) where neither host nor prefix names a door, or the host another one.
    """
    named = doors.get(hosts.get(host, ""))
    if door.api:
        if named is None or named.name == door.name:
            return Came(door, Style.UNIX if door.unix else Style.PORT), segments
        if door.unix and named.api == door.api:
            return Came(named, Style.UNIX), segments
        raise Refused(Reason.DOOR_UNKNOWN, "The Host header names another door than the one this came through.")
    if named is not None:
        return Came(named, Style.HOST), segments
    meant = doors.get(segments[0]) if segments else None
    if meant is None or not meant.api:
        raise Refused(Reason.DOOR_UNKNOWN, f"The shared door has {_listed(doors, hosts)}.")
    return Came(meant, Style.PREFIX), segments[1:]


def likely_api(host: str, raw_path: str, doors: Mapping[str, Door], hosts: Mapping[str, str]) -> str:
    """
    Return the API that a request on the shared door is probably for: in its words what has no meaning is refused.
    """
    named = doors.get(hosts.get(host, "")) or doors.get(raw_path.lstrip("/").partition("/")[0])
    return named.api if named is not None else ""


def _listed(doors: Mapping[str, Door], hosts: Mapping[str, str]) -> str:
    names = ", ".join(f"/{name}" for name, door in sorted(doors.items()) if door.api)
    known = sorted(hosts)
    more = ", …" if len(known) > HOSTS_LISTED_MAX else ""
    return f"these prefixes: {names}; and these hosts: {', '.join(known[:HOSTS_LISTED_MAX])}{more}"
