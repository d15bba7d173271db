"""Suspected duplicates as a table: equal writes without a key, the same effect under any key, and who may insist."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from breakers.allowlist import compile_policy
from breakers.call import Call
from breakers.duplicates import DUPLICATE_ALLOWED, REPEATED
from breakers.facts import Facts, Looked
from breakers.known import Earlier, State
from breakers.policy import Policy
from breakers.verdict import Again, Reason, Refuse
from config.policy import AgentCard
from tests.breakers.world import AT, CATALOG, CHARGE, Rules, allow, before, deny, known, park, policy, repeat, write

EVERYTHING = policy({"*": {}})
AGENT = policy({"*": {"duplicates": "agent"}})
APPROVER = policy({"*": {"duplicates": "approver"}})

HOUR = 3600.0
CLAIM = {"until": AT + timedelta(seconds=10)}
LAPSED = {"until": AT}


def issue(key: str | None = None, **more: Any) -> Call:
    return write("issues/create", {"path.owner": "o", "path.repo": "r", "body.title": "Crash"}, key=key, **more)


def comment(key: str | None = None, body: str = "Done.", **more: Any) -> Call:
    return write("comments/create", {"path.number": 7, "body.body": body}, key=key, **more)


def labels(key: str | None = None, **more: Any) -> Call:
    return write("labels/set", {"path.number": 7, "body.labels": ["bug"]}, key=key, **more)


def refund(key: str | None = None, amount: int | None = 500, why: str = "lost", **more: Any) -> Call:
    said = {"body.charge": "ch_1", "body.why": why} | ({} if amount is None else {"body.amount": amount})
    return write("refunds.create", said, key=key, **more)


def done(one: Call, ago: float = 5.0, **more: Any) -> Facts:
    return known(before(one, State.COMPLETED, ago, **more))


APPROVED = policy({"*": {"duplicates": "approver"}}, roles=("approver",))
SILENT = policy({"*": {}}, roles=("approver",))
LEFT = policy({"*": {"duplicates": "agent"}}, roles=("approver",))


def suspected(judged: Policy, asked: Call, facts: Facts) -> Refuse:
    return deny(judged, asked, Reason.DUPLICATE_SUSPECTED, "duplicates", facts)


# an equal one took effect so long ago, and there is no key: what becomes of this one under a card that says nothing
@pytest.mark.parametrize(
    ("one", "ago", "passes"),
    [
        (issue, 0, False),
        (issue, 60, False),
        (issue, 60.001, True),
        (comment, 5, False),
        (comment, 600, True),  # two comments that are meant, ten minutes apart
        (refund, 5, False),  # two refunds, five seconds apart
        (refund, 600, False),
        (refund, 24 * HOUR, False),
        (refund, 24 * HOUR + 1, True),
    ],
)
def test_equal_without_key(one: Any, ago: float, passes: bool) -> None:
    """What makes one anew is refused without a key inside its window, and nothing is noted of what passes after it."""
    facts = done(one(id="01FIRST"), ago)
    if passes:
        assert allow(EVERYTHING, one(), facts).flags == ()
    else:
        suspected(EVERYTHING, one(), facts)


@pytest.mark.parametrize(("ago", "flags"), [(5, (REPEATED,)), (60, (REPEATED,)), (61, ())])
def test_harmless_is_noted(ago: float, flags: tuple[str, ...]) -> None:
    """What makes nothing anew passes, and the record notes that it was done a moment before."""
    facts = done(labels(id="01FIRST"), ago)
    for judged in (EVERYTHING, APPROVER):
        assert allow(judged, labels(), facts).flags == flags
    assert allow(EVERYTHING, labels("k-1"), facts).flags == ()


def test_without_effect_is_no_duplicate() -> None:
    """What the upstream refused may be asked for again at once, by its key's content and by its effect."""
    for one in (issue, comment, refund):
        allow(EVERYTHING, one(), done(one(id="01FIRST"), applied=False, status=422))
        allow(EVERYTHING, one("k-2"), done(one("k-1", id="01FIRST"), applied=False, status=402))


