"""
What a person adds to a table: an API's manners, its business objects, and what no description of an operation says
about money, about what it touches, and about undoing.

An overlay is YAML with three sections: `dialect` (see dialect.py), `objects` by type and `operations` by name. Every
operation and argument that it names must be in the table: a curated fact that quietly binds nothing would be a limit
that is not kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from config.catalog import Before, Content, Effect, Kind, Place, Reversibility
from config.dialect import Dialect, MemberPath, Model, Pointer
from config.faults import CatalogFault
from config.source import Source, read_source
from config.table_file import said

# The largest body that an operation may say it takes: it is buffered whole.
BODY_BYTES_MAX = 32 * 1024 * 1024

# `*/*` is any media type.
MediaRange = Annotated[str, Field(pattern=r"^(\*/\*|[a-z0-9.+-]+/[a-z0-9.+-]+)$")]
BodyShape = Annotated[Content, Field(strict=False)]

# A type's name is a member of every image and stands in the record.
TypeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]

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


class WrittenObject(Model):
    """
    A type of business object: `read` shows it, its parameters `key` identify it, in their order.

    `query` goes with every read; `names` are pointers to other ids of the same object, `expected` dotted members that
    change by themselves.
    """

    read: str
    key: tuple[str, ...] = Field(min_length=1, strict=False)
    query: dict[str, str] = Field(default_factory=dict)
    names: tuple[Pointer, ...] = Field(default=(), strict=False)
    expected: tuple[MemberPath, ...] = Field(default=(), strict=False)


class WrittenTouch(Model):
    """
    How a write finds an object that it touches, and when its images are taken.

    `with` says where a parameter of the object's read comes from: `path.NAME`, `query.NAME`, `body.NAME`, the same with
    ` - PREFIX` behind it, `answer/POINTER`, `=CONSTANT`; what it leaves out is the path argument of the same name.
    `after` is `answer`, `read`, `gone`, or the pointer in the answer at which the object stands. `expected` are dotted
    members that this write is there to change without naming them, beside those that its object always expects.
    """

    with_: dict[str, str] = Field(default_factory=dict, alias="with")
    before: Before | None = Field(default=None, strict=False)
    after: Literal["answer", "read", "gone"] | Pointer | None = None
    claims: dict[str, Pointer | None] = Field(default_factory=dict)
    expected: tuple[MemberPath, ...] = Field(default=(), strict=False)


class WrittenUndo(Model):
    """
    The operation that makes up for another, and where its arguments come from (`with`, also `before/POINTER`).

    A part of its path that `with` leaves out is the path argument of the same name.
    """

    operation: str
    with_: dict[str, str] = Field(default_factory=dict, alias="with")


class Curated(Model):
    """
    What a person says about one operation; what is left out stays as the table has it.

    `content` are media types that it takes beside those of the table; `whole_body` is the type of a JSON body that it
    takes beside an object. `undo: person` is for what no one request makes up for; `note` then says why, or by what.
    """

    alias_of: str | None = None
    effect: Effect | None = Field(default=None, strict=False)
    amount: WrittenAmount | None = None
    subjects: tuple[WrittenSubject, ...] = Field(default=(), strict=False)
    reversibility: Reversibility | None = Field(default=None, strict=False)
    honours_key: bool | None = None
    never_store: tuple[MemberPath, ...] = Field(default=(), strict=False)
    body_bytes_max: Annotated[int, Field(gt=0, le=BODY_BYTES_MAX)] | None = None
    content: dict[MediaRange, BodyShape] = Field(default_factory=dict)
    whole_body: Annotated[Kind, Field(strict=False)] | None = None
    touches: dict[str, WrittenTouch] = Field(default_factory=dict)
    effect_key: Annotated[str, Field(max_length=200)] = ""
    undo: Literal["inverse", "person"] | WrittenUndo | None = None
    note: str = ""


class Overlay(Model):
    """
    One overlay, whole. `format` is the version of its meaning.
    """

    format: Literal[1] = 1
    dialect: Dialect = Dialect()
    objects: dict[TypeName, WrittenObject] = Field(default_factory=dict)
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
