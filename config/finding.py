"""
How a write whose answer was lost is found again: what an overlay says of it, held against the table.

A recipe names a read that lists what the write may have made, and what of an item tells who made it, when, and from
which arguments; a marker is where the id of an intent is written so that it can be told from everything else. Whatever
they name must exist: a list that is quietly never read, or read without its filter, would make "it is not there" of "we
did not look", and a write that is then made again is made twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from config.catalog import (
    Argument,
    Effect,
    Find,
    Kind,
    Listing,
    Marker,
    MarkerForm,
    Paging,
    Place,
    Source,
    Touch,
)
from config.dialect import Identity
from config.faults import CatalogFault, did_you_mean
from config.overlay import Curated, Places, Shown, WrittenFind, WrittenListing, WrittenLists, WrittenMarker
from config.recipes import ANSWER, CONSTANT, declared
from config.table_file import Row

MARKER, SINCE, SINCE_S = "marker", "since", "since_s"
"""What stands in braces in a query beside what is quoted there."""

T = TypeVar("T")
Arguments = Mapping[tuple[Place, str], Argument]
Sources = tuple[tuple[str, Source], ...]

_SOURCE = re.compile(r"(?P<place>path|query|body)\.(?P<name>[^\s/]+)(?P<pointer>(?:/[^/\s]+)*)|=(?P<constant>.+)")
_NAMED = re.compile(r"\{([^{}]*)\}")

# Which arguments can take a marker of each form.
_TAKES: Mapping[MarkerForm, frozenset[Kind]] = {
    MarkerForm.MEMBER: frozenset({Kind.OBJECT, Kind.ANY}),
    MarkerForm.COMMENT: frozenset({Kind.STRING, Kind.ANY}),
    MarkerForm.TRAILER: frozenset({Kind.STRING, Kind.ANY}),
    MarkerForm.LABEL: frozenset({Kind.ARRAY, Kind.ANY}),
    MarkerForm.PROPERTY: frozenset({Kind.ARRAY, Kind.ANY}),
}

# How a list goes on that says by a pointer whether it does.
_SAYS_MORE = frozenset({Paging.AFTER, Paging.TOKEN})


@dataclass(frozen=True, slots=True)
class Lost:
    """
    What is known of an operation when its recipe is read: its arguments, what it touches, what only shapes answers.
    """

    arguments: Arguments
    touches: tuple[Touch, ...]
    shaping: tuple[str, ...]
    lag_s: int


def compile_marker(curated: Curated, markers: Mapping[str, WrittenMarker], arguments: Arguments) -> Marker | None:
    """
    Return where an operation takes a marker, or raise `CatalogFault`.
    """
    if curated.marker is None:
        return None
    written = markers.get(curated.marker)
    if written is None:
        raise CatalogFault(f"`{curated.marker}` is none of the `markers`", did_you_mean(curated.marker, markers))
    if not isinstance(curated.find, WrittenFind):
        raise CatalogFault("it bears a marker that nobody looks for", "say under `find` which list shows it")
    held = arguments.get((Place.BODY, written.argument))
    if held is None:
        raise CatalogFault(f"it has no body argument `{written.argument}`", _like(written.argument, arguments))
    wanted = frozenset({Kind.OBJECT, Kind.ANY}) if written.pointer else _TAKES[written.form]
    if held.kind not in wanted:
        raise CatalogFault(f"`{held.name}` is of type {held.kind}, which takes no {written.form}")
    return Marker(written.argument, written.form, written.shown, written.pointer)


def compile_find(curated: Curated, lists: WrittenLists, rows: Mapping[str, Row], lost: Lost) -> Find | None:
    """
    Return how an operation is looked for, or raise `CatalogFault`; the fault does not name the operation yet.
    """
    written = curated.find
    if not isinstance(written, WrittenFind):
        return None
    listing = _listing((written, lists), rows, lost.arguments)
    marked = None if written.marked is None else _listing((written.marked, written, lists), rows, lost.arguments)
    if MARKER in _names(listing):
        raise CatalogFault("`{marker}` stands in the query of a list for writes without one", "write it under `marked`")
    if marked is not None and (curated.marker is None or MARKER not in _names(marked)):
        raise CatalogFault("`marked` is for a `marker` that its query names", "write `{marker}` into the query")
    for argument in written.claims:
        declared(argument, lost.arguments)
    touched = dict(lost.touches[0].claims) if lost.touches else {}
    shaping = [name for name in lost.shaping if any((place, name) in lost.arguments for place in Place)]
    claims = {**dict.fromkeys(shaping), **touched, **written.claims}
    return Find(
        listing=listing,
        id=written.id or lists.id,
        created=written.created or lists.created,
        creator=written.creator if "creator" in written.model_fields_set else lists.creator,
        key=_key(written, lost.touches),
        marked=marked,
        without=written.without,
        claims=tuple(claims.items()),
        lag_s=lost.lag_s if written.lag is None else written.lag,
        needs_later=written.needs_later,
        reads=written.reads,
        apart_s=written.apart,
    )


def _key(written: WrittenFind, touches: tuple[Touch, ...]) -> tuple[tuple[str, str], ...]:
    """
    Return where an item shows the parameters of the main object's read that only an answer would have said.
    """
    if not touches:
        if written.key:
            raise CatalogFault("`key` is of an object, and it touches none")
        return ()
    main = touches[0]
    if unknown := next((name for name in written.key if name not in main.object.key), None):
        raise CatalogFault(f"`{main.object.type}` has no key `{unknown}`", did_you_mean(unknown, main.object.key))
    answered = [name for name, source in main.sources if source.origin == ANSWER]
    if missing := next((name for name in answered if name not in written.key), None):
        raise CatalogFault(f"nothing says where an item shows `{missing}`", f"say it under `key`: `{missing}: /id`")
    return tuple(written.key.items())


def _listing(layers: tuple[WrittenListing, ...], rows: Mapping[str, Row], arguments: Arguments) -> Listing:
    read = _read(layers, rows)
    paging = _first((layer.paging for layer in layers), Paging.NUMBER)
    page = "" if paging is Paging.WHOLE else _first((layer.page for layer in layers), "page")
    more = _first((layer.more for layer in layers), "") if paging in _SAYS_MORE else ""
    taken = read.arguments.get(Place.QUERY, {})
    if page and page not in taken:
        raise CatalogFault(f"`{read.name}` has no parameter `{page}` to go on by", did_you_mean(page, taken))
    if paging in _SAYS_MORE and not more:
        raise CatalogFault(f"nothing says whether `{read.name}` goes on", "say the pointer under `more`")
    listing = Listing(
        read=read.name,
        sources=_parameters(_merged(layer.with_ for layer in layers), read, arguments),
        query=tuple(_query(layers, read).items()),
        items=_first((layer.items for layer in layers), ""),
        quoted=_all_sources(_merged(layer.quoted for layer in layers), arguments),
        paging=paging,
        page=page,
        more=more,
        newest_first=_first((layer.newest_first for layer in layers), default=True),
    )
    _check_names(listing)
    return listing


def _read(layers: tuple[WrittenListing, ...], rows: Mapping[str, Row]) -> Row:
    name = _first((layer.list for layer in layers), "")
    if not name:
        raise CatalogFault("nothing says which `list` shows it", "name a read under `list`")
    read = rows.get(name)
    if read is None:
        raise CatalogFault(f"its list `{name}` is no operation", did_you_mean(name, rows))
    if read.effect is not Effect.READ or read.method != "GET":
        raise CatalogFault(f"its list `{name}` is not a read by GET")
    return read


def _first(said: Iterable[T | None], default: T) -> T:
    return next((held for held in said if held is not None), default)


def _merged(said: Iterable[Mapping[str, Places]]) -> dict[str, Places]:
    """
    Return what several say by name, the first one's word counting.
    """
    found: dict[str, Places] = {}
    for each in said:
        found = {**each, **found}
    return found


def _query(layers: tuple[WrittenListing, ...], read: Row) -> dict[str, str]:
    """
    Return the fixed part of a query: of what all lists have in common that which this one takes, and its own whole.
    """
    taken = read.arguments.get(Place.QUERY, {})
    found: dict[str, str] = {}
    for layer in reversed(layers):
        for name, value in layer.query.items():
            bare = name.partition("[")[0]
            if bare in taken:
                found[name] = value
            elif not isinstance(layer, WrittenLists):
                raise CatalogFault(f"`{read.name}` has no parameter `{bare}`", did_you_mean(bare, taken))
    return found


def _parameters(written: Mapping[str, Places], read: Row, arguments: Arguments) -> Sources:
    path, query = read.arguments.get(Place.PATH, {}), read.arguments.get(Place.QUERY, {})
    if unknown := next((name for name in written if name not in path and name not in query), None):
        raise CatalogFault(f"`{read.name}` has no parameter `{unknown}`", did_you_mean(unknown, [*path, *query]))
    said = dict(written)
    for parameter in path:
        if parameter not in said and (Place.PATH, parameter) not in arguments:
            hint = f"say it under `with`: `{parameter}: body.NAME`"
            raise CatalogFault(f"nothing says where `{parameter}` of `{read.name}` comes from", hint)
        said.setdefault(parameter, f"path.{parameter}")
    return _all_sources(said, arguments)


def _all_sources(written: Mapping[str, Places], arguments: Arguments) -> Sources:
    return tuple(
        (parameter, _source(text, arguments))
        for parameter, texts in written.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    )


def _source(text: str, arguments: Arguments) -> Source:
    found = _SOURCE.fullmatch(text)
    if found is None:
        hint = "write `path.NAME`, `query.NAME`, `body.NAME`, `body.NAME/POINTER` or `=CONSTANT`"
        raise CatalogFault(f"`{text}` is no place that a list's parameter comes from", hint)
    if found["constant"] is not None:
        return Source(CONSTANT, found["constant"])
    place, name = Place(found["place"]), found["name"]
    if (place, name) not in arguments:
        raise CatalogFault(f"it has no {place} argument `{name}`", _like(name, arguments))
    if found["pointer"] and arguments[place, name].kind not in {Kind.OBJECT, Kind.ARRAY, Kind.ANY}:
        raise CatalogFault(f"nothing lies in `{name}`, which is of type {arguments[place, name].kind}")
    return Source(place, name, pointer=found["pointer"])


def _names(listing: Listing) -> frozenset[str]:
    return frozenset(name for _, value in listing.query for name in _NAMED.findall(value))


def _check_names(listing: Listing) -> None:
    """
    Refuse a name in braces that nothing fills, and one that nothing asks for.
    """
    names, quoted = _names(listing), {name for name, _ in listing.quoted}
    known = {MARKER, SINCE, SINCE_S, *quoted}
    if unknown := next((name for name in sorted(names) if name not in known), None):
        raise CatalogFault(f"nothing fills `{{{unknown}}}` in the query", did_you_mean(unknown, known))
    if unused := next((name for name in sorted(quoted) if name not in names), None):
        raise CatalogFault(f"the query does not name `{{{unused}}}`, which is `quoted`")


def compile_done(curated: Curated, touches: tuple[Touch, ...]) -> tuple[tuple[str, tuple[Shown, ...]], ...]:
    """
    Return what the main object shows once a write took effect, or raise `CatalogFault` where there is no such object.
    """
    if curated.done and not touches:
        raise CatalogFault("`done` is shown by an object, and it touches none", "say what it touches")
    return tuple((at, tuple(held) if isinstance(held, list) else (held,)) for at, held in curated.done.items())


def check_identity(identity: Identity | None, rows: Mapping[str, Row]) -> None:
    """
    Raise `CatalogFault` unless the read that tells who we are is a read that needs no parameter.
    """
    if identity is None:
        return
    read = rows.get(identity.read)
    if read is None:
        raise CatalogFault(f"`identity`: `{identity.read}` is no operation", did_you_mean(identity.read, rows))
    if read.effect is not Effect.READ or read.arguments.get(Place.PATH):
        raise CatalogFault(f"`identity`: `{read.name}` is not a read that needs no parameter")


def _like(name: str, arguments: Arguments) -> str:
    return did_you_mean(name, (known for _, known in arguments))
