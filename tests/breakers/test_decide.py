"""The precedence of the gates, and the stop."""

from __future__ import annotations

import pytest

from breakers.decide import OF_WRITES, decide
from breakers.facts import Facts
from breakers.policy import Allowed, Passed
from breakers.verdict import Ask, Reason
from tests.breakers.world import CHARGE, NAMES, QUIET, STOPPED, Rules, Values, allow, call, deny, policy

EVERYTHING = policy({"*": {}})
LIMITED: dict[str, object] = {"refunds.create": {"limit": {"amount": "0..100 USD"}}}
REFUND: dict[str, object] = {"body.charge": "ch_1"}


@pytest.mark.parametrize("name", NAMES)
def test_stop_spares_reads(name: str) -> None:
    """While writes are stopped every write is refused and every read passes."""
    asked = call(name)
    if asked.operation.writes:
        deny(EVERYTHING, asked, Reason.KILLED, "kill", STOPPED)
    else:
        allow(EVERYTHING, asked, STOPPED)
    allow(EVERYTHING, asked, QUIET)


@pytest.mark.parametrize(
    ("allowed", "denied", "arguments", "facts", "reason", "gate"),
    [
        ({}, (), {}, STOPPED, Reason.KILLED, "kill"),
        (LIMITED, ("*",), REFUND, STOPPED, Reason.KILLED, "kill"),
        (LIMITED, ("*",), REFUND, QUIET, Reason.NOT_ALLOWED, "allowlist"),
        ({}, (), REFUND, QUIET, Reason.NOT_ALLOWED, "allowlist"),
        (LIMITED | {"*": {"only": {"why": "lost"}}}, (), REFUND, QUIET, Reason.NOT_ALLOWED, "allowlist"),
        (LIMITED, (), {"body.amount": ""} | REFUND, QUIET, Reason.ARGUMENT_MISTYPED, "limits"),
    ],
)
def test_precedence(
    allowed: Rules, denied: tuple[str, ...], arguments: Values, facts: Facts, reason: Reason, gate: str
) -> None:
    """The first gate in order answers, and a call that is stopped or off the list asks for no read."""
    deny(policy(allowed, denied), call("refunds.create", arguments), reason, gate, facts)


def test_ask_after_allowlist() -> None:
    """A call that is on the list and whose money is not known asks for its subject, and for nothing else."""
    assert decide(call("refunds.create", REFUND), policy(LIMITED), QUIET) == Ask((CHARGE,))


def test_forward_carries() -> None:
    """A verdict that lets a call pass says on which facts, under which version and by which entries."""
    asked = call("refunds.retrieve", {"path.id": "re_1"})
    go = allow(policy({"refunds.*": {}}), asked)
    assert (go.call, go.facts, go.policy_version, go.rules) == (asked, QUIET, "v1", ("refunds.*",))


def test_same_question() -> None:
    """The same call, policy and facts give the same verdict."""
    asked, card = call("refunds.create", REFUND), policy(LIMITED)
    assert decide(asked, card, QUIET) == decide(asked, card, QUIET)


READS = [name for name in NAMES if not call(name).operation.writes]


def test_there_are_reads() -> None:
    """The catalogue that gates are tried on has reads, and writes beside them."""
    assert 0 < len(READS) < len(NAMES)


@pytest.mark.parametrize("facts", [QUIET, STOPPED], ids=["quiet", "stopped"])
@pytest.mark.parametrize("name", READS)
def test_gates_of_writes(name: str, facts: Facts) -> None:
    """What a read is spared are gates that let it pass as it is, whatever its card says of it."""
    asked = call(name)
    strict = policy({"*": {"require_key": True, "before": "required", "approve": {}, "tier": "suggest"}})
    rules = strict.agents[asked.caller.agent].operations["shop", asked.operation.spec.name]
    assert isinstance(rules, Allowed)
    passed = Passed(rules)
    assert [gate.__name__ for gate in OF_WRITES if gate(asked, strict, facts, passed) is not passed] == []
