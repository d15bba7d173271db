"""
Totals and holds of one process: plain functions over a table, none of which waits, so that nothing comes in between.

Of every cap there is one total by node, period and measure. A call is held at all of its totals or at none, under its
id, until it ends: then it is settled at what it took, whatever it held. Whoever is held twice is held once; what has
ended is remembered for as long as anyone may say so again, and after that by one moment, `_before`: a replay tells of
no call that was made before it and is not known.

A total is forgotten when its period has been over for so long that no clock is set back to it, unless something of it
is still held: an unknown end keeps its hold for ever. A replay judges nothing until its end: then each total is told
of, once, by the cap that stands in its newest record.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from breakers.known import Ended, State
from breakers.spend import LIFE, Alert, Charge, Total, amounts, released
from breakers.store import moves
from breakers.store.bundle import Spent
from breakers.store.events import ReadHeld, ReadSettled
from breakers.store.notices import Notices
from breakers.store.protocol import Exhausted
from breakers.store.tally import Tally

KEPT = timedelta(days=40)
"""How long the total of a period is kept after its end: longer than any month that a clock may be set back by."""

KEPT_LIFE = timedelta(days=1)
"""The same of a task or a token, which nobody comes back to once it is over."""

LONGEST = timedelta(days=31)
"""The longest period: how long one may still run of which only an alert is known."""

SWEPT_A_CALL = 4
"""How many records each charged call looks at to forget them: more than it adds, so that what is kept stays bounded."""

Key = tuple[str, str, str]


class Held(NamedTuple):
    """
    What one call holds, and when it was made; of a `whole` one everything is settled already, until a record says less.
    """

    at: datetime
    charges: tuple[Charge, ...]
    whole: bool = False


class Budgets:
    """
    Every total, and every call that is held at some.
    """

    __slots__ = ("_before", "_done", "_dues", "_totals", "calls", "notices")

    def __init__(self) -> None:
        self._totals: dict[Key, Tally] = {}
        # By call: what it holds; None once it has ended.
        self.calls: dict[str, Held | None] = {}
        self.notices = Notices()
        # Calls that have ended: since when, when they were made, which; and totals by when they may be forgotten.
        self._done: deque[tuple[datetime, datetime, str]] = deque()
        self._dues: list[tuple[datetime, Key]] = []
        self._before: datetime | None = None

    @property
    def is_new(self) -> bool:
        """
        Return whether nobody was ever charged here.
        """
        return not self.calls and not self._totals and self._before is None

    def totals(self, node: str, now: datetime) -> tuple[Total, ...]:
        """
        Return every total of which anything is taken and that is not over, or those of one node.
        """
        return tuple(
            Total(*key, tally.settled, tally.held, tally.cap, tally.until)
            for key, tally in sorted(self._totals.items())
            if node in {"", key[0]} and (tally.held or (tally.settled and not _is_over(tally, now)))
        )

    def take(self, call: str, made_at: datetime, charges: tuple[Charge, ...], now: datetime) -> Exhausted | None:
        """
        Hold a call at all of its totals, or return the first that has no room; one that is known takes nothing more.
        """
        self._sweep(now)
        if call in self.calls:
            return None
        for number, charge in enumerate(charges):
            tally = self._tally(charge)
            if tally.cap != charge.cap or tally.alerts != charge.alerts:
                self.notices.judged(tally, charge, now)
            # A cap of nothing refuses also what takes nothing of it.
            if charge.cap <= 0 or tally.settled + tally.held + charge.amount > charge.cap:
                _hold(self._totals, charges[:number], -1)
                return Exhausted(charge, tally.settled, tally.held)
            tally.held += charge.amount
        self.calls[call] = Held(made_at, charges)
        return None

    def denied(self, by: Exhausted, now: datetime) -> None:
        """
        Tell, once, that a cap had no room.
        """
        self.notices.denied(self._tally(by.charge), now)

    def hold(self, call: str, made_at: datetime, charges: tuple[Charge, ...], *, replayed: bool = True) -> None:
        """
        Hold a call without asking for room, unless it is known; of a replay, unless it was made too long ago to be.
        """
        if call in self.calls or (replayed and self._is_before(made_at)):
            return
        for charge in charges:
            self._tally(charge).held += charge.amount
        self.calls[call] = Held(made_at, charges)

    def give_up(self, call: str) -> None:
        """
        Release a call of which nothing was sent, as if it had never been.
        """
        held = self.calls.pop(call, None)
        if held is not None:
            _hold(self._totals, held.charges, -1)

    def end(self, call: str, ended: Ended | None, now: datetime, *, sent: bool = True) -> None:
        """
        Settle a call by its end, or release it (None); one whose end is not known stays held.
        """
        held = self.calls.get(call)
        if held is None or (ended is not None and ended.state is not State.COMPLETED):
            return
        spent = released(held.charges) if ended is None else moves.spent(held.charges, ended, sent=sent)
        self._settle(call, held, spent, now)
        self._done.append((now if ended is None else ended.at, held.at, call))

    def read_held(self, event: ReadHeld, now: datetime) -> None:
        """
        Take a read whole whose process is gone, until a record says what it took.
        """
        if event.call in self.calls or self._is_before(event.at):
            return
        held = Held(event.at, event.charges, whole=True)
        for charge in event.charges:
            tally = self._tally(charge)
            tally.settled += charge.amount
            self.notices.settled(tally, charge.amount, charge.amount, now)
        self.calls[event.call] = held
        self._done.append((event.at, event.at, event.call))

    def read_settled(self, event: ReadSettled, now: datetime) -> None:
        """
        Settle a read at what its record says.
        """
        held = self.calls.get(event.call)
        if held is not None:
            is_said = len(event.spent) == len(held.charges)
            self._settle(event.call, held, event.spent if is_said else amounts(held.charges), now)
            self._done.append((held.at, held.at, event.call))

    def raised(self, alert: Alert) -> None:
        """
        Note an alert that is on record, also of a total of which nothing was taken.
        """
        key = (alert.node, alert.period, alert.measure)
        tally = self._totals.get(key)
        if tally is None:
            tally = self._totals[key] = Tally(*key)
            heapq.heappush(self._dues, (alert.at + LONGEST + KEPT, key))
        self.notices.raised(tally, alert)

    def summed(self, spent: Iterable[Spent], counted: Iterable[tuple[str, datetime, datetime]]) -> None:
        """
        Settle what a replay tells of many calls together, and note which are known to be among them, when they were
        made and since when they have ended: to tell of those once more changes nothing.
        """
        for one in spent:
            self._tally(one.charge).settled += one.took
        for call, made_at, ended_at in counted:
            self.calls[call] = None
            self._done.append((ended_at, made_at, call))

    def replayed(self, now: datetime, judged: Iterable[tuple[datetime, Charge]] = ()) -> None:
        """
        Forget what a replay told of long ago, and judge the other totals by the charges that have their newest caps.
        """
        recent: deque[tuple[datetime, datetime, str]] = deque()
        for one in self._done:
            if one[0] + moves.REMEMBERED <= now:
                self._forget_call(*one[1:])
            else:
                recent.append(one)
        self._done = recent
        while self._dues and self._dues[0][0] <= now:
            self._forget_total(now)
        for _, charge in judged:
            tally = self._totals.get((charge.node, charge.period, charge.measure))
            if tally is not None:
                self.notices.judged(tally, charge, now)

    def _tally(self, charge: Charge) -> Tally:
        key = (charge.node, charge.period, charge.measure)
        tally = self._totals.get(key)
        if tally is None:
            tally = self._totals[key] = Tally(*key)
        if tally.until is None and charge.until is not None:
            tally.until = charge.until
            heapq.heappush(self._dues, (_due(tally, charge.until), key))
        return tally

    def _settle(self, call: str, held: Held, spent: tuple[int, ...], now: datetime) -> None:
        for charge, took in zip(held.charges, spent, strict=True):
            tally = self._totals.get((charge.node, charge.period, charge.measure))
            if tally is None:
                # What is held keeps its total; that of what was taken whole may be forgotten.
                continue
            if held.whole:
                tally.settled += took - charge.amount
            else:
                tally.held -= charge.amount
                tally.settled += took
            if took:
                self.notices.settled(tally, took, charge.amount, now)
        self.calls[call] = None

    def _is_before(self, made_at: datetime) -> bool:
        return self._before is not None and made_at <= self._before

    def _sweep(self, now: datetime) -> None:
        for _ in range(SWEPT_A_CALL):
            if not self._done or self._done[0][0] + moves.REMEMBERED > now:
                break
            self._forget_call(*self._done.popleft()[1:])
        for _ in range(SWEPT_A_CALL):
            if not self._dues or self._dues[0][0] > now:
                break
            self._forget_total(now)

    def _forget_call(self, made_at: datetime, call: str) -> None:
        held = self.calls.get(call)
        if held is None or held.whole:
            self.calls.pop(call, None)
        if self._before is None or made_at > self._before:
            self._before = made_at

    def _forget_total(self, now: datetime) -> None:
        _, key = heapq.heappop(self._dues)
        tally = self._totals.get(key)
        if tally is None:
            return
        if tally.held:
            heapq.heappush(self._dues, (now + KEPT_LIFE, key))
        elif tally.until is not None or not tally.settled:
            del self._totals[key]


def _hold(totals: dict[Key, Tally], charges: tuple[Charge, ...], sign: int) -> None:
    for charge in charges:
        totals[charge.node, charge.period, charge.measure].held += sign * charge.amount


def _is_over(tally: Tally, now: datetime) -> bool:
    return tally.until is not None and _due(tally, tally.until) <= now


def _due(tally: Tally, until: datetime) -> datetime:
    return until + (KEPT_LIFE if tally.period == LIFE else KEPT)
