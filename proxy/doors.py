"""Doors: where a call comes in says which API, and which base of it, the call is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from breakers.verdict import Reason
from proxy.errors import Refused

SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Door:
    """
    One listener: `api` and `base` are empty on the shared port, where the first path segment says them.
    """

    name: str
    api: str = ""
    base: str = ""


def refuse_other_door(host: str, port: int | None, door: Door, addresses: Mapping[str, str]) -> None:
    """
    Raise `Refused` (`door-unknown`) where a request's Host is the address of another door than the one it came through.
    """
    for name, url in addresses.items():
        if name != door.name and url == f"http://{host}:{port}":
            raise Refused(Reason.DOOR_UNKNOWN, "The Host header names another door than the one this came through.")


def through(door: Door, segments: tuple[str, ...], doors: Mapping[str, Door]) -> tuple[Door, tuple[str, ...]]:
    """
    Return the door that a call really came through, and its path without the prefix of the shared port.

    Raise `Refused` (`door-unknown`) where the prefix names none.
    """
    if door.api:
        return door, segments
    meant = doors.get(segments[0]) if segments else None
    if meant is None or not meant.api:
        names = ", ".join(f"/{name}" for name, other in sorted(doors.items()) if other.api)
        raise Refused(Reason.DOOR_UNKNOWN, f"The shared port has these prefixes: {names}.")
    return meant, segments[1:]
