"""
How the record of an intent moves, and which records stand under a name: the table of `breakers/known.py` as functions.

Every store decides by these, so that all of them say the same; a store only sees to it that a move is made in one step.
`None` means that nothing moves. What is completed stays; what a person has to decide is not put in doubt again; the
answer itself, whoever brings it, completes what was in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from breakers.call import Call
from breakers.known import Earlier, Ended, State
from breakers.spend import Charge, spent_by
from breakers.store.events import IntentOpened
from breakers.store.protocol import LEASE_S, REMEMBERED_S
from config.settings import Idempotency

REMEMBERED = timedelta(seconds=REMEMBERED_S)

GIVEN_UP = timedelta(seconds=LEASE_S)
"""How long after its lease a claim that nobody took over may still be dispatched; then it and its charges are gone."""

_RANK = {State.CLAIMED: 0, State.DISPATCHED: 0, State.UNKNOWN: 1, State.PARKED: 2, State.COMPLETED: 3}


@dataclass(frozen=True, slots=True)
class Retention:
    """
    How long what has ended is kept: its answer, and after that only that it happened and how it ended.
    """

    answers_s: float
    outcomes_s: float
    answers: timedelta = field(init=False, compare=False, repr=False)
    """For how long a repeat is given the answer."""
    whole: timedelta = field(init=False, compare=False, repr=False)
    """For how long anything is known at all."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", timedelta(seconds=self.answers_s))
        object.__setattr__(self, "whole", timedelta(seconds=self.answers_s + self.outcomes_s))

    @classmethod
    def of(cls, settings: Idempotency) -> Retention:
        """
        Return what the configuration says.
        """
        return cls(settings.answers_s, settings.outcomes_s)


BY_DEFAULT = Retention.of(Idempotency())


def claimed(call: Call, until: datetime) -> Earlier:
    """
    Return the record of a write that has taken its names and sent nothing.
    """
    names = call.names
    return Earlier(
        call.id,
        State.CLAIMED,
        call.at,
        call.api,
        call.operation.spec.name,
        call.caller.agent,
        call.caller.task,
        "" if names is None else names.fingerprint,
        None if names is None else names.key,
        None if names is None else names.effect,
        call.operation.spec.effect_window_s,
        until,
    )


def from_opened(opened: IntentOpened, state: State, until: datetime | None = None) -> Earlier:
    """
    Return the record of an intent that has not ended, in this state.
    """
    names = opened.names
    return Earlier(
        opened.intent,
        state,
        opened.at,
        opened.api,
        opened.operation,
        opened.agent,
        opened.task,
        "" if names is None else names.fingerprint,
        None if names is None else names.key,
        None if names is None else names.effect,
        opened.window_s,
        until,
    )


def ended(record: Earlier, by: Ended) -> Earlier | None:
    """
    Return the record as it is after this end, or None where it says as much or more already.
    """
    # Of doubt that was only concluded from a missing end, this is the first that is said.
    is_first = by.state is record.state and record.ended_at is None
    return _ended(record, by) if is_first or is_further(by.state, record.state) else None


def _ended(one: Earlier, by: Ended) -> Earlier:
    # Written out in full: `replace` takes three times as long, and this is on the road of every write.
    return Earlier(
        one.intent,
        by.state,
        one.at,
        one.api,
        one.operation,
        one.agent,
        one.task,
        one.fingerprint,
        one.key,
        one.effect,
        one.window_s,
        None,
        by.at,
        by.applied,
        by.status,
        by.place,
        by.delivered,
    )


def spent(charges: tuple[Charge, ...], by: Ended, *, sent: bool) -> tuple[int, ...]:
    """
    Return what a call that has ended took of its charges.

    Where its end does not say it of each, it is as much as such an end can take: nothing, if it was never `sent`.
    """
    if len(by.spent) == len(charges):
        return by.spent
    return spent_by(charges, sent=sent, applied=by.applied)


def is_further(state: State, than: State) -> bool:
    """
    Tell whether one state says more of an intent than another.
    """
    return _RANK[state] > _RANK[than]


def says_the_same(record: Earlier, by: Ended) -> bool:
    """
    Tell whether this end is the one that the record has: it was said before, and its answer was lost.
    """
    return record.state is by.state and (record.ended_at, record.applied, record.status, record.place) == (
        by.at,
        by.applied,
        by.status,
        by.place,
    )


def stands(by: Ended) -> bool:
    """
    Tell whether an intent that ended so stays under its names; otherwise they are free for whoever comes next.
    """
    return by.state is not State.COMPLETED or by.applied is not False or by.keeps


def held(record: Earlier) -> tuple[str, ...]:
    """
    Return the names that a record stands under.
    """
    key, fingerprint, effect = record.key, record.fingerprint, record.effect
    if key is not None and effect is not None and fingerprint:
        return key, fingerprint, effect
    return tuple(name for name in (key, fingerprint, effect) if name)


def is_let_go(by: Ended) -> bool:
    """
    Tell whether a write ended so before anything was on record of it: what it was given is to be had again.
    """
    return by.state is State.COMPLETED and by.applied is False and not by.place


def newest_first(record: Earlier) -> tuple[datetime, str]:
    """
    Return what records are ordered by, the largest first.
    """
    return record.at, record.intent


def under_name(records: tuple[Earlier, ...], fresh: Earlier) -> tuple[Earlier, ...]:
    """
    Return what stands under a name once `fresh` does too, newest first.

    Of what is completed two stay at most: the newest, and the newest that took effect. An upstream's "no" must not hide
    what was done a moment before it.
    """
    others = [record for record in records if record.intent != fresh.intent]
    every = sorted([*others, fresh], key=newest_first, reverse=True)
    done = [record for record in every if record.state is State.COMPLETED]
    if len(done) > 1:
        kept = {max(done, key=_end).intent, max(done, key=_effect).intent}
        every = [record for record in every if record.state is not State.COMPLETED or record.intent in kept]
    return tuple(every)


def _end(record: Earlier) -> tuple[datetime, str]:
    return record.ended_at or record.at, record.intent


def _effect(record: Earlier) -> tuple[bool, datetime, str]:
    return record.applied is not False, *_end(record)


def has_lapsed(record: Earlier, at: datetime) -> bool:
    """
    Tell whether a record is a claim that another may take over.
    """
    return record.state is State.CLAIMED and record.until is not None and record.until <= at


def is_given_up(record: Earlier, at: datetime) -> bool:
    """
    Tell whether a record is a claim that nobody may dispatch any more.
    """
    return record.state is State.CLAIMED and record.until is not None and record.until + GIVEN_UP <= at


def as_of(record: Earlier, at: datetime, retention: Retention, *, standing: bool) -> Earlier | None:
    """
    Return a record as it is known at this moment: without its answer, or not at all, once its time is over.
    """
    if record.state is not State.COMPLETED:
        return record
    ended_at = record.ended_at or record.at
    if ended_at + (retention.whole if standing else REMEMBERED) <= at:
        return None
    return replace(record, answered=False) if ended_at + retention.answers <= at else record


def forgotten_at(record: Earlier, retention: Retention, *, standing: bool) -> datetime | None:
    """
    Return when nothing need be known of a record any more: never, while it may have been sent and has not ended.
    """
    if record.state is State.CLAIMED and record.until is not None:
        return record.until + GIVEN_UP
    if record.state is State.COMPLETED:
        return (record.ended_at or record.at) + (retention.whole if standing else REMEMBERED)
    return None
