"""
The gate `breakers`: while an upstream fails, writes are parked, and where it fails throughout reads are refused.

It reads the records of the call's breakers and nothing else; what they want of a call that may pass goes into its
wishes, which are taken when everything else is, or nothing is.

| the breaker is | a write | a write that an approver granted | a read |
|---|---|---|---|
| `passing`, `forced_passing` | passes | passes | passes |
| `suggest_only`, `forced_suggest_only` | is parked | passes | passes |
| `blocked`, `forced_blocked` | is parked | is refused | of reads: is refused |
| `probing` | with the permit, where twice is once; else parked | with the permit, if it is free; else passes | passes |
| `probing`, blocked before | likewise | with the permit; else refused | of reads: with the permit; else refused |
| `ramping` | where there is a place; else parked | passes, in a place where there is one | passes |

What is read for the sake of a call, before it is judged, passes as a read does. Where none does, a write is judged
without, and parked here, by the breaker of reads; so nobody is refused for what could not be seen.

Permits are of accounts and of credentials: an agent's breaker and a task's heal without. A breaker that only watches
keeps nothing back, unless an operator forced it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from breakers.breaker import FORCED, READ, Breaker, State, Wish, keys_of
from breakers.call import Call
from breakers.facts import Facts
from breakers.observe import gap_s
from breakers.policy import Passed, Policy
from breakers.suggestion import Cause, Park
from breakers.verdict import Reason, Refuse
from config.catalog import Effect, OperationSpec

GATE = "breakers"

_SHUT = frozenset({State.BLOCKED, State.FORCED_BLOCKED})
_PASSING = frozenset({State.PASSING, State.FORCED_PASSING})


def errorrate(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:
    """
    Park a write that a breaker keeps back, wish for what it needs of one that lets some pass, and refuse a read where
    the upstream fails throughout.
    """
    if not facts.breakers:
        return passed
    for key in keys_of(call):
        breaker = facts.breakers.get(key)
        if breaker is None or breaker.state in _PASSING or _only_watches(breaker, policy):
            continue
        judge = _of_write if call.operation.writes else _of_read
        match judge(call, breaker, policy, facts.at):
            case Wish() as wish:
                passed = replace(passed, wishes=(*passed.wishes, wish))
            case Park() as park:
                passed = passed.and_parked(park)
            case Refuse() as no:
                return no
            case None:
                pass
    return passed


def permits_to_look(call: Call, policy: Policy, facts: Facts) -> tuple[Wish, ...] | None:
    """
    Return the permits that reads for the sake of a call need; None where the breakers of reads let none pass.
    """
    permits: list[Wish] = []
    for key in keys_of(call):
        breaker = facts.breakers.get(key)
        if breaker is None or _only_watches(breaker, policy):
            continue
        match _of_read(call, breaker, policy, facts.at):
            case Wish() as wish:
                permits.append(wish)
            case Refuse():
                return None
            case None:
                pass
    return tuple(permits)


def may_probe(spec: OperationSpec) -> bool:
    """
    Tell whether an operation may be what an ailing upstream is tried with: twice is once, and it can be undone.
    """
    return spec.effect is Effect.WRITE and (spec.honours_key or spec.probe_safe)


def _only_watches(breaker: Breaker, policy: Policy) -> bool:
    if breaker.state in FORCED:
        return False
    thresholds = policy.gauging.of(breaker.key)
    return thresholds.watch or thresholds.off


def _of_read(call: Call, breaker: Breaker, policy: Policy, at: datetime) -> Wish | Refuse | None:
    if not (breaker.key.endswith(f"/{READ}") and is_shut(breaker)):
        return None
    if breaker.state is State.PROBING and _is_free(breaker, call):
        return _permit(breaker, policy)
    return _refused(call, breaker, at)


def _of_write(call: Call, breaker: Breaker, policy: Policy, at: datetime) -> Wish | Park | Refuse | None:
    park = _park(breaker)
    granted = call.grant is not None and park.id in call.grant.answers
    if breaker.state is State.RAMPING:
        if breaker.next_at is None or breaker.next_at <= at:
            return Wish(breaker.key, breaker.gen, probe=False, gap_s=gap_s(breaker))
        return park
    free = breaker.state is State.PROBING and _is_free(breaker, call) and _has_permits(breaker)
    if free and (granted or may_probe(call.operation.spec)):
        return _permit(breaker, policy)
    if call.grant is not None and is_shut(breaker):
        return _refused(call, breaker, at)
    return park


def is_shut(breaker: Breaker) -> bool:
    """
    Tell whether a breaker of reads keeps them back, but for the one that tries it.
    """
    return breaker.state in _SHUT or (breaker.state is State.PROBING and breaker.before is State.BLOCKED)


def _is_free(breaker: Breaker, call: Call) -> bool:
    # What a call has for its look is its own.
    return breaker.probe is None or breaker.probe.call == call.id


def _has_permits(breaker: Breaker) -> bool:
    return breaker.key.startswith(("api:", "credential:"))


def _permit(breaker: Breaker, policy: Policy) -> Wish:
    return Wish(breaker.key, breaker.gen, probe=True, lease_s=policy.gauging.lease_s)


_HOW = {
    State.SUGGEST_ONLY: "writes wait until it is well again",
    State.BLOCKED: "nothing passes until it is well again",
    State.PROBING: "it is being tried whether it is well again",
    State.RAMPING: "writes begin to pass again, and this one has no place yet",
    State.FORCED_SUGGEST_ONLY: "an operator keeps writes back",
    State.FORCED_BLOCKED: "an operator lets nothing pass",
}


def _park(breaker: Breaker) -> Park:
    return Park(Cause.BREAKER, breaker.key, f"{_whose(breaker.key)}: {_HOW[breaker.state]}.")


def _whose(key: str) -> str:
    kind, _, rest = key.partition(":")
    parts = rest.split("/")
    match kind:
        case "api":
            return f"Of the {parts[1]} calls on `{parts[0]}` too many fail"
        case "agent":
            return f"Of this agent's {parts[2]} calls on `{parts[1]}` too many fail"
        case "credential":
            return f"`{rest}` does not take its credential"
        case "task":
            return f"`{rest}` is declined too often"
        case _:
            return f"The stop of `{rest}` was lifted"


def _refused(call: Call, breaker: Breaker, at: datetime) -> Refuse:
    details = [("breaker", breaker.key), ("state", str(breaker.state))]
    if breaker.until is not None:
        wait_ms = max(0, round((breaker.until - at).total_seconds() * 1000))
        details.append(("retry_after_ms", str(wait_ms)))
    detail = f"Calls on `{call.api}` fail throughout: {_HOW[breaker.state]}."
    return Refuse(Reason.UPSTREAM_FAILING, GATE, detail, tuple(details))
