"""Tiers and approval rules as a table: what passes, what is parked, for whom, and what the caller is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from breakers.approval import reason_of
from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts
from breakers.known import State
from breakers.suggestion import Cause, Park, Stage, Suggested
from breakers.verdict import Again, Ask, Reason
from config.caps import CardCaps
from tests.breakers.world import (
    AT,
    CHARGE,
    QUIET,
    Rules,
    allow,
    before,
    call,
    deny,
    known,
    looked,
    park,
    policy,
    repeat,
    write,
)

CRASH = {"path.owner": "o", "path.repo": "r", "body.title": "Crash"}
ISSUE = call("issues/create", CRASH)
READ = call("charges.retrieve", {"path.id": "ch_1"})


def charge(amount: int, currency: str = "usd") -> Call:
    return call("charges.create", {"body.amount": amount, "body.currency": currency})


def refund(amount: int | None) -> Call:
    return call("refunds.create", {"body.charge": "ch_1"} | ({} if amount is None else {"body.amount": amount}))


# the card's tier, that of each matching entry, what parks a write
TIERS: list[tuple[str, Rules, tuple[str, ...]]] = [
    ("auto", {"*": {}}, ()),
    ("suggest", {"*": {}}, ("tier:suggest",)),
    ("shadow", {"*": {}}, ("tier:shadow",)),
    ("approve", {"*": {}}, ("tier:approve",)),
    ("auto", {"*": {"tier": "shadow"}}, ("tier:shadow",)),
    ("suggest", {"*": {}, "charges.create": {"tier": "auto"}}, ()),
    ("auto", {"*": {"tier": "suggest"}, "charges.create": {"tier": "auto"}}, ("tier:suggest",)),
    ("auto", {"*": {"tier": "approve"}, "charges.*": {"tier": "suggest"}}, ("tier:suggest",)),
    ("shadow", {"*": {"tier": "approve"}, "charges.*": {"tier": "suggest"}}, ("tier:suggest",)),
    ("approve", {"*": {"approve": {"by": "finance"}}}, ("approval:*",)),
    ("suggest", {"*": {"approve": {}}}, ("tier:suggest", "approval:*")),
    ("approve", {"*": {"approve": {"over": "50 USD", "by": "finance"}}}, ("tier:approve:finance",)),
    ("approve", {"*": {"approve": {"over": "50 USD"}}}, ("tier:approve",)),
    (
        "approve",
        {"*": {"approve": {"over": "50 USD"}}, "charges.*": {"approve": {"over": "60 USD", "by": "finance"}}},
        ("tier:approve", "tier:approve:finance"),
    ),
]


@pytest.mark.parametrize(("tier", "rules", "causes"), TIERS)
def test_tiers(tier: str, rules: Rules, causes: tuple[str, ...]) -> None:
    """A write is parked by the strictest tier that its entries say, else by the card's; a read by none."""
    judged = policy(rules, tier=tier)
    allow(judged, READ)
    if causes:
        assert park(judged, charge(4000), *causes).amount_micros in {None, 40_000_000}
    else:
        assert allow(judged, charge(4000)).parked == ()


# the rule, the call, and whether it waits
OVER: list[tuple[dict[str, object], Call, bool]] = [
    ({}, ISSUE, True),
    ({}, charge(1), True),
    ({"over": "50 USD"}, charge(5000), False),
    ({"over": "50 USD"}, charge(5001), True),
    ({"over": "50 USD"}, charge(1, "eur"), True),
    ({"over": ["50 USD", "45 EUR"]}, charge(4500, "eur"), False),
    ({"over": ["50 USD", "45 EUR"]}, charge(4501, "eur"), True),
    ({"over": "0 USD"}, charge(1), True),
    ({"over": "50 USD"}, call("charges.create", {"body.amount": 1}), True),
    ({"over": "50 USD"}, call("charges.create", {"body.amount": "1", "body.currency": "usd"}), True),
    ({"over": "50 USD"}, call("payouts.create", {"body.amount": 1}), True),
    ({"over": "50 USD"}, ISSUE, True),
]


@pytest.mark.parametrize(("rule", "asked", "waits"), OVER)
def test_over(rule: dict[str, object], asked: Call, *, waits: bool) -> None:
    """What moves more than the sum waits, and so does what is not certain to move less; the sum itself passes."""
    judged = policy({"*": {"approve": {"by": "finance", "within": "15m", **rule}}})
    if not waits:
        assert allow(judged, asked).parked == ()
        return
    (one,) = park(judged, asked, "approval:*").parked
    assert (one.by, one.within_s, one.waits) == ("finance", 900.0, True)
    assert "`finance`" in one.detail


def test_nothing_moved() -> None:
    """What is known to move nothing is over no sum."""
    spec = replace(ISSUE.operation.spec, moves_nothing=True)
    asked = replace(ISSUE, operation=replace(ISSUE.operation, spec=spec))
    allow(policy({"*": {"approve": {"over": "50 USD"}}}), asked)


