"""What people are told of the shared state and of the fleet: that something was lost, and when all is known again."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from breakers.store.members import Member
from proxy.announcing import Announcer
from proxy.errors import LedgerUnavailable
from proxy.ledger.fleets import LOST, REBUILT
from proxy.logline import Log

STATES = ("here", "joining", "stopped", "silent")
"""How a replica may stand, for who counts them."""

FORGOTTEN = "forgotten"
"""Why a replica has to tell all that it knows although nothing was lost."""


class FleetMetrics:
    """
    What is counted of the fleet.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.members = Gauge(
            "breakwater_fleet_members", "Replicas of the deployment, as this one hears of them, by state.", ("state",),
            registry=registry,
        )  # fmt: skip
        self.frozen = Gauge(
            "breakwater_store_frozen", "1 while the store cannot be relied on, so that no write is begun.",
            registry=registry,
        )  # fmt: skip
        self.rebuilds = Counter(
            "breakwater_store_rebuilds_total", "Times that the shared state was lost and rebuilt, by what was lost.",
            ("why",), registry=registry,
        )  # fmt: skip

    def sample(self, members: Iterable[Member], fault: str | None) -> None:
        """
        Show how many replicas there are, and whether the store is relied on.
        """
        counted = Counted(shown_state(member) for member in members)
        for state in STATES:
            self.members.labels(state).set(counted[state])
        self.frozen.set(fault is not None)


def shown_state(member: Member) -> str:
    """
    Return how a replica stands, for people: `silent` where it should be heard of.
    """
    return member.state if member.state == "stopped" or member.live else "silent"


class Records(Protocol):
    """
    The record, as far as this goes.
    """

    async def lost(self, why: str, notice: str) -> None:
        """
        Record a loss, and under which id that is announced.
        """

    async def rebuilt(self, notice: str) -> None:
        """
        Record that all is known again, likewise.
        """


@dataclass(slots=True, repr=False)
class FleetNews:
    """
    Puts on record and announces, once each, that the shared state was lost and that it is whole again.

    Nothing waits for that: what cannot be recorded is in the log of the process.
    """

    records: Records
    announcer: Announcer
    metrics: FleetMetrics
    ids: Callable[[], str]
    log: Log
    lost: str = ""

    def __repr__(self) -> str:
        return f"FleetNews(lost={self.lost!r})"

    async def see(self, lost: str, fault: str | None) -> None:
        """
        Take in why something was lost, empty where nothing is, and what is wrong with the store now.
        """
        if lost and not self.lost and lost != FORGOTTEN:
            self.lost = lost
            id_ = f"{LOST}:{self.ids()}"
            await self._recorded(self.records.lost(lost, id_))
            self.announcer.say(LOST, id_, {"why": lost})
        elif self.lost and not lost and fault is None:
            why, self.lost = self.lost, ""
            id_ = f"{REBUILT}:{self.ids()}"
            await self._recorded(self.records.rebuilt(id_))
            self.metrics.rebuilds.labels(why).inc()
            self.announcer.say(REBUILT, id_, {})

    async def _recorded(self, writing: Coroutine[Any, Any, None]) -> None:
        try:
            await writing
        except LedgerUnavailable as error:
            self.log.event("fleet-unrecorded", why=str(error))
