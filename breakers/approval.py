"""
The gates of approval: what is a suggestion already, and what the agent's tier or its card wants a person to see first.

Of several entries that bind an operation the strictest tier counts that one of them says, and the card's where none
does; each approval rule of theirs parks for itself. A rule with `over` parks what moves more than that, what moves a
currency that it does not name, and what nobody knows the amount of: an approver who is to see large sums sees uncertain
ones, too. In the tier `approve` a write that no rule parks waits for whoever the rules name, else for any approver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from breakers.amounts import amount_moved, may_move, moved_with
from breakers.call import Call
from breakers.facts import Facts
from breakers.idempotency import UNDELIVERED_S, is_within, moment, took_effect
from breakers.known import Earlier
from breakers.policy import AgentRules, Approval, Passed, Policy
from breakers.suggestion import LIVE, Cause, Grant, Park, Stage, Suggested
from breakers.verdict import Again, Ask, Pending, Reason, Refuse, Repeat
from config.money import NO_EXPONENTS, Money
from config.operators import APPROVER
from config.tiers import APPROVE, AUTO, SHADOW, SUGGEST, strictest

GATE = "approval"

_TIERS = {
    SHADOW: "The tier of this agent is `shadow`: its writes are on record and not made.",
    SUGGEST: "The tier of this agent is `suggest`: each of its writes is parked for whoever looks.",
    APPROVE: "The tier of this agent is `approve`: each of its writes waits for an approver.",
}

NOT_APPROVED_S = 3600.0
"""For how long a write is not asked for again that somebody did not approve: longer than any agent goes on trying."""


def standing(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Pending | Repeat | Refuse:  # noqa: ARG001 a gate's form
    """
    Answer a write from the suggestion that it is, or was a moment ago.

    What carries one out passes as long as that stands as it was approved. The same write again joins one that is live,
    whatever key it has; another write under the key of one that is live is refused, as under that of a write that was
    made. One that was carried out is found by what was made of it, until its answer has arrived under whatever key: so
    a client has it, too, that gives each of its calls a key of its own. One that expired or is void is no more.
    """
    known = facts.suggested
    if call.grant is not None:
        return passed if _is_granted(call.grant, known, facts.at) else _gone(call.grant)
    if known is None or call.names is None:
        return passed
    is_same = known.fingerprint in call.names.fingerprints
    if known.stage in LIVE:
        return Pending(known) if is_same else _reused(known)
    if known.stage is Stage.EXECUTED and is_same and (made := _unheard(call, known, facts)) is not None:
        return Repeat(Again.REPLAY, made)
    ended_at = known.changed_at or known.at
    if known.stage is Stage.REJECTED and is_same and (facts.at - ended_at).total_seconds() <= NOT_APPROVED_S:
        detail = f"It was kept as suggestion {known.id}, and somebody decided against it at {moment(ended_at)}."
        return Refuse(Reason.NOT_APPROVED, GATE, detail, (("suggestion", known.id),))
    return passed


def _unheard(call: Call, known: Suggested, facts: Facts) -> Earlier | None:
    """
    Return the write that was made of a suggestion, where its answer reached nobody yet; never one that is meant anew.
    """
    if call.names is None or call.duplicate:
        return None
    found = (one for name in call.names.fingerprints for one in facts.known.under.get(name, ()))
    made = next((one for one in found if one.intent == known.intent), None)
    if made is None or made.delivered or not took_effect(made) or not is_within(UNDELIVERED_S, made, facts.at):
        return None
    return made


def _is_granted(grant: Grant, known: Suggested | None, at: datetime) -> bool:
    stands = known is not None and known.id == grant.suggestion and known.stage is Stage.APPROVED
    return stands and known is not None and known.digest == grant.digest and at < known.expires


def _gone(grant: Grant) -> Refuse:
    detail = f"Suggestion {grant.suggestion} is not what was approved, or was decided otherwise since."
    return Refuse(Reason.NOT_APPROVED, GATE, detail, (("suggestion", grant.suggestion),))


def _reused(known: Suggested) -> Refuse:
    detail = f"The key came with `{known.operation}` at {moment(known.at)}, which was another request and is parked."
    return Refuse(Reason.IDEMPOTENCY_KEY_REUSED, GATE, detail, (("suggestion", known.id),))


def approval(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Ask:
    """
    Park what the agent's tier or a rule of its card wants a person to see first.
    """
    rules = policy.agents.get(call.caller.agent)
    if not call.operation.writes or rules is None or not _may_park(rules, passed, facts):
        return passed
    summed = [rule.over is not None for entry in passed.entries if (rule := entry.approval) is not None]
    moves = _moves(call, policy, facts, passed) if any(summed) else None
    if isinstance(moves, Ask) and not passed.blind:
        return moves
    parks = [
        _park(entry.pattern, entry.approval, why)
        for entry in passed.entries
        if entry.approval is not None and (why := _waits(entry.approval, entry.pattern, moves))
    ]
    return passed.and_parked(*_of_tier(rules, passed, waits=bool(parks)), *parks, *_of_drift(call, rules, facts))


def _may_park(rules: AgentRules, passed: Passed, facts: Facts) -> bool:
    if rules.tier != AUTO or facts.drifting is not None:
        return True
    return passed.allowed.may_park


def _moves(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Money | Ask | Refuse | None:
    """
    Return the most that a call moves, with what moves beside it; None where it moves nothing, a refusal where nobody
    knows.
    """
    if not may_move(call.operation):
        return None
    amount = passed.moved or amount_moved(call.operation, facts, policy.exponents.get(call.api, NO_EXPONENTS))
    return moved_with(call.operation, amount) if isinstance(amount, Money) else amount


def _waits(rule: Approval, pattern: str, moves: Money | Refuse | Ask | None) -> str:
    """
    Return why a rule parks a call, or nothing where it does not.
    """
    if rule.over is None:
        return f"`{pattern}` waits for the role `{rule.by}`."
    over = ", ".join(map(str, rule.over))
    if moves is None:
        return ""
    if isinstance(moves, Refuse | Ask):
        return f"`{pattern}` over {over} waits for the role `{rule.by}`, and how much this moves is not certain."
    if any(one.currency == moves.currency and moves <= one for one in rule.over):
        return ""
    return f"`{pattern}` over {over} waits for the role `{rule.by}`, and this moves {moves}."


def _park(pattern: str, rule: Approval, why: str) -> Park:
    return Park(Cause.APPROVAL, pattern, why, by=rule.by, within_s=rule.within_s, waits=True)


def _of_tier(rules: AgentRules, passed: Passed, *, waits: bool) -> Iterator[Park]:
    """
    Yield why the tier parks a write; one that waits for its approver anyway needs no second one.
    """
    tier = strictest(tuple(entry.tier for entry in passed.entries if entry.tier is not None) or (rules.tier,))
    if tier in {SHADOW, SUGGEST}:
        yield Park(Cause.TIER, tier, _TIERS[tier])
    elif tier == APPROVE and not waits:
        for rule in _by_role(entry.approval for entry in passed.entries if entry.approval is not None):
            about = APPROVE if rule.by == APPROVER else f"{APPROVE}:{rule.by}"
            yield Park(Cause.TIER, about, _TIERS[tier], by=rule.by, within_s=rule.within_s, waits=True)


def _of_drift(call: Call, rules: AgentRules, facts: Facts) -> Iterator[Park]:
    """
    Yield that the agent's calls are not what they were, where its card has its writes seen then.
    """
    if facts.drifting is not None and rules.drift is not None and rules.drift.act == "suggest":
        yield Park(Cause.DRIFT, call.caller.agent, facts.drifting)


def _by_role(rules: Iterable[Approval]) -> Iterable[Approval]:
    """
    Return one rule for each role, that with the shortest time; the plain one where there is none.
    """
    found: dict[str, Approval] = {}
    for rule in rules:
        kept = found.get(rule.by)
        if kept is None or (rule.within_s is not None and (kept.within_s is None or rule.within_s < kept.within_s)):
            found[rule.by] = rule
    return tuple(found.values()) or (Approval(),)


def in_shadow(parked: Iterable[Park]) -> bool:
    """
    Tell whether a write is only recorded: then it waits for nobody, and nobody is told.
    """
    return any(park.cause is Cause.TIER and park.about == SHADOW for park in parked)


def reason_of(parked: tuple[Park, ...]) -> Reason:
    """
    Return what the caller of a parked write is told: that an approver is awaited, or only that somebody may look.
    """
    waits = any(park.waits for park in parked) and not in_shadow(parked)
    return Reason.APPROVAL_PENDING if waits else Reason.SUGGEST_ONLY