def test_own_window() -> None:
    """The window for writes without a key is the policy's own."""
    card = AgentCard.model_validate({"purpose": "x", "environment": "test", "allow": {"shop": {"*": {}}}})
    judged = compile_policy({"clerk": card}, {"shop": CATALOG}, "v1", duplicates_s=300)
    suspected(judged, issue(), done(issue(id="01FIRST"), 300))
    allow(judged, issue(), done(issue(id="01FIRST"), 301))


# the same effect under a fresh key: how the first stands, and whether the second passes
@pytest.mark.parametrize(
    ("state", "ago", "more", "passes"),
    [
        (State.CLAIMED, 5, CLAIM, False),
        (State.CLAIMED, 30, LAPSED, True),
        (State.DISPATCHED, 48 * HOUR, {}, False),
        (State.UNKNOWN, 48 * HOUR, {}, False),
        (State.PARKED, 480 * HOUR, {}, False),
        (State.COMPLETED, 5, {}, False),
        (State.COMPLETED, 24 * HOUR, {}, False),
        (State.COMPLETED, 24 * HOUR + 0.001, {}, True),
        (State.COMPLETED, 5, {"applied": False, "status": 402}, True),
    ],
)
@pytest.mark.parametrize("agent", ["clerk", "cashier"])
def test_effect(state: State, ago: float, more: dict[str, Any], passes: bool, agent: str) -> None:
    """The same refund in other words, under a fresh key and by any agent, is refused as long as the first counts."""
    first = refund("k-1", why="damaged", id="01FIRST", agent=agent)
    facts = known(before(first, state, ago, **more))
    if passes:
        allow(EVERYTHING, refund("k-2"), facts)
    else:
        refused = suspected(EVERYTHING, refund("k-2"), facts)
        assert dict(refused.details)["intent"] == "01FIRST"
        assert dict(refused.details)["state"] == state


@pytest.mark.parametrize(
    "other",
    [refund("k-2", amount=501), refund("k-2", amount=None), write("refunds.create", {"body.charge": "ch_2"}, key="k")],
)
def test_other_effect(other: Call) -> None:
    """A second partial refund of another amount, or of another charge, passes."""
    allow(EVERYTHING, other, done(refund("k-1", id="01FIRST")))


def test_other_account() -> None:
    """The same effect at another API account is another one."""
    both = {"shop": CATALOG, "annexe": CATALOG}
    card = {"purpose": "x", "environment": "test", "allow": {"shop": {"*": {}}, "annexe": {"*": {}}}}
    judged = compile_policy({"clerk": AgentCard.model_validate(card)}, both, "v1")
    allow(judged, refund("k-2", api="annexe"), done(refund("k-1", id="01FIRST")))


# the card, what the call is, whether saying that it is meant helps, the ways out that the refusal names
INSISTING: list[tuple[Rules, Any, bool, str]] = [
    ({"*": {}}, issue, True, "send it with a new Idempotency-Key, or with the header `Breakwater-Duplicate: allow`."),
    ({"*": {"duplicates": "approver"}}, issue, False, "send it with a new Idempotency-Key."),
    ({"*": {"duplicates": "agent"}, "issues/create": {"duplicates": "approver"}}, issue, False, "Idempotency-Key."),
    ({"*": {}}, comment, True, "with the header `Breakwater-Duplicate: allow`; a new Idempotency-Key does not help."),
    ({"*": {}}, refund, False, "an approver must say so; neither a key nor a header helps."),
    ({"*": {"duplicates": "approver"}}, refund, False, "an approver must say so"),
    ({"*": {"duplicates": "agent"}}, refund, True, "does not help."),
    # the stricter entry counts, and one that leaves it open is strict where money moves
    ({"*": {}, "refunds.create": {"duplicates": "agent"}}, refund, False, "an approver must say so"),
    ({"*": {"duplicates": "approver"}, "refunds.*": {"duplicates": "agent"}}, refund, False, "an approver must say so"),
]


@pytest.mark.parametrize(("rules", "one", "helps", "way"), INSISTING)
def test_insisting(rules: Rules, one: Any, helps: bool, way: str) -> None:
    """Only where the card leaves it to the agent does its header help, and the refusal names the ways that are open."""
    judged, facts = policy(rules), done(one(id="01FIRST"))
    assert way in suspected(judged, one(), facts).detail
    if helps:
        assert allow(judged, one(duplicate=True), facts).flags == (DUPLICATE_ALLOWED,)
    else:
        assert way in suspected(judged, one(duplicate=True), facts).detail


