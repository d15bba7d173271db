"""
Two recordings of the same script, compared leaf by leaf.

A leaf is a value that is not an object or an array, at its full path, with its JSON type: 1, 1.0, true and "1" are four
values, an empty object and an empty array two more, and a member that is missing is not one that is null.

The normaliser is two lists of field names, for each upstream its own. A value under a name in `identities` is renamed
by its first appearance in its recording, here and wherever it occurs inside a text, so what must agree is which values
are the same ones; a value under a name in `moments` agrees with any other of its type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

IDENTITIES = (
    "id",
    "balance_transaction",
    "charge",
    "client_secret",
    "customer",
    "invoice_prefix",
    "latest_charge",
    "payment_intent",
    "payment_method",
    "request-id",
)
MOMENTS = ("available_on", "canceled_at", "created", "date", "updated")


@dataclass(frozen=True, slots=True)
class Rules:
    """
    The names whose values are normalised; an upstream that says the same every time needs none.
    """

    identities: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()


STRIPE = Rules(IDENTITIES, MOMENTS)

# Ids have at least this many characters; a shorter value is a word that also stands in texts of its own.
_ID_CHARS_MIN = 8


@dataclass(frozen=True, slots=True)
class Step:
    """
    One call of a script: its name, what kind of answer it got, and the answer as plain data.
    """

    name: str
    kind: str
    answer: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    How two recordings differ, a line a leaf, and how many leaves were looked at.
    """

    differences: tuple[str, ...]
    leaves: int


def compare(direct: list[Step], proxied: list[Step], rules: Rules = STRIPE) -> Comparison:
    """
    Compare two recordings; every leaf of either side counts.
    """
    ours, theirs = _normalised(direct, rules), _normalised(proxied, rules)
    differences = [
        f"{path}: directly {ours.get(path, 'absent')}, through Breakwater {theirs.get(path, 'absent')}"
        for path in dict.fromkeys((*ours, *theirs))
        if ours.get(path) != theirs.get(path)
    ]
    return Comparison(tuple(differences), len(ours | theirs))


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """
    Yield every leaf with its path.
    """
    members: list[tuple[str | int, Any]]
    match value:
        case dict() if value:
            members = list(value.items())
        case list() if value:
            members = list(enumerate(value))
        case _:
            yield path, value
            return
    for key, member in members:
        yield from leaves(member, (*path, key))


def _normalised(steps: list[Step], rules: Rules) -> dict[str, str]:
    flat = [
        ((f"{position} {step.name}", step.kind, *path), leaf)
        for position, step in enumerate(steps)
        for path, leaf in leaves(step.answer)
    ]
    names: dict[str, str] = {}
    for path, leaf in flat:
        if path[-1] in rules.identities and isinstance(leaf, str) and leaf:
            names.setdefault(leaf, f"<{len(names)}>")
    long_first = sorted((name for name in names if len(name) >= _ID_CHARS_MIN), key=len, reverse=True)
    return {"/".join(map(str, path)): _shown(path[-1], leaf, names, long_first, rules) for path, leaf in flat}


def _shown(name: str | int, leaf: Any, names: dict[str, str], long_first: list[str], rules: Rules) -> str:
    if name in rules.moments and leaf is not None:
        return f"a {type(leaf).__name__}"
    if not isinstance(leaf, str):
        return f"{type(leaf).__name__} {leaf!r}"
    if leaf in names and name in rules.identities:
        return f"identity {names[leaf]}"
    for identity in long_first:
        leaf = leaf.replace(identity, names[identity])
    return f"str {leaf!r}"
