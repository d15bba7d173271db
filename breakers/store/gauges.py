"""
The breakers of one process and what is counted for them: records that are put in each other's place, and windows.

A record that passes again, with no trips left, stays for a day: its generation is what keeps the results of older calls
out. A window is of one generation, and goes when its breaker moves on. Permits and places in a ramp are
taken from the record in the step that takes everything else; one that is given back is free at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from breakers.breaker import Breaker, Delta, State, Sums, Wish, keys_of
from breakers.call import Call
from breakers.facts import NO_BREAKERS
from breakers.observe import refunded, taken
from breakers.store.buckets import BUCKET_S, Window
from breakers.store.protocol import ALIVE_S

RESTS = timedelta(days=1)
"""How long a breaker is known that passes again and has no trips left: results of older calls are over by then."""

SWEPT_A_COUNT = 4
"""How many windows and records each report looks at to forget them: more than most of them begin."""


def rests(breaker: Breaker) -> bool:
    """
    Tell whether nothing need be known of a breaker but its generation, and that not for long.
    """
    return breaker.state is State.PASSING and not breaker.trips


class Gauges:
    """
    Every breaker that has a record, every window in which something counts, and who counts.
    """

    __slots__ = ("_alive", "_breakers", "_held", "_resting", "_windows")

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}
        # Those that rest, in the order in which they began to.
        self._resting: dict[str, None] = {}
        # In the order in which they were counted in, the one that was left alone for longest first.
        self._windows: dict[str, Window] = {}
        self._alive: dict[str, datetime] = {}
        # By call: the breakers whose permit it has.
        self._held: dict[str, tuple[str, ...]] = {}

    def all(self) -> tuple[Breaker, ...]:
        """
        Return every breaker that has a record, by key.
        """
        return tuple(self._breakers[key] for key in sorted(self._breakers))

    def of(self, call: Call) -> Mapping[str, Breaker]:
        """
        Return those that say something of a call.
        """
        if not self._breakers:
            return NO_BREAKERS
        return {key: self._breakers[key] for key in keys_of(call) if key in self._breakers}

    def move(self, before: Breaker | None, after: Breaker) -> bool:
        """
        Put a record in the place of the one that was seen, and tell whether it still was that one.
        """
        if self._breakers.get(after.key) != before or (before is not None and after.gen < before.gen):
            return False
        self._put(after)
        return True

    def moved(self, breaker: Breaker) -> None:
        """
        Take in a record that was told, unless a newer one is known.
        """
        known = self._breakers.get(breaker.key)
        if known is None or breaker.gen > known.gen:
            self._put(breaker)

    def count(self, deltas: Sequence[Delta], replica: str, now: datetime) -> tuple[Sums, ...]:
        """
        Add what one process has counted, and return the sums of those breakers.
        """
        newest = int(now.timestamp()) // BUCKET_S
        self._alive[replica] = now
        for one in [one for one, at in self._alive.items() if now - at >= timedelta(seconds=ALIVE_S)]:
            del self._alive[one]
        for delta in deltas:
            gen = self._gen(delta.key)
            if delta.gen == gen:
                window = self._windows.pop(delta.key, None) or Window(gen)
                self._windows[delta.key] = window
                window.add(delta, replica, newest)
        self._sweep(newest, now)
        return tuple(self._sums(key, newest) for key in dict.fromkeys(delta.key for delta in deltas))

    def have(self, wishes: Iterable[Wish], call: str, now: datetime) -> bool:
        """
        Tell whether everything that a call wishes for is to be had, or is its own already.
        """
        return all(taken(self._breakers.get(wish.key), wish, call, now) is not None for wish in wishes)

    def take(self, wishes: Sequence[Wish], call: str, now: datetime) -> None:
        """
        Give a call what it wishes for.
        """
        for wish in wishes:
            after = taken(self._breakers.get(wish.key), wish, call, now)
            if after is not None:
                self._breakers[wish.key] = after
        if probes := tuple(wish.key for wish in wishes if wish.probe):
            self._held[call] = probes

    def let_go(self, call: str) -> None:
        """
        Take back the permits of a call of which nothing is on record.
        """
        for key in self._held.pop(call, ()):
            freed = refunded(self._breakers[key], call)
            if freed is not None:
                self._breakers[key] = freed

    def _put(self, breaker: Breaker) -> None:
        known = self._breakers.get(breaker.key)
        if known is not None and known.probe is not None and known.probe != breaker.probe:
            left = tuple(key for key in self._held.pop(known.probe.call, ()) if key != breaker.key)
            if left:
                self._held[known.probe.call] = left
        if known is None or known.gen != breaker.gen:
            self._windows.pop(breaker.key, None)
        self._breakers[breaker.key] = breaker
        self._resting.pop(breaker.key, None)
        if rests(breaker):
            self._resting[breaker.key] = None

    def _gen(self, key: str) -> int:
        breaker = self._breakers.get(key)
        return 0 if breaker is None else breaker.gen

    def _sums(self, key: str, newest: int) -> Sums:
        window = self._windows.get(key)
        alive = max(1, len(self._alive))
        return Sums(key, self._gen(key), alive=alive) if window is None else window.sums(key, newest, alive)

    def _sweep(self, newest: int, now: datetime) -> None:
        for key in tuple(islice(self._resting, SWEPT_A_COUNT)):
            since = self._breakers[key].since
            if since is not None and now - since < RESTS:
                break
            del self._resting[key]
            if since is not None:
                del self._breakers[key]
                self._windows.pop(key, None)
        for key in tuple(islice(self._windows, SWEPT_A_COUNT)):
            window = self._windows[key]
            window.forget(newest)
            if not window.buckets:
                del self._windows[key]