@pytest.mark.parametrize(("judged", "passes"), [(AGENT, True), (APPROVER, False)])
@pytest.mark.parametrize(("state", "more"), [(State.CLAIMED, CLAIM), (State.DISPATCHED, {})])
@pytest.mark.parametrize("one", [issue, comment, refund])
def test_insisting_in_flight(one: Any, state: State, more: dict[str, Any], judged: Policy, passes: bool) -> None:
    """While the first is under way a second that is meant passes where the agent may say so, and not elsewhere."""
    facts = known(before(one(id="01FIRST"), state, **more))
    assert repeat(judged, one(), Again.JOIN, facts) == "01FIRST"
    if passes:
        assert allow(judged, one(duplicate=True), facts).flags == (DUPLICATE_ALLOWED,)
    else:
        suspected(judged, one(duplicate=True), facts)


@pytest.mark.parametrize("state", [State.UNKNOWN, State.PARKED])
def test_doubt_stays(state: State) -> None:
    """No header passes an effect in doubt, whoever made it, and no way out is named."""
    first = before(refund("k-1", why="damaged", id="01FIRST", agent="cashier"), state)
    shadow = before(refund("k-3", why="late", id="01LATER"), State.COMPLETED, 1)
    for facts in (known(first), known(first, shadow)):
        refused = suspected(AGENT, refund("k-2", duplicate=True), facts)
        assert refused.details == (("intent", "01FIRST"), ("state", str(state)))
        assert "in doubt" in refused.detail
        assert "Duplicate: allow" not in refused.detail


def test_what_is_said() -> None:
    """A refusal says which call it was, when it ended and how it was answered, and stays short."""
    refused = suspected(EVERYTHING, refund("k-2"), done(refund("k-1", id="01FIRST"), 300, status=200))
    assert refused.details == (
        ("intent", "01FIRST"),
        ("state", "completed"),
        ("status", "200"),
        ("ended_at", "2026-11-21T09:25:00Z"),
    )
    assert "Call 01FIRST (`refunds.create`) took effect 300 s ago and was answered 200." in refused.detail
    assert len(refused.detail) < 300


# a refund whose key and whose first are such, on a card that asks for a key
@pytest.mark.parametrize(("key", "reason"), [(None, Reason.IDEMPOTENCY_KEY_MISSING), ("k-1", None)])
def test_require_key(key: str | None, reason: Reason | None) -> None:
    """Where one of the entries asks for a key a write without one is refused, reads and other writes are not."""
    judged = policy({"*": {}, "refunds.*": {"require_key": True}})
    if reason is None:
        allow(judged, refund(key))
    else:
        refused = deny(judged, refund(key), reason, "duplicates")
        assert refused.details == (("operation", "refunds.create"),)
        # It comes before what is suspected, and no header stands in for a key.
        deny(judged, refund(key, duplicate=True), reason, "duplicates", done(refund("k-9", id="01FIRST")))
    allow(judged, write("refunds.retrieve", {"path.id": "re_1"}))
    allow(judged, issue())


def test_place_in_order() -> None:
    """A duplicate is refused after the allowlist, and before a limit asks for a read."""
    first, asked = refund("k-1", amount=None, id="01FIRST"), refund("k-2", amount=None)
    limited = {"limit": {"amount": "0..1 USD"}}
    suspected(policy({"refunds.*": limited}), asked, done(first))
    deny(policy({"refunds.*": {"only": {"why": "x"}}}), asked, Reason.NOT_ALLOWED, "allowlist", done(first))
    told = done(first).with_looks({CHARGE: Looked("usd", 10)})
    go = allow(policy({"refunds.*": limited | {"duplicates": "agent"}}), refund(amount=50, duplicate=True), told)
    assert go.flags == ()
    assert go.currency == "USD"


def test_flags_survive_limits() -> None:
    """What the record is to note reaches the verdict although a limit read the money after it."""
    facts = done(refund("k-1", id="01FIRST")).with_looks({CHARGE: Looked("usd", 900)})
    judged = policy({"refunds.*": {"limit": {"amount": "0..10 USD"}, "duplicates": "agent"}})
    go = allow(judged, refund("k-2", duplicate=True), facts)
    assert (go.flags, go.amount_micros) == ((DUPLICATE_ALLOWED,), 5_000_000)


