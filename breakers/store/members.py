"""The replicas of a fleet as each has them on record, and as it hears of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

SILENT_S = 5.0
"""A replica that nobody has heard of for longer counts as gone: five beats, and as long as the lease of the stop."""


@dataclass(frozen=True, slots=True)
class Known:
    """
    Whom a replica has on record: its own name, the `names` of those that belong to the fleet, and those forgotten.
    """

    name: str
    names: frozenset[str] = frozenset()
    forgotten: frozenset[str] = frozenset()

    @property
    def joined(self) -> bool:
        """
        Tell whether it belongs to the fleet itself.
        """
        return self.name in self.names


class Roll(Protocol):
    """
    A replica's record of the fleet; each verb returns once that is durable, or raises `StoreUnavailable`.
    """

    @property
    def known(self) -> Known:
        """
        Return whom it has on record.
        """

    async def joined(self) -> None:
        """
        Record that it belongs to the fleet.
        """

    async def learned(self, names: frozenset[str]) -> None:
        """
        Record that these belong to the fleet, or are about to.
        """

    async def heard_forgotten(self, names: frozenset[str]) -> None:
        """
        Record that these were forgotten, by whoever that was.
        """

    async def returned(self) -> None:
        """
        Record that it was forgotten itself, and comes back under a name of its own.
        """


@dataclass(frozen=True, slots=True)
class Presence:
    """
    What a replica says of itself; `in_flight` is how many writes are on their way from it.
    """

    host: str = ""
    pid: int = 0
    software: str = ""
    config: str = ""
    kill_epoch: int = 0
    applied_at: datetime | None = None
    in_flight: int = 0
    last_dispatch: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """
    A replica as it was heard of last: `joining` before it holds writes, `here`, or `stopped` in good order.

    `silent_s` is for how long nobody had heard of it then.
    """

    id: str
    name: str
    state: str
    heard_at: datetime
    since: datetime
    silent_s: float
    presence: Presence

    @property
    def live(self) -> bool:
        """
        Tell whether it may be sending.
        """
        return self.state != "stopped" and self.silent_s <= SILENT_S


def id_of(name: str) -> str:
    """
    Return whose name it is.
    """
    return name.partition(".")[0]
