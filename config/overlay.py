"""
What a person adds to a table: an API's manners, its business objects, and what no description of an operation says
about money, about what it touches, about undoing, and about finding what was lost.

An overlay is YAML with five sections: `dialect` (see dialect.py), `lists` and `markers`, which recipes for finding
share, `objects` by type and `operations` by name. Every operation and argument that it names must be in the table: a
curated fact that quietly binds nothing would be a limit that is not kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from config.catalog import Before, Content, Effect, Kind, MarkerForm, Paging, Place, Reversibility
from config.dialect import Dialect, MemberPath, Model, Pointer
from config.faults import CatalogFault, Unreadable
from config.habit import POLL_FOR_S, POLL_INTERVAL_S
from config.source import Source, read_source
from config.table_file import said
from config.written import read_duration

# The largest body that an operation may say it takes: it is buffered whole.
BODY_BYTES_MAX = 32 * 1024 * 1024

# `*/*` is any media type.
MediaRange = Annotated[str, Field(pattern=r"^(\*/\*|[a-z0-9.+-]+/[a-z0-9.+-]+)$")]
BodyShape = Annotated[Content, Field(strict=False)]

# A type's name is a member of every image and stands in the record.
TypeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]

Term = Annotated[str, Field(pattern=r"^[+-](/[^/]+)+$")]

# Where a list stands in an answer; empty, it is the answer.
ListPointer = Annotated[str, Field(pattern=r"^(/[^/]+)*$")]


def _whole_seconds(written: object) -> object:
    seconds = read_duration(written)
    if seconds != int(seconds):
        raise Unreadable(f"`{written}` is less than a second", "write `60s`, `15m`, `24h` or `30d`")
    return int(seconds)


Duration = Annotated[int, BeforeValidator(_whole_seconds)]


Shown = bool | int | str | None
"""What a member shows."""


class WrittenLines(Model):
    """
    Where an item of a list says its amount (exactly one of these pointers), its currency, and how often it counts.

    `only` are the dotted members that an item may have: with another one its amount is uncertain.
    """

    amount: tuple[Pointer, ...] = Field(min_length=1, strict=False)
    currency: Pointer
    times: Pointer | Literal[""] = ""
    only: tuple[MemberPath, ...] = Field(min_length=1, strict=False)


class WrittenAnswered(Model):
    """
    Where an answer shows what was moved, in minor units, and its currency.
    """

    amount: Pointer
    currency: Pointer


class WrittenMoves(Model):
    """
    What moves no money as long as it has no other arguments than these, those in its path aside.
    """

    nothing_with: tuple[str, ...] = Field(min_length=1, strict=False)


class WrittenAmount(Model):
    """
    The arguments that say how much: the amount in minor units, and its currency where the request's word decides.

    Without `argument` only the subject tells. `unbounded_by` names those whose presence makes the bound uncertain: a
    call with one never passes a limit. `decimals` is what an amount with decimals counts, `times` an argument that
    multiplies it, `lines` how it is summed from a list. `answered` says where the answer shows what was moved; what is
    `offered` moves once somebody else accepts it. `again` are arguments that, unless false, move as much once more.
    """

    argument: str = ""
    currency: str | None = None
    place: Place = Field(default=Place.BODY, strict=False)
    unbounded_by: tuple[str, ...] = Field(default=(), strict=False)
    decimals: Literal["minor", "units"] | None = None
    times: str | None = None
    lines: WrittenLines | None = None
    answered: WrittenAnswered | None = None
    offered: bool = False
    again: tuple[str, ...] = Field(default=(), strict=False)


class WrittenSubject(Model):
    """
    The read that tells what a write is about, made where the argument `by` is present.

    `currency` is a JSON pointer into its answer, `bound` are signed pointers (`+/amount`) whose sum is the most that
    the write can still move, `where` are pointers with what must stand there, or may, for that to hold.
    """

    by: str
    place: Place = Field(default=Place.BODY, strict=False)
    operation: str
    parameter: str
    query: dict[str, str] = Field(default_factory=dict)
    currency: Pointer
    bound: tuple[Term, ...] = Field(default=(), strict=False)
    where: dict[Pointer, Shown | list[Shown]] = Field(default_factory=dict)


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


Places = str | list[str]
"""Where a value comes from, or where it may, in the order in which it is looked for."""


class WrittenMarker(Model):
    """
    How the id of an intent is written into an argument of the body, inside it at `pointer`, and where it shows later.
    """

    argument: str
    form: MarkerForm = Field(strict=False)
    shown: Pointer
    pointer: Pointer | Literal[""] = ""


class WrittenListing(Model):
    """
    A read that lists, and how its list goes on; what is left out is as `lists` has it.

    `with` says where its parameters come from: `path.NAME`, `query.NAME`, `body.NAME`, each with `/POINTER` behind it
    for what lies in that argument, or `=CONSTANT`; of several the first that the request has. A part of its path that
    `with` leaves out is the path argument of the same name. `quoted` says the same of names in braces in the `query`.
    """

    list: str | None = None
    with_: dict[str, Places] = Field(default_factory=dict, alias="with")
    query: dict[str, str] = Field(default_factory=dict)
    quoted: dict[str, Places] = Field(default_factory=dict)
    items: ListPointer | None = None
    paging: Paging | None = Field(default=None, strict=False)
    page: str | None = None
    more: Pointer | None = None
    newest_first: bool | None = None


class WrittenLists(WrittenListing):
    """
    What the lists of an API have in common, and what tells who made an item, and when.

    Of its `query` a list takes only what it has parameters for.
    """

    id: Pointer = "/id"
    created: Pointer = "/created"
    creator: Pointer | None = None


class WrittenFind(WrittenListing):
    """
    How a lost write is looked for: in a list, in `marked` where it bore a marker, by what its items show.

    `claims` maps arguments to where an item shows them (null: nowhere, or not so that it can be compared), beyond what
    the main object's say; `key` maps parameters of the main object's read to where an item shows them.
    """

    marked: WrittenListing | None = None
    id: Pointer | None = None
    created: Pointer | None = None
    creator: Pointer | None = None
    without: tuple[Pointer, ...] = Field(default=(), strict=False)
    claims: dict[str, ListPointer | None] = Field(default_factory=dict)
    key: dict[str, Pointer] = Field(default_factory=dict)
    lag: Duration | None = None
    needs_later: bool = False
    reads: Annotated[int, Field(ge=1, le=10)] = 2
    apart: Duration = 15


class WrittenPoll(Model):
    """
    How a read may be made again until its answer changes: at most once in `min_interval`, for at most `max`.
    """

    min_interval: Annotated[float, BeforeValidator(read_duration)] = POLL_INTERVAL_S
    max: Annotated[float, BeforeValidator(read_duration)] = POLL_FOR_S


class Curated(Model):
    """
    What a person says about one operation; what is left out stays as the table has it.

    `content` are media types that it takes beside those of the table; `whole_body` is the type of a JSON body that it
    takes beside an object. `undo: person` is for what no one request makes up for; `note` then says why, or by what.
    `moves` says of money what no argument says: that the operation moves none, or nobody knows how much. `find` is a
    recipe, or in words why what is lost cannot be found; `marker` is one of the overlay's by name. `done`
    are pointers into the main object, each with what stands there, or may, once the write took effect; `answers: other`
    is for what does not answer with that object. `poll` is for a read that is made until its answer changes, `volatile`
    are arguments whose value makes no other call of it, and `many` is for what is done often at one place. `probe_safe`
    tells whether doing it twice leaves what doing it once does, where its method does not: PUT and DELETE do, no other.
    """

    alias_of: str | None = None
    effect: Effect | None = Field(default=None, strict=False)
    amount: WrittenAmount | None = None
    moves: Literal["nothing", "unbounded"] | WrittenMoves | None = None
    subjects: tuple[WrittenSubject, ...] = Field(default=(), strict=False)
    reversibility: Reversibility | None = Field(default=None, strict=False)
    honours_key: bool | None = None
    never_store: tuple[MemberPath, ...] = Field(default=(), strict=False)
    body_bytes_max: Annotated[int, Field(gt=0, le=BODY_BYTES_MAX)] | None = None
    content: dict[MediaRange, BodyShape] = Field(default_factory=dict)
    whole_body: Annotated[Kind, Field(strict=False)] | None = None
    touches: dict[str, WrittenTouch] = Field(default_factory=dict)
    effect_key: Annotated[str, Field(max_length=200)] = ""
    effect_window: Duration | None = None
    undo: Literal["inverse", "person"] | WrittenUndo | None = None
    find: Annotated[str, Field(min_length=1, max_length=200)] | WrittenFind | None = None
    marker: str | None = None
    done: dict[Pointer, Shown | list[Shown]] = Field(default_factory=dict)
    answers: Literal["object", "other"] = "object"
    poll: WrittenPoll | None = None
    volatile: tuple[str, ...] = Field(default=(), strict=False)
    many: bool = False
    probe_safe: bool | None = None
    note: str = ""


class Overlay(Model):
    """
    One overlay, whole. `format` is the version of its meaning.
    """

    format: Literal[1] = 1
    dialect: Dialect = Dialect()
    lists: WrittenLists = WrittenLists()
    markers: dict[TypeName, WrittenMarker] = Field(default_factory=dict)
    objects: dict[TypeName, WrittenObject] = Field(default_factory=dict)
    operations: dict[str, Curated] = Field(default_factory=dict)
    _source: Source | None = PrivateAttr(default=None)

    def place(self, *trail: str) -> str:
        """
        Return where the last member along a trail stands that is written at all, as `file:line:column`; or nothing.
        """
        return "" if self._source is None else _place(self._source, trail)


def read_overlay(file: str, data: bytes) -> Overlay:
    """
    Parse an overlay, or raise `CatalogFault` at the place of the first thing that is wrong.
    """
    source = read_source(file, data)
    if source.faults:
        raise CatalogFault(str(source.faults[0]), source.faults[0].hint)
    try:
        overlay = Overlay.model_validate(source.value)
    except ValidationError as invalid:
        where = _place(source, invalid.errors()[0]["loc"])
        raise CatalogFault(f"{where}: {said(invalid)}", "see docs/CATALOGUES.md") from None
    overlay._source = source  # noqa: SLF001 - whoever reads an overlay also knows where it stands
    return overlay


def _place(source: Source, trail: tuple[str | int, ...]) -> str:
    for length in range(len(trail), 0, -1):
        spot = source.keys.get(trail[:length]) or source.values.get(trail[:length])
        if spot is not None:
            return f"{spot.file}:{spot.line}:{spot.column}"
    return source.file
