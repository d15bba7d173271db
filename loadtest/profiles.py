"""
How long and how large each scenario is: `ci` ends within minutes on two busy cores, `full` takes what figures need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from loadtest import sizes
from loadtest.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Loops:
    """
    How calls are made again and again: `rounds` times for `seconds` each.
    """

    rounds: int
    seconds: float
    connections: int = 32
    per_second: float = 200.0


@dataclass(frozen=True, slots=True)
class Flat:
    """
    How large a large installation is, beside a small one; `apart` measures what it has more of by itself, too.
    """

    loops: Loops
    apart: bool
    agents: int
    tasks: int
    records: int


@dataclass(frozen=True, slots=True)
class Mix:
    """
    How a mixture is drawn: so many agents, an open loop at a rate.
    """

    seconds: float
    per_second: float
    agents: int
    seed: int


@dataclass(frozen=True, slots=True)
class Profile:
    """
    The sizes of every scenario; `lenient` judges speed at half of what is promised.
    """

    name: str
    lenient: bool
    throughput: Loops
    latency: Loops
    in_flight: int
    footprint_starts: int
    footprint_records: int | None
    flat: Flat
    workers: Loops
    mix: Mix
    faults: Sizes


CI = Profile(
    name="ci",
    lenient=True,
    throughput=Loops(rounds=5, seconds=0.8),
    latency=Loops(rounds=5, seconds=1.0),
    in_flight=1_500,
    footprint_starts=3,
    footprint_records=None,
    flat=Flat(Loops(rounds=3, seconds=0.4), apart=False, agents=1_000, tasks=2_000, records=20_000),
    workers=Loops(rounds=1, seconds=1.0),
    mix=Mix(seconds=4.0, per_second=200.0, agents=8, seed=1),
    faults=sizes.CI,
)

FULL = replace(
    CI,
    name="full",
    lenient=False,
    throughput=Loops(rounds=5, seconds=3.0),
    latency=Loops(rounds=5, seconds=4.0),
    in_flight=5_000,
    footprint_starts=5,
    footprint_records=1_000_000,
    flat=Flat(Loops(rounds=5, seconds=1.0), apart=True, agents=10_000, tasks=100_000, records=1_000_000),
    workers=Loops(rounds=3, seconds=3.0),
    mix=Mix(seconds=20.0, per_second=300.0, agents=32, seed=1),
    faults=sizes.FULL,
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (CI, FULL)}
