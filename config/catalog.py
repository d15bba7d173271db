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

from config.habit import NO_HABIT, Habit
from config.lines import Lines


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


# The name under which a JSON body that is no object is an argument: the whole body.
WHOLE_BODY = ""


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

    Without an `argument` (empty) only a subject read tells; with `currency` None only one tells that. With an argument
    of `unbounded_by` present nothing that is known here bounds the amount. `decimals` says that it may have some, and
    of what: of minor units or of whole `units`. `times` is an argument that multiplies it, and `lines` how it is the
    sum of a list's items. `answered` are two pointers into the answer: what it moved, in minor units, and the currency.
    What is only `offered` moves once somebody else accepts it. Each argument of `again` that is there and not false
    moves as much once more, beside it.
    """

    argument: str
    currency: str | None = None
    place: Place = Place.BODY
    unbounded_by: tuple[str, ...] = ()
    decimals: str = ""
    times: str | None = None
    lines: Lines | None = None
    answered: tuple[str, str] | None = None
    offered: bool = False
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """
    A read that tells what a write is about: the currency, and the upper bound where the amount is absent.

    Made when the argument `by` is present: `operation` of the same API with that argument's value as its path
    parameter `parameter` and `query` as its query. `currency` is a JSON pointer into the answer; `bound` is a tuple of
    (sign, pointer) terms whose sum, in minor units, is the most that the write can still move; without terms, the
    subject tells the currency and bounds nothing. It tells anything only where the pointers of `where` lead to what
    stands with them.
    """

    by: str
    place: Place
    operation: str
    parameter: str
    query: tuple[tuple[str, str], ...]
    currency: str
    bound: tuple[tuple[int, str], ...]
    where: tuple[tuple[str, tuple[str | int | bool | None, ...]], ...] = ()


class Before(StrEnum):
    """
    Whether an object is read before a write that touches it: not at all, if that succeeds in time, or else no write.
    """

    NONE = "none"
    WANTED = "wanted"
    REQUIRED = "required"


class After(StrEnum):
    """
    Where an object is seen after a write: in its answer (at the touch's pointer), in a read, or nowhere: it is gone.
    """

    ANSWER = "answer"
    READ = "read"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """
    A type of business object: the operation `read` shows it, and its parameters `key` identify it, in their order.

    `optional` are those of the key that the read can do without. `names` are JSON pointers in its image to other ids of
    the same object; `expected` are dotted members, at any depth, that change by themselves.
    """

    type: str
    read: str
    key: tuple[str, ...]
    optional: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where a value is taken from: an argument of the write, its answer, the object before it, or a constant.

    `origin` is a `Place` (`name` is the argument, `strip` a prefix that its value must have and loses), `answer` or
    `before` (`name` is a JSON pointer), or `constant` (`name` is the value). `pointer` leads into an argument's value.
    """

    origin: str
    name: str
    strip: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Touch:
    """
    An object that a write touches: where each parameter of its read comes from, and when its images are taken.

    `claims` maps arguments of the write to the JSON pointer under which the object shows them; None is nowhere, and
    what is not listed shows under its own name. With one of `shaped_by` among its arguments the write's answer shows
    the object in another shape than its read: then it is read.
    """

    object: ObjectSpec
    sources: tuple[tuple[str, Source], ...]
    before: Before
    after: After
    pointer: str = ""
    claims: tuple[tuple[str, str | None], ...] = ()
    shaped_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Undo:
    """
    How a write is answered for: by `operation` with these arguments, or, without one, by its own guarded inverse.

    With `person` neither does: only a person can, for the reason in the operation's `note`.
    """

    operation: str | None = None
    arguments: tuple[tuple[str, Source], ...] = ()
    person: bool = False


class MarkerForm(StrEnum):
    """
    How a marker stands in an argument: a member of it, a comment or a trailer behind its text, a label or a property in
    its list.
    """

    MEMBER = "member"
    COMMENT = "comment"
    TRAILER = "trailer"
    LABEL = "label"
    PROPERTY = "property"


@dataclass(frozen=True, slots=True)
class Marker:
    """
    How the id of an intent is written into a request, so that what it made can be told from everything else.

    `argument` (in the body) takes it, inside it at `pointer`; what was made shows that place at `shown`: the mapping,
    the text or the list in which the marker then is.
    """

    argument: str
    form: MarkerForm
    shown: str
    pointer: str = ""


class Paging(StrEnum):
    """
    How a list goes on: by page number (from 1), by how many items came before, behind the last item's id, by a token of
    the answer, or not at all: it is whole.
    """

    NUMBER = "number"
    OFFSET = "offset"
    AFTER = "after"
    TOKEN = "token"  # noqa: S105 - a way of paging
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A read that lists what a lost write may have made.

    `sources` and `query` are its parameters. Of several sources for one parameter the first that the request has
    counts; a parameter without any is left out, unless it stands in the path or is quoted: then nothing can be listed.
    In `query` a value may hold `{marker}`, the marker as it stands in a request (of the form `LABEL`: the whole label),
    `{since}`, the earliest moment that counts, in RFC 3339 to the second in UTC, `{since_s}`, the same in seconds since
    1970, and `{parameter}` of `quoted`, whose values are put between double quotes there. `items` is the pointer to the
    list in its answer, empty where the answer is the list. It goes on by `paging`: the parameter `page`, and for
    `AFTER` the pointer `more` that is true while there is more, for `TOKEN` the pointer `more` to the token. Only where
    `newest_first` holds may reading stop at an item that is too old; any other list is read to its end.
    """

    read: str
    sources: tuple[tuple[str, Source], ...]
    query: tuple[tuple[str, str], ...]
    items: str
    quoted: tuple[tuple[str, Source], ...] = ()
    paging: Paging = Paging.NUMBER
    page: str = "page"
    more: str = ""
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Find:
    """
    How a write whose answer was lost is looked for.

    Of an item in `listing` (in `marked`, where the write bore a marker), `id` is the pointer to what identifies it,
    `created` to when it was made (RFC 3339, or seconds since 1970), `creator` to who made it (None: nobody else can),
    and one with a member of `without` (a pointer that is there and not null) is something else. `claims` maps arguments
    to where an item shows them, as a touch's do; None is nowhere. An item may show an object where one member of it was
    sent, and more members than were. `key` maps the parameters of the main object's read
    to where an item shows them; the others come from where its touch says. The list is complete
    `lag_s` seconds after a write; with `needs_later`, only once `listing` shows what was made later. Absence takes
    `reads` clean reads, `apart_s` seconds apart.
    """

    listing: Listing
    id: str
    created: str
    creator: str | None
    key: tuple[tuple[str, str], ...]
    marked: Listing | None = None
    without: tuple[str, ...] = ()
    claims: tuple[tuple[str, str | None], ...] = ()
    lag_s: int = 0
    needs_later: bool = False
    reads: int = 2
    apart_s: int = 15


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """
    One operation of an API as its catalogue declares it.

    `contents` are the body shapes it takes by the media types that announce them (`*/*` is any); `arguments` maps
    (place, name). `never_store` are dotted member names that match at any depth, in its requests and its answers, lists
    being looked through. With `open_body` the caller makes up the names of the body's members. Operations that are each
    other's `aliases` share one route and so everything but their names.
    `touches` are the objects that a write touches, the one that it is about first, `shows` those that a read shows;
    `effect_key` names its business effect, with arguments in braces, and a second one within `effect_window_s` seconds
    is a suspected duplicate. `key_kept_s` is how long the vendor remembers an idempotency key, where it honours one.
    `find` is how a lost one is looked for, or `unfound` why none can be, `marker` how it can be marked for that; what
    `answers_other` does not answer with its object, and so cannot be answered again from that;
    `done` are pointers into its main object, each with what may stand there once it took effect: where it is said, it
    alone tells whether it did. `curated` tells whether a person has said anything of it. It may move
    no money (`moves_nothing`), or none as long as a call has no other arguments than the `harmless` ones.
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
    moves_nothing: bool = False
    harmless: frozenset[str] = frozenset()
    subjects: tuple[Subject, ...] = ()
    reversibility: Reversibility = Reversibility.UNKNOWN
    honours_key: bool = False
    never_store: tuple[str, ...] = ()
    body_bytes_max: int | None = None
    open_body: bool = False
    note: str = ""
    touches: tuple[Touch, ...] = ()
    shows: tuple[ObjectSpec, ...] = ()
    effect_key: str = ""
    undo: Undo | None = None
    curated: bool = False
    effect_window_s: int = 0
    key_kept_s: int = 0
    find: Find | None = None
    unfound: str = ""
    answers_other: bool = False
    marker: Marker | None = None
    done: tuple[tuple[str, tuple[str | int | bool | None, ...]], ...] = ()
    habit: Habit = NO_HABIT
    probe_safe: bool = False
    worked_out: dict[str, object] = field(default_factory=dict, init=False, compare=False, repr=False)  # by others

    @property
    def names(self) -> tuple[str, ...]:
        """
        Return every name that a rule may use for this operation, its own first.
        """
        return (self.name, *self.aliases)

    @property
    def moves_money(self) -> bool:
        """
        Tell whether success moves money, as far as its catalogue says so.
        """
        return self.amount is not None and not self.amount.offered

    @property
    def makes_anew(self) -> bool:
        """
        Tell whether doing it twice may make two of something: what nobody curated may, where it is a POST.
        """
        if self.effect_key or self.moves_money:
            return True
        if self.touches:
            return self.touches[0].before is Before.NONE
        return self.method == "POST" and not self.curated


NO_ARGUMENTS: Mapping[tuple[Place, str], Argument] = MappingProxyType({})
