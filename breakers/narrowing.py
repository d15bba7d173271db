"""
The gate `token`: every caveat of the caller's token must hold for this call.

Which APIs, operations and methods is asked here. That a token is authentic, not past its time, and shown from where it
may be was asked before there was a call; how often and how much is asked when it is taken. A caveat that its writes are
approved parks them, where somebody is there who may approve one.
"""

from __future__ import annotations

from breakers.call import Call
from breakers.caveats import Caveat, methods, names, resources
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.suggestion import Cause, Park
from breakers.verdict import Reason, Refuse
from config.operators import APPROVER

GATE = "token"

ELSEWHERE = frozenset({"t", "a", "exp", "nbf", "ip", "peer", "env", "n", "max"})
"""Caveats that are held against a call at another place: who it is from, and what it takes."""


APPROVED = "appr"
"""The caveat that asks for an approver."""


def narrowing(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Let a call on that its caller's token was not narrowed away from; a caveat that nobody knows lets nothing on.
    """
    parks = False
    for caveat in call.caller.caveats:
        if caveat.key == APPROVED and APPROVER in policy.roles:
            parks = call.operation.writes
            continue
        if caveat.key not in ELSEWHERE and (detail := _held_against(caveat, call)):
            return Refuse(Reason.TOKEN_NARROWED, GATE, detail, (("caveat", f"{caveat.key}={caveat.value}"),))
    if not parks:
        return passed
    return passed.and_parked(
        Park(Cause.TOKEN, APPROVED, "The token asks that each of its writes is approved.", waits=True)
    )


def _held_against(caveat: Caveat, call: Call) -> str:
    """
    Return what of a call a caveat does not allow, or nothing where it holds.
    """
    spec, writes = call.operation.spec, call.operation.writes
    match caveat.key:
        case "p":
            return "" if call.api in names(caveat.value) else f"The token is not for the API `{call.api}`."
        case "r" if any(one.fits(spec.names, writes=writes) for one in resources(caveat.value)):
            return ""
        case "r":
            return f"The token is not for {'writing' if writes else 'reading'} with `{spec.name}`."
        case "m":
            method = call.request.method
            return "" if method in methods(caveat.value) else f"The token is not for the method {method}."
        case "appr":
            return "The token asks that its writes are approved, and no operator may approve one." if writes else ""
        case _:
            return "The token was narrowed by something that is not known here."
