"""The scenarios, each named by the question that it answers, in the order in which they run."""

from __future__ import annotations

from loadtest.bench import Scenario
from loadtest.scenarios import (
    durability,
    flapping,
    flat,
    flood,
    footprint,
    in_flight,
    kill,
    latency,
    mix,
    overload,
    slow,
    soak,
    store,
    storm,
    streams,
    throughput,
    workers,
)

SCENARIOS: tuple[Scenario, ...] = (
    throughput.SCENARIO,
    latency.SCENARIO,
    in_flight.SCENARIO,
    footprint.SCENARIO,
    flat.SCENARIO,
    workers.SCENARIO,
    mix.SCENARIO,
    durability.SCENARIO,
    storm.SCENARIO,
    flood.SCENARIO,
    streams.SCENARIO,
    flapping.SCENARIO,
    kill.SCENARIO,
    store.SCENARIO,
    overload.SCENARIO,
    slow.SCENARIO,
    soak.SCENARIO,
)
