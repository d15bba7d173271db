"""What came of an order to stop, or to let pass again, and how a stop is told to people."""

from __future__ import annotations

from dataclasses import dataclass

from breakers.stops import Stop


@dataclass(frozen=True, slots=True)
class Ordered:
    """
    What came of an order: the record, and whether it is durable and told to the store. `why` says what did not work.

    `here_s` is how many seconds it took until it was in force in this process. `holds` tells whether it is: of two
    orders at once the later one, and of two under one epoch the stricter.
    """

    stop: Stop
    recorded: bool
    shared: bool
    holds: bool = True
    why: str = ""
    here_s: float = 0.0


def said(stop: Stop) -> dict[str, object]:
    """
    Return what people are told of a stop.
    """
    return {
        "scope": stop.scope,
        "mode": str(stop.mode),
        "epoch": stop.epoch,
        "by": stop.actor or None,
        "reason": stop.reason or None,
        "ordered": None if stop.at is None else stop.at.isoformat(),
        "until": None if stop.until is None else stop.until.isoformat(),
        "back": None if stop.until is None else str(stop.back),
    }
