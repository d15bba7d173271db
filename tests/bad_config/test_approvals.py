"""Tiers, approval rules and operators that mean nothing: nobody to ask, nothing to ask about. Places count from 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from tests.config.shop import faults

APIS = "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}}\n"
ADA = "operators: {ada: {roles: [approver, finance]}}\n"

Expected = tuple[int, int, str, str]

# a rule for an operation, who there is, then every fault: line, column, part of the message, part of the hint
RULES: dict[str, tuple[str, str, list[Expected]]] = {
    "approval": ("refunds.create: {approve: {over: 50 USD, by: finance, within: 15m}}", ADA, []),
    "each write": ("'*': {approve: {}, tier: suggest}", ADA, []),
    "nobody holds it": (
        "refunds.create: {approve: {by: finnance}}",
        ADA,
        [(5, 36, "no operator holds the role `finnance`", "did you mean `finance`?")],
    ),
    "nobody at all": (
        "refunds.create: {approve: {by: finance}}",
        "",
        [(5, 36, "no operator holds the role `finance`", "operators: {NAME: {roles: [finance]}}")],
    ),
    "nobody by default": (
        "refunds.create: {approve: {over: 50 USD}}",
        "",
        [(5, 31, "no operator holds the role `approver`", "operators")],
    ),
    "nobody for the tier": (
        "refunds.create: {tier: approve}",
        "",
        [(5, 28, "no operator holds the role `approver`", "operators")],
    ),
    "unknown tier": (
        "refunds.create: {tier: shaddow}",
        ADA,
        [(5, 28, "`shaddow` is no tier", "did you mean `shadow`?")],
    ),
    "approval of a read": (
        "charges.list: {approve: {}, tier: suggest}",
        ADA,
        [
            (5, 20, "`charges.list` writes nothing: `approve` is for writes", "remove `approve`"),
            (5, 33, "`charges.list` writes nothing: `tier` is for writes", "remove `tier`"),
        ],
    ),
    "no currency": (
        "refunds.create: {approve: {over: 50}}",
        ADA,
        [(5, 38, "an amount of money has a currency", "`200 USD`")],
    ),
    "no duration": (
        "refunds.create: {approve: {within: 15}}",
        ADA,
        [(5, 40, "`15` is not a duration", "`15s`")],
    ),
    "no name": ("refunds.create: {approve: {by: The boss}}", ADA, [(5, 36, "is not a name", "small letters")]),
    "a word": ("refunds.create: {approve: finance}", ADA, [(5, 31, "this must be a mapping", "name: value")]),
    "unknown member": (
        "refunds.create: {approve: {above: 5 USD}}",
        ADA,
        [(5, 32, "`above` is unknown here", "did you mean `over`?")],
    ),
    "currency of the limit": (
        "refunds.create: {limit: {amount: 1..100 EUR}, approve: {over: 50 USD}}",
        ADA,
        [(5, 67, "moves `EUR`, and never USD", "a currency that it moves")],
    ),
    "one currency of two": (
        "refunds.create: {limit: {amount: 1..100 EUR}, approve: {over: [50 EUR, 50 USD]}}",
        ADA,
        [(5, 67, "never USD", "a currency that it moves")],
    ),
    "amount that nobody knows": (
        "files.create: {approve: {over: 50 USD}}",
        ADA,
        [(5, 36, "how much `files.create` moves is not known here", "remove `over`")],
    ),
}


def written(rule: str, operators: str, card: str = "") -> str:
    """
    Return a configuration whose line 5 is an allow entry.
    """
    head = f"{APIS}agents:\n  clerk: {{purpose: Serve, environment: test, {card}allow: {{shop: {{\n"
    return f"{head}    {rule}\n    }}}}}}\n{operators}"


def found(folder: Path, text: str) -> list[Expected]:
    """
    Return the faults of a configuration.
    """
    path = folder / "breakwater.yaml"
    path.write_text(text)
    return [(fault.line, fault.column, fault.message, fault.hint) for fault in faults(path)]


def assert_found(said: list[Expected], expected: list[Expected]) -> None:
    """
    Assert that these faults were found, and no others.
    """
    assert [(line, column) for line, column, *_ in said] == [(line, column) for line, column, *_ in expected], said
    for (_, _, message, hint), (_, _, part, help_) in zip(said, expected, strict=True):
        assert part in message
        assert help_ in hint


@pytest.mark.parametrize("name", RULES)
def test_rules(tmp_path: Path, name: str) -> None:
    """A rule that nobody could ever answer, or that asks about nothing, is a fault with its place and its fix."""
    rule, operators, expected = RULES[name]
    assert_found(found(tmp_path, written(rule, operators)), expected)


# a member of the card, who there is, what is found
CARDS: list[tuple[str, str, str]] = [
    ("tier: approve, ", ADA, ""),
    ("tier: approve, ", "", "no operator holds the role `approver`"),
    ("tier: suggest, ", "", ""),
    ("owners: {business: ada}, owners_approve: false, ", ADA, "whoever holds the role `finance` is an owner"),
    ("owners: {business: Ada}, owners_approve: false, ", ADA, "whoever holds the role `finance` is an owner"),
    ("owners: {business: ada}, ", ADA, ""),
    ("owners: {business: bob}, owners_approve: false, ", ADA, "no owner of this agent is an operator"),
    ("owners: {business: bob}, owners_approve: false, ", ADA.replace("}}", "}, bob: {}}"), ""),
    ("owners_approve: false, tier: suggest, ", "", "no owner of this agent is an operator"),
    ("owners_approve: 'no', ", ADA, "this must be true or false"),
    ("caps: {day: {moved: 100 EUR}}, ", ADA, "moves `EUR`, and never USD"),
    ("caps: {day: {moved: [100 EUR, 100 USD]}}, ", ADA, ""),
]


@pytest.mark.parametrize(("card", "operators", "message"), CARDS)
def test_cards(tmp_path: Path, card: str, operators: str, message: str) -> None:
    """A card whose tier, owners or caps leave an approval without a person or a sum is at fault."""
    rule = "'*': {}" if "tier" in card else "refunds.create: {approve: {over: 50 USD, by: finance}}"
    said = found(tmp_path, written(rule, operators, card))
    assert len(said) == bool(message), said
    assert all(message in one[2] for one in said)


# the operators, then every fault
OPERATORS: list[tuple[str, list[Expected]]] = [
    ("operators: {ada: {}, bob: {roles: []}}\n", []),
    ("operators: {Ada: {}}\n", [(1, 13, "`Ada` is not a name", "small letters")]),
    ("operators: {admin: {}}\n", [(1, 13, "on record whoever shows the token in the state folder", "a name")]),
    ("operators: {ada: {roles: finance}}\n", [(1, 26, "this must be a list of roles", "[approver, finance]")]),
    ("operators: {ada: {roles: [finance, finance]}}\n", [(1, 26, "a role stands here twice", "once")]),
    ("operators: {ada: {roles: [The boss]}}\n", [(1, 27, "is not a name", "small letters")]),
    ("operators: {ada: {role: [finance]}}\n", [(1, 19, "`role` is unknown here", "did you mean `roles`?")]),
    ("operators: {ada: }\n", [(1, 13, "this must be a mapping", "`{}`")]),
    ("operators: [ada]\n", [(1, 12, "this must be a mapping", "name")]),
]


@pytest.mark.parametrize(("operators", "expected"), OPERATORS)
def test_operators(tmp_path: Path, operators: str, expected: list[Expected]) -> None:
    """An operator has a name of his or her own and a list of roles."""
    assert_found(found(tmp_path, operators), expected)


def test_folder(tmp_path: Path) -> None:
    """Operators may stand in a file of their own, beside the cards that ask for their roles."""
    (tmp_path / "cards.yaml").write_text(
        "apis: {it: {catalog: stripe, credential: {env: A}}}\n"
        "agents: {a: {purpose: x, environment: test, allow: {it: {refunds.create: {approve: {by: finance}}}}}}\n"
    )
    (tmp_path / "people.yaml").write_text(ADA)
    (tmp_path / "more.yaml").write_text("operators: {bob: {roles: [resume]}}\n")
    assert {name: card.roles for name, card in load(tmp_path).operators.items()} == {
        "ada": ("approver", "finance"),
        "bob": ("resume",),
    }
