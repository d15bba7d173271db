"""
The reference: what an answer must be to a call that may repeat an earlier one, from the rules and nothing of ours.

An intent here knows two things that no program can: whether it took effect, and who really carries it. What is asked of
a call is in `expected`; what must hold whatever was answered, of effects alone, is in `nothing_twice`.

| the newest record under the call's own key | answer |
|---|---|
| says something else | refused as reused |
| in flight, in doubt, done | join, unknown, replay |

Without one of these: an equal intent in doubt is unknown; without a key and without a word that it is meant, an equal
one in flight is joined and one that just ended is replayed, if the call says that it is a re-send or the first answer
never arrived. Then `stop`; then an equal one done within a minute, and the same effect open or done within its window,
are suspected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from breakers.known import IN_DOUBT, IN_FLIGHT, State
from breakers.verdict import Again, Reason
from tests.repeats.shop import DAY_S, Asked

# What the defaults of the settings promise, in words of our own.
REMEMBERED_S = 97 * DAY_S
ANSWERS_S = 7 * DAY_S
SUSPECTED_S = 60
RESENT_S = 15 * 60
UNHEARD_S = DAY_S
LATE_S = 2.0

_AGAIN = {State.CLAIMED: Again.JOIN, State.DISPATCHED: Again.JOIN, State.COMPLETED: Again.REPLAY}

Answer = tuple[Again | Reason, frozenset[str]] | None
"""What a call is told, and from which intent (any of these); None: it is carried through."""


@dataclass(slots=True, eq=False)
class Intent:
    """
    One write: what it asked, how its record should stand, and what really became of it.
    """

    id: str
    asked: Asked
    at: datetime
    until: datetime
    process: int
    state: State | None = State.CLAIMED
    durable: bool = False
    concluded: bool = False
    allowed: bool = False
    applied: bool | None = None
    ended_at: datetime | None = None
    delivered: bool = True
    granted_at: datetime | None = None
    effects: int = 0
    """Counted where they happen: nobody who answers looks here."""

    def stands(self, now: datetime) -> bool:
        """
        Tell whether its names still lead to it.
        """
        if self.state is State.COMPLETED:
            return self.ended_s(now) < REMEMBERED_S
        return self.state is not None and (self.state is not State.CLAIMED or now < self.until)

    def ended_s(self, now: datetime) -> float:
        """
        Return for how long it has been over.
        """
        assert self.ended_at is not None
        return (now - self.ended_at).total_seconds()


@dataclass
class Model:
    """
    Every intent that ever was, oldest first.
    """

    intents: list[Intent] = field(default_factory=list)
    stopped: bool = False

    def expected(self, asked: Asked, now: datetime) -> Answer:
        """
        Return what a call must be told.
        """
        return self._repeated(asked, now) or self._stopped() or self._suspected(asked, now)

    def open(self) -> dict[str, State]:
        """
        Return the intents that were dispatched and have no end.
        """
        return {
            intent.id: intent.state
            for intent in self.intents
            if intent.state in IN_DOUBT or intent.state is State.DISPATCHED
        }

    def lost(self, process: int, *, claims: bool) -> None:
        """
        Say what a crash leaves: what is on record is in doubt; a claim is gone, at once or when its lease passes.
        """
        for intent in self.intents:
            if intent.process == process and not intent.concluded:
                if intent.durable:
                    intent.state = State.UNKNOWN
                elif claims:
                    intent.state = None

    def _standing(self, now: datetime) -> list[Intent]:
        return [intent for intent in reversed(self.intents) if intent.stands(now)]

    def _repeated(self, asked: Asked, now: datetime) -> Answer:
        standing = self._standing(now)
        if asked.key is not None:
            for first in standing:
                if (first.asked.agent, first.asked.key) == (asked.agent, asked.key):
                    return _under_its_key(first, asked)
        equal = [intent for intent in standing if intent.asked.says == asked.says]
        doubted = frozenset(intent.id for intent in equal if intent.state in IN_DOUBT)
        if doubted:
            return Again.UNKNOWN, doubted
        if asked.key is not None or asked.duplicate:
            return None
        flying = frozenset(intent.id for intent in equal if intent.state in IN_FLIGHT)
        if flying:
            return Again.JOIN, flying
        return next((_resent(done, asked, now) for done in _newest_done(equal)), None)

    def _stopped(self) -> Answer:
        return (Reason.KILLED, frozenset()) if self.stopped else None

    def _suspected(self, asked: Asked, now: datetime) -> Answer:
        standing = self._standing(now)
        same = [intent for intent in standing if intent.asked.names.effect == asked.names.effect is not None]
        against = [intent for intent in same if intent.state in IN_DOUBT]
        if not against and not (asked.duplicate and not asked.spec.moves_money):
            against = [intent for intent in same if intent.state in IN_FLIGHT]
            against += [done for done in _newest_done(same) if done.ended_s(now) < asked.spec.effect_window_s]
            if asked.key is None and asked.spec.makes_anew:
                equal = [intent for intent in standing if intent.asked.says == asked.says]
                against += [done for done in _newest_done(equal) if done.ended_s(now) < SUSPECTED_S]
        return (Reason.DUPLICATE_SUSPECTED, frozenset(intent.id for intent in against)) if against else None

    # ------------------------------------------------------------------------------------- what holds of effects alone

    def nothing_twice(self, sending: Intent, now: datetime) -> None:
        """
        Fail if the write that is about to be sent repeats one that has happened, or may yet.
        """
        for other in self.intents:
            if other is sending or not _may_have_happened(other):
                continue
            asked, first = sending.asked, other.asked
            if asked.key is not None and (first.agent, first.key) == (asked.agent, asked.key):
                assert other.ended_at is not None, f"{other} is open under the key of {sending}"
                assert other.ended_s(sending.at) >= REMEMBERED_S, f"{sending} is sent under the key of {other}"
            if first.says == asked.says:
                assert other.at >= sending.at or _over(other, sending.at) or asked.duplicate or asked.key is not None
            if asked.names.effect is not None and first.names.effect == asked.names.effect and not sending.allowed:
                window_s = asked.spec.effect_window_s
                assert other.at >= sending.at or _over(other, sending.at, window_s), f"{sending} repeats {other}"


def _may_have_happened(intent: Intent) -> bool:
    return intent.effects > 0 or (intent.granted_at is not None and intent.state in {State.DISPATCHED, *IN_DOUBT})


def _over(intent: Intent, at: datetime, since_s: float = 0) -> bool:
    return intent.ended_at is not None and intent.ended_at + timedelta(seconds=since_s) <= at


def _under_its_key(first: Intent, asked: Asked) -> Answer:
    if first.asked.says != asked.says:
        return Reason.IDEMPOTENCY_KEY_REUSED, frozenset({first.id})
    assert first.state is not None
    return _AGAIN.get(first.state, Again.UNKNOWN), frozenset({first.id})


def _newest_done(standing: list[Intent]) -> list[Intent]:
    done = [intent for intent in standing if intent.state is State.COMPLETED and intent.applied]
    return sorted(done, key=lambda intent: intent.ended_at or intent.at)[-1:]


def _resent(done: Intent, asked: Asked, now: datetime) -> Answer:
    since_s = done.ended_s(now)
    if (asked.again and since_s < RESENT_S) or (not done.delivered and since_s < UNHEARD_S):
        return Again.REPLAY, frozenset({done.id})
    return None
