"""Suggestions and grants against a small reference: one end each, and at most one execution, whatever happens."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.grants.lies import LIES
from tests.grants.machine import Machine
from tests.redis_server import RedisServer, redis_server
from tests.repeats.runs import Runs

__all__ = ["redis_server"]

FLOORS = json.loads(Path(__file__).with_name("floors.json").read_text())
RUNS = Runs(Machine, FLOORS, seeds={"memory": 1, "redis": 1}, examples={"memory": 30, "redis": 8})


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", RUNS.examples)
def test_against_model(kind: str, redis_server: RedisServer, figure: Figure) -> None:
    """Whatever is parked, decided, executed, stopped or lost: each suggestion has one end and is sent once at most."""
    counted = RUNS.explored(kind, redis_server)
    for name, count in sorted(counted.items()):
        figure(f"suggestions on {kind}, {name}", count)
    assert RUNS.missed(kind, counted) == {}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES)
def test_lie_found(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not keep one of the promises is found out."""
    target, name, instead = LIES[lie]
    monkeypatch.setattr(target, name, instead)
    with pytest.raises(AssertionError):
        RUNS.until_found()


@pytest.mark.torture(weight=1)
def test_against_model_for_long(redis_server: RedisServer, figure: Figure, torture_until: float) -> None:
    """The same holds in orders that nobody chose before."""
    total = RUNS.for_long(redis_server, torture_until)
    figure("torture suggestions, calls", total["calls"])
    assert total["calls"] > 0 or float(os.environ.get("MINUTES", "10")) < 1
