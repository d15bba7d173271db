"""
What is in force in this process, without waiting for anyone: the newest record of every scope, and the file over it.

A record that is for a time is over by the wall clock or by time that only grows, whichever says so first: whoever sets
the clock back makes nothing last longer. As long as the file `KILL` is there, no record is less than it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from breakers.call import Call
from breakers.killswitch import bars, bars_reading
from breakers.stops import ALL, UNKNOWN, Mode, Stop, Stops
from breakers.store.protocol import Permit
from proxy.clock import Clock
from proxy.flights import Flights
from proxy.killfile import KillFile

LOOK_S = 0.01
"""The file is looked at before each write, and at most this often: a look costs microseconds."""

FILE = "file:KILL"

WORDS = "the file KILL says so"

NOBODY = Stops()


def _nothing(_: object) -> None:
    """
    Do nothing.
    """


class InForce:
    """
    The stop as one process has it. `on_file` is told what the file says, `on_over` a record whose time is over.
    """

    def __init__(self, begins: Stops, file: KillFile, clock: Clock) -> None:
        self.known, self._file, self._clock = begins, file, clock
        self.epoch = max((stop.epoch for stop in begins.by_scope.values()), default=0)
        self.applied_at, self.flights = clock.now(), Flights(clock)
        self.written: Mode | None = None
        self.on_file: Callable[[Mode], None] = _nothing
        self.on_over: Callable[[Stop], None] = _nothing
        self._looked_at = float("-inf")
        # By scope: when, in time that only grows, a record that is for a time is over.
        self._ends: dict[str, float] = {}
        for stop in begins.by_scope.values():
            self._note_end(stop)

    @property
    def known(self) -> Stops:
        """
        Return the newest record of every scope.
        """
        return self._known

    @known.setter
    def known(self, known: Stops) -> None:
        self._known = known
        # What somebody else was last asked for, and the newest of both: mostly they say what they said before.
        self._others, self._both = NOBODY, known

    def __repr__(self) -> str:
        return f"InForce({self.mode(ALL)}, epoch={self.epoch}, file={self.written})"

    def over(self, others: Stops = NOBODY) -> Stops:
        """
        Return what is in force where somebody else knows these: the newest of both, and never less than the file says.
        """
        self.look()
        if others is not self._others:
            self._others, self._both = others, others.joined(self._known) if others.by_scope else self._known
        stops = self._both
        if self.written is None:
            return stops
        whole = stops.by_scope.get(ALL, UNKNOWN)
        if self.written.strictness > whole.mode_at(self._clock.now()).strictness:
            written = Stop(ALL, self.written, whole.epoch, FILE, WORDS, whole.at)
            return Stops({**stops.by_scope, ALL: written})
        return stops

    def mode(self, scope: str) -> Mode:
        """
        Return the mode of one scope's own record.
        """
        stop = self.over().by_scope.get(scope, UNKNOWN if scope == ALL else None)
        return Mode.RUN if stop is None else stop.mode_at(self._clock.now())

    def permit(self, call: Call, others: Stops = NOBODY) -> Permit:
        """
        Say whether the next byte of a call may leave.
        """
        if self._nothing_is(others):
            return Permit.GRANTED
        barred = bars(call, self.over(others), self._clock.now())
        return Permit.GRANTED if barred is None else Permit.STOPPED

    def read_permit(self, call: Call, others: Stops = NOBODY, *, reconciling: bool = False) -> Permit:
        """
        Say whether a read for the sake of a call may leave.
        """
        if self._nothing_is(others):
            return Permit.GRANTED
        barred = bars_reading(call, self.over(others), self._clock.now(), reconciling=reconciling)
        return Permit.GRANTED if barred is None else Permit.STOPPED

    def _nothing_is(self, others: Stops) -> bool:
        """
        Tell whether nothing at all is in force, whichever call asks.
        """
        self.look()
        return self._known.runs and self.written is None and not others.by_scope

    def take(self, stop: Stop) -> bool:
        """
        Take a record in, and cut what it says is to be cut; False where a newer one is known.
        """
        after = self.known.changed(stop)
        if after is self.known:
            return False
        self.known, self.epoch, self.applied_at = after, max(self.epoch, stop.epoch), self._clock.now()
        self._note_end(stop)
        if stop.aborts:
            self.flights.abort(stop.scope)
        return True

    def next_epoch(self) -> int:
        """
        Return an epoch that nothing known has, and that is not given again.
        """
        self.epoch += 1
        return self.epoch

    def look(self, *, now: bool = False) -> None:
        """
        Look at the file, unless that was a moment ago, and at what is over by now.
        """
        at = self._clock.monotonic()
        if self._ends:
            self._expire(at)
        if at - self._looked_at < LOOK_S and not now:
            return
        self._looked_at = at
        self.written = self._file.mode()
        if self.written is not None and self.written is not Mode.RUN:
            self.on_file(self.written)

    def _expire(self, at: float) -> None:
        for scope, ends in list(self._ends.items()):
            stop = self.known.by_scope[scope]
            if stop.until is not None and (at >= ends or self._clock.now() >= stop.until):
                del self._ends[scope]
                back = replace(stop, mode=stop.back, until=None)
                self.known = Stops({**self.known.by_scope, scope: back})
                self.on_over(back)

    def _note_end(self, stop: Stop) -> None:
        self._ends.pop(stop.scope, None)
        if stop.until is not None:
            left_s = (stop.until - self._clock.now()).total_seconds()
            self._ends[stop.scope] = self._clock.monotonic() + max(0.0, left_s)
