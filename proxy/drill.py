"""
A drill: a stop of a scope that nothing is in, to see that every step of a real one is taken, and how long each takes.

It goes the whole way: in force here, on record, told to the store and seen there again. Every other process sees it,
too, and measures when.
"""

from __future__ import annotations

from dataclasses import dataclass

from breakers.stops import CANARY, Mode
from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.killing import KillSwitch
from proxy.metrics import Metrics

REASON = "a drill"


@dataclass(frozen=True, slots=True)
class Drilled:
    """
    What a drill showed: under which epoch, and seconds until it was in force here, and until everyone was told.

    `why` says what did not work, and is empty where all did.
    """

    epoch: int
    here_s: float
    told_s: float
    why: str


async def drill(killswitch: KillSwitch, by: str, clock: Clock, metrics: Metrics) -> Drilled:
    """
    Stop the canary, see that it is stopped everywhere, and let it run again.
    """
    began = clock.monotonic()
    ordered = await killswitch.order(CANARY, Mode.STOP_WRITES, by, REASON)
    told_s = clock.monotonic() - began
    why = ordered.why or ("" if killswitch.here.mode(CANARY) is Mode.STOP_WRITES else "it is not in force here")
    why = why or ("" if await killswitch.poll() else "the shared state does not answer")
    try:
        await killswitch.order(CANARY, Mode.RUN, by, REASON)
    except LedgerUnavailable as unavailable:
        why = why or f"its end is not on record ({unavailable})"
    metrics.drilled(ordered.here_s, told_s, clock.now())
    return Drilled(ordered.stop.epoch, ordered.here_s, told_s, why)
