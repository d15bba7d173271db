"""
Calls leased ahead: a part of a cap of calls that this process may spend by itself, so that a read waits for nobody.

A read above which nothing but caps of calls stands takes one of a slice in hand: no question to the store, and no
record that it would have to wait for, because the whole slice is held and on record before the first of it is taken.

    held > on record as leased > taken one by one > its end on record > settled at what was taken

A slice counts as taken until it is given back, so a cap is never exceeded, whoever crashes: what a process that is gone
had in hand is taken whole, like a read without an end. So slices are small beside what is left (a fourth, shared out
among all processes), short-lived, and none is taken where little is left: then each call is asked for by itself, and
the last one that a cap has room for is found. The rule is Doorman's: a lease is spent, and nothing beyond it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from breakers.known import Ended, State
from breakers.spend import CALLS, Charge, amounts
from breakers.store.protocol import Exhausted, HeldRead, Reservation, Stale, Store, StoreUnavailable
from breakers.verdict import Forward
from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.logline import Log
from proxy.settling import Settling
from proxy.ulid import Ulids

SLICE_MIN, SLICE_MAX = 8, 64
"""Below, a slice saves less than its two records cost; above, a crash costs a task more than it saves."""

ROOM_MIN = 20 * SLICE_MIN
"""Where a cap has less room, or less than a tenth of itself, each call is asked for."""

SHARE = 4
"""A slice is at most what is left by this many times the processes, so that they do not starve one another."""

KEPT_S = 10.0
"""How long a slice is in hand: what nobody takes is others' again."""

REFUSED_S = 5.0
"""After which it is asked again whether there is room for slices."""

TICK_S = 1.0
"""Between two looks for slices whose time is over."""

Key = tuple[Charge, ...]

Taken = Reservation | Stale | Exhausted


class Records(Protocol):
    """
    What is written of slices. `LedgerUnavailable` from `leased` means that nothing of it may be taken.
    """

    async def leased(self, held: HeldRead) -> None:
        """
        Record what is leased.
        """

    async def given_back(self, held: HeldRead, took: tuple[int, ...]) -> None:
        """
        Record what was taken of it.
        """


@dataclass(slots=True)
class Slice:
    """
    So many calls in hand, until a moment of the clock that only grows; `taken` are spent.
    """

    held: HeldRead
    size: int
    until: float
    taken: int = 0

    @property
    def left(self) -> int:
        """
        Return how many calls are left.
        """
        return self.size - self.taken


@dataclass(slots=True)
class InHand:
    """
    The slices of one chain of caps, the oldest first, and whether one more is being asked for, or not before when.
    """

    slices: list[Slice] = field(default_factory=list)
    asking: bool = False
    not_before: float = float("-inf")


