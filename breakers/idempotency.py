"""
A write that came before is answered from that: the gate that finds it, and what is kept of a write that has ended.

Precedence, over what is known under the names of the call; a claim whose lease has passed is as if it had never been:

1. With a key, the newest record under it decides. Another fingerprint: the key was used for something else, refused.
   In flight: join it. In doubt: say so. Completed: give its answer again.
2. An equal write in doubt answers, whatever key this one has, and even where it says that a repeat is meant: to send
   it would add to the doubt.
3. Without a key, and where the call does not say that a repeat is meant, an equal write in flight is joined, without
   limit of time. One that took effect gives its answer again where this call is a re-send: its client says so within
   `RESENT_S`, or its caller never had the answer, within `UNDELIVERED_S`. What had no effect is harmless to do again.

Nothing here asks whether the call would be allowed now: what it repeats was, and it sends nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

from breakers.call import Applied, Call, Outcome
from breakers.facts import Facts
from breakers.known import IN_DOUBT, IN_FLIGHT, Earlier, Ended, State
from breakers.policy import Passed, Policy
from breakers.results import AT_THE_DOOR
from breakers.verdict import Again, Reason, Refuse, Repeat

GATE = "repeats"

# For how long a client that says "this is a retry" is believed to mean a write that has ended; SDKs give up far sooner.
RESENT_S = 900

# For how long the answer that a caller never had waits for it; a client that comes back does so within a day.
UNDELIVERED_S = 86_400


def repeats(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse | Repeat:  # noqa: ARG001 a gate's form
    """
    Answer a write from the one that it repeats, or refuse a key that was used for another.
    """
    if call.names is None or not facts.known.under:
        # As of nearly every write: nothing came before it under any of its names.
        return passed
    under_key = standing(call, facts, call.names.key)
    if under_key:
        return _under_key(under_key[0], call.names.fingerprints)
    equal = standing(call, facts, *call.names.fingerprints)
    if doubt := _first(equal, IN_DOUBT):
        return Repeat(Again.UNKNOWN, doubt)
    if call.names.key is not None or call.duplicate:
        return passed
    if flying := _first(equal, IN_FLIGHT):
        return Repeat(Again.JOIN, flying)
    done = next((one for one in equal if took_effect(one)), None)
    return Repeat(Again.REPLAY, done) if done and _is_resent(call, done, facts.at) else passed


def standing(call: Call, facts: Facts, *names: str | None) -> tuple[Earlier, ...]:
    """
    Return what is known under any of these names beside the call itself, newest first, without claims that have lapsed.
    """
    found = {
        one.intent: one
        for name in names
        if name is not None
        for one in facts.known.under.get(name, ())
        if one.intent != call.id and not _has_lapsed(one, facts.at)
    }
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.intent), reverse=True))


def took_effect(one: Earlier) -> bool:
    """
    Tell whether what is known is that it has ended and was not without effect.
    """
    return one.state is State.COMPLETED and one.applied is not False


def is_overtaken(call: Call, facts: Facts) -> bool:
    """
    Tell whether another has done, or may do, what a write is in doubt of: then that one must not be sent any more.

    So it is where its claim lapsed before it left and another took that over: one under the same key or of the same
    effect, or an equal one where neither has a key, that ended after the write came or has not ended.
    """
    if call.names is None:
        return False
    others = standing(call, facts, call.names.key, call.names.effect)
    if call.names.key is None:
        others += tuple(one for one in standing(call, facts, *call.names.fingerprints) if one.key is None)
    return any(one.applied is not False and (one.ended_at is None or one.ended_at > call.at) for one in others)


def is_within(seconds: float, earlier: Earlier, at: datetime) -> bool:
    """
    Tell whether what is completed ended at most so many seconds ago.
    """
    return (at - (earlier.ended_at or earlier.at)).total_seconds() <= seconds


def moment(at: datetime) -> str:
    """
    Spell a time for whoever reads an answer: UTC, whole seconds.
    """
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ended_by(outcome: Outcome, at: datetime, place: str, *, delivered: bool, spent: tuple[int, ...] = ()) -> Ended:
    """
    Return how an intent stands after this outcome, whose record stands at `place`; `spent` is what it took of its
    charges.

    What took effect keeps its answer, and so does a definite no; what is not known is in doubt; anything else leaves
    the names free, so that the same key may be used again.
    """
    return ended_as(outcome.applied, outcome.status, at, place, delivered=delivered, spent=spent)


def ended_as(
    applied: Applied, status: int | None, at: datetime, place: str, *, delivered: bool, spent: tuple[int, ...] = ()
) -> Ended:
    """
    Return the same from what the record says of an outcome: whether it took effect, and the upstream's status.

    What is not known has taken nothing yet: its charges stay held.
    """
    if applied is Applied.UNKNOWN:
        return Ended(State.UNKNOWN, at, status=status, place=place, delivered=delivered)
    took_effect = applied is Applied.APPLIED
    keeps = took_effect or _is_definite(status)
    return Ended(State.COMPLETED, at, took_effect, keeps, status, place, delivered, spent)


def _is_definite(status: int | None) -> bool:
    return status is not None and 400 <= status <= 499 and status not in AT_THE_DOOR


def _under_key(earlier: Earlier, fingerprints: tuple[str, ...]) -> Refuse | Repeat:
    if earlier.fingerprint not in fingerprints:
        detail = f"The key came with `{earlier.operation}` at {moment(earlier.at)}, which was another request."
        return Refuse(Reason.IDEMPOTENCY_KEY_REUSED, GATE, detail, (("intent", earlier.intent),))
    if earlier.state in IN_FLIGHT:
        return Repeat(Again.JOIN, earlier)
    return Repeat(Again.UNKNOWN if earlier.state in IN_DOUBT else Again.REPLAY, earlier)


def _first(records: tuple[Earlier, ...], states: frozenset[State]) -> Earlier | None:
    return next((one for one in records if one.state in states), None)


def _is_resent(call: Call, done: Earlier, at: datetime) -> bool:
    return (call.again and is_within(RESENT_S, done, at)) or (not done.delivered and is_within(UNDELIVERED_S, done, at))


def _has_lapsed(one: Earlier, at: datetime) -> bool:
    return one.state is State.CLAIMED and one.until is not None and one.until <= at
