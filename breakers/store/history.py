"""What an end, or all that the ledger says of an intent, makes of a record: a shared store moves it by this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from breakers.known import IN_FLIGHT, Earlier, Ended, State
from breakers.stops import Stops
from breakers.store import moves
from breakers.store.bundle import Bundle
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    BreakerMoved,
    Event,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    KillChanged,
    ReadHeld,
    ReadSettled,
    SuggestionNoted,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
)
from breakers.store.packed import Kept, Move

NO_STOPS = Stops()

Decide = Callable[[Kept | None], Move | None]
"""What becomes of a record as it was found; None leaves it."""


@dataclass(slots=True)
class History:
    """
    All that the ledger says of one intent.
    """

    opened: IntentOpened
    ended: Ended | None = None
    delivered: bool | None = None

    def told(self, record: Earlier | None, *, standing: bool, carried: bool) -> tuple[Earlier, bool] | None:
        """
        Return the record as this leaves it and whether it stands under its names, or None where it says nothing new.

        `carried` tells whether this process has it in flight; whoever else carried it is gone, and it is in doubt. Of a
        claim that outlived its mark it may have been sent all the same, because its intent is on record. What another
        replica knows better stays.
        """
        state = State.DISPATCHED if carried else State.UNKNOWN
        is_open = record is None or (record.state in IN_FLIGHT and record.state is not state)
        after = moves.from_opened(self.opened, state) if record is None or is_open else record
        if self.ended is not None and (end := moves.ended(after, self.ended)) is not None:
            after, standing = end, moves.stands(self.ended)
        if self.delivered is not None and after.state is State.COMPLETED:
            after = replace(after, delivered=self.delivered)
        return None if after == record else (after, standing)

    @property
    def spent(self) -> tuple[int, ...]:
        """
        Return what it took of its charges, where it has ended.
        """
        return () if self.ended is None else moves.spent(self.opened.charges, self.ended, sent=True)

    def is_over(self, at: datetime, retention: moves.Retention) -> bool:
        """
        Tell whether nothing need be known of it any more.
        """
        ended = self.ended
        if ended is None or ended.state is not State.COMPLETED:
            return False
        return ended.at + (retention.whole if moves.stands(ended) else moves.REMEMBERED) <= at


@dataclass(slots=True)
class Told:
    """
    What a ledger's events say: of each intent, of writes as a whole, and of intents of which only the end is told.

    Of each read that was charged, `spent` is what it took, where that is told. Of alerts, `undelivered` are those that
    nobody says have reached everyone. Of stops, breakers and suggestions it is the record that counts of each.
    """

    by_intent: dict[str, History] = field(default_factory=dict)
    ends: dict[str, Ended] = field(default_factory=dict)
    reads: dict[str, ReadHeld] = field(default_factory=dict)
    spent: dict[str, tuple[int, ...]] = field(default_factory=dict)
    tasks: dict[str, TaskOpened] = field(default_factory=dict)
    closed: dict[str, TaskClosed] = field(default_factory=dict)
    revoked: dict[str, TokenRevoked] = field(default_factory=dict)
    alerts: dict[str, AlertRaised] = field(default_factory=dict)
    undelivered: set[str] = field(default_factory=set)
    stops: Stops = NO_STOPS
    breakers: dict[str, BreakerMoved] = field(default_factory=dict)
    suggested: dict[str, SuggestionNoted] = field(default_factory=dict)

    def calls(self) -> frozenset[str]:
        """
        Return every call of which anything is said.
        """
        return frozenset().union(self.by_intent, self.ends, self.reads, self.spent)


def histories(events: Iterable[Event], told: Told | None = None) -> Told:
    """
    Return what the events say when all of them are told; `told` is filled as they are gone through.
    """
    told = told or Told()
    by_intent = told.by_intent
    for event in events:
        match event:
            case IntentOpened(intent):
                by_intent.setdefault(intent, History(event))
            case IntentEnded(intent, ended):
                known = by_intent.get(intent)
                if known is None:
                    told.ends[intent] = ended
                elif known.ended is None or moves.is_further(ended.state, known.ended.state):
                    known.ended, known.delivered = ended, None
            case IntentDelivered(intent, delivered):
                known = by_intent.get(intent)
                if known is not None and known.ended is not None:
                    known.delivered = delivered
            case KillChanged() | BreakerMoved() | SuggestionNoted():
                _of_brakes(told, event)
            case _:
                _of_envelopes(told, event)
    return told


def setting_aside(events: Iterable[Event | Bundle], others: list[Event]) -> Iterator[Event | Bundle]:
    """
    Yield what is told of writes, and put the rest into `others`.
    """
    for event in events:
        if isinstance(event, IntentOpened | IntentEnded | IntentDelivered | Bundle):
            yield event
        else:
            others.append(event)


def _of_brakes(told: Told, event: KillChanged | BreakerMoved | SuggestionNoted) -> None:
    """
    Note what keeps writes back: of each the record that says most.
    """
    match event:
        case KillChanged(stop):
            told.stops = told.stops.changed(stop)
        case BreakerMoved(breaker):
            known = told.breakers.get(breaker.key)
            if known is None or breaker.gen > known.breaker.gen:
                told.breakers[breaker.key] = event
        case SuggestionNoted(suggested):
            noted = told.suggested.get(suggested.id)
            if noted is None or suggested.version > noted.suggested.version:
                told.suggested[suggested.id] = event


def _of_envelopes(told: Told, event: Event) -> None:
    """
    Note what concerns units of work and their caps: of each the first that is said, which nothing changes.
    """
    match event:
        case ReadHeld(call):
            told.reads.setdefault(call, event)
        case ReadSettled(call, spent):
            told.spent.setdefault(call, spent)
        case TaskOpened(task):
            told.tasks.setdefault(task.id, event)
        case TaskClosed(closed):
            told.closed.setdefault(closed, event)
        case TokenRevoked(token):
            told.revoked.setdefault(token, event)
        case AlertRaised(alert) if alert.id not in told.alerts:
            told.alerts[alert.id] = event
            told.undelivered.add(alert.id)
        case AlertDelivered(delivered):
            told.undelivered.discard(delivered)
        case _:
            pass


def delivery(*, reached: bool) -> Decide:
    """
    Return what notes of a record whether its answer reached the caller.
    """

    def decide(kept: Kept | None) -> Move | None:
        if kept is None or kept.record.state is not State.COMPLETED or kept.record.delivered is reached:
            return None
        return Move(replace(kept.record, delivered=reached), kept.opened, kept.standing)

    return decide


def ending(opened: IntentOpened | None, ended: Ended, *, is_live: bool = False) -> Decide:
    """
    Return what ends a record so; one that is not there is made of `opened`, so that no replay that was read before the
    end was on record puts it in doubt.

    Of what is live it is known whether it was sent: only what was dispatched.
    """

    def decide(kept: Kept | None) -> Move | None:
        if kept is None and opened is None:
            return None
        known = kept.opened if kept is not None and (opened is None or not opened.place) else opened
        assert known is not None
        if kept is not None and not known.charges:
            known = replace(known, charges=kept.opened.charges)
        record = moves.from_opened(known, State.DISPATCHED) if kept is None else kept.record
        after = moves.ended(record, ended)
        sent = not is_live or (kept is not None and record.state is not State.CLAIMED)
        spent = moves.spent(known.charges, ended, sent=sent)
        return None if after is None else Move(after, known, moves.stands(ended), spent)

    return decide
