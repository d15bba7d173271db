"""The allowlist as a table: what a card says, what is asked, what comes of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call
from breakers.decide import decide
from breakers.verdict import Forward, Reason, Refuse
from tests.breakers.world import NAMES, QUIET, Rules, Values, allow, call, deny, policy

EVERYTHING: Rules = {"*": {}}
ACME: dict[str, object] = {"issues/create": {"only": {"owner": "acme", "repo": ["support", "docs"]}}}
HERE: dict[str, object] = {"path.owner": "acme", "path.repo": "docs", "body.title": "Broken"}


@pytest.mark.parametrize(
    ("allowed", "asked", "by"),
    [
        ({"refunds.retrieve": {}}, "refunds.retrieve", ("refunds.retrieve",)),
        ({"refunds.*": {}}, "refunds.retrieve", ("refunds.*",)),
        ({"*.retrieve": {}, "refunds.*": {}}, "refunds.retrieve", ("*.retrieve", "refunds.*")),
        ({"*": {}}, "payouts.create", ("*",)),
        ({"sources.delete": {}}, "sources.delete", ("sources.delete",)),
        ({"cards.remove": {}}, "sources.delete", ("cards.remove",)),
        ({"sources.delete": {}}, "cards.remove", ("sources.delete",)),
        ({"cards.*": {}}, "sources.delete", ("cards.*",)),
    ],
)
def test_listed(allowed: Rules, asked: str, by: tuple[str, ...]) -> None:
    """An operation that an entry names, by either name or by glob, passes and the record says by which entries."""
    assert allow(policy(allowed), call(asked)).rules == by


@pytest.mark.parametrize(
    ("allowed", "denied", "asked"),
    [
        ({}, (), "refunds.retrieve"),
        ({}, (), "refunds.create"),
        ({"refunds.retrieve": {}}, (), "refunds.create"),
        ({"refunds.create": {}}, (), "refunds.retrieve"),
        ({"refund*": {}}, (), "charges.retrieve"),
        (EVERYTHING, ("*",), "refunds.retrieve"),
        (EVERYTHING, ("payouts.*",), "payouts.create"),
        ({"payouts.create": {}}, ("payouts.*",), "payouts.create"),
        ({"payouts.*": {}}, ("payouts.create",), "payouts.create"),
        ({"sources.delete": {}}, ("cards.remove",), "sources.delete"),
        ({"sources.delete": {}}, ("cards.*",), "sources.delete"),
        ({"cards.remove": {}}, ("sources.delete",), "cards.remove"),
    ],
)
def test_off_list(allowed: Rules, denied: tuple[str, ...], asked: str) -> None:
    """What nothing allows, and what a deny on either name takes away, is refused, reads as well as writes."""
    deny(policy(allowed, denied), call(asked), Reason.NOT_ALLOWED, "allowlist")


def test_deny_spares_others() -> None:
    """A deny takes away what it names and nothing beside it."""
    allow(policy(EVERYTHING, ("payouts.create",)), call("payouts.cancel"))


@pytest.mark.parametrize(
    "stranger", [call("refunds.retrieve", agent="somebody"), call("refunds.retrieve", api="shop_test")]
)
def test_strangers(stranger: Call) -> None:
    """A card speaks for its own agent and its own API account only."""
    deny(policy(EVERYTHING), stranger, Reason.NOT_ALLOWED, "allowlist")


@pytest.mark.parametrize(
    ("allowed", "asked", "arguments"),
    [
        (ACME, "issues/create", HERE),
        (ACME, "issues/create", HERE | {"path.repo": "support"}),
        ({"*": {"only": {"path.owner": "acme"}}}, "repos/transfer", {"path.owner": "acme", "body.owner": "other"}),
        ({"*": {"only": {"owner": "acme"}}}, "repos/transfer", {"path.owner": "acme", "body.owner": "acme"}),
        ({"*": {"only": {"body.labels": ["bug", "docs"]}}}, "issues/create", HERE | {"body.labels": ["docs", "bug"]}),
        ({"*": {"only": {"per_page": 10}}}, "issues/list", {"query.per_page": 10}),
        ({"*": {"only": {"query.draft": True}}}, "issues/list", {"query.draft": True}),
    ],
)
def test_only_keeps(allowed: Rules, asked: str, arguments: Values) -> None:
    """Allowed values pass, in each place where a bare name stands and only there where the name has a prefix."""
    allow(policy(allowed), call(asked, arguments))


@pytest.mark.parametrize(
    ("allowed", "asked", "arguments", "about"),
    [
        (ACME, "issues/create", HERE | {"path.owner": "other"}, "path.owner"),
        (ACME, "issues/create", HERE | {"path.owner": "ACME"}, "path.owner"),
        (ACME, "issues/create", HERE | {"path.owner": "acme "}, "path.owner"),
        (ACME, "issues/create", HERE | {"path.repo": "secrets"}, "path.repo"),
        (ACME, "issues/create", {"path.owner": "acme"}, "repo"),
        (
            {"*": {"only": {"owner": "acme"}}},
            "repos/transfer",
            {"path.owner": "acme", "body.owner": "evil"},
            "body.owner",
        ),
        ({"*": {"only": {"body.owner": "acme"}}}, "repos/transfer", {"path.owner": "acme"}, "body.owner"),
        ({"*": {"only": {"labels": ["bug"]}}}, "issues/create", HERE | {"body.labels": ["bug", "x"]}, "body.labels"),
        ({"*": {"only": {"labels": ["bug"]}}}, "issues/create", HERE | {"body.labels": []}, "body.labels"),
        ({"*": {"only": {"labels": ["bug"]}}}, "issues/create", HERE | {"body.labels": [["bug"]]}, "body.labels"),
        ({"*": {"only": {"title": "a"}}}, "issues/create", HERE | {"body.title": None}, "body.title"),
        ({"*": {"only": {"per_page": 1}}}, "issues/list", {"query.per_page": True}, "query.per_page"),
        ({"*": {"only": {"per_page": 1}}}, "issues/list", {"query.per_page": "1"}, "query.per_page"),
        ({"*": {"only": {"draft": True}}}, "issues/list", {"query.draft": 1}, "query.draft"),
        ({"*": {"only": {"draft": False}}}, "issues/list", {"query.draft": 0}, "query.draft"),
        ({"*": {"only": {"draft": "true"}}}, "issues/list", {"query.draft": True}, "query.draft"),
        ({"*": {"only": {"no_such": "x"}}}, "issues/list", {"query.draft": True}, "no_such"),
    ],
)
def test_only_refuses(allowed: Rules, asked: str, arguments: Values, about: str) -> None:
    """Another value, another type, an empty list and no value at all are refused, and the answer names the argument."""
    refused = deny(policy(allowed), call(asked, arguments), Reason.NOT_ALLOWED, "allowlist")
    assert refused.details == (("argument", about),)


def test_every_entry_holds() -> None:
    """A broad entry beside a narrow one does not widen it."""
    both = policy(ACME | {"issues/*": {}, "*": {"only": {"title": ["Broken", "Lost"]}}})
    assert len(allow(both, call("issues/create", HERE)).rules) == 3
    deny(both, call("issues/create", HERE | {"path.owner": "evil"}), Reason.NOT_ALLOWED)
    deny(both, call("issues/create", HERE | {"body.title": "Free"}), Reason.NOT_ALLOWED)


@pytest.mark.parametrize(
    ("allowed", "mistyped", "reason"),
    [
        (ACME, ("path.owner",), Reason.ARGUMENT_MISTYPED),
        ({"*": {"only": {"path.owner": "acme"}}}, ("path.owner",), Reason.ARGUMENT_MISTYPED),
        ({"*": {"only": {"owner": "acme"}}}, ("body.title",), None),
        ({"*": {}}, ("body.title", "path.owner"), None),
    ],
)
def test_types_bind(allowed: Rules, mistyped: tuple[str, ...], reason: Reason | None) -> None:
    """A value of another type is refused where a rule reads it, and passes where none does."""
    asked = call("issues/create", HERE, mistyped=mistyped)
    if reason is None:
        allow(policy(allowed), asked)
    else:
        deny(policy(allowed), asked, reason, "allowlist")


@pytest.mark.parametrize(
    ("allowed", "undeclared", "refused"),
    [
        ({"*": {"only": {"title": "Broken"}}}, "body.milestone", True),
        ({"*": {"only": {"body.title": "Broken"}}}, "body.milestone", True),
        ({"*": {"only": {"path.owner": "acme"}}}, "body.milestone", False),
        ({"*": {"only": {"title": "Broken"}}}, "query.milestone", False),
        ({"*": {"only": {"owner": "acme"}}}, "query.owner", True),
        ({"*": {"only": {"owner": "acme"}}}, "body.owner", True),
        ({"*": {}}, "body.milestone", False),
    ],
)
def test_undeclared(allowed: Rules, undeclared: str, refused: bool) -> None:
    """An undeclared argument is refused beside a body argument that a rule reads, and under a name that one reads."""
    asked = call("issues/create", HERE, undeclared=(undeclared,))
    if refused:
        deny(policy(allowed), asked, Reason.ARGUMENT_UNDECLARED, "allowlist")
    else:
        allow(policy(allowed), asked)


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ({"*": {"only": {"body.title": "Broken"}}}, True),
        ({"*": {"only": {"owner": "acme"}}}, False),
        ({"*": {}}, False),
    ],
)
def test_whole_body(allowed: Rules, refused: bool) -> None:
    """Where a rule reads a member of the body, a body that has no members is refused."""
    asked = call("issues/create", HERE | {"body.": ["Broken"]})
    if refused:
        deny(policy(allowed), asked, Reason.ARGUMENT_UNDECLARED, "allowlist")
    else:
        allow(policy(allowed), asked)


@pytest.mark.parametrize(
    ("allowed", "asked", "arguments"),
    [
        ({"*": {"limit": {"amount": "0..1 USD"}}}, "charges.create", {"body.amount": 1, "body.currency": "usd"}),
        ({"*": {"limit": {"amount": "0..9"}}}, "payouts.create", {"body.amount": 1}),
    ],
)
def test_limits_read_siblings(allowed: Rules, asked: str, arguments: Values) -> None:
    """A limit reads the body as much as a list of values does, so nothing undeclared may stand beside it."""
    allow(policy(allowed), call(asked, arguments))
    deny(policy(allowed), call(asked, arguments, undeclared=("body.x",)), Reason.ARGUMENT_UNDECLARED)


@pytest.mark.parametrize(
    ("listed", "sent", "passes"),
    [
        ({}, (), True),
        ({}, (("shop-account", "acct_1"),), False),
        ({"Shop-Account": ["acct_1"]}, (("shop-account", "acct_1"),), True),
        ({"Shop-Account": ["acct_1"]}, (("Shop-Account", "acct_1"),), True),
        ({"Shop-Account": ["acct_1"]}, (("shop-account", "acct_2"),), False),
        ({"Shop-Account": ["acct_1"]}, (("shop-account", "ACCT_1"),), False),
        ({"Shop-Account": ["acct_1"]}, (("shop-account", "acct_1"), ("shop-context", "acct_1")), False),
        ({"Shop-Account": ["acct_1"]}, (), True),
    ],
)
def test_redirecting_headers(listed: Mapping[str, list[str]], sent: tuple[tuple[str, str], ...], passes: bool) -> None:
    """A header that chooses whose object is touched passes only with a value that the card lists."""
    card, asked = policy(EVERYTHING, headers=listed), call("refunds.retrieve", redirecting=sent)
    if passes:
        allow(card, asked)
    else:
        deny(card, asked, Reason.NOT_ALLOWED, "allowlist")


PATTERNS = st.sampled_from([*NAMES, "*", "refunds.*", "*.create", "issues/*", "payouts.*", "*s.re*"])
RULES = st.sampled_from(
    [{}, {"only": {"owner": "acme"}}, {"limit": {"per_page": "1..10"}}, {"only": {"id": ["a", "b"]}}]
)
CARDS = st.dictionaries(PATTERNS, RULES, max_size=5)
ASKED = st.tuples(
    st.sampled_from(NAMES),
    st.fixed_dictionaries(
        {},
        optional={
            "path.owner": st.sampled_from(["acme", "evil"]),
            "path.id": st.sampled_from(["a", "c"]),
            "query.per_page": st.sampled_from([1, 10, 11]),
        },
    ),
)


@given(CARDS, st.lists(PATTERNS, max_size=3), PATTERNS, ASKED)
def test_deny_wins(allowed: Rules, denied: list[str], pattern: str, asked: tuple[str, Values]) -> None:
    """No card lets through an operation one of whose names a deny matches, and denying more never allows more."""
    wanted = call(*asked)
    after = decide(wanted, policy(allowed, (*denied, pattern)), QUIET)
    before = decide(wanted, policy(allowed, tuple(denied)), QUIET)
    assert isinstance(after, Refuse) or isinstance(before, Forward)
    if decide(wanted, policy({pattern: {}}), QUIET).__class__ is Forward:
        assert isinstance(after, Refuse)


@given(CARDS, PATTERNS, RULES, ASKED)
def test_entries_never_widen(allowed: Rules, pattern: str, rule: Rules, asked: tuple[str, Values]) -> None:
    """An entry that is added never lets through what entries that already match the operation refuse."""
    wanted = call(*asked)
    before = decide(wanted, policy(allowed), QUIET)
    after = decide(wanted, policy({pattern: rule, **allowed}), QUIET)
    listed = not (isinstance(before, Refuse) and "allowlist." in before.detail)
    if listed and isinstance(before, Refuse):
        assert isinstance(after, Refuse)
    if isinstance(after, Forward) and not listed:
        assert after.rules == (pattern,)
