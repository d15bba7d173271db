"""How long and how large the scenarios with faults are; `CI` ends within seconds each on two busy cores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Durability:
    """
    Keyed creates at a rate over some connections; after about so many seconds each time, the process is killed.
    """

    kills: int
    seconds: float
    per_second: float
    connections: int


@dataclass(frozen=True, slots=True)
class Storm:
    """
    One write so many times at once, then so many writes so many times each.
    """

    repeats: int
    keys: int
    each: int
    connections: int


@dataclass(frozen=True, slots=True)
class Flood:
    """
    An agent that calls at a rate, alone and beside one that hammers over so many connections, for so long each.
    """

    seconds: float
    per_second: float
    connections: int


@dataclass(frozen=True, slots=True)
class Streams:
    """
    So many streams of so many bytes, each read over so many seconds, beside short calls at a rate.
    """

    streams: int
    bytes_each: int
    seconds: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Flapping:
    """
    Creates and reads at a rate; the upstream answers, loses answers, fails, and answers again, so many times. Breakers
    recover by themselves where it `waits`, and are released where not.
    """

    flaps: int
    seconds: float
    per_second: float
    waits: bool


@dataclass(frozen=True, slots=True)
class Kill:
    """
    Creates and reads at a rate, and so many stops among them.
    """

    stops: int
    seconds: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Store:
    """
    Creates and reads at a rate, while the store is silent for so long, then killed and started empty.
    """

    seconds: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Overload:
    """
    The most that is served is found in so many seconds over some connections, then asked for so many times over.
    """

    seconds: float
    connections: int
    times: int


@dataclass(frozen=True, slots=True)
class Slow:
    """
    So many slow connections, beside calls at a rate for so many seconds; `closes` waits until the last is closed.
    """

    connections: int
    seconds: float
    per_second: float
    closes: bool


@dataclass(frozen=True, slots=True)
class Soak:
    """
    A mixture at a rate for so long, of which the first part warms up.
    """

    seconds: float
    warm_s: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    The sizes of all of them, and what everything random begins with.
    """

    seed: int
    durability: Durability
    storm: Storm
    flood: Flood
    streams: Streams
    flapping: Flapping
    kill: Kill
    store: Store
    overload: Overload
    slow: Slow
    soak: Soak


CI = Sizes(
    seed=1,
    durability=Durability(kills=2, seconds=1.2, per_second=120.0, connections=16),
    storm=Storm(repeats=1000, keys=50, each=20, connections=200),
    flood=Flood(seconds=2.0, per_second=100.0, connections=16),
    streams=Streams(streams=30, bytes_each=4 << 20, seconds=4.0, per_second=100.0),
    flapping=Flapping(flaps=1, seconds=1.0, per_second=60.0, waits=False),
    kill=Kill(stops=2, seconds=1.0, per_second=100.0),
    store=Store(seconds=1.2, per_second=30.0),
    overload=Overload(seconds=2.0, connections=32, times=10),
    slow=Slow(connections=1000, seconds=2.0, per_second=100.0, closes=False),
    soak=Soak(seconds=10.0, warm_s=3.0, per_second=100.0),
)

FULL = Sizes(
    seed=1,
    durability=Durability(kills=5, seconds=3.0, per_second=120.0, connections=16),
    storm=Storm(repeats=1000, keys=200, each=50, connections=500),
    flood=Flood(seconds=8.0, per_second=200.0, connections=32),
    streams=Streams(streams=100, bytes_each=4 << 20, seconds=14.0, per_second=150.0),
    flapping=Flapping(flaps=1, seconds=3.0, per_second=100.0, waits=True),
    kill=Kill(stops=6, seconds=2.0, per_second=200.0),
    store=Store(seconds=4.0, per_second=60.0),
    overload=Overload(seconds=6.0, connections=32, times=10),
    slow=Slow(connections=1000, seconds=6.0, per_second=200.0, closes=True),
    soak=Soak(seconds=60.0, warm_s=15.0, per_second=150.0),
)
