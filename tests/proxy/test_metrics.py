"""What is counted, under which labels: bounded ones, whatever comes in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.writer import Stats
from proxy.metrics import Metrics
from proxy.trail import Trail
from tests.ledger.world import StillClock
from tests.proxy.road import SECRET, Road, charged, road
from tests.proxy.rows import CREATE, SENDS


def sample(on: Road, name: str, **labels: str) -> float:
    """
    Return a metric's value, nought where it has none.
    """
    return on.rooms.metrics.registry.get_sample_value(f"breakwater_{name}", labels) or 0.0


async def test_counts(tmp_path: Path) -> None:
    """Each call is counted once, under its API, effect, verdict and outcome, and a refusal under its reason."""
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as on:
        await on.ask("GET", "/v1/customers")
        await on.ask("POST", "/v1/customers", form=CREATE)
        await on.ask("POST", "/v1/payouts")
        await on.ask("GET", "/v1/customers", key="")
        await on.ask("GET", "/v1/nothing")
        sandbox.faults.add(Fault(HangUp(), times=SENDS))
        await on.ask("POST", "/v1/customers", form={"name": "lost"})
        counted = {
            ("stripe", "read", "forward", "executed"): 1,
            ("stripe", "write", "forward", "executed"): 1,
            ("stripe", "write", "forward", "unknown"): 1,
            ("stripe", "irreversible", "refuse", "denied"): 1,
            ("stripe", "none", "edge", "denied"): 1,
            ("stripe", "none", "refuse", "denied"): 1,
        }
        for (api, effect, verdict, outcome), count in counted.items():
            labels = {"api": api, "effect": effect, "verdict": verdict, "outcome": outcome}
            assert sample(on, "calls_total", **labels) == count, labels
        for reason in ("not-allowed", "key-missing", "operation-unknown", "outcome-unknown"):
            assert sample(on, "refusals_total", reason=reason) == 1
        assert sample(on, "stage_seconds_count", stage="intent") == 2
        assert sample(on, "added_seconds_count", effect="write") == 2


async def test_states(tmp_path: Path) -> None:
    """Gauges say what is so when they are read: writes in flight and in doubt, the ledger's queue, the kill epoch."""
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as on:
        sandbox.faults.add(Fault(HangUp(), times=SENDS))
        await on.ask("POST", "/v1/customers", form=CREATE)
        rooms = on.rooms
        await rooms.metrics.sample(rooms.ledger, rooms.store, 7, rooms.clock.now())
        read = {name: sample(on, name) for name in ("in_flight", "unknown_outcomes_open", "ledger_ready", "kill_epoch")}
        assert read == {"in_flight": 7, "unknown_outcomes_open": 1, "ledger_ready": 1, "kill_epoch": 1}
        assert sample(on, "ledger_entries_total") == rooms.ledger.stats.entries == 4
        assert sample(on, "ledger_sync_seconds_count") > 0


async def test_lost_while_read(tmp_path: Path) -> None:
    """Each lost record is counted, also those that the ledger's thread loses while they are being counted."""
    lost = 0

    class Losing(Stats):
        def __getattribute__(self, name: str) -> Any:
            nonlocal lost
            lost += name == "lost"
            return lost if name == "lost" else super().__getattribute__(name)

    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as on:
        rooms = on.rooms
        losing: Any = SimpleNamespace(pending=0, state="ready", stats=Losing())
        for _ in range(3):
            await rooms.metrics.sample(losing, rooms.store, 0, rooms.clock.now())
        assert sample(on, "ledger_lost_total") == lost == 3


async def test_bounded(tmp_path: Path) -> None:
    """No label grows with what comes in: other ids, paths, agents' names and reasons make no other series."""
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as on:

        async def round_(number: int) -> set[str]:
            charge = charged(sandbox)
            await on.ask("GET", f"/v1/charges/{charge}")
            await on.ask("GET", f"/v1/nothing/{number}")
            await on.ask("POST", "/v1/refunds", form={"charge": charge, "amount": 100 + number})
            await on.ask(
                "POST", "/v1/customers", form={"name": f"a{number}"}, headers=(("Idempotency-Key", f"k{number}"),)
            )
            await on.ask("GET", "/v1/customers", key="", headers=(("Authorization", f"Bearer x{number}"),))
            return {
                f"{one.name}{sorted(one.labels.items())}"
                for family in on.rooms.metrics.registry.collect()
                for one in family.samples
            }

        assert await round_(1) == await round_(2)


def test_apart() -> None:
    """Two programs in one process count apart."""
    one, other = Metrics(), Metrics()
    one.ended(Trail("C1", StillClock(), 0.0, api="stripe", outcome="executed"))
    labels = {"api": "stripe", "effect": "none", "verdict": "edge", "outcome": "executed"}
    assert one.registry.get_sample_value("breakwater_calls_total", labels) == 1
    assert other.registry.get_sample_value("breakwater_calls_total", labels) is None
