"""The gate `throttle`: an upstream that asked for fewer calls is left alone until the time that it named."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.idempotency import moment
from breakers.policy import Passed, Policy
from breakers.verdict import Reason, Refuse

GATE = "throttle"


def throttle(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse a call, whoever approved it, for as long as its upstream asked not to be called.
    """
    asked = facts.throttled
    if asked is None or asked.until <= facts.at:
        return passed
    wait_ms = max(1, round((asked.until - facts.at).total_seconds() * 1000))
    until = moment(asked.until)
    detail = f"`{call.api}` asked for fewer calls ({asked.why}), and is not called before {until}."
    return Refuse(Reason.UPSTREAM_THROTTLED, GATE, detail, (("until", until), ("retry_after_ms", str(wait_ms))))
