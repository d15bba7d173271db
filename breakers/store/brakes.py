"""
What keeps writes back, in one process: stops, breakers and suggestions, the verbs for them, and what reserve takes.

A change of a stop grows the generation, so that what was judged before it is judged again. A probe's permit, a place in
a ramp and a grant are asked for and taken between two lines that do not wait; the permit and the grant of a write that
is let go before anything is on record of it are free again at once. The permit of a read is not: whoever counts its
result gives it back, or its lease does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from breakers.breaker import Breaker, Delta, Sums
from breakers.call import Call
from breakers.killswitch import bars
from breakers.known import Ended, State
from breakers.stops import RUNNING, Stops
from breakers.store.events import BreakerMoved, IntentOpened, KillChanged, SuggestionNoted
from breakers.store.gauges import Gauges
from breakers.store.history import History
from breakers.store.parked import Parked
from breakers.suggestion import Suggested
from breakers.verdict import Forward


class Brakes:
    """
    The part of a store that keeps writes back.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._generation = 0
        # Nothing but its own ledger can tell it of a stop, and that is replayed before anything is judged.
        self._stops = RUNNING
        self._gauges, self._parked = Gauges(), Parked()

    async def stops(self) -> Stops:
        return self._stops

    async def breakers(self) -> tuple[Breaker, ...]:
        return self._gauges.all()

    async def move(self, before: Breaker | None, after: Breaker) -> bool:
        return self._gauges.move(before, after)

    async def count(self, deltas: Sequence[Delta], replica: str) -> tuple[Sums, ...]:
        return self._gauges.count(deltas, replica, self._now())

    async def suggest(self, new: Suggested) -> Suggested:
        return self._parked.suggest(new, self._now())

    async def suggestion(self, id_: str) -> Suggested | None:
        return self._parked.get(id_, self._now())

    async def suggestions(self) -> tuple[Suggested, ...]:
        return self._parked.all(self._now())

    async def turn(self, before: Suggested, after: Suggested) -> bool:
        return self._parked.turn(before, after, self._now())

    def _tell(self, event: KillChanged | BreakerMoved | SuggestionNoted) -> None:
        match event:
            case KillChanged(stop):
                after = self._stops.changed(stop)
                if after is not self._stops:
                    self._generation += 1
                self._stops = after
            case BreakerMoved(breaker):
                self._gauges.moved(breaker)
            case SuggestionNoted(suggested):
                self._parked.noted(suggested, self._now())

    def _replay_executions(self, histories: Iterable[History]) -> None:
        """
        Note which suggestions were carried out, by what is told of writes.
        """
        for told in histories:
            if told.opened.suggestion:
                self._note_opened(told.opened)
                if told.ended is not None:
                    self._note_end(told.opened.intent, told.ended)

    def _note_opened(self, opened: IntentOpened) -> None:
        self._parked.opened(opened.suggestion, opened.intent, opened.at)

    def _note_end(self, intent: str, ended: Ended) -> None:
        if ended.state is State.COMPLETED:
            self._parked.ended(intent, ended.at)

    def _settle(self, opened: IntentOpened, ended: Ended, *, let_go: bool = False) -> None:
        """
        Note how a write ended, or that it was let go before anything was on record of it.
        """
        if let_go:
            self._give_back(opened.intent)
            return
        if opened.suggestion:
            self._note_opened(opened)
            self._note_end(opened.intent, ended)

    def _has(self, go: Forward, now: datetime) -> bool:
        """
        Tell whether a call can have the permits, the places and the grant that it was judged with.
        """
        call = go.call
        return (not go.wishes or self._gauges.have(go.wishes, call.id, now)) and self._parked.has(call.grant, now)

    def _take(self, go: Forward, now: datetime) -> None:
        call = go.call
        if go.wishes:
            self._gauges.take(go.wishes, call.id, now)
        if call.grant is not None:
            self._parked.take(call.grant, call.id, now)

    def _give_back(self, call: str) -> None:
        """
        Take back what a write of which nothing is on record was given.
        """
        self._gauges.let_go(call)
        self._parked.let_go(call, self._now())

    def _is_held_back(self, call: Call) -> bool:
        """
        Tell whether a stop keeps the next byte of a write from leaving now.
        """
        return bars(call, self._stops, self._now()) is not None
