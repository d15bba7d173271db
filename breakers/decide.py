"""
The ordered tuple of breakers and the fold over it: one call, one policy, one snapshot of facts, one verdict.

Precedence, first answer wins:

1. `token`: what the caller's token was narrowed to must hold; nobody hands on more than they have. Nothing of that ever
   changes, so no retry is refused by it; and the answer of a write is given again to nobody who may not make it.
2. `kill`, `stop-all`: then nothing goes on, not even an answer that was given before.
3. `repeats`: a write that came before is answered from that, before anything that may have changed since: the retry of
   a write that was made is never told that it was refused. A write that is parked is answered from its suggestion.
4. `kill`, the other modes: while writes are stopped nothing but a read goes on, whoever asks.
5. `allowlist`: a deny beats every allow; what nothing allows is refused; every entry that matches must hold.
6. `duplicates`: a key where one is needed; what was done a moment ago is not done again unless that is meant.
7. look: only now may a limit or a condition ask for a read, so that a call that is stopped, off the list or a repeat
   costs no upstream call.
8. `limits`: numbers, then money, both ends included.
9. `conditions`: what the card refuses if it is so, and what it requires to be so; what cannot be checked refuses.
10. `images`: a write that must not be made unseen is not made where its object could not be read before it.
11. `loops`: what was done over and over without a change is not done once more.
12. `throttle`: an upstream that asked for fewer calls is not called before it said.
13. `breakers`: while an upstream fails, writes are parked, and where it fails throughout reads are refused.
14. `spend`: what the call may take of every cap above it. Whether there is room is asked when it is taken, in one step.
15. `approval`: the tier of the agent, and what its card wants a person to see first.

A gate may also park a write: that ends nothing, because a refusal further on counts more. All reasons to park it are
gathered, and it is parked unless an approver's grant answers every one of them.

Whoever asks for a read gets the images of what the write touches in the same round: one wait, not two. Where the
breakers let no read pass, nothing is asked for: what needs it is left open, and the write is parked as far as it was
judged (13). All of it is judged when it is carried out.

Nothing here reads a clock, draws a number or waits: the same three values give the same verdict for ever. No gate can
let a call pass by itself; only the end of the tuple can.
"""

from __future__ import annotations

from collections.abc import Callable

from breakers.allowlist import allowlist
from breakers.approval import approval, standing
from breakers.call import Call
from breakers.conditions import conditions
from breakers.duplicates import duplicates
from breakers.errorrate import errorrate, permits_to_look
from breakers.facts import Facts
from breakers.idempotency import repeats
from breakers.images import images, unseen
from breakers.killswitch import killswitch, stopall
from breakers.limits import limits
from breakers.loops import loops
from breakers.narrowing import narrowing
from breakers.policy import IN_THE_DARK, NOTHING_FOUND, Passed, Policy
from breakers.spendcap import spendcap
from breakers.throttle import throttle
from breakers.verdict import Ask, Forward, Pending, Refuse, Repeat, Suggest, Verdict

__all__ = ["GATES", "OF_WRITES", "Policy", "decide"]

Gate = Callable[[Call, Policy, Facts, Passed], Passed | Refuse | Repeat | Pending | Ask]

GATES: tuple[Gate, ...] = (
    narrowing, stopall, repeats, standing, killswitch, allowlist, duplicates, limits, conditions, images, loops,
    throttle, errorrate, spendcap, approval,
)  # fmt: skip

OF_WRITES: frozenset[Gate] = frozenset({repeats, standing, killswitch, duplicates, approval})
"""Those that let every read pass: it has no name, no grant, and is parked by nobody."""

_OF_READS = tuple(gate for gate in GATES if gate not in OF_WRITES)


def decide(call: Call, policy: Policy, facts: Facts) -> Verdict:
    """
    Return the verdict on one call.
    """
    permits, unread = permits_to_look(call, policy, facts) if facts.breakers else (), None
    passed = NOTHING_FOUND if permits is not None else IN_THE_DARK
    for gate in GATES if call.operation.writes else _OF_READS:
        found = gate(call, policy, facts, passed)
        if found is passed:
            # As nearly always: most of them have nothing to say of most calls.
            continue
        match found:
            case Passed() as so_far:
                passed = so_far
            case Refuse() | Repeat() | Pending() as said:
                return said
            case Ask(reads):
                unread = Ask(tuple(dict.fromkeys((*reads, *unseen(call, facts)))), permits or ())
                if not passed.blind:
                    return unread
    if passed.parked and not _is_answered(call, passed):
        return _suggest(call, policy, facts, passed)
    # What was judged unseen is parked or refused by what keeps reads back, and never passes.
    return unread or _forward(call, policy, facts, passed)


def _is_answered(call: Call, passed: Passed) -> bool:
    """
    Tell whether a call's grant answers every reason to park it.
    """
    return call.grant is not None and call.grant.answers.issuperset(park.id for park in passed.parked)


def _suggest(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Suggest:
    return Suggest(
        call=call,
        facts=facts,
        policy_version=policy.version,
        parked=passed.parked,
        rules=passed.allowed.patterns,
        amount_micros=passed.moved.micros if passed.moved else None,
        currency=passed.moved.currency if passed.moved else None,
        flags=passed.flags,
        charges=passed.charges,
        conditions=passed.conditions,
    )


def _forward(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Forward:
    return Forward(
        call,
        facts,
        policy.version,
        passed.allowed.patterns,
        passed.moved.micros if passed.moved else None,
        passed.moved.currency if passed.moved else None,
        passed.flags,
        passed.charges,
        passed.conditions,
        passed.wishes,
        passed.parked,
    )
