"""
Writes on their way to an upstream, from the mark before their first byte to their end: what proves that all have ended.

A write is in flight from the moment at which its permit is asked for, whatever the answer will be, so that nobody is
told that nothing flies while a permit is on its way. Between two attempts it rests: nothing of it leaves then, and the
next attempt asks for a permit of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from breakers.call import Call
from breakers.stops import scopes_of
from breakers.store.protocol import Permit
from proxy.clock import Clock

RATE_OVER_S = 60.0
RATED_MAX = 4096
"""Dispatches that the rate is counted from: at more than that within a minute it is at least so much."""


@dataclass(slots=True, eq=False)
class Flight:
    """
    One write on its way. `cut` says that its socket is to be closed and nothing of it sent again.
    """

    call: Call
    scopes: tuple[str, ...]
    flights: Flights
    since: datetime | None = None
    resting: bool = False
    cut: bool = False
    stop: Callable[[], None] | None = None

    async def permitted(self, ask: Callable[[], Awaitable[Permit]], still: Callable[[], Permit]) -> Permit:
        """
        Begin, ask whether the next byte may leave, and say so; `still` is what this process itself knows, asked last.
        """
        self.resting = False
        self.since = self.since or self.flights.clock.now()
        said = await ask()
        if said is Permit.GRANTED:
            said = Permit.STOPPED if self.cut else still()
        if said is Permit.GRANTED:
            self.flights.dispatched(self)
        return said

    async def rest(self, pause: Awaitable[None]) -> None:
        """
        Wait before the next attempt.
        """
        self.resting = True
        await pause
        self.resting = False

    def abort(self) -> None:
        """
        Close its socket, where it has one, and let nothing of it leave any more.
        """
        self.cut = True
        if self.stop is not None:
            self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop = None
        self.flights.ended(self)


class Flights:
    """
    The writes of this process that are on their way.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._flights: dict[int, Flight] = {}
        self._dispatched: deque[tuple[float, tuple[str, ...]]] = deque(maxlen=RATED_MAX)
        self.last_dispatch: datetime | None = None

    def __repr__(self) -> str:
        return f"Flights({len(self._flights)}, last_dispatch={self.last_dispatch})"

    def begin(self, call: Call) -> Flight:
        """
        Return the flight of a write that has not left; it ends with the block that it is entered for.
        """
        flight = Flight(call, scopes_of(call), self)
        self._flights[id(flight)] = flight
        return flight

    def dispatched(self, flight: Flight) -> None:
        """
        Note that something of a write leaves now.
        """
        self.last_dispatch = self.clock.now()
        self._dispatched.append((self.clock.monotonic(), flight.scopes))

    def ended(self, flight: Flight) -> None:
        """
        Note that a write is over, however it ended.
        """
        self._flights.pop(id(flight), None)

    def calls(self) -> frozenset[str]:
        """
        Return the calls that are writes of this process, under way or resting.
        """
        return frozenset(one.call.id for one in self._flights.values())

    def under_way(self, scope: str) -> tuple[Flight, ...]:
        """
        Return the writes of a scope of which something may leave, oldest first.
        """
        flying = (one for one in self._flights.values() if one.since is not None and not one.resting)
        return tuple(one for one in flying if scope in one.scopes)

    def abort(self, scope: str) -> int:
        """
        Cut every write of a scope, and return how many those were of which something may have left.
        """
        found = [flight for flight in self._flights.values() if scope in flight.scopes]
        for flight in found:
            flight.abort()
        return sum(flight.since is not None for flight in found)

    def rate(self, scope: str) -> int:
        """
        Return how many writes of a scope left within the last minute, in thousandths.
        """
        since = self.clock.monotonic() - RATE_OVER_S
        return 1000 * sum(at >= since and scope in scopes for at, scopes in self._dispatched)
