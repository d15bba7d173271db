"""What a write touches is read before it, so that its change can be shown; a rule may refuse to write unseen."""

from __future__ import annotations

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.touching import is_misnamed, key_of
from breakers.verdict import Ask, Reason, Refuse
from config.catalog import Before, Touch

GATE = "images"


def unseen(call: Call, facts: Facts) -> tuple[Touch, ...]:
    """
    Return the objects that the call would touch, that can be read before, and that were not asked for yet.
    """
    wanted, operation = _wanted_before(call), call.operation
    return tuple([touch for touch in wanted if key_of(touch, operation) is not None and touch not in facts.images])


def images(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse | Ask:  # noqa: ARG001 a gate's form
    """
    Ask for the images that are not there yet; refuse where one that is required could not be had.
    """
    wanted = _wanted_before(call) if call.operation.spec.touches else None
    if not wanted:
        return passed
    if asked := unseen(call, facts):
        return Ask(asked)
    strict = any(entry.needs_before for entry in passed.entries)
    for touch in wanted:
        missing = _missing(touch, call, facts)
        if missing is not None and (strict or touch.before is Before.REQUIRED):
            detail = f"The {touch.object.type} that it would change could not be read: {missing}."
            return Refuse(Reason.BEFORE_MISSING, GATE, detail, (("object", touch.object.type),))
    return passed


def _missing(touch: Touch, call: Call, facts: Facts) -> str | None:
    if touch in facts.images:
        return facts.images[touch].missing
    # What the call is about must be named; another object is only touched by a call that names it.
    main = call.operation.spec.touches[0]
    return "nothing names it" if touch is main or is_misnamed(touch, call.operation) else None


def _wanted_before(call: Call) -> list[Touch]:
    return [touch for touch in call.operation.spec.touches if touch.before is not Before.NONE]
