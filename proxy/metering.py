"""
What a call took of its charges, from how it ended and what its answer says.

What was never sent took nothing; a refusal moved nothing and costs nothing, but was a call. What an answer does not
tell, or nobody read, is as much as was held. The prices are those under which the call was judged; what is found out
of a write under another version of the policy does not know them, and leaves what is paid as held.
"""

from __future__ import annotations

from breakers.amounts import moved_as_answered
from breakers.call import Applied, Call, Outcome, Sent
from breakers.policy import Policy
from breakers.prices import is_free, paid_as_answered
from breakers.spend import Charge, spent_by
from breakers.verdict import Forward
from config.money import NO_EXPONENTS
from proxy.canonical.jsons import parse_json
from proxy.errors import Refused


def write_took(go: Forward, outcome: Outcome, policy: Policy) -> tuple[int, ...]:
    """
    Return what a write took; nothing yet, where nobody knows whether it took effect: that stays held.
    """
    if not go.charges or outcome.applied is Applied.UNKNOWN:
        return ()
    body = outcome.body if outcome.fault is None else None
    applied = outcome.applied is Applied.APPLIED
    return _took(go.call, go.charges, outcome.status, body, policy, sent=_left(outcome), applied=applied)


def read_took(go: Forward, outcome: Outcome, body: bytes | None, policy: Policy) -> tuple[int, ...]:
    """
    Return what a read took; `body` is its answer's where it was read whole.
    """
    if not go.charges:
        return ()
    return _took(go.call, go.charges, outcome.status, body, policy, sent=_left(outcome), applied=False)


def found_took(
    call: Call | None,
    charges: tuple[Charge, ...],
    status: int | None,
    body: bytes | None,
    policy: Policy,
    *,
    applied: bool,
    judged_by: str,
) -> tuple[int, ...]:
    """
    Return what a write took of which it was found out later whether it took effect.

    Whether or not it did, it was a call: nobody knows that it was never sent. Its answer is metered only while the
    policy is the version that it was `judged_by`.
    """
    if call is None:
        return spent_by(charges, sent=True, applied=applied)
    priced = policy.version == judged_by
    return _took(call, charges, status, body, policy, sent=True, applied=applied, priced=priced)


def _took(
    call: Call,
    charges: tuple[Charge, ...],
    status: int | None,
    body: bytes | None,
    policy: Policy,
    *,
    sent: bool,
    applied: bool,
    priced: bool = True,
) -> tuple[int, ...]:
    operation, amount = call.operation, call.operation.spec.amount
    price = policy.spending.price(call.api, operation.spec.name)
    shows_moved = applied and amount is not None and amount.answered is not None
    document = None
    if body is not None and (shows_moved or (price is not None and price.meters)):
        document = _parsed(body)
    moved, paid = None, None
    if shows_moved:
        moved = moved_as_answered(operation, document, policy.exponents.get(call.api, NO_EXPONENTS))
    if price is not None and (priced or is_free(status)):
        paid = paid_as_answered(price, operation, status, document)
    return spent_by(charges, sent=sent, applied=applied, moved=moved, paid=paid)


def _left(outcome: Outcome) -> bool:
    return outcome.sent is Sent.YES or outcome.status is not None


def _parsed(body: bytes) -> object:
    try:
        return parse_json(body)
    except Refused:
        return None
