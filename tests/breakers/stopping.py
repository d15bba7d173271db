"""What is told of the stop, in a word."""

from __future__ import annotations

from breakers.stops import ALL, Mode, Stop
from breakers.store.events import KillChanged


def halted(epoch: int = 1, mode: Mode = Mode.STOP_WRITES, scope: str = ALL) -> KillChanged:
    """
    Return that a scope is stopped.
    """
    return KillChanged(Stop(scope, mode, epoch))


def running(epoch: int, scope: str = ALL) -> KillChanged:
    """
    Return that a scope runs.
    """
    return halted(epoch, Mode.RUN, scope)
