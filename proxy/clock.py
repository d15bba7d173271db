"""The clock and the randomness that the program runs on: objects, so that a test can hold them still."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

Randomness = Callable[[int], bytes]
"""Return that many unpredictable bytes."""


class Clock(Protocol):
    """
    Wall time for records and people, monotonic time for durations.
    """

    def now(self) -> datetime:
        """
        Return the wall time, in UTC.
        """

    def monotonic(self) -> float:
        """
        Return seconds that only grow, from an arbitrary start.
        """

    def thread_cpu(self) -> float:
        """
        Return the seconds for which the calling thread has had a processor.
        """


class SystemClock:
    """
    The machine's own clock.
    """

    # Every call asks what time it is some thirty times, so nothing stands between it and the machine.
    monotonic = staticmethod(time.monotonic)
    thread_cpu = staticmethod(time.thread_time)
    now = staticmethod(partial(datetime.now, UTC))


def system_randomness(count: int) -> bytes:
    """
    Return `count` bytes from the operating system.
    """
    return os.urandom(count)
