"""Alerts on caps on their way: on record, told at least once under one id, and what ends in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from breakers.spend import Alert, Notice
from breakers.store.events import AlertDelivered, AlertRaised, Event
from breakers.store.protocol import Store, StoreUnavailable
from proxy.alerting import AGAIN_AFTER_S, Alerting, amount, said
from proxy.errors import LedgerUnavailable
from tests.breakers.world import AT
from tests.proxy.road import Lines

HALF = Alert(Notice.REACHED, "task:a/1", "life", "moved:USD", 50, 200_000_000, 100_000_000, AT)
DENIED = Alert(Notice.DENIED, "agent:a", "2026-11", "calls", 0, 6, 6, AT)


@dataclass(slots=True)
class Raising:
    """A store that has raised alerts, and takes note of what it is told of them."""

    raised: list[Alert]
    told: list[Event] = field(default_factory=list)
    away: bool = False

    async def alerts(self) -> tuple[Alert, ...]:
        """
        Return what was raised.
        """
        if self.away:
            raise StoreUnavailable("it does not answer")
        return tuple(self.raised)

    async def apply(self, event: Event) -> None:
        """
        Take note.
        """
        self.told.append(event)
        if isinstance(event, AlertDelivered):
            self.raised = [one for one in self.raised if one.id != event.alert]


@dataclass(slots=True)
class Records:
    """A record that can be full."""

    said: list[str] = field(default_factory=list)
    full: bool = False

    async def raised(self, alert: Alert) -> None:
        """
        Record an alert.
        """
        self._here()
        self.said.append(f"alerted {alert.id}")

    async def told(self, alert: str) -> None:
        """
        Record that it was told.
        """
        self._here()
        self.said.append(f"told {alert}")

    def _here(self) -> None:
        if self.full:
            raise LedgerUnavailable("the disk is full")


@dataclass(slots=True)
class Hook:
    """A webhook that takes nothing until it is told to."""

    taking: bool = False
    posted: list[object] = field(default_factory=list)

    async def post(self, message: dict[str, object]) -> str | None:
        """
        Take a message, or not.
        """
        self.posted.append(message["id"])
        return None if self.taking else "it answered 503"


@dataclass(slots=True)
class World:
    """What an alert passes through."""

    store: Raising
    records: Records = field(default_factory=Records)
    log: Lines = field(default_factory=Lines)
    counted: list[str] = field(default_factory=list)
    hook: Hook | None = None

    def alerting(self) -> Alerting:
        """
        Return what tells of alerts.
        """
        post = None if self.hook is None else self.hook.post
        count = self.counted.append
        return Alerting(cast("Store", self.store), self.records, self.log, lambda alert: count(alert.node), post)


async def test_told_once() -> None:
    """An alert is on record before anyone is told, is told once, and is ticked off."""
    world = World(Raising([HALF, DENIED]))
    alerting = world.alerting()
    await alerting.look(0.0)
    await alerting.look(1.0)
    assert world.records.said == [f"{word} {one.id}" for word in ("alerted", "told") for one in (HALF, DENIED)]
    every = (HALF, DENIED)
    assert world.store.told == [*(AlertRaised(one) for one in every), *(AlertDelivered(one.id) for one in every)]
    assert world.counted == ["task:a/1", "agent:a"]
    assert [line["id"] for line in world.log.lines if line["event"] == "budget"] == [HALF.id, DENIED.id]


async def test_nothing_unrecorded() -> None:
    """Nobody is told of an alert that cannot be recorded, and it is told once it can."""
    world = World(Raising([HALF]), hook=Hook(taking=True))
    alerting = world.alerting()
    world.records.full = True
    await alerting.look(0.0)
    assert world.hook is not None
    assert (world.hook.posted, world.counted, world.store.told) == ([], [], [])
    world.records.full = False
    await alerting.look(1.0)
    assert world.hook.posted == [HALF.id]


async def test_asked_more_rarely() -> None:
    """A webhook that takes nothing is asked again, ever more rarely, under the same id, and holds up no other alert."""
    hook = Hook()
    world = World(Raising([HALF]), hook=hook)
    alerting = world.alerting()
    now, waits = 0.0, (*AGAIN_AFTER_S, AGAIN_AFTER_S[-1])
    for times, wait in enumerate(waits, 1):
        await alerting.look(now)
        await alerting.look(now + wait - 0.001)
        assert hook.posted == [HALF.id] * times
        now += wait
    hook.taking = True
    world.store.raised.append(DENIED)
    await alerting.look(now - 0.001)
    assert hook.posted[-1] == DENIED.id
    await alerting.look(now)
    assert hook.posted[-1] == HALF.id
    assert not world.store.raised
    assert world.records.said.count(f"alerted {HALF.id}") == 1


async def test_one_receiver() -> None:
    """A webhook that does not take one alert is asked about no other in that look, and keeps none off the record."""
    hook = Hook()
    world = World(Raising([HALF, DENIED]), hook=hook)
    alerting = world.alerting()
    await alerting.look(0.0)
    assert hook.posted == [HALF.id]
    assert world.records.said == [f"alerted {HALF.id}", f"alerted {DENIED.id}"]
    await alerting.look(1.0)
    assert hook.posted == [HALF.id, DENIED.id]


@pytest.mark.parametrize("fault", [None, StoreUnavailable("away"), LedgerUnavailable("full"), RuntimeError("odd")])
async def test_noted_at_a_stop(fault: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop has on record what was raised, waits for no webhook, and goes on whatever fails."""
    hook = Hook(taking=True)
    world = World(Raising([HALF]), hook=hook)

    async def failing() -> tuple[Alert, ...]:
        assert fault is not None
        raise fault

    if fault is not None:
        monkeypatch.setattr(Raising, "alerts", lambda _: failing())
    await world.alerting().note()
    assert hook.posted == []
    assert world.records.said == ([f"alerted {HALF.id}"] if fault is None else [])
    assert bool(world.log.of("failure")) is isinstance(fault, RuntimeError)


async def test_told_by_the_next() -> None:
    """What an earlier process did not tick off is told again, under the same id."""
    world = World(Raising([HALF]), hook=Hook())
    await world.alerting().look(0.0)
    assert world.hook is not None
    world.hook.taking = True
    await world.alerting().look(0.0)
    assert world.hook.posted == [HALF.id, HALF.id]
    assert not world.store.raised


async def test_store_away() -> None:
    """While the store is away nothing is told and nothing fails."""
    world = World(Raising([HALF], away=True))
    await world.alerting().look(0.0)
    assert world.records.said == []


@pytest.mark.parametrize(
    ("measure", "value", "shown"),
    [
        ("calls", 6, 6),
        ("writes", 0, 0),
        ("moved:USD", 12_500_000, "12.50 USD"),
        ("paid:USD", 3, "0.000003 USD"),
        ("moved:JPY", 500_000_000, "500 JPY"),
        ("moved:USD", 2**53 + 1, "9007199254 USD"),
    ],
)
def test_amounts_shown(measure: str, value: int, shown: int | str) -> None:
    """An amount is shown as people write it, also where a total is beyond what one amount may be."""
    assert amount(measure, value) == shown


def test_said_whole() -> None:
    """What is told says whose cap, which period, how much of how much, and under which id."""
    assert said(HALF) == {
        "id": HALF.id,
        "kind": "reached",
        "node": "task:a/1",
        "period": "life",
        "measure": "moved:USD",
        "threshold_pct": 50,
        "cap": "200.00 USD",
        "settled": "100.00 USD",
        "at": AT.isoformat(),
    }
    assert said(DENIED)["threshold_pct"] is None
