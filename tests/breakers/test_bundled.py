"""Cards against the bundled catalogues: aliases, money, and operations that move none, curated or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from breakers.allowlist import compile_policy
from breakers.call import Call, Caller, Operation, Request
from breakers.decide import decide
from breakers.facts import Image, Looked
from breakers.policy import Denied, Policy
from breakers.verdict import Ask, Forward, Reason, Refuse, Verdict
from config.catalog import Place, Subject, Touch
from config.policy import AgentCard
from config.tables import load_catalog
from tests.breakers.world import AT, QUIET, Rules

CATALOGS = {name: load_catalog(name, Path()) for name in ("stripe", "github", "jira")}
ALIASED = [
    (api, spec.names) for api, catalog in CATALOGS.items() for spec in catalog.operations.values() if spec.aliases
]


def card(allowed: Mapping[str, Rules], denied: Mapping[str, list[str]] | None = None) -> Policy:
    """
    Compile one card against every bundled catalogue.
    """
    written = {"purpose": "Serve customers", "environment": "test", "allow": allowed, "deny": denied or {}}
    return compile_policy({"clerk": AgentCard.model_validate(written)}, CATALOGS, "v1")


def asked(api: str, name: str, /, **arguments: object) -> Call:
    """
    Return a call whose arguments stand where the catalogue declares them.
    """
    spec = CATALOGS[api].operations[name]
    places = {bare: place for place, bare in spec.arguments}
    typed = {(Place(places[bare]), bare): value for bare, value in arguments.items()}
    return Call(
        "01CALL", AT, api, Caller("clerk", "k", "t"), Operation(spec, typed), Request("api", spec.method, ("x",))
    )


def judged(call: Call, policy: Policy, told: Looked | None = None) -> Verdict:
    """
    Judge a call whose subject says this and whose objects can be seen; a subject that it asks for must have a word.
    """
    verdict = decide(call, policy, QUIET)
    if not isinstance(verdict, Ask):
        return verdict
    looks = {read: told for read in verdict.reads if isinstance(read, Subject)}
    images = {read: Image(b"{}", AT) for read in verdict.reads if isinstance(read, Touch)}
    said = {subject: word for subject, word in looks.items() if word is not None}
    assert looks.keys() == said.keys()
    return decide(call, policy, QUIET.with_looks(said, images))


def test_every_operation_compiles() -> None:
    """A card that allows everything has an entry for each of the 2,488 operations, and one that denies it a denial."""
    names = {api: ["*"] for api in CATALOGS}
    allowed = card({api: {"*": {}} for api in CATALOGS}).agents["clerk"].operations
    denied = card({api: {"*": {}} for api in CATALOGS}, names).agents["clerk"].operations
    assert len(allowed) == len(denied) == 2_488
    assert all(isinstance(found, Denied) for found in denied.values())


@pytest.mark.parametrize(("api", "names"), ALIASED)
def test_either_alias(api: str, names: tuple[str, ...]) -> None:
    """Whichever name a rule uses, it binds the operation under both, and a deny on either wins."""
    for written in names:
        for called in names:
            assert isinstance(decide(asked(api, called), card({api: {written: {}}}), QUIET), Forward)
            refused = decide(asked(api, called), card({api: {"*": {}}}, {api: [written]}), QUIET)
            assert isinstance(refused, Refuse)
            assert refused.reason is Reason.NOT_ALLOWED


REFUNDS = card({"stripe": {"customers.retrieve": {}, "refunds.create": {"limit": {"amount": "0.50..100 USD"}}}})


@pytest.mark.parametrize(
    ("arguments", "bound", "reason"),
    [
        ({"amount": 10_000, "charge": "ch_1"}, 20_000, None),
        ({"amount": 10_001, "charge": "ch_1"}, 20_000, Reason.LIMIT_EXCEEDED),
        ({"charge": "ch_1"}, 10_000, None),
        ({"charge": "ch_1"}, 10_001, Reason.LIMIT_EXCEEDED),
        ({"payment_intent": "pi_1"}, 10_000, None),
        ({"payment_intent": "pi_1"}, None, Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "charge": "ch_1", "payment_intent": "pi_1"}, 10_000, Reason.AMOUNT_UNBOUNDED),
        ({"amount": 100, "customer": "cus_1", "currency": "usd"}, 10_000, Reason.AMOUNT_UNBOUNDED),
    ],
)
def test_refund(arguments: dict[str, object], bound: int | None, reason: Reason | None) -> None:
    """A refund asks for its charge or its payment intent, and is held to what that leaves."""
    verdict = judged(asked("stripe", "refunds.create", **arguments), REFUNDS, Looked("usd", bound))
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason


# What an operation is asked to move, and what its subject says: the currency, and the most that it can still move.
MOVES = [
    ("payouts.create", {"amount": 10_000, "currency": "usd"}, None, None),
    ("payouts.create", {"amount": 10_001, "currency": "usd"}, None, Reason.LIMIT_EXCEEDED),
    ("payouts.create", {"amount": 100, "currency": "eur"}, None, Reason.LIMIT_EXCEEDED),
    ("payouts.create", {"currency": "usd"}, None, Reason.AMOUNT_UNBOUNDED),
    ("topups.create", {"amount": 10_000, "currency": "usd"}, None, None),
    ("topups.create", {"amount": -1, "currency": "usd"}, None, Reason.LIMIT_EXCEEDED),
    ("transfers.create", {"amount": 10_000, "currency": "usd"}, None, None),
    ("transfers.create", {"currency": "usd", "source_transaction": "ch_1"}, ("usd", 10_000), None),
    ("transfers.create", {"currency": "usd", "source_transaction": "ch_1"}, ("usd", 10_001), Reason.LIMIT_EXCEEDED),
    ("transfers.create", {"currency": "usd", "source_transaction": "ch_1"}, ("eur", 100), Reason.AMOUNT_UNBOUNDED),
    ("transfers.create", {"currency": "usd"}, None, Reason.AMOUNT_UNBOUNDED),
    ("transfers.reversals.create", {"id": "tr_1", "amount": 10_000}, ("usd", 20_000), None),
    ("transfers.reversals.create", {"id": "tr_1"}, ("usd", 10_000), None),
    ("transfers.reversals.create", {"id": "tr_1"}, ("usd", 10_001), Reason.LIMIT_EXCEEDED),
    ("application_fees.refunds.create", {"id": "fee_1"}, ("usd", 10_000), None),
    ("credit_notes.create", {"invoice": "in_1", "amount": 10_000}, ("usd", None), None),
    ("credit_notes.create", {"invoice": "in_1", "amount": 10_001}, ("usd", None), Reason.LIMIT_EXCEEDED),
    ("credit_notes.create", {"invoice": "in_1", "amount": 10_000}, ("eur", None), Reason.LIMIT_EXCEEDED),
    ("credit_notes.create", {"invoice": "in_1", "lines": [{"type": "x"}]}, ("usd", None), Reason.AMOUNT_UNBOUNDED),
    ("credit_notes.create", {"invoice": "in_1", "amount": 1, "shipping_cost": {}}, None, Reason.AMOUNT_UNBOUNDED),
    ("credit_notes.create", {"invoice": "in_1", "refund_amount": 1}, ("usd", None), Reason.AMOUNT_UNBOUNDED),
    # Nothing bounds these, so no limit in money passes them.
    ("invoice_items.create", {"customer": "cus_1", "amount": 100, "currency": "usd"}, None, Reason.AMOUNT_UNBOUNDED),
]


@pytest.mark.parametrize(("name", "arguments", "told", "reason"), MOVES)
def test_moves(
    name: str, arguments: dict[str, object], told: tuple[str, int | None] | None, reason: Reason | None
) -> None:
    """A limit in money holds what a call states to what its subject tells, and refuses what neither bounds."""
    policy = card({"stripe": {name: {"limit": {"amount": "0.50..100 USD"}}}})
    verdict = judged(asked("stripe", name, **arguments), policy, Looked(*told) if told else None)
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason


WITHOUT_MONEY = {
    "stripe": {
        "products.update": {"only": {"id": ["prod_1"], "active": True}},
        "products.list": {"limit": {"limit": "1..10"}},
        "climate.orders.cancel": {"only": {"order": ["climorder_1"]}},
    },
    "github": {
        "issues/create": {"only": {"owner": "acme", "repo": ["support", "docs"]}},
        "issues/list-for-repo": {"limit": {"per_page": "1..50"}},
    },
    "jira": {
        "getIssue": {"only": {"issueIdOrKey": ["SUP-1", "SUP-2"]}},
        "getAllLabels": {"limit": {"maxResults": "1..50"}},
    },
}


@pytest.mark.parametrize(
    ("api", "name", "arguments", "reason"),
    [
        ("stripe", "products.update", {"id": "prod_1", "active": True}, None),
        ("stripe", "products.update", {"id": "prod_1", "active": False}, Reason.NOT_ALLOWED),
        ("stripe", "products.update", {"id": "prod_1"}, Reason.NOT_ALLOWED),
        ("stripe", "products.update", {"id": "prod_2", "active": True}, Reason.NOT_ALLOWED),
        ("stripe", "products.list", {"limit": 10}, None),
        ("stripe", "products.list", {"limit": 11}, Reason.LIMIT_EXCEEDED),
        ("stripe", "products.list", {}, Reason.LIMIT_EXCEEDED),
        ("github", "issues/create", {"owner": "acme", "repo": "docs"}, None),
        ("github", "issues/create", {"owner": "acme", "repo": "secrets"}, Reason.NOT_ALLOWED),
        ("github", "issues/create", {"owner": "other", "repo": "docs"}, Reason.NOT_ALLOWED),
        ("github", "issues/list-for-repo", {"per_page": 1}, None),
        ("github", "issues/list-for-repo", {"per_page": 0}, Reason.LIMIT_EXCEEDED),
        ("github", "issues/list-for-repo", {"per_page": "1"}, Reason.ARGUMENT_MISTYPED),
        ("jira", "getIssue", {"issueIdOrKey": "SUP-2"}, None),
        ("jira", "getIssue", {"issueIdOrKey": "SEC-2"}, Reason.NOT_ALLOWED),
        ("stripe", "climate.orders.cancel", {"order": "climorder_1"}, None),
        ("stripe", "climate.orders.cancel", {"order": "climorder_2"}, Reason.NOT_ALLOWED),
        ("jira", "getAllLabels", {"maxResults": 50}, None),
        ("jira", "getAllLabels", {"maxResults": 51}, Reason.LIMIT_EXCEEDED),
        ("jira", "deleteIssue", {"issueIdOrKey": "SUP-1"}, Reason.NOT_ALLOWED),
    ],
)
def test_without_money(api: str, name: str, arguments: dict[str, object], reason: Reason | None) -> None:
    """Allowed values and limits bind whatever moves no money, reads and writes, curated or not."""
    verdict = judged(asked(api, name, **arguments), card(WITHOUT_MONEY))
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason


BRANCH = {"owner": "acme", "repo": "docs", "ref": "heads/main"}


@pytest.mark.parametrize(
    ("api", "name", "arguments", "missing", "reason"),
    [
        ("github", "git/delete-ref", BRANCH, None, None),
        ("github", "git/delete-ref", BRANCH, "timed out", Reason.BEFORE_MISSING),
        ("github", "git/update-ref", {**BRANCH, "sha": "1f"}, "timed out", None),
        ("jira", "deleteIssue", {"issueIdOrKey": "SUP-1"}, "timed out", None),
    ],
)
def test_seen_before(
    api: str, name: str, arguments: dict[str, object], missing: str | None, reason: Reason | None
) -> None:
    """A branch is not deleted before it is on record what it named; anything else is, with its diff missing."""
    call, policy = asked(api, name, **arguments), card({api: {name: {}}})
    asking = decide(call, policy, QUIET)
    assert isinstance(asking, Ask)
    images = {read: Image(None, AT, missing) for read in asking.reads if isinstance(read, Touch)}
    assert len(images) == 1
    verdict = decide(call, policy, QUIET.with_looks({}, images))
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason
