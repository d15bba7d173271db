"""
What was done a moment ago is not done again by accident: a key where the card asks for one, then suspected duplicates.

Precedence: a key that is missing; what makes the effect spelled as no value of its type, where money moves, because
another spelling of one amount is not another effect; the same business effect, whoever made it and under whatever key;
an equal write without a key. The effect comes first because less is open to it: a fresh key does not help there.

An effect stands in the way while its first write is in flight or in doubt, and for its catalogue's window after it
ended; an equal write without a key, for the policy's, and only where doing it twice may make two of something: anything
else passes and is noted. The agent may say that a repeat is meant (`Breakwater-Duplicate: allow`) where every entry of
its card that binds the operation leaves that to it; one that leaves it open does so where no money moves. Elsewhere an
approver may: what repeats an ended write is parked, where somebody is there who may approve it. Nothing passes an
effect in doubt, and nobody approves one that is still under way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from breakers.call import Call, Operation
from breakers.effectkey import effect_arguments
from breakers.facts import Facts
from breakers.idempotency import is_within, moment, standing, took_effect
from breakers.known import IN_DOUBT, IN_FLIGHT, Earlier, State
from breakers.policy import Entry, Passed, Policy
from breakers.suggestion import Cause, Park
from breakers.verdict import Reason, Refuse
from config.operators import APPROVER

GATE = "duplicates"

REPEATED = "repeated"
"""Noted where an equal write took effect a moment ago, and doing it twice makes nothing anew."""

DUPLICATE_ALLOWED = "duplicate-allowed"
"""Noted where a suspected duplicate passes because its caller says that it is meant."""


def duplicates(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:
    """
    Refuse a write that lacks the key it needs; refuse or park one that would do once more what was done before.
    """
    if call.names is None:
        return passed
    if call.names.key is None and passed.allowed.needs_key:
        detail = f"`{call.operation.spec.name}` needs an Idempotency-Key on this agent's card."
        return Refuse(Reason.IDEMPOTENCY_KEY_MISSING, GATE, detail, (("operation", call.operation.spec.name),))
    if call.operation.mistyped and (shown := _misspelled(call.operation)) is not None:
        detail = f"`{shown}` must be of the type that the operation declares: what is paid, and to whom, depends on it."
        return Refuse(Reason.ARGUMENT_MISTYPED, GATE, detail, (("argument", shown),))
    if not facts.known.under:
        # As of nearly every write: nothing came before it under any of its names.
        return passed
    first, has_name = _same_effect(call, facts), True
    if first is None:
        first, has_name = _equal(call, policy, facts), False
    if first is None:
        return passed
    spec = call.operation.spec
    if not has_name and not spec.makes_anew:
        return _noted(passed, REPEATED)
    agent_says = all(_leaves_it_to_the_agent(entry, call.operation) for entry in passed.entries)
    if first.state in IN_DOUBT:
        way = "Nothing of that kind passes until it is known how that ended."
    elif agent_says and call.duplicate:
        return _noted(passed, DUPLICATE_ALLOWED)
    elif first.state is State.COMPLETED and not agent_says and APPROVER in policy.roles:
        # It names the first, the newest of several: whoever means it twice has not meant it three times.
        about = f"{spec.name}:{first.intent}"
        return passed.and_parked(Park(Cause.DUPLICATE, about, _how(first, facts.at), waits=True))
    else:
        way = _ways_out(agent_says=agent_says, has_name=has_name)
    return _suspected(first, facts.at, way)


def _misspelled(operation: Operation) -> str | None:
    """
    Return the first argument of the effect, as `place.name`, whose value has another type, where money moves.
    """
    if not operation.spec.moves_money:
        return None
    names = {name for alternatives in effect_arguments(operation.spec) for name in alternatives}
    return next((shown for shown in operation.mistyped if shown.partition(".")[2] in names), None)


def _same_effect(call: Call, facts: Facts) -> Earlier | None:
    if call.names is None:
        return None
    window_s = call.operation.spec.effect_window_s
    found = [one for one in standing(call, facts, call.names.effect) if _stands_in_the_way(one, window_s, facts.at)]
    return min(found, key=_how_firmly, default=None)


def _equal(call: Call, policy: Policy, facts: Facts) -> Earlier | None:
    # With a key, a call that equals another is meant: to send a new one is how an agent says so.
    if call.names is None or call.names.key is not None:
        return None
    equal = standing(call, facts, *call.names.fingerprints)
    return next((one for one in equal if _stands_in_the_way(one, policy.duplicates_s, facts.at)), None)


def _stands_in_the_way(one: Earlier, window_s: float, at: datetime) -> bool:
    return one.state is not State.COMPLETED or (took_effect(one) and is_within(window_s, one, at))


def _how_firmly(one: Earlier) -> int:
    return 0 if one.state in IN_DOUBT else 1 if one.state in IN_FLIGHT else 2


def _leaves_it_to_the_agent(entry: Entry, operation: Operation) -> bool:
    return not operation.spec.moves_money if entry.agent_repeats is None else entry.agent_repeats


def _noted(passed: Passed, flag: str) -> Passed:
    return replace(passed, flags=(*passed.flags, flag))


def _ways_out(*, agent_says: bool, has_name: bool) -> str:
    header = "with the header `Breakwater-Duplicate: allow`"
    if has_name and agent_says:
        return f"If it is really meant twice, send it {header}; a new Idempotency-Key does not help."
    if has_name:
        return "If it is really meant twice, an approver must say so; neither a key nor a header helps."
    if agent_says:
        return f"If it is really meant twice, send it with a new Idempotency-Key, or {header}."
    return "If it is really meant twice, send it with a new Idempotency-Key."


def _suspected(first: Earlier, at: datetime, way: str) -> Refuse:
    details = [("intent", first.intent), ("state", str(first.state))]
    if first.state is State.COMPLETED:
        ended_at = first.ended_at or first.at
        details += [("status", str(first.status or "none")), ("ended_at", moment(ended_at))]
    return Refuse(Reason.DUPLICATE_SUSPECTED, GATE, f"{_how(first, at)} {way}", tuple(details))


def _how(first: Earlier, at: datetime) -> str:
    if first.state is State.COMPLETED:
        seconds = max(0, round((at - (first.ended_at or first.at)).total_seconds()))
        how = f"took effect {seconds} s ago and was answered {first.status or 'none'}"
    else:
        how = "is still under way" if first.state in IN_FLIGHT else "is in doubt: whether it took effect is not known"
    return f"Call {first.intent} (`{first.operation}`) {how}."
