"""
What stands behind the processes of a machine: nothing, or a Redis of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from breakers.store.memory import MemoryStore
from breakers.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Alone:
    """
    One process, whose store goes with it.
    """

    processes: int = 1
    claims_outlive: bool = False

    def store(self, now: Callable[[], datetime]) -> Store:
        """
        Return an empty store.
        """
        return MemoryStore(now)

    async def clear(self) -> None:
        """
        Forget nothing: there is nothing.
        """
