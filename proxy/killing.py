"""
The stop as this process has it: who may say so, and in which order that takes hold.

| order | takes hold |
|---|---|
| a stop | here at once, before anything is waited for > on record > in the store > answered |
| what lifts one, or makes it less | on record > here > in the store > answered |

So a ledger that cannot be written, and a store that cannot be asked, keep nobody from stopping (what did not work is
said); a stop that is not on record does not outlive the process, and a resume that is not on record does not happen.

Every channel (the admin door, the signal, the file `KILL`, the store, what the program finds out about itself) ends in
one reducer: of each scope the record with the highest epoch counts, of two with one epoch the stricter. What binds a
call is asked when it is judged and directly before each first byte; there the last of all that is asked is what is in
force here, without waiting, so that nothing leaves after the moment at which a stop was applied.

**The lease.** Where the state is shared, this process writes only while it has heard from the store within the last
seconds: a stop that it cannot hear of binds it by then. That is measured in time that only grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any

from breakers.call import Call
from breakers.facts import Facts
from breakers.stops import ALL, CANARY, UNKNOWN, Mode, Stop, Stops
from breakers.store.events import KillChanged
from breakers.store.protocol import Permit, Store, StoreUnavailable
from breakers.store.stopped import UNREADABLE
from proxy.announcing import Announcer
from proxy.clock import Clock
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.inflight import InFlight
from proxy.inforce import FILE, WORDS, InForce
from proxy.ledger.stopped import AUTO, kind_of, notice_of
from proxy.logline import Log
from proxy.ordered import Begun, Ordered, Records, is_more, returning, said, share, unmoved
from proxy.steps import Steps

LEASE_S = 5.0
"""For how long a process that hears nothing of a shared store goes on writing: ten times as long as between looks."""

POLL_S = 0.5
"""Between two looks at a shared store: half of the second within which a stop takes hold everywhere."""

TICK_S = 0.2
"""Between two looks at the file where nothing is written."""

RECORD_WITHIN_S = 2.0
"""Longer than a disk that works takes: after that the others are told of a stop although it is on no record yet."""

TRIES = 4
"""A stop that another process's order overtook is ordered anew; they cannot overtake one another for ever."""

STALE = f"nothing was heard of the shared state for more than {LEASE_S:.0f} s, so that a stop may have been missed"

UNSHARED = "the shared state was not told yet: the other processes stop by themselves while they cannot ask it"

SIGNAL = "signal"
"""Who orders, where it is neither an operator nor the file nor the program."""


