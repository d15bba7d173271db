"""Stops on record: read as they were written, and carried into every log that follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.stops import ALL, Mode, Stop, Stops
from proxy.ledger.drafts import system
from proxy.ledger.read import last_records
from proxy.ledger.stops import stop_draft
from tests.ledger.test_recovery import damage_behind, start_on
from tests.ledger.world import FOLDER, START, World, commit_now


@pytest.mark.parametrize(
    ("mode", "holds"), [*((str(mode), mode) for mode in Mode), ("?", Mode.STOP_WRITES), ("RUN", Mode.STOP_WRITES)]
)
def test_newest_kill_record(mode: str, holds: Mode) -> None:
    """Of each scope the kill record with the highest epoch holds, and a mode that nobody knows stops writes."""
    world = World()
    ledger = world.open()
    commit_now(ledger, system("kill.changed", scope="all", mode=mode, epoch=3))
    commit_now(ledger, system("kill.changed", scope="all", mode="run", epoch=2))
    commit_now(ledger, system("kill.changed", scope="api:stripe", mode="stop-all", epoch=9))
    stops = start_on(world.disk.after_kill()).recovered.stops
    assert stops == Stops({ALL: Stop(ALL, holds, 3), "api:stripe": Stop("api:stripe", Mode.STOP_ALL, 9)})


def test_stop_whole() -> None:
    """A stop is read as it was written, its words excepted, which stand sealed where the start says."""
    world, at = World(), START + timedelta(microseconds=7)
    ledger = world.open()
    until, back = at + timedelta(hours=1), Mode.STOP_ALL
    stop = Stop("agent:a", Mode.RUN, 4, "ana+ben", "OPS-7", at, until, back, aborts=True, reconciles=True)
    (where,) = commit_now(ledger, stop_draft(stop))
    recovered = start_on(world.disk.after_kill()).recovered
    assert recovered.stops.by_scope["agent:a"] == replace(stop, reason="")
    assert recovered.words["agent:a"] == where.place


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "damaged"])
def test_stops_survive_an_epoch(broken: bool) -> None:
    """Every scope's stop is in the next log, and a way back by time with it; over damage writes are stopped as well."""
    world, until = World(), START + timedelta(minutes=30)
    ledger = world.open()
    glass = Stop(ALL, Mode.RUN, 5, "ana+ben", until=until, back=Mode.STOP_ALL)
    others = Stop("agent:a", Mode.STOP_ALL, 3, "ana"), Stop("task:a/1", Mode.SUGGEST, 9), Stop("api:x", Mode.RUN, 4)
    size = ledger.size
    for stop in (glass, *others):
        commit_now(ledger, stop_draft(stop))
    for kind in ("test.damaged", "test.behind"):
        commit_now(ledger, system(kind))
    disk = damage_behind(world, size + 5) if broken else world.disk.after_kill()
    ledger = World(disk=disk).open(new_epoch="moved")
    lost = last_records(disk, FOLDER / "ledger", 99)[0].entry["prev"]["lost_bytes"]
    assert (lost > 0) is broken
    held = ledger.recovered.stops.by_scope
    assert {stop.epoch for stop in held.values()} == {10 + lost}
    assert [held[stop.scope] for stop in others] == [replace(stop, epoch=10 + lost) for stop in others]
    carried = Stop(ALL, Mode.STOP_ALL, 10 + lost, "log") if broken else replace(glass, epoch=10 + lost)
    assert held[ALL] == carried
