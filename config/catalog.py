"""
An API's operations as data: which route is which operation, what it does, what it moves.

A table is generated from a vendor's own description of its API; an overlay, curated by a person, adds what no
description says. Both end here, as frozen values that nothing can change after start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Effect(StrEnum):
    """
    What an operation does to the world when it succeeds.
    """

    READ = "read"
    WRITE = "write"
    IRREVERSIBLE = "irreversible"


class Reversibility(StrEnum):
    """
    What a person can still do about an operation that succeeded.
    """

    REVERSIBLE = "reversible"
    COMPENSABLE = "compensable"
    IRREVERSIBLE = "irreversible"
    UNKNOWN = "unknown"


class Place(StrEnum):
    """
    Where an argument stands in a request.
    """

    PATH = "path"
    QUERY = "query"
    BODY = "body"


class Kind(StrEnum):
    """
    The top-level JSON type that an operation declares for an argument.
    """

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"
    ANY = "any"


class Content(StrEnum):
    """
    The shape of the body that an operation takes.
    """

    NONE = "none"
    FORM = "form"
    JSON = "json"
    MULTIPART = "multipart"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class Argument:
    """
    One declared argument: its name, its place, its top-level type.
    """

    name: str
    place: Place
    kind: Kind
    multi_segment: bool = False


@dataclass(frozen=True, slots=True)
class Amount:
    """
    Which arguments say how much money an operation moves: `argument` in the currency's minor unit, and `currency`.

    `currency` is None where what the request says of it does not decide, so that only a subject read can tell. With an
    argument of `unbounded_by` present nothing that is known here bounds the amount.
    """

    argument: str
    currency: str | None = None
    place: Place = Place.BODY
    unbounded_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """
    A read that tells what a write is about: the currency, and the upper bound where the amount is absent.

    Made when the argument `by` is present: `operation` of the same API with that argument's value as its path
    parameter `parameter` and `query` as its query. `currency` is a JSON pointer into the answer; `bound` is a tuple of
    (sign, pointer) terms whose sum, in minor units, is the most that the write can still move; without terms, the
    subject tells the currency and bounds nothing.
    """

    by: str
    place: Place
    operation: str
    parameter: str
    query: tuple[tuple[str, str], ...]
    currency: str
    bound: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """
    One operation of an API as its catalogue declares it.

    `contents` are the body shapes it takes by the media types that announce them (`*/*` is any); `arguments` maps
    (place, name). `never_store` are dotted member names that match at any depth, in its requests and its answers, lists
    being looked through. Operations that are each other's `aliases` share one route and so everything but their names.
    """

    api: str
    name: str
    method: str
    path: str
    base: str
    effect: Effect
    contents: Mapping[str, Content]
    arguments: Mapping[tuple[Place, str], Argument]
    aliases: tuple[str, ...] = ()
    amount: Amount | None = None
    subjects: tuple[Subject, ...] = ()
    reversibility: Reversibility = Reversibility.UNKNOWN
    honours_key: bool = False
    never_store: tuple[str, ...] = ()
    body_bytes_max: int | None = None
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """
        Return every name that a rule may use for this operation, its own first.
        """
        return (self.name, *self.aliases)


NO_ARGUMENTS: Mapping[tuple[Place, str], Argument] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Match:
    """
    A route that was recognised: the operation, and its path arguments, decoded.

    Arguments of an alias's template are among them, where the path has them.
    """

    spec: OperationSpec
    path: Mapping[str, str] = field(default_factory=dict)
