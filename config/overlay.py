"""
What a person adds to a table: an API's manners, and what no description of an operation says about money and undoing.

An overlay is YAML with two sections: `dialect` (see dialect.py) and `operations`, by name. Every operation and argument
that it names must be in the table: a curated fact that quietly binds nothing would be a limit that is not kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from config.catalog import Effect, Place, Reversibility
from config.dialect import Dialect, MemberPath, Model, Pointer
from config.faults import CatalogFault
from config.source import Source, read_source
from config.table_file import said

# The largest body that an operation may say it takes: it is buffered whole.
BODY_BYTES_MAX = 32 * 1024 * 1024

Term = Annotated[str, Field(pattern=r"^[+-](/[^/]+)+$")]


class WrittenAmount(Model):
    """
    The arguments that say how much: the amount in minor units, and its currency where the request's word decides.

    `unbounded_by` names those whose presence makes the bound uncertain: a call with one never passes a limit.
    """

    argument: str
    currency: str | None = None
    place: Place = Field(default=Place.BODY, strict=False)
    unbounded_by: tuple[str, ...] = Field(default=(), strict=False)


class WrittenSubject(Model):
    """
    The read that tells what a write is about, made where the argument `by` is present.

    `currency` is a JSON pointer into its answer, `bound` are signed pointers (`+/amount`) whose sum is the most that
    the write can still move.
    """

    by: str
    place: Place = Field(default=Place.BODY, strict=False)
    operation: str
    parameter: str
    query: dict[str, str] = Field(default_factory=dict)
    currency: Pointer
    bound: tuple[Term, ...] = Field(default=(), strict=False)


class Curated(Model):
    """
    What a person says about one operation; what is left out stays as the table has it.
    """

    alias_of: str | None = None
    effect: Effect | None = Field(default=None, strict=False)
    amount: WrittenAmount | None = None
    subjects: tuple[WrittenSubject, ...] = Field(default=(), strict=False)
    reversibility: Reversibility | None = Field(default=None, strict=False)
    honours_key: bool | None = None
    never_store: tuple[MemberPath, ...] = Field(default=(), strict=False)
    body_bytes_max: Annotated[int, Field(gt=0, le=BODY_BYTES_MAX)] | None = None
    note: str = ""


class Overlay(Model):
    """
    One overlay, whole. `format` is the version of its meaning.
    """

    format: Literal[1] = 1
    dialect: Dialect = Dialect()
    operations: dict[str, Curated] = Field(default_factory=dict)


def read_overlay(file: str, data: bytes) -> Overlay:
    """
    Parse an overlay, or raise `CatalogFault` at the place of the first thing that is wrong.
    """
    source = read_source(file, data)
    if source.faults:
        raise CatalogFault(str(source.faults[0]), source.faults[0].hint)
    try:
        return Overlay.model_validate(source.value)
    except ValidationError as invalid:
        raise CatalogFault(f"{_place(source, invalid)}: {said(invalid)}", "see docs/CATALOGUES.md") from None


def _place(source: Source, invalid: ValidationError) -> str:
    trail = invalid.errors()[0]["loc"]
    for length in range(len(trail), 0, -1):
        spot = source.keys.get(trail[:length]) or source.values.get(trail[:length])
        if spot is not None:
            return f"{spot.file}:{spot.line}:{spot.column}"
    return source.file
