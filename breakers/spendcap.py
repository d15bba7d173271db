"""The gate `spend`."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.verdict import Ask, Refuse

GATE = "spend"


def spendcap(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse | Ask:  # noqa: ARG001 a gate's form
    """
    Let the call on.
    """
    return passed
