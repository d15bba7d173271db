"""Memory and Redis, driven side by side: nobody who asks can tell which one answers."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from breakers.store.fleet import FleetStore
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Permit, Store
from tests.alike.machine import Alike
from tests.breakers.world import AT
from tests.conftest import Figure
from tests.redis_server import RedisServer, redis_server
from tests.repeats.backings import Fleet
from tests.sim.redis_link import ModelServer

__all__ = ["redis_server"]

FLOORS: dict[str, dict[str, int]] = json.loads(Path(__file__).with_name("floors.json").read_text())

STEPS = 40

# What is drawn depends on which modules are loaded: more runs where something is rare.
SEEDS, SEEDS_MAX = 2, 8

Stores = Callable[[Callable[[], datetime]], list[Store]]


def beside_model(now: Callable[[], datetime]) -> list[Store]:
    """
    Return memory, and a store in a model of the server that executes the shipped scripts.
    """
    return [MemoryStore(now), ModelServer(now).store(now=now)]


def beside(server: RedisServer) -> Stores:
    """
    Return what makes memory, and an empty store in a real server.
    """

    def stores(now: Callable[[], datetime]) -> list[Store]:
        server.flush()
        return [MemoryStore(now), Fleet(server).store(now)]

    return stores


def run(stores: Stores, began: datetime, examples: int, number: int) -> Counter[str]:
    """
    Run the machine over such stores, and return what happened how often.
    """

    class Machine(Alike):
        seen: ClassVar[Counter[str]] = Counter()

    Machine.stores, Machine.began = staticmethod(stores), began
    test = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
    )
    seed(number)(Machine)
    run_state_machine_as_test(Machine, settings=test)
    return Machine.seen


def missed(kind: str, seen: Counter[str]) -> dict[str, int]:
    """
    Return what happened too rarely for the run to mean anything.
    """
    return {name: seen[name] for name, floor in FLOORS[kind].items() if seen[name] < floor}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["model", "redis"])
def test_alike(kind: str, redis_server: RedisServer, figure: Figure) -> None:
    """Whatever is asked, in whatever order, at whatever time: one store says what the other says."""
    stores, began, examples = (
        (beside_model, AT, 15) if kind == "model" else (beside(redis_server), datetime.now(UTC), 3)
    )
    seen: Counter[str] = Counter()
    for number in range(SEEDS_MAX):
        seen += run(stores, began, examples, number)
        if number >= SEEDS - 1 and not missed(kind, seen):
            break
    for name, count in sorted(seen.items()):
        if name in FLOORS[kind]:
            figure(f"alike, {kind}, {name}", count)
    assert missed(kind, seen) == {}


async def _granted(*_: Any) -> Permit:
    return Permit.GRANTED


async def _nothing(*_: Any) -> None:
    """
    Do nothing.
    """


LIES: dict[str, tuple[type, str, Any]] = {
    "a mark that is never refused": (FleetStore, "dispatch", _granted),
    "an end that is forgotten": (MemoryStore, "settle", _nothing),
    "news that is not replayed": (FleetStore, "apply", _nothing),
}


@pytest.mark.parametrize("lie", LIES)
def test_lie_found(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does otherwise than the other is found out."""
    target, name, instead = LIES[lie]
    monkeypatch.setattr(target, name, instead)
    with pytest.raises(AssertionError, match="one says"):
        for number in range(SEEDS_MAX):
            run(beside_model, AT, 20, number)


@pytest.mark.torture(weight=1)
def test_alike_for_long(redis_server: RedisServer, figure: Figure, torture_until: float) -> None:
    """The same holds in orders that nobody chose before, over the model and over the server."""
    seen: Counter[str] = Counter()
    for number in itertools.count(SEEDS_MAX):
        if time.monotonic() >= torture_until and seen:
            break
        stores, began = (beside(redis_server), datetime.now(UTC)) if number % 4 == 0 else (beside_model, AT)
        seen += run(stores, began, 20, number)
    figure("torture alike, reservations", seen["reserve"])
    assert seen["reserve"] > 0
