"""
What an overlay says of money, held against the table: which arguments state an amount, and what moves none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from config.catalog import Amount, Argument, Content, Kind, Place
from config.dialect import Dialect
from config.faults import CatalogFault, did_you_mean
from config.lines import Lines
from config.overlay import Curated

# What an amount with decimals may be declared as; without any it is an integer.
_WITH_DECIMALS = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.STRING})

NOTHING, UNBOUNDED, NONE = "nothing", "unbounded", "none"


class Moved(TypedDict):
    """
    The members of an operation that say whether it may move money.
    """

    moves_nothing: bool
    harmless: frozenset[str]


def compile_amount(curated: Curated, arguments: Mapping[tuple[Place, str], Argument]) -> Amount | None:
    """
    Return how an operation says what it moves. Raises `CatalogFault` for what the table does not know.
    """
    written, moves = curated.amount, curated.moves
    if not isinstance(moves, str | None):
        _known(moves.nothing_with, arguments)
    if written is None:
        return None
    if isinstance(moves, str):
        raise CatalogFault(f"it has an amount, and moves {moves}", "say one of the two")
    lines = written.lines
    answered = written.answered
    amount = Amount(
        written.argument,
        written.currency,
        written.place,
        written.unbounded_by,
        decimals=written.decimals or "",
        times=written.times,
        lines=Lines(lines.amount, lines.currency, lines.times, frozenset(lines.only)) if lines else None,
        answered=(answered.amount, answered.currency) if answered else None,
        offered=written.offered,
        again=written.again,
    )
    _check(amount, arguments)
    if not amount.argument and not any(subject.bound for subject in curated.subjects):
        raise CatalogFault("an amount without an argument needs a subject that bounds it", "add `subjects`")
    return amount


def moved_by(curated: Curated, dialect: Dialect, contents: Mapping[str, Content]) -> Moved:
    """
    Return whether an operation may move money: what nobody speaks of may, unless its API moves none.

    Where a body is not read, no argument in it is known to be harmless.
    """
    moves = curated.moves
    nothing = moves == NOTHING or (moves is None and curated.amount is None and dialect.money == NONE)
    harmless: frozenset[str] = frozenset()
    if not isinstance(moves, str | None) and Content.OPAQUE not in contents.values():
        harmless = frozenset((*moves.nothing_with, *dialect.shaping))
    return Moved(moves_nothing=nothing, harmless=harmless)


def _known(names: tuple[str, ...], arguments: Mapping[tuple[Place, str], Argument]) -> None:
    known = {name for place, name in arguments if place is not Place.PATH}
    for name in names:
        if name not in known:
            raise CatalogFault(f"it has no argument `{name}`", did_you_mean(name, known))


def _check(amount: Amount, arguments: Mapping[tuple[Place, str], Argument]) -> None:
    for name in filter(None, (amount.argument, amount.currency, amount.times, *amount.unbounded_by, *amount.again)):
        if (amount.place, name) not in arguments:
            hint = did_you_mean(name, (known for _, known in arguments))
            raise CatalogFault(f"it has no {amount.place} argument `{name}`", hint)
    if not amount.argument:
        if amount.lines or amount.times or amount.decimals or amount.currency:
            raise CatalogFault("an amount that only its subject tells has no argument to put together")
        return
    kind = arguments[amount.place, amount.argument].kind
    if amount.lines is not None:
        if kind is not Kind.ARRAY or amount.times or amount.decimals or amount.currency:
            raise CatalogFault(f"the amount `{amount.argument}` is no list that says everything itself")
    elif kind not in (_WITH_DECIMALS if amount.decimals else {Kind.INTEGER}):
        raise CatalogFault(f"the amount `{amount.argument}` is no integer", "amounts are in minor units")
