"""
The gate `loops`: what was noticed before a call was judged refuses it, parks it, or goes along as a warning.

It stands behind everything that the card itself says, so that what is refused here would have been let pass; what the
guard notices, and why, is `looping`'s.
"""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts, Noticed
from breakers.policy import Passed, Policy
from breakers.suggestion import Cause, Park
from breakers.verdict import Reason, Refuse

GATE = "loops"


def loops(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse a call that repeats what came to nothing; park one of so many that a person has to look.
    """
    noticed = facts.noticed
    if noticed is None or not noticed.refuses:
        return passed
    return passed.and_parked(crowded(call, noticed)) if noticed.parks else detected(noticed)


def crowded(call: Call, noticed: Noticed) -> Park:
    """
    Return why one of too many writes is parked.
    """
    return Park(Cause.LOOP, call.operation.spec.name, noticed.detail)


def detected(noticed: Noticed) -> Refuse:
    """
    Return the refusal of a call in which a loop was noticed.
    """
    return Refuse(Reason.LOOP_DETECTED, GATE, noticed.detail, (("loop", noticed.rule), ("count", str(noticed.count))))
