"""
What stands behind the processes of a machine: nothing, or a Redis whose clock is the machine's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from breakers.store.connection import Login
from breakers.store.fleet import FleetStore
from breakers.store.link import Purpose
from breakers.store.memory import MemoryStore
from breakers.store.packed import millis
from breakers.store.protocol import Store
from breakers.store.redis import RedisLink
from breakers.store.scripts import SCRIPTS
from breakers.store.whereabouts import Whereabouts
from config.store import RedisAddress
from tests.redis_server import RedisServer
from tests.repeats.world import BEGAN

PATIENT_S = 10.0

# The one function by which scripts know the time, and the same by a key that a test sets.
CLOCK = """local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""
STILL_CLOCK = """local function now_ms()
  return tonumber(redis.call('GET', 'now'))
end
"""


@dataclass(frozen=True, slots=True)
class Alone:
    """
    One process, whose store goes with it.
    """

    processes: int = 1
    claims_outlive: bool = False

    def began(self) -> datetime:
        """
        Return when it all begins.
        """
        return BEGAN

    def store(self, now: Callable[[], datetime]) -> Store:
        """
        Return an empty store.
        """
        return MemoryStore(now)

    def clear(self) -> None:
        """
        Forget nothing: there is nothing.
        """

    def expire(self, now: datetime) -> None:
        """
        Forget nothing: a store that is read at a moment knows what is over by then.
        """


class StillLink(RedisLink):
    """
    A link to a Redis whose scripts go by the machine's clock.
    """

    def __init__(self, address: RedisAddress, now: Callable[[], datetime]) -> None:
        # On a machine that does everything else at once; what a slow Redis means is asked elsewhere.
        super().__init__(Whereabouts(address, "machine", Login(), None, None, lambda: PATIENT_S), lambda: 1.0)
        self.now = now

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        return await super().ask(command, key, *arguments, purpose=purpose, within_s=within_s or PATIENT_S)

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        text = SCRIPTS[verb].text
        assert CLOCK in text, "the scripts know the time otherwise now"
        told = (text.replace(CLOCK, STILL_CLOCK), len(keys), *keys, *arguments)
        async with self._lent(Purpose.BEHIND, PATIENT_S) as connection:
            await connection.ask("SET", "now", millis(self.now()))
            return self._judged(connection, await connection.ask("EVAL", *told))


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    Two processes, each with a ledger of its own, and what they share in a Redis.
    """

    server: RedisServer
    processes: int = 2
    claims_outlive: bool = True

    def began(self) -> datetime:
        """
        Return when it all begins: now, because a real server expires what lies in its past.
        """
        return datetime.now(UTC)

    def store(self, now: Callable[[], datetime]) -> Store:
        """
        Return a store in the same Redis.
        """
        link = StillLink(self.server.address, now)
        return FleetStore(link, "machine", now)

    def clear(self) -> None:
        """
        Throw away everything in it.
        """
        self.server.flush()

    def expire(self, now: datetime) -> None:
        """
        Do what the server's own clock would have done by now: remove the records whose time is over.
        """
        with contextlib.closing(self.server.operator()) as operator:
            for key in operator.scan_iter("*intent:*"):
                record = operator.get(key)
                if isinstance(record, str) and 0 < int(record.split(" ", 2)[1]) <= millis(now):
                    operator.delete(key)