@pytest.mark.parametrize(
    ("facts", "causes"),
    [
        (looked("usd", 5000), ()),
        (looked("usd", 5001), ("approval:refunds.*",)),
        (looked(failed="it timed out"), ("approval:refunds.*",)),
    ],
)
def test_looks(facts: Facts, causes: tuple[str, ...]) -> None:
    """An amount that only its subject tells is looked up, and one that could not be read is over every sum."""
    judged = policy({"refunds.*": {"approve": {"over": "50 USD"}}})
    assert decide(refund(None), judged, QUIET) == Ask((CHARGE,))
    if causes:
        park(judged, refund(None), *causes, facts=facts)
    else:
        allow(judged, refund(None), facts)


def test_held_instead() -> None:
    """A sum that is held where nothing bounds the amount makes it no more certain to an approval rule."""
    rules = {"*": {"approve": {"over": "50 USD"}, "unknown_cost": {"reserve": "1 USD"}}}
    judged = policy(rules, caps=CardCaps.model_validate({"day": {"moved": "100 USD"}}))
    assert park(judged, call("charges.create", {"body.amount": 1}), "approval:*").flags == ("unknown-cost",)


def test_undeclared() -> None:
    """Beside an amount that an approval rule reads, nothing is let pass that the operation does not declare."""
    asked = replace(charge(100), operation=replace(charge(100).operation, undeclared=("body.extra",)))
    allow(policy({"*": {"approve": {}, "tier": "auto"}}), READ)
    deny(policy({"*": {"approve": {"over": "50 USD"}}}), asked, Reason.ARGUMENT_UNDECLARED)


def test_each_rule() -> None:
    """Each rule that binds an operation parks for itself, by its own role."""
    judged = policy({"*": {"approve": {"by": "support"}}, "charges.*": {"approve": {"over": "1 USD", "by": "finance"}}})
    parked = park(judged, charge(200), "approval:*", "approval:charges.*").parked
    assert [one.by for one in parked] == ["support", "finance"]


def test_refusal_wins() -> None:
    """What is refused anyway waits for nobody."""
    judged = policy({"charges.create": {"limit": {"amount": "1..50 USD"}, "approve": {}}}, tier="suggest")
    deny(judged, charge(6000), Reason.LIMIT_EXCEEDED)
    deny(judged, ISSUE, Reason.NOT_ALLOWED)


WAITS = Park(Cause.APPROVAL, "charges.*", "", waits=True)
LOOKS = Park(Cause.BREAKER, "stripe/write", "")
SHADOWED = Park(Cause.TIER, "shadow", "")


@pytest.mark.parametrize(
    ("parked", "reason"),
    [
        ((LOOKS,), Reason.SUGGEST_ONLY),
        ((LOOKS, WAITS), Reason.APPROVAL_PENDING),
        ((SHADOWED,), Reason.SUGGEST_ONLY),
        ((SHADOWED, WAITS), Reason.SUGGEST_ONLY),
    ],
)
def test_told(parked: tuple[Park, ...], reason: Reason) -> None:
    """A caller hears that an approver is awaited where one is; in the shadow tier nobody is."""
    assert reason_of(parked) is reason


MADE = write("issues/create", CRASH, id="01FIRST")


def carried_out(stage: Stage = Stage.EXECUTED, intent: str = "01FIRST", **ended: Any) -> Facts:
    """
    Return facts in which a write was parked, approved and made, and its answer waits.
    """
    made = before(MADE, State.COMPLETED, **{"delivered": False, **ended})
    later = AT + timedelta(hours=1)
    suggested = Suggested(
        "01PARKED", "clerk", "task-1", "shop", "issues/create", made.fingerprint, AT, later, "d", (),
        stage=stage, intent=intent,
    )  # fmt: skip
    return replace(known(made), suggested=suggested)


@pytest.mark.parametrize("key", [None, "a-key-of-its-own"])
def test_has_its_answer(key: str | None) -> None:
    """Whoever asks again for what was approved and made has its answer, under whatever key, for a day."""
    again = write("issues/create", CRASH, key=key)
    judged = policy({"*": {}}, tier="suggest")
    assert repeat(judged, again, Again.REPLAY, carried_out()) == "01FIRST"
    assert repeat(judged, again, Again.REPLAY, carried_out(ago=86_400)) == "01FIRST"


@pytest.mark.parametrize(
    "facts",
    [
        carried_out(delivered=True),
        carried_out(ago=86_401),
        carried_out(applied=False, status=422),
        carried_out(intent="01OTHER"),
        carried_out(stage=Stage.VOID),
        carried_out(stage=Stage.EXPIRED),
    ],
)
def test_judged_anew(facts: Facts) -> None:
    """What was answered, was not made, or is not what was approved, is judged as any write."""
    asked = write("issues/create", CRASH, key="a-key-of-its-own")
    park(policy({"*": {}}, tier="suggest"), asked, "tier:suggest", facts=facts)
