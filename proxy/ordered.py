"""What comes of an order to stop or to let pass, what others ordered meanwhile, and how a stop is told to people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from breakers.stops import UNKNOWN, Mode, Stop
from breakers.store.events import KillChanged
from breakers.store.protocol import Store, StoreUnavailable
from proxy.errors import StartRefused


class Records(Protocol):
    """
    The record, as far as stops go.
    """

    async def changed(self, stop: Stop) -> object:
        """
        Record a stop that is ordered here, and told to people.
        """

    async def learned(self, stop: Stop) -> object:
        """
        Record a stop that nobody has to be told of any more: another process ordered it, or its time brought it back.
        """


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A stop that is in force here, in place of the record with the epoch `over`; when that began, and how long it took.
    """

    stop: Stop
    over: int
    began: float
    here_s: float


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


def returning(stop: Stop, known: Stop | None) -> Stop:
    """
    Return a stop with what comes back by itself once what was lifted for a time is over, where that is more.
    """
    if known is None or known.until is None or known.back.strictness <= stop.mode.strictness:
        return stop
    return replace(stop, until=known.until, back=known.back)


def unmoved(scope: str, known: Stop | None, over: int | None) -> None:
    """
    Raise `StartRefused` where the record of a scope is not the one that whoever gives an order has seen.
    """
    stop = known or UNKNOWN
    if over is not None and stop.epoch != over:
        what = "resumed meanwhile" if stop.mode is Mode.RUN else "stopped anew"
        error = f"`{scope}` was {what}, by {stop.actor or 'somebody'}, epoch {stop.epoch}"
        raise StartRefused(error, "look at it, then resume that")


async def share(stop: Stop, over: int, store: Store, now: datetime) -> tuple[bool, Stop | None]:
    """
    Tell the store of a record that is in the place of the one with the epoch `over`.

    Return whether it was told, and what counts there instead of it; a stop that is more, and that was not known here
    when this was ordered, does, whatever its epoch.
    """
    try:
        found = (await store.stops()).by_scope.get(stop.scope)
        if found is not None and over < found.epoch < stop.epoch and is_more(found, stop, now):
            return True, found
        await store.apply(KillChanged(stop))
        found = (await store.stops()).by_scope.get(stop.scope)
    except StoreUnavailable:
        return False, None
    is_ours = found is None or (found.epoch, found.mode) == (stop.epoch, stop.mode) or stop.overrules(found)
    return True, None if is_ours else found


def is_more(stop: Stop, other: Stop, now: datetime) -> bool:
    """
    Tell whether a stop is stricter than another at a moment.
    """
    return stop.mode_at(now).strictness > other.mode_at(now).strictness


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
