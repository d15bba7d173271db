"""
Typed values as JSON and back, by their annotations alone: what snapshots hold of dataclasses that others extend.

A dataclass is the list of its fields, in their order; where a value may be of several dataclasses it is the name of its
own and that list. A mapping is an object where its keys are text, else a list of pairs. No field is listed by hand, so
none can be forgotten; a type that has no spelling raises `TypeError` when the first value is to be spelled.

A start reads hundreds of thousands of events through this. So what JSON says as it is has no function at all, and what
is read is changed in place: give `read` only what nobody else holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

Way = Callable[[Any], Any]


class Spelling(NamedTuple):
    """
    How the values of one type are spelled and read; None where JSON says them as they are.
    """

    spell: Way | None = None
    read: Way | None = None


AS_IT_IS = Spelling()
_PLAIN = frozenset({str, int, bool, NoneType, Any})
_LISTS = frozenset({tuple, list, deque, frozenset, set})


@dataclass(frozen=True, slots=True)
class Fields:
    """
    The spelling of some fields of a class whose values are filled in, not made.
    """

    names: tuple[str, ...]
    _row: Spelling

    def spell(self, value: object) -> list[Any]:
        """
        Return the fields of a value.
        """
        row = [getattr(value, name) for name in self.names]
        return self._row.spell(row) if self._row.spell else row

    def put(self, value: object, row: list[Any]) -> None:
        """
        Give a value the fields that were spelled.
        """
        read = self._row.read(row) if self._row.read else row
        for name, found in zip(self.names, read, strict=True):
            setattr(value, name, found)


@cache
def fields_of(kind: type, but: frozenset[str]) -> Fields:
    """
    Return the spelling of all fields of a dataclass but some.
    """
    hints = get_type_hints(kind)
    names = tuple(field.name for field in fields(kind) if field.name not in but)
    return Fields(names, _row([spelling_of(hints[name]) for name in names]))


@cache
def spelling_of(kind: Any) -> Spelling:
    """
    Return the spelling of a type.

    Raise `TypeError` where it has none.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return AS_IT_IS
    if kind is bytes:
        return Spelling(bytes.hex, bytes.fromhex)
    if kind is datetime:
        return Spelling(_spell_time, datetime.fromisoformat)
    if origin in {Union, UnionType}:
        return _one_of(arguments)
    if origin in _LISTS:
        return _list(origin, arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*arguments)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Spelling(attrgetter("value"), {member.value: member for member in kind}.__getitem__)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Spelling(lambda model: model.model_dump(mode="json"), kind.model_validate)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    raise TypeError(f"{kind} has no spelling")


def _spell_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _one_of(kinds: tuple[Any, ...]) -> Spelling:
    some = [kind for kind in kinds if kind is not NoneType]
    if all(spelling_of(kind) == AS_IT_IS for kind in some):
        return AS_IT_IS
    if len(some) == 1:
        spell, read = spelling_of(some[0])
        return Spelling(spell and _unless_none(spell), read and _unless_none(read))
    if not all(isinstance(kind, type) and is_dataclass(kind) for kind in some) or len(some) < len(kinds):
        raise TypeError(f"one of {kinds} has no spelling")
    ways = {kind.__name__: spelling_of(kind) for kind in some}
    if len(ways) < len(some):
        raise TypeError(f"two of {kinds} have one name")
    spells = {kind: (kind.__name__, ways[kind.__name__].spell or list) for kind in some}
    reads = {name: way.read or tuple for name, way in ways.items()}

    def spell_one(value: Any) -> list[Any]:
        name, spell = spells[type(value)]
        return [name, spell(value)]

    def read_one(said: list[Any]) -> Any:
        name, row = said
        return reads[name](row)

    return Spelling(spell_one, read_one)


def _unless_none(way: Way) -> Way:
    return lambda value: None if value is None else way(value)


def _list(origin: type, arguments: tuple[Any, ...]) -> Spelling:
    if origin is tuple and arguments[-1] is not Ellipsis:
        row = _row([spelling_of(kind) for kind in arguments])
        spell_row, read_row = row.spell or list, row.read or list
        return Spelling(lambda values: spell_row(list(values)), lambda said: tuple(read_row(said)))
    spell, read = spelling_of(arguments[0])
    if spell is None or read is None:
        return Spelling(list, origin)
    return Spelling(lambda values: [*map(spell, values)], lambda said: origin(map(read, said)))


def _mapping(key: Any, value: Any) -> Spelling:
    keys, values = spelling_of(key), spelling_of(value)
    if key is str:
        spell, read = values
        return Spelling(
            spell and (lambda of: {name: spell(one) for name, one in of.items()}),
            read and (lambda said: {name: read(one) for name, one in said.items()}),
        )
    pair = _row([keys, values])
    spell_pair, read_pair = pair.spell or list, pair.read or list
    return Spelling(
        lambda of: [spell_pair(list(one)) for one in of.items()],
        lambda said: dict(map(read_pair, said)),
    )


def _dataclass(kind: type) -> Spelling:
    if not all(field.init and not field.kw_only for field in fields(kind)):
        raise TypeError(f"{kind} is not made of its fields in their order")
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    columns = [spelling_of(hints[name]) for name in names]
    spell_row, reads = _row(columns).spell, _reads(columns)
    take = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)

    def spell(value: Any) -> Any:
        row = list(take(value))
        return spell_row(row) if spell_row else row

    def read(row: list[Any]) -> Any:
        # As of a row, and written out: a start makes hundreds of thousands of these.
        if len(row) != len(columns):
            raise ValueError("this is not the row of that type")
        for at, way in reads:
            row[at] = way(row[at])
        return kind(*row)

    return Spelling(spell, read)


def _reads(columns: list[Spelling]) -> list[tuple[int, Way]]:
    return [(at, one.read) for at, one in enumerate(columns) if one.read is not None]


def _row(columns: list[Spelling]) -> Spelling:
    """
    Return the spelling of a list whose members have a type each; both of its ways change the list that they are given.
    """
    spells, reads = [(at, one.spell) for at, one in enumerate(columns) if one.spell is not None], _reads(columns)
    count = len(columns)

    def spell(row: list[Any]) -> list[Any]:
        for at, way in spells:
            row[at] = way(row[at])
        return row

    def read(row: list[Any]) -> list[Any]:
        if len(row) != count:
            raise ValueError("this is not the row of that type")
        for at, way in reads:
            row[at] = way(row[at])
        return row

    return Spelling(spell, read)
