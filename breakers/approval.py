"""The gate `approval`: the tier of the agent, and what its card wants a person to see before it is sent."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.verdict import Pending, Refuse

GATE = "approval"


def standing(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Pending | Refuse:  # noqa: ARG001 a gate's form
    """
    Answer a write from the suggestion that it is, or was a moment ago.
    """
    return passed


def approval(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Park what the agent's tier or a rule of its card wants a person to see first.
    """
    return passed
