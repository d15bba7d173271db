"""The stop: while an operator has stopped writes, no write passes; reads do."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.verdict import Reason, Refuse

GATE = "kill"


def killswitch(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse every write while writes are stopped.
    """
    if facts.writes_stopped and call.operation.writes:
        return Refuse(Reason.KILLED, GATE, "Writes are stopped.")
    return passed


def stopall(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse everything while everything is stopped.
    """
    return passed
