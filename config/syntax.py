"""The tree of an expression: what its text is made of, once nobody has to count brackets any more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """
    A constant; `value` of a number is its text, because nothing here counts with it.
    """

    kind: str
    value: str | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """
    A name that stands for itself.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """
    A member of something.
    """

    of: Node
    member: str


@dataclass(frozen=True, slots=True)
class Index:
    """
    What stands in something under a computed place.
    """

    of: Node
    at: Node


@dataclass(frozen=True, slots=True)
class Call:
    """
    A function of its arguments; that of a method is its first one.
    """

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """
    Things joined by operators of one strength, from left to right.
    """

    signs: tuple[str, ...]
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """
    One of two things.
    """

    test: Node
    then: Node
    other: Node


@dataclass(frozen=True, slots=True)
class Listed:
    """
    A list that is written out; of a mapping, its keys and values in turn.
    """

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """
    Whether a member is there.
    """

    of: Node
    member: str


@dataclass(frozen=True, slots=True)
class Macro:
    """
    Something said of each element of `over`, which `name` stands for in the `bodies`.
    """

    macro: str
    over: Node
    name: str
    bodies: tuple[Node, ...]


Node = Literal | Name | Select | Index | Call | Operation | Choice | Listed | Has | Macro
