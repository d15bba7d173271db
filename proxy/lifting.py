"""
How a stop is lifted: by a person who may, with a reason, and through the ramp.

| | who | what follows |
|---|---|---|
| resume | the role `resume`; two people with `kill.resume_by: 2` | writes pass at the rate of a ramp, or at once |
| break-glass | the role `break-glass`; for `all` two people | it runs for a time, then it is stopped as before |

Whoever lifts a stop names the record that he or she has seen, by its epoch: what was stopped anew meanwhile is not
lifted by an order that was meant for something else, nor by one that is sent once more. Where it takes two, the first
one's word is on record and waits; the other one's same word does it. Nothing but an operator ever lifts anything: no
agent's key opens the door that leads here, and what the program orders by itself only ever stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from breakers.breaker import Breaker, State
from breakers.observe import released, resumed
from breakers.stops import ALL, UNKNOWN, Mode, Stop
from breakers.store.protocol import StoreUnavailable
from proxy.clock import Clock
from proxy.errors import StartRefused
from proxy.killing import KillSwitch
from proxy.ledger.stops import StopRecords
from proxy.observing import Observer
from proxy.ordered import Ordered, unmoved

ASKED_S = 900.0
"""For how long one person's word waits for the other's: longer than it takes to read what is in force."""

GLASS_MAX_S = 3_600.0
"""An emergency that lasts longer is looked at again by those who broke the glass."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What somebody wants in place of the record with this epoch; `full` skips the ramp.
    """

    scope: str
    mode: Mode
    epoch: int
    full: bool = False
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """
    One person's word, which waits for another's.
    """

    by: str
    until: datetime


class Lifting:
    """
    What lifts stops, and remembers whose word waits for another's.
    """

    def __init__(self, killswitch: KillSwitch, observer: Observer, records: StopRecords, clock: Clock) -> None:
        self._killswitch, self._observer, self._records, self._clock = killswitch, observer, records, clock
        self._asked: dict[Wanted, Waits] = {}

    def __repr__(self) -> str:
        return f"Lifting({len(self._asked)} wait for another)"

    async def resume(self, wanted: Wanted, by: str, reason: str, *, people: int, personal: bool) -> Ordered | Waits:
        """
        Put a mode in the place of a stricter one; return who is waited for where it takes another person.

        Raise `StartRefused` where that is not to be, `LedgerUnavailable` where it cannot be recorded, and
        `StoreUnavailable` where the way back cannot be begun yet.
        """
        await self._seen(wanted, reason)
        if people > 1 and not personal:
            hint = "`breakwater operator mint NAME` makes one; show it with --token FILE"
            raise StartRefused("resuming takes two people here, each with a token of their own", hint)
        both = await self._by_both(wanted, by, reason) if people > 1 else by
        if isinstance(both, Waits):
            return both
        await self._ramp(wanted, both, reason)
        return await self._killswitch.order(wanted.scope, wanted.mode, both, reason, over=wanted.epoch)

    async def break_glass(self, wanted: Wanted, by: str, reason: str) -> Ordered | Waits:
        """
        Let a scope run for a time; then it is stopped as it is now.

        Raise as `resume` does.
        """
        stop = await self._seen(wanted, reason)
        if wanted.for_s is None or not 0 < wanted.for_s <= GLASS_MAX_S:
            raise StartRefused("breaking the glass is for an hour at most", "say for how long: `--ttl 20m`")
        both = await self._by_both(wanted, by, reason) if wanted.scope == ALL else by
        if isinstance(both, Waits):
            return both
        await self._ramp(wanted, both, reason)
        now = self._clock.now()
        # What a glass that was broken before comes back to comes back after this one, too.
        back = max(stop.mode_at(now), stop.mode if stop.until is None else stop.back, key=lambda mode: mode.strictness)
        until, scope, mode, over = now + timedelta(seconds=wanted.for_s), wanted.scope, wanted.mode, wanted.epoch
        return await self._killswitch.order(scope, mode, both, reason, until=until, back=back, over=over)

    async def _seen(self, wanted: Wanted, reason: str) -> Stop:
        """
        Return the record that is to be lifted, as it is known everywhere.
        """
        if not reason:
            raise StartRefused("whoever lifts a stop says why", "say it with --reason; it is on record")
        await self._killswitch.poll()
        stop = self._killswitch.stops.by_scope.get(wanted.scope, UNKNOWN if wanted.scope == ALL else None)
        mode = Mode.RUN if stop is None else stop.mode_at(self._clock.now())
        if stop is None or mode.strictness <= wanted.mode.strictness:
            error = f"`{wanted.scope}` is `{mode}`, which is not more than `{wanted.mode}`"
            raise StartRefused(error, "`breakwater status` says what is stopped")
        unmoved(wanted.scope, stop, wanted.epoch)
        return stop

    async def _by_both(self, wanted: Wanted, by: str, reason: str) -> str | Waits:
        """
        Return both names once another has said the same; else put this one's word on record, and let it wait.
        """
        now = self._clock.now()
        self._asked = {one: waits for one, waits in self._asked.items() if waits.until > now}
        first = self._asked.get(wanted)
        if first is not None and first.by != by:
            del self._asked[wanted]
            return f"{first.by}+{by}"
        await self._records.asked(wanted.scope, wanted.mode, wanted.epoch, by, reason)
        waits = self._asked[wanted] = Waits(by, now + timedelta(seconds=ASKED_S))
        return waits

    async def _ramp(self, wanted: Wanted, by: str, reason: str) -> None:
        """
        Have the way back begin before anything may pass: at a rate, or wide open.
        """
        if wanted.mode is not Mode.RUN:
            return
        key, rate = f"kill:{wanted.scope}", self._killswitch.rates.get(wanted.scope, 0)
        said = (by, reason, self._clock.now())
        try:
            to = partial(_open, *said) if wanted.full else partial(_begun, key, rate, *said)
            await self._observer.change(key, to)
        except StoreUnavailable as away:
            raise StoreUnavailable(f"the way back cannot be begun: {away}") from None


def _begun(key: str, rate: int, by: str, reason: str, at: datetime, known: Breaker | None) -> Breaker:
    return resumed(key, at, rate, known, by=by, why=reason)


def _open(by: str, reason: str, at: datetime, known: Breaker | None) -> Breaker | None:
    # There is one only where it was resumed before, and had not come all the way back.
    return None if known is None or known.state is State.PASSING else released(known, by=by, why=reason, at=at)