class Slices:
    """
    The slices in hand, by the caps that they are of.
    """

    def __init__(
        self,
        store: Store,
        records: Records,
        settling: Settling,
        clock: Clock,
        ids: Ulids,
        log: Log,
    ) -> None:
        self._store, self._records, self._settling = store, records, settling
        self._clock, self._ids, self._log = clock, ids, log
        self._in_hand: dict[Key, InHand] = {}
        self._by_id: dict[str, Slice] = {}
        self._closing = False

    def __repr__(self) -> str:
        return f"Slices({len(self._by_id)} in hand)"

    async def reserve(self, go: Forward, take: Callable[[Forward], Awaitable[Taken]]) -> Taken:
        """
        Take what a call consumes by `take`, and what it would take of caps of calls from a slice, where one is in hand.
        """
        key = leasable(go)
        if key is None:
            return await take(go)
        known = self._in_hand.get(key)
        one = None if known is None else self._next(known)
        if one is None:
            taken = await take(go)
            if isinstance(taken, HeldRead):
                self._want(key, go)
            return taken
        # Taken before anything is waited for: two reads never have the same one.
        one.taken += 1
        held = False
        try:
            taken = await take(replace(go, charges=()))
            held = isinstance(taken, HeldRead)
        finally:
            one.taken -= not held
        if not isinstance(taken, HeldRead):
            return taken
        if 2 * one.left <= one.size:
            self._want(key, go)
        return replace(taken, lease=one.held.go.call.id)

    def never_sent(self, held: HeldRead) -> None:
        """
        Give back what a read had of a slice of which nothing left; what has ended by then stays spent.
        """
        one = self._by_id.get(held.lease)
        if one is not None:
            one.taken -= 1

    async def watch(self) -> None:
        """
        End for ever what nobody takes any more.
        """
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """
        End the slices whose time is over, or of which nothing is left, and forget caps of which nothing is in hand.
        """
        now = self._clock.monotonic()
        for key, known in list(self._in_hand.items()):
            for one in [one for one in known.slices if one.until <= now or not one.left]:
                known.slices.remove(one)
                self._settling.see_to(self._end(one))
            if not known.slices and not known.asking and known.not_before <= now:
                del self._in_hand[key]

    async def close(self) -> None:
        """
        Give everything back, and take no more.
        """
        self._closing = True
        ending = [one for known in self._in_hand.values() for one in known.slices]
        self._in_hand.clear()
        await asyncio.gather(*(self._settling.see_to(self._end(one)) for one in ending), return_exceptions=True)

    def _next(self, known: InHand) -> Slice | None:
        now = self._clock.monotonic()
        return next((one for one in known.slices if one.left and now < one.until), None)

    def _want(self, key: Key, go: Forward) -> None:
        """
        Ask for one more slice, unless that is under way or was in vain a moment ago, or there is one to spare.
        """
        known = self._in_hand.setdefault(key, InHand())
        if known.asking or self._closing or self._clock.monotonic() < known.not_before or len(known.slices) > 1:
            return
        known.asking = True
        self._settling.see_to(self._ask(key, known, go))

    async def _ask(self, key: Key, known: InHand, go: Forward) -> None:
        one = None
        try:
            one = await self._leased(key, go)
        except (StoreUnavailable, LedgerUnavailable):
            pass
        except Exception as error:  # whatever it is: reads go on asking for themselves
            self._log.failure("", error)
        finally:
            known.asking = False
        if one is None:
            known.not_before = self._clock.monotonic() + REFUSED_S
        elif self._closing or self._in_hand.get(key) is not known:
            await self._end(one)
        else:
            known.slices.append(one)
            self._by_id[one.held.go.call.id] = one

    async def _leased(self, key: Key, go: Forward) -> Slice | None:
        size = await self._size(key)
        if size < SLICE_MIN:
            return None
        charges = tuple(replace(charge, amount=size) for charge in key)
        whole = replace(go, call=replace(go.call, id=self._ids.new()), charges=charges, wishes=())
        held = await self._store.reserve(whole)
        if not isinstance(held, HeldRead):
            return None
        try:
            # Stop here: held, and not on record. The next start undoes it: nothing of it was taken.
            await self._records.leased(held)
        except BaseException:
            await self._settling.settle(held, None)
            raise
        return Slice(held, size, self._clock.monotonic() + KEPT_S)

    async def _size(self, key: Key) -> int:
        """
        Return how many calls all of these caps have to spare for one process.
        """
        sizes, processes = [SLICE_MAX], max(1, sum(one.live for one in self._store.members()))
        for charge in key:
            totals = await self._store.totals(charge.node)
            taken = sum(one.settled + one.held for one in totals if (one.period, one.measure) == (charge.period, CALLS))
            room = charge.cap - taken
            if room < ROOM_MIN or 10 * room < charge.cap:
                return 0
            sizes.append(room // (SHARE * processes))
        return min(sizes)

    async def _end(self, one: Slice) -> None:
        """
        Have on record what was taken of a slice, and settle it at that.
        """
        self._by_id.pop(one.held.go.call.id, None)
        took = (one.taken,) * len(one.held.go.charges)
        # Stop here, or in hand: on record without an end. The next start takes it whole.
        try:
            await self._records.given_back(one.held, took)
        except Exception as error:
            # Whatever it was: on record it has no end, so the next start takes it whole.
            took = amounts(one.held.go.charges)
            if not isinstance(error, LedgerUnavailable):
                self._log.failure("", error)
        # Stop here: its end is on record, and the store holds it still. The next start settles it from there.
        ended = Ended(State.COMPLETED, self._clock.now(), applied=False, spent=took)
        await self._settling.settle(one.held, ended)


def leasable(go: Forward) -> Key | None:
    """
    Return the caps of which a call takes one call each, where it takes nothing else; None where it does, or is a write.
    """
    if go.call.operation.writes or go.wishes or not go.charges:
        return None
    return go.charges if all(one.measure == CALLS and one.amount == 1 and one.cap > 0 for one in go.charges) else None