def test_entries_compiled() -> None:
    """What a rule asks of writes binds the writes that it matches, and a mark those that can bear one."""
    judged = policy({"*": {"require_key": True, "marker": True}})
    bound = {name: rule.entries[0] for (_, name), rule in judged.agents["clerk"].operations.items()}  # type: ignore[union-attr]
    assert {name for name, entry in bound.items() if entry.marks} == {"comments/create"}
    writes = {name for name, spec in CATALOG.operations.items() if spec.effect != "read"}
    assert {name for name, entry in bound.items() if entry.needs_key} == writes


def test_several_equal() -> None:
    """Of several that stand in the way the newest is named."""
    old, new = refund("k-1", id="01OLD"), refund("k-2", id="01NEW")
    records: list[Earlier] = [before(old, State.COMPLETED, 600), before(new, State.COMPLETED, 6)]
    assert dict(suspected(EVERYTHING, refund("k-3"), known(*records)).details)["intent"] == "01NEW"


@pytest.mark.parametrize(
    ("one", "mistyped", "refused"),
    [
        (refund, ("body.amount",), True),
        (refund, ("body.charge",), True),
        # What the effect does not depend on, and what moves no money, may be spelled as the vendor takes it.
        (refund, ("body.why",), False),
        (issue, ("body.title",), False),
    ],
)
def test_misspelled_effect(one: Any, mistyped: tuple[str, ...], refused: bool) -> None:
    """Where money moves, what makes the effect has its type: another spelling of an amount is no other effect."""
    asked = one("k1")
    asked = replace(asked, operation=replace(asked.operation, mistyped=mistyped))
    if refused:
        no = deny(EVERYTHING, asked, Reason.ARGUMENT_MISTYPED, "duplicates")
        assert dict(no.details) == {"argument": mistyped[0]}
    else:
        allow(EVERYTHING, asked)


# under which card, which call, how long ago the first took effect, and whether an approver is asked
@pytest.mark.parametrize(
    ("judged", "one", "ago", "parked"),
    [
        (APPROVED, refund, 5, True),
        (APPROVED, refund, 24 * HOUR, True),
        (APPROVED, refund, 24 * HOUR + 1, False),
        (APPROVED, issue, 5, True),
        (APPROVED, issue, 61, False),
        (SILENT, refund, 5, True),
        (APPROVED, labels, 5, False),
    ],
)
def test_to_an_approver(judged: Policy, one: Any, ago: float, *, parked: bool) -> None:
    """A duplicate that only an approver may mean is parked for one, for as long as it is suspected."""
    asked, facts = one("k-2") if one is refund else one(), done(one("k-1", id="01FIRST"), ago)
    if one is not refund:
        facts = done(one(id="01FIRST"), ago)
    if not parked:
        allow(judged, asked, facts)
        return
    (why,) = park(judged, asked, f"duplicate:{asked.operation.spec.name}:01FIRST", facts=facts).parked
    assert (why.by, why.waits) == ("approver", True)
    assert why.detail.startswith(f"Call 01FIRST (`{asked.operation.spec.name}`) took effect {round(ago)} s ago")


@pytest.mark.parametrize("state", [State.DISPATCHED, State.UNKNOWN, State.PARKED])
def test_nobody_approves_doubt(state: State) -> None:
    """What is under way or in doubt is refused and not parked: nobody can know that it is meant twice."""
    suspected(APPROVED, refund("k-2", why="again"), known(before(refund("k-1", id="01FIRST"), state)))


def test_left_to_the_agent() -> None:
    """Where the card leaves it to the agent no approver is asked."""
    suspected(LEFT, refund("k-2"), done(refund("k-1", id="01FIRST")))
    allow(LEFT, refund("k-2", duplicate=True), done(refund("k-1", id="01FIRST")))


def test_no_approver() -> None:
    """Where no operator is an approver it is refused: it would wait for nobody."""
    suspected(APPROVER, refund("k-2"), done(refund("k-1", id="01FIRST")))