class KillSwitch:
    """
    The stop of one process. `on_applied` is told each record that takes hold here, and seconds from order to effect.

    `heeds_itself` tells whether what the program finds out about itself may have writes suggested only. `rates` says of
    a scope that was stopped how many writes of it had left in the minute before, in thousandths. `on_emptied` is told
    when a look at the store finds that it lost what it knew.
    """

    def __init__(
        self,
        store: Store,
        records: Records,
        here: InForce,
        clock: Clock,
        log: Log,
        announcer: Announcer,
        on_applied: Callable[[Stop, float], None] = lambda _stop, _seconds: None,
    ) -> None:
        self._store, self._records, self.here, self._clock = store, records, here, clock
        self._log, self._announcer, self._on_applied = log, announcer, on_applied
        self.heeds_itself = True
        self.flights, self.rates = here.flights, dict[str, int]()
        self._fresh_until, self._steps = float("-inf"), Steps(clock)
        self._is_away = False
        # By scope: the epoch that the store was seen to have, and since when (monotonic).
        self.shared: dict[str, tuple[int, float]] = {}
        self._behind = InFlight()
        self.on_emptied: Callable[[], None] = lambda: None
        here.on_file, here.on_over = self._written, self._over

    def __repr__(self) -> str:
        return f"KillSwitch({self.here!r}, fresh={self.is_fresh})"

    @property
    def stops(self) -> Stops:
        """
        Return what is in force by what this process knows.
        """
        return self.here.over()

    def noted(self, facts: Facts) -> Facts:
        """
        Return facts with all that this process knows of the stop.
        """
        stops = self.here.over(facts.stops)
        return facts if stops is facts.stops else replace(facts, stops=stops)

    @property
    def is_fresh(self) -> bool:
        """
        Tell whether the shared state was heard of lately enough to write; what is not shared always was.
        """
        return self._store.kind == "memory" or self._clock.monotonic() <= self._fresh_until

    def permit(self, call: Call) -> Permit:
        """
        Say, without waiting, whether the next byte of a write may leave.

        Raise `StoreUnavailable` where too little was heard of the others.
        """
        if not self.is_fresh:
            raise StoreUnavailable(STALE)
        return self.here.permit(call)

    async def may_leave(self, call: Call) -> bool:
        """
        Tell whether a write may be sent again by what everyone knows.
        """
        return self.here.permit(call, await self._store.stops()) is self.permit(call) is Permit.GRANTED

    async def may_read(self, call: Call, *, reconciling: bool = False) -> bool:
        """
        Tell whether a read for the sake of a call may leave by what everyone knows.
        """
        stops = await self._store.stops()
        return self.here.read_permit(call, stops, reconciling=reconciling) is Permit.GRANTED

    # ----------------------------------------------------------------------------------------------------------- orders

    async def order(
        self,
        scope: str,
        mode: Mode,
        actor: str,
        reason: str = "",
        *,
        aborts: bool = False,
        reconciles: bool = False,
        until: datetime | None = None,
        back: Mode = Mode.STOP_WRITES,
        over: int | None = None,
    ) -> Ordered:
        """
        Have a mode in force for a scope, and return once that is on record and everyone has been told.

        With `over` it is meant for the record with that epoch only.
        Raise `LedgerUnavailable` where what lifts a stop cannot be recorded, `StartRefused` where the file forbids it,
        or it was ordered anew.
        """
        unmoved(scope, self.here.known.by_scope.get(scope), over)
        stop = Stop(scope, mode, 0, actor, reason, self._clock.now(), until, back, aborts, reconciles)
        if until is not None or mode.strictness < self.here.mode(scope).strictness:
            return await self._lift(stop, over)
        return await self._spread(self._stopped(stop))

    def _stopped(self, stop: Stop) -> Begun:
        """
        Let a stop take hold here, now, under an epoch of its own.
        """
        began, known = self._clock.monotonic(), self.here.known.by_scope.get(stop.scope)
        stop = returning(replace(stop, epoch=self.here.next_epoch()), known)
        if self.here.mode(stop.scope) is Mode.RUN:
            self.rates[stop.scope] = self.flights.rate(stop.scope)
        self.here.take(stop)
        return Begun(stop, 0 if known is None else known.epoch, began, self._clock.monotonic() - began)

    async def _spread(self, begun: Begun) -> Ordered:
        """
        Put a stop that is in force here on record, and tell everyone; order it anew where another order overtook it.
        """
        stop, tries = begun.stop, TRIES
        while True:
            recorded, why = await self._recorded(stop)
            shared, other = await share(stop, begun.over, self._store, self._clock.now())
            tries, now = tries - 1, self._clock.now()
            if other is None or not tries or (other.epoch >= stop.epoch and not is_more(stop, other, now)):
                break
            # Somebody lifted it under an epoch that was not known here, and this order is the later one; or somebody
            # stopped more, which was not known here either, and nothing but a resume makes less of that.
            self.here.take(other)
            stop = replace(other if is_more(other, stop, now) else stop, epoch=self.here.next_epoch())
            self.here.take(stop)
        self._tell(stop, begun.began)
        return Ordered(stop, recorded, shared, why=why or ("" if shared else UNSHARED), here_s=begun.here_s)

    async def _lift(self, stop: Stop, over: int | None) -> Ordered:
        written, began = self.here.written, self._clock.monotonic()
        if stop.scope == ALL and written is not None and stop.mode.strictness < written.strictness:
            raise StartRefused(f"the file KILL in the state folder says `{written}`", "remove it, and resume then")
        # What others have ordered by now is not what it means to lift.
        await self.poll()
        known = self.here.known.by_scope.get(stop.scope, UNKNOWN)
        unmoved(stop.scope, known, over)
        stop = replace(stop, epoch=self.here.next_epoch())
        await self._records.changed(stop)
        # Stop here: on record, and in force nowhere. The next start begins with it.
        holds = self.here.take(stop)
        shared, other = await share(stop, known.epoch, self._store, self._clock.now())
        if other is not None and other.epoch < stop.epoch:
            # It is on record that this was lifted: that it was stopped meanwhile has to be newer.
            await self._spread(self._stopped(other))
        elif other is not None:
            self._learn(Stops({other.scope: other}))
        holds = holds and other is None
        if holds:
            self._tell(stop, began)
        return Ordered(stop, recorded=True, shared=shared, holds=holds, why="" if shared else UNSHARED)

    async def _recorded(self, stop: Stop) -> tuple[bool, str]:
        writing = self._behind.start(self._write(stop))
        await asyncio.wait({writing}, timeout=RECORD_WITHIN_S)
        if not writing.done():
            return False, "it is not on record yet: the disk does not answer"
        return writing.result()

    async def _write(self, stop: Stop) -> tuple[bool, str]:
        try:
            await self._records.changed(stop)
        except LedgerUnavailable as unavailable:
            return False, f"it is not on record ({unavailable}), and will not outlive this process"
        return True, ""

    def _tell(self, stop: Stop, began: float) -> None:
        self._on_applied(stop, self._clock.monotonic() - began)
        if kind := kind_of(stop):
            self._announcer.say(kind, notice_of(stop), said(stop))

    # --------------------------------------------------------------------------------------------------- other channels

    def signalled(self) -> None:
        """
        Stop all writes, as a signal asks for.
        """
        self._at_least(Mode.STOP_WRITES, SIGNAL, "the process was sent SIGUSR1")

    def auto(self, scope: str, why: str, words: str) -> None:
        """
        Have the writes of a scope suggested only, because of what was found out; never more, and never less.
        """
        if self.heeds_itself and self.here.mode(scope) is self.here.mode(ALL) is Mode.RUN:
            self._begin(scope, Mode.SUGGEST, f"{AUTO}{why}", words)

    def _written(self, mode: Mode) -> None:
        self._at_least(mode, FILE, WORDS)

    def _at_least(self, mode: Mode, actor: str, words: str) -> None:
        """
        Order a stop of everything, unless the record says as much, and for good.
        """
        whole = self.here.known.by_scope.get(ALL, UNKNOWN)
        if whole.epoch == 0 or whole.until is not None or whole.mode.strictness < mode.strictness:
            stands = whole.mode_at(self._clock.now()) if whole.until is None else whole.back
            self._begin(ALL, max((mode, stands), key=lambda one: one.strictness), actor, words)

    def _begin(self, scope: str, mode: Mode, actor: str, words: str) -> None:
        """
        Let a stop take hold now, and the rest of it follow behind.
        """
        stop = Stop(scope, mode, 0, actor, words, self._clock.now())
        self._behind.start(self._guarded(self._spread(self._stopped(stop))))

    async def _guarded(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except Exception as error:  # whatever it is: the stop is in force, and that is what was asked for
            self._log.failure("", error)

    def _over(self, stop: Stop) -> None:
        """
        Say that what was lifted for a time is stopped again.
        """
        self._announcer.say("break-glass", f"{notice_of(stop)}:over", said(stop))
        self._behind.start(self._guarded(self._records.learned(stop)))

    def _learn(self, others: Stops) -> None:
        """
        Take in what others have ordered.
        """
        for stop in others.by_scope.values():
            known = self.here.known.by_scope.get(stop.scope)
            if not self.here.take(stop):
                continue
            if stop.reason == UNREADABLE:
                self._announcer.say("stop-unreadable", f"{notice_of(stop)}:unreadable", said(stop))
            elif known is None or stop.epoch > known.epoch:
                since_s = 0.0 if stop.at is None else (self._clock.now() - stop.at).total_seconds()
                self._on_applied(stop, max(0.0, since_s))
                self._log.event("stop-applied", **said(stop))
            if stop.scope != CANARY and stop.reason != UNREADABLE:
                # Whoever ordered it may be gone when a store that lost it asks this process.
                self._behind.start(self._guarded(self._records.learned(stop)))

    async def poll(self) -> bool:
        """
        Ask the store what is stopped, and tell it what it lacks; False where it does not answer.
        """
        began, was_emptied = self._clock.monotonic(), self._store.emptied
        try:
            found = await self._store.stops()
            shared = dict(found.by_scope)
            if self._store.emptied and not was_emptied:
                self.on_emptied()
            for stop in self.here.known.by_scope.values():
                there = found.by_scope.get(stop.scope)
                if there is None or (there.reason != UNREADABLE and stop.overrules(there)):
                    await self._store.apply(KillChanged(stop))
                    shared[stop.scope] = stop
        except StoreUnavailable as away:
            # What it had it may have lost by the time that it answers.
            self.shared.clear()
            self._heard(str(away))
            return False
        self._learn(found)
        # As of when it was asked: what was ordered after that may be unknown here.
        self._fresh_until = began + LEASE_S
        # Not what was ordered here meanwhile: that may not be there yet.
        for scope, stop in shared.items():
            if self.shared.get(scope, (-1, 0.0))[0] < stop.epoch:
                self.shared[scope] = (stop.epoch, self._clock.monotonic())
        self._heard(None)
        return True

    def _heard(self, why: str | None) -> None:
        if self._is_away is (why is None):
            self._is_away = why is not None
            self._log.event("stop-heard" if why is None else "stop-unheard", why=why)

    def tick(self) -> None:
        """
        Look at the file, at what was lifted for a time, and at the clock.
        """
        self.here.look(now=True)
        if (jump_s := self._steps.jump_s()) is not None:
            self.auto(ALL, "clock", f"the clock jumped by {jump_s:+.0f} s")

    async def watch(self) -> None:
        """
        Look for ever at the file.
        """

        async def look() -> None:
            self.tick()

        await self._for_ever(TICK_S, look)

    async def watch_store(self) -> None:
        """
        Ask a shared store for ever.
        """
        if self._store.kind != "memory":
            await self._for_ever(POLL_S, self.poll)

    async def _for_ever(self, pause_s: float, look: Callable[[], Coroutine[Any, Any, object]]) -> None:
        while True:
            await asyncio.sleep(pause_s)
            try:
                await look()
            except Exception as error:  # whatever it is: the next look is another attempt
                self._log.failure("", error)

    async def drain(self, timeout_s: float) -> int:
        """
        Wait this long for what is behind.
        """
        return await self._behind.drain(timeout_s)
