"""The gate `token`: what a narrowed token may not do, by caveat."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakers.call import Call
from breakers.caveats import Caveat, read_caveat
from breakers.decide import GATES, decide
from breakers.narrowing import narrowing
from breakers.policy import NOTHING_FOUND, Passed
from breakers.verdict import Reason, Refuse
from tests.breakers.world import QUIET, allow, call, deny, park, policy

Asked = tuple[str, dict[str, object]]

POLICY = policy({"charges.*": {}, "refunds.*": {}, "issues/*": {}})
READ: Asked = ("charges.retrieve", {"path.id": "ch_1"})
WRITE: Asked = ("refunds.create", {"body.charge": "ch_1", "body.amount": 100})

ROWS = (
    # caveats, the read passes, the write passes
    ((), True, True),
    (("p=shop",), True, True),
    (("p=other|shop",), True, True),
    (("p=other",), False, False),
    (("r=charges.*:r",), True, False),
    (("r=charges.*:w",), False, False),
    (("r=refunds.*:rw",), False, True),
    (("r=refunds.*:r",), False, False),
    (("r=charges.*:r|refunds.*:rw",), True, True),
    (("m=GET",), True, False),
    (("m=POST",), False, True),
    (("appr=required",), True, False),
    (("r=*:rw", "r=charges.*:rw"), True, False),
    (("m=GET", "m=POST"), False, False),
    # Held against a call at other places.
    (("exp=1", "nbf=9999999999", "ip=10.0.0.0/8", "peer=1", "env=test", "n=0", "max=0USD"), True, True),
)


def made(operation: Asked, *caveats: Caveat) -> Call:
    """
    Return a call under a token that was narrowed so.
    """
    one = call(operation[0], operation[1])
    return replace(one, caller=replace(one.caller, tokens=("a" * 16,), caveats=caveats))


@pytest.mark.parametrize(("caveats", "reads", "writes"), ROWS)
def test_caveats(caveats: tuple[str, ...], reads: bool, writes: bool) -> None:
    """All of a token's caveats must hold, for what it reads and for what it writes."""
    held = [read_caveat(one) for one in caveats]
    for operation, passes in ((READ, reads), (WRITE, writes)):
        said = narrowing(made(operation, *held), POLICY, QUIET, NOTHING_FOUND)
        assert isinstance(said, Passed) is passes
        assert passes or (isinstance(said, Refuse) and said.reason is Reason.TOKEN_NARROWED and said.gate == "token")


def test_unknown_key() -> None:
    """A caveat that nobody here knows lets nothing pass, not even a read."""
    said = narrowing(made(READ, Caveat("later", "anything")), POLICY, QUIET, NOTHING_FOUND)
    assert isinstance(said, Refuse)
    assert said.reason is Reason.TOKEN_NARROWED


def test_names_the_caveat() -> None:
    """A refusal names the caveat that does not hold, and what of the call it does not allow."""
    said = narrowing(made(WRITE, read_caveat("r=charges.*:r")), POLICY, QUIET, NOTHING_FOUND)
    assert isinstance(said, Refuse)
    assert said.details == (("caveat", "r=charges.*:r"),)
    assert "`refunds.create`" in said.detail


def test_to_an_approver() -> None:
    """Where an operator approves, a token that asks for that parks its writes; its other caveats hold first."""
    judged = policy({"*": {}}, roles=("approver",))
    approved = read_caveat("appr=required")
    (why,) = park(judged, made(WRITE, approved), "token:appr").parked
    assert (why.by, why.waits) == ("approver", True)
    allow(judged, made(READ, approved))
    deny(judged, made(WRITE, approved, read_caveat("m=GET")), Reason.TOKEN_NARROWED)


def test_narrows_only() -> None:
    """A token never lets through what the card does not."""
    verdict = decide(made(("payouts.create", {"body.amount": 1}), read_caveat("r=*:rw")), POLICY, QUIET)
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.NOT_ALLOWED


def test_before_the_allowlist() -> None:
    """The token is asked before the card: what it may not do is said in its own name."""
    assert [gate.__name__ for gate in GATES].index("narrowing") < [gate.__name__ for gate in GATES].index("allowlist")
