"""Cards against the bundled catalogues: aliases, the published example, and operations that nobody curated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from breakers.allowlist import compile_policy
from breakers.call import Call, Caller, Operation, Request
from breakers.decide import decide
from breakers.facts import Image, Looked
from breakers.policy import Denied, Policy
from breakers.verdict import Ask, Forward, Reason, Refuse
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


def asked(api: str, name: str, **arguments: object) -> Call:
    """
    Return a call whose arguments stand where the catalogue declares them.
    """
    spec = CATALOGS[api].operations[name]
    places = {bare: place for place, bare in spec.arguments}
    typed = {(Place(places[bare]), bare): value for bare, value in arguments.items()}
    return Call(
        "01CALL", AT, api, Caller("clerk", "k", "t"), Operation(spec, typed), Request("api", spec.method, ("x",))
    )


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
    wanted = asked("stripe", "refunds.create", **arguments)
    verdict = decide(wanted, REFUNDS, QUIET)
    if isinstance(verdict, Ask):
        told = QUIET.with_looks(
            {subject: Looked("usd", bound) for subject in verdict.reads if isinstance(subject, Subject)},
            {touch: Image() for touch in verdict.reads if isinstance(touch, Touch)},
        )
        verdict = decide(wanted, REFUNDS, told)
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason


UNCURATED = {
    "stripe": {
        "products.update": {"only": {"id": ["prod_1"], "active": True}},
        "products.list": {"limit": {"limit": "1..10"}},
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
        ("jira", "getAllLabels", {"maxResults": 50}, None),
        ("jira", "getAllLabels", {"maxResults": 51}, Reason.LIMIT_EXCEEDED),
        ("jira", "deleteIssue", {"issueIdOrKey": "SUP-1"}, Reason.NOT_ALLOWED),
    ],
)
def test_uncurated(api: str, name: str, arguments: dict[str, object], reason: Reason | None) -> None:
    """Allowed values and limits bind operations that no overlay has touched, reads and writes alike."""
    verdict = decide(asked(api, name, **arguments), card(UNCURATED), QUIET)
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason
