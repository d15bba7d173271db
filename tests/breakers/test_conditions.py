"""Conditions as a table: what refuses, what is required, what is asked for first, and every way to say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call, Caller
from breakers.decide import decide
from breakers.facts import Facts, Fetch, Fetched, Looked
from breakers.policy import Policy
from breakers.task import Task
from breakers.verdict import Ask, Forward, Reason, Refuse
from config.caps import Caps
from tests.breakers.world import AT, CHARGE, QUIET, allow, call, deny, policy

EXAMPLES = [{"makes": True}, {"makes": False}]
LOOK = {"charge": {"charges.retrieve": {"id": "args.charge"}}}
SEEN = Fetch("charge", "charges.retrieve", (("id", "ch_1"),))


def conditions(section: str = "refuse_if", **texts: str) -> dict[str, object]:
    """
    Return a rule's conditions; that examples are run is asked of the configuration.
    """
    return {section: {name.replace("_", "-"): {"when": text, "examples": EXAMPLES} for name, text in texts.items()}}


def refunds(look: Mapping[str, object] | None = None, section: str = "refuse_if", **texts: str) -> Policy:
    return policy({"refunds.create": {**conditions(section, **texts), **({"look": look} if look else {})}})


def refund(**body: Any) -> Call:
    return call("refunds.create", {f"body.{name}": value for name, value in body.items()})


def seen(data: object = None, failed: str | None = None, fetch: Fetch = SEEN) -> Facts:
    """
    Return facts in which a look-up has shown this.
    """
    return QUIET.with_looks({}, {}, {fetch: Fetched(data, AT, "01CALL", failed)})


@pytest.mark.parametrize(
    ("section", "text", "body", "passes"),
    [
        ("refuse_if", "args.amount > 500", {"amount": 501}, False),
        ("refuse_if", "args.amount > 500", {"amount": 500}, True),
        ("require", "args.amount <= 500", {"amount": 500}, True),
        ("require", "args.amount <= 500", {"amount": 501}, False),
        # What is missing refuses either way, unless the rest decides alone.
        ("refuse_if", "args.amount > 500", {}, False),
        ("require", "args.amount <= 500", {}, False),
        ("require", "!has(args.amount) || args.amount <= 500", {}, True),
        ("require", "body.charge == 'ch_1' && !has(args.intent)", {"charge": "ch_1"}, True),
        ("require", "operation == 'refunds.create' && method == 'POST' && api == 'shop'", {}, True),
        ("require", "agent == 'clerk' && task.id == 'task-1' && !task.opened", {}, True),
        ("require", "task.record == 'x'", {}, False),
        ("require", "args.why", {"why": "because"}, False),
    ],
)
def test_asked(section: str, text: str, body: dict[str, object], passes: bool) -> None:
    """A call passes where no condition refuses it and every one that is required holds."""
    judged, asked = refunds(None, section, rule=text), refund(**body)
    if passes:
        assert allow(judged, asked).conditions == (("rule", section == "require"),)
    else:
        refused = deny(judged, asked, Reason.CONDITION_REFUSED, "conditions")
        assert refused.details == (("condition", "rule"),)
        assert "`rule`" in refused.detail


def test_words() -> None:
    """A refusal tells a condition that says no from one that could not be checked, and shows no data."""
    judged = refunds(None, "refuse_if", rule="args.why == 'canary' || args.amount > 1")
    assert deny(judged, refund(why="canary"), Reason.CONDITION_REFUSED).detail == (
        "The condition `rule` on this agent's card refuses this."
    )
    assert deny(judged, refund(why="other"), Reason.CONDITION_REFUSED).detail == (
        "The condition `rule` on this agent's card could not be checked: `amount` is not there."
    )
    required = refunds(None, "require", rule="args.why == 'x'")
    assert deny(required, refund(why="canary"), Reason.CONDITION_REFUSED).detail == (
        "The condition `rule` on this agent's card does not hold for this."
    )


def test_reads_too() -> None:
    """A read is held against conditions like a write."""
    judged = policy({"issues/list": conditions("require", few="args.per_page <= 10")})
    allow(judged, call("issues/list", {"query.per_page": 10}))
    deny(judged, call("issues/list", {"query.per_page": 11}), Reason.CONDITION_REFUSED, "conditions")


def test_every_entry() -> None:
    """Of several entries that match an operation the conditions of all hold."""
    judged = policy(
        {"refunds.*": conditions(large="args.amount > 500"), "*.create": conditions(small="args.amount < 5")}
    )
    assert allow(judged, refund(amount=5)).conditions == (("large", False), ("small", False))
    assert deny(judged, refund(amount=4), Reason.CONDITION_REFUSED).details == (("condition", "small"),)
    assert deny(judged, refund(amount=501), Reason.CONDITION_REFUSED).details == (("condition", "large"),)


def test_task() -> None:
    """An opened task shows its record and its labels; those that it has not are missing."""
    opened = Task("clerk/1", "clerk", AT, AT + timedelta(hours=1), Caps(), record="ticket:7", model="m-1")
    asked = replace(refund(), caller=Caller("clerk", "key-1", "clerk/1", named=True, opened=opened))
    allow(
        refunds(None, "require", rule="task.opened && task.record.startsWith('ticket:') && task.model == 'm-1'"), asked
    )
    deny(refunds(None, "require", rule="task.prompt == 'p'"), asked, Reason.CONDITION_REFUSED)


# ------------------------------------------------------------------------------------------------------------ look-ups

PAID = refunds(LOOK, "require", paid="look.charge.paid && look.charge.amount >= args.amount")


def test_asks_once() -> None:
    """What is looked up is asked for before a condition is, and not once more when it is there."""
    asked = refund(charge="ch_1", amount=5)
    assert decide(asked, PAID, QUIET) == Ask((SEEN,))
    assert allow(PAID, asked, seen({"paid": True, "amount": 5})).conditions == (("paid", True),)
    deny(PAID, asked, Reason.CONDITION_REFUSED, facts=seen({"paid": False, "amount": 5}))


def test_only_for_those_that_pass() -> None:
    """A call that another condition refuses costs no look-up; nor does one that is limited or off the list."""
    rule = {"look": LOOK, **conditions(a_seen="look.charge.paid", b_large="args.amount > 500")}
    judged = policy({"refunds.create": rule})
    assert deny(judged, refund(charge="ch_1", amount=501), Reason.CONDITION_REFUSED).details == (
        ("condition", "b-large"),
    )
    judged = policy({"refunds.create": {**rule, "only": {"charge": "ch_2"}}})
    deny(judged, refund(charge="ch_1", amount=1), Reason.NOT_ALLOWED)


def test_in_one_round() -> None:
    """All that several conditions look at is asked for at once, and what two look at is asked for once."""
    look = {**LOOK, "other": {"charges.retrieve": {"id": "args.intent"}}}
    judged = refunds(look, a="look.charge.x", b="look.other.x", c="look.charge.y")
    verdict = decide(refund(charge="ch_1", intent="ch_2"), judged, QUIET)
    assert verdict == Ask((SEEN, Fetch("other", "charges.retrieve", (("id", "ch_2"),))))


@pytest.mark.parametrize(
    ("data", "failed"),
    [
        (None, "Shop did not show `charges.retrieve` (404)"),
        (None, None),
        ({}, None),
        ({"paid": True}, None),
        ({"paid": "true", "amount": 5}, None),
        ({"paid": True, "amount": "5"}, None),
        ({"paid": True, "amount": 2**63}, None),
        ([], None),
        ("canary", None),
    ],
)
def test_fails_closed(data: object, failed: str | None) -> None:
    """A look-up that failed, lacks what is asked, or is of another kind refuses the call, and shows nothing."""
    refused = deny(PAID, refund(charge="ch_1", amount=5), Reason.CONDITION_REFUSED, facts=seen(data, failed))
    assert "could not be checked" in refused.detail
    assert "canary" not in refused.detail


STEERS: dict[str, object] = {
    "a path": "ch_1/../../v1/payouts",
    "an encoded path": "ch_1%2f..%2fpayouts",
    "a step": "..",
    "here": ".",
    "nothing": "",
    "a query": "ch_1?expand[]=x",
    "a fragment": "ch_1#x",
    "two words": "ch_1 OR 1=1",
    "two ids": "ch_1,ch_2",
    "a line": "ch_1\nHost: elsewhere",
    "a null": None,
    "a list": ["ch_1"],
    "a mapping": {"id": "ch_1"},
    "a fraction": 1.5,
    "a name that looks alike": "сh_1",
    "a long one": "c" * 256,
}


@pytest.mark.parametrize("name", STEERS)
def test_no_steering(name: str) -> None:
    """What a call fills into a look-up is one plain word, or nothing is looked up and the call is refused."""
    refused = deny(PAID, refund(charge=STEERS[name], amount=5), Reason.CONDITION_REFUSED, "conditions")
    assert refused.detail.endswith("of `charge`, what it is taken from is no id.")


@given(st.text(max_size=12))
def test_nothing_but_words(value: str) -> None:
    """Whatever text a call holds, a look-up that is made is for exactly that word."""
    verdict = decide(refund(charge=value, amount=5), PAID, QUIET)
    match verdict:
        case Ask((Fetch(_, operation, arguments),)):
            assert (operation, arguments) == ("charges.retrieve", (("id", value),))
            assert not set(value) & set("/?#%&= \\\n\r\t,\"'")
            assert value not in {"", ".", ".."}
        case Refuse(reason):
            assert reason is Reason.CONDITION_REFUSED
        case _:
            raise AssertionError(verdict)


def test_mistyped() -> None:
    """An argument that a condition or its look-up reads must be of the kind that the operation declares."""
    asked = call("refunds.create", {"body.charge": ["ch_1"], "body.amount": 5}, mistyped=("body.charge",))
    refused = deny(PAID, asked, Reason.ARGUMENT_MISTYPED, "conditions")
    assert refused.details == (("argument", "body.charge"),)


def test_undeclared() -> None:
    """What stands beside the arguments that a condition reads, and could be taken for one of them, is refused."""
    asked = call("refunds.create", {"body.charge": "ch_1", "body.amount": 5}, undeclared=("query.charge",))
    deny(PAID, asked, Reason.ARGUMENT_UNDECLARED, "allowlist")
    asked = call("refunds.create", {"body.charge": "ch_1", "body.amount": 5}, undeclared=("body.on_behalf_of",))
    deny(PAID, asked, Reason.ARGUMENT_UNDECLARED, "allowlist")


def test_two_places() -> None:
    """An argument that stands in two places of a call is in neither, because nobody knows which one counts."""
    judged = policy({"repos/transfer": conditions("require", own="args.owner == 'acme'", place="path.owner == 'acme'")})
    asked = call("repos/transfer", {"path.owner": "acme", "body.owner": "acme"})
    assert deny(judged, asked, Reason.CONDITION_REFUSED).details == (("condition", "own"),)
    judged = policy({"repos/transfer": conditions("require", place="path.owner == 'acme' && body.owner != 'x'")})
    allow(judged, asked)


def test_the_cards_own_words() -> None:
    """What a card itself writes into a look-up may be anything, and more than one."""
    look = {"charge": {"charges.retrieve": {"id": '"a b"', "expand": '["x", "y"]', "limit": 100, "paid": True}}}
    verdict = decide(refund(amount=1), refunds(look, a="look.charge.x"), QUIET)
    expected = (("id", "a b"), ("expand", "x"), ("expand", "y"), ("limit", "100"), ("paid", "true"))
    assert verdict == Ask((Fetch("charge", "charges.retrieve", expected),))


# --------------------------------------------------------------------------------------------------------------- money


def test_moved() -> None:
    """What a call moves is asked for where a condition reads it, with what else it looks at, in one round."""
    judged = refunds(LOOK, "require", small="moved.currency == 'USD' && moved.amount <= 5000000 && look.charge.paid")
    asked = refund(charge="ch_1")
    assert decide(asked, judged, QUIET) == Ask((CHARGE, SEEN))
    shown = seen({"paid": True})
    allow(judged, asked, shown.with_looks({CHARGE: Looked("usd", 500)}))
    deny(judged, asked, Reason.CONDITION_REFUSED, facts=shown.with_looks({CHARGE: Looked("usd", 501)}))
    deny(judged, asked, Reason.CONDITION_REFUSED, facts=shown.with_looks({CHARGE: Looked("eur", 500)}))
    deny(judged, asked, Reason.CONDITION_REFUSED, facts=shown.with_looks({CHARGE: Looked(failed="away")}))


def test_moves_nothing() -> None:
    """Of what moves no money nothing is known that it moves: who asks is refused."""
    judged = policy({"issues/list": conditions("require", small="moved.amount < 5")})
    deny(judged, call("issues/list"), Reason.CONDITION_REFUSED)


# ---------------------------------------------------------------------------------------------------------------- time

MADRID = ZoneInfo("Europe/Madrid")
OPEN = "local.weekday <= 5 && local.hour >= 9 && local.hour < 18"
ZONED = (
    'now.getDayOfWeek("Europe/Madrid") in [1, 2, 3, 4, 5] && now.getHours("Europe/Madrid") >= 9'
    ' && now.getHours("Europe/Madrid") < 18'
)


def _open_at(text: str, at: datetime) -> bool:
    judged = refunds(None, "require", open=text)
    (rules,) = judged.agents.values()
    judged = replace(judged, agents={"clerk": replace(rules, zone="Europe/Madrid")})
    return isinstance(decide(refund(amount=1), judged, replace(QUIET, at=at)), Forward)


@pytest.mark.parametrize("text", [OPEN, ZONED])
@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        # Summer: two hours ahead of UTC; winter: one.
        ("2026-07-10T06:59:59Z", False),
        ("2026-07-10T07:00:00Z", True),
        ("2026-07-10T15:59:59Z", True),
        ("2026-07-10T16:00:00Z", False),
        ("2026-11-20T07:59:59Z", False),
        ("2026-11-20T08:00:00Z", True),
        ("2026-11-20T17:00:00Z", False),
        # Saturday begins in Madrid while it is Friday in UTC, and Monday while it is Sunday.
        ("2026-07-10T22:00:00Z", False),
        ("2026-11-21T10:00:00Z", False),
        # The working days on both sides of the nights in which clocks are changed, both Sundays.
        ("2026-03-27T08:00:00Z", True),
        ("2026-03-30T07:00:00Z", True),
        ("2026-03-30T06:59:59Z", False),
        ("2026-10-23T07:00:00Z", True),
        ("2026-10-26T07:00:00Z", False),
        ("2026-10-26T08:00:00Z", True),
        ("2026-10-25T08:00:00Z", False),
    ],
)
def test_business_hours(text: str, at: str, is_open: bool) -> None:
    """Business hours in Madrid are those on its walls, in summer and in winter."""
    assert _open_at(text, datetime.fromisoformat(at)) is is_open


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 the zone is drawn
def test_two_spellings(at: datetime) -> None:
    """The card's zone and a zone that is written out say the same of every moment."""
    here = at.astimezone(MADRID)
    expected = here.isoweekday() <= 5 and 9 <= here.hour < 18
    assert _open_at(OPEN, at) is _open_at(ZONED, at) is expected
