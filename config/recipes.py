"""
How the objects that a write touches are found, and how it is made up for: what an overlay says, held against the table.

A recipe is data: an operation that reads, and where each of its parameters comes from. One that names what the table
does not have is a fault, because a diff that is quietly never taken looks like a write that changed nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from config.catalog import After, Argument, Before, Effect, ObjectSpec, Place, Source, Touch, Undo
from config.faults import CatalogFault, did_you_mean
from config.overlay import Curated, WrittenObject, WrittenTouch
from config.table_file import Row

ANSWER, BEFORE, CONSTANT = "answer", "before", "constant"
"""Where a value can come from beside an argument's place."""

_SOURCE = re.compile(
    r"(?P<place>path|query|body)\.(?P<name>\S*?)(?: - (?P<strip>\S+))?"
    r"|(?P<image>answer|before)(?P<pointer>(?:/[^/\s]+)+)"
    r"|=(?P<constant>.+)"
)
_NAMED = re.compile(r"\{([^{}]*)\}")

Arguments = Mapping[tuple[Place, str], Argument]


def compile_objects(written: Mapping[str, WrittenObject], rows: Mapping[str, Row]) -> Mapping[str, ObjectSpec]:
    """
    Return the types of business objects, or raise `CatalogFault` for one whose read cannot be made.
    """
    return MappingProxyType({name: _object(name, one, rows) for name, one in written.items()})


def _object(name: str, written: WrittenObject, rows: Mapping[str, Row]) -> ObjectSpec:
    read = rows.get(written.read)
    if read is None:
        raise CatalogFault(
            f"object `{name}`: its read `{written.read}` is no operation", did_you_mean(written.read, rows)
        )
    if read.effect is not Effect.READ:
        raise CatalogFault(f"object `{name}`: `{read.name}` is not a read")
    path, query = read.arguments.get(Place.PATH, {}), read.arguments.get(Place.QUERY, {})
    if missing := next((parameter for parameter in path if parameter not in written.key), None):
        raise CatalogFault(f"object `{name}`: `{read.name}` also needs `{missing}`", "name it in `key`")
    if unknown := next((key for key in written.key if key not in path and key not in query), None):
        raise CatalogFault(
            f"object `{name}`: `{read.name}` has no parameter `{unknown}`", did_you_mean(unknown, [*path, *query])
        )
    fixed = tuple(written.query.items())
    optional = tuple(key for key in written.key if key not in path)
    return ObjectSpec(name, read.name, written.key, optional, fixed, written.names, written.expected)


def compile_touches(
    curated: Curated,
    method: str,
    arguments: Arguments,
    objects: Mapping[str, ObjectSpec],
    shaping: Iterable[str] = (),
) -> tuple[Touch, ...]:
    """
    Return what an operation touches, or raise `CatalogFault`; the fault does not name the operation yet.

    `shaping` are arguments that shape an answer and change nothing: no object shows them.
    """
    main = next(iter(curated.touches), None)
    if other := next((name for name, one in curated.touches.items() if one.claims and name != main), None):
        raise CatalogFault(f"`{other}` has `claims`, and only the object that comes first can show an argument")
    shapers = tuple(name for name in shaping if any((place, name) in arguments for place in Place))
    return tuple(_touch(name, one, method, arguments, objects, shapers) for name, one in curated.touches.items())


def _touch(
    name: str,
    written: WrittenTouch,
    method: str,
    arguments: Arguments,
    objects: Mapping[str, ObjectSpec],
    shapers: tuple[str, ...],
) -> Touch:
    spec = objects.get(name)
    if spec is None:
        raise CatalogFault(f"it touches `{name}`, which is no object", did_you_mean(name, objects))
    sources = _sources(spec, written, arguments)
    made = any(source.origin == ANSWER for _, source in sources)
    if any(source.origin == BEFORE for _, source in sources) or (made and written.before not in {None, Before.NONE}):
        raise CatalogFault(f"`{name}` cannot be read before the write: its key is not known then")
    before = written.before or (Before.NONE if made else Before.WANTED)
    said = written.after or (After.GONE if method == "DELETE" else After.READ)
    pointer = said if said.startswith("/") else ""
    after = After.ANSWER if pointer else After(said)
    for argument in written.claims:
        declared(argument, arguments)
    claims = {**dict.fromkeys(shapers), **written.claims}
    spec = replace(spec, expected=(*spec.expected, *written.expected))
    return Touch(spec, sources, before, after, pointer, tuple(claims.items()), shapers)


def _sources(spec: ObjectSpec, written: WrittenTouch, arguments: Arguments) -> tuple[tuple[str, Source], ...]:
    if unknown := next((parameter for parameter in written.with_ if parameter not in spec.key), None):
        raise CatalogFault(f"`{spec.type}` has no key `{unknown}`", did_you_mean(unknown, spec.key))
    sources = []
    for parameter in spec.key:
        text = written.with_.get(parameter)
        if text is None:
            place = next((place for place in (Place.PATH, Place.QUERY) if (place, parameter) in arguments), None)
            if place is None:
                hint = f"say it under `with`: `{parameter}: body.NAME` or `answer/NAME`"
                raise CatalogFault(f"nothing says where the key `{parameter}` of `{spec.type}` comes from", hint)
            text = f"{place}.{parameter}"
        sources.append((parameter, read_source(text, arguments)))
    return tuple(sources)


def read_source(text: str, arguments: Arguments) -> Source:
    """
    Return where a value comes from, or raise `CatalogFault` where that is nowhere.
    """
    found = _SOURCE.fullmatch(text)
    if found is None:
        hint = "write `path.NAME`, `query.NAME`, `body.NAME`, `answer/POINTER` or `=CONSTANT`"
        raise CatalogFault(f"`{text}` is no place that a value comes from", hint)
    if found["constant"] is not None:
        return Source(CONSTANT, found["constant"])
    if found["image"] is not None:
        return Source(found["image"], found["pointer"])
    place, name = Place(found["place"]), found["name"]
    if (place, name) not in arguments:
        raise CatalogFault(f"it has no {place} argument `{name}`", _like(name, arguments))
    return Source(place, name, found["strip"] or "")


def compile_undo(
    curated: Curated, arguments: Arguments, rows: Mapping[str, Row], touches: tuple[Touch, ...]
) -> Undo | None:
    """
    Return how an operation is made up for, or raise `CatalogFault`.

    What fills the path of the operation that makes up for it, and is not said, is the path argument of the same name.
    """
    written = curated.undo
    if written is None:
        return None
    if written == "person":
        if not curated.note.strip():
            raise CatalogFault("`undo: person` needs its reason", "say under `note` why no operation makes up for it")
        return Undo(person=True)
    if written == "inverse":
        if not touches:
            raise CatalogFault("`undo: inverse` needs an object that it touches", "say what it touches")
        return Undo()
    other = rows.get(written.operation)
    if other is None:
        hint = did_you_mean(written.operation, rows)
        raise CatalogFault(f"it is made up for by `{written.operation}`, which is no operation", hint)
    known = {name for held in other.arguments.values() for name in held}
    if unknown := next((name for name in written.with_ if name not in known), None):
        raise CatalogFault(f"`{other.name}` has no argument `{unknown}`", did_you_mean(unknown, known))
    said = dict(written.with_)
    for parameter in other.arguments.get(Place.PATH, {}):
        if parameter not in said and (Place.PATH, parameter) not in arguments:
            hint = f"say it under `with`: `{parameter}: answer/NAME`"
            raise CatalogFault(f"nothing says where `{parameter}` of `{other.name}` comes from", hint)
        said.setdefault(parameter, f"path.{parameter}")
    sources = tuple((name, read_source(text, arguments)) for name, text in said.items())
    seen = any(touch.before is not Before.NONE for touch in touches[:1])
    if not seen and any(source.origin == BEFORE for _, source in sources):
        raise CatalogFault("it is made up for with what was there before, and nothing reads that")
    return Undo(other.name, sources)


def check_effect_key(text: str, arguments: Arguments) -> str:
    """
    Return the template of an effect key, every name in which is an argument; `{a|b}` is the first that is present.

    Behind the names `!` says that a call which says none of them has no effect that is known.
    """
    names = [name for alternatives in _NAMED.findall(text) for name in alternatives.removesuffix("!").split("|")]
    if text and (not names or set(_NAMED.sub("", text)) & {"{", "}"}):
        raise CatalogFault(f"the effect key `{text}` names no argument", "write `refund:{charge}:{amount}`")
    for name in names:
        declared(name, arguments)
    return text


def declared(name: str, arguments: Arguments) -> None:
    """
    Raise `CatalogFault` where an operation has no argument of that name anywhere.
    """
    if not any((place, name) in arguments for place in Place):
        raise CatalogFault(f"it has no argument `{name}`", _like(name, arguments))


def _like(name: str, arguments: Arguments) -> str:
    return did_you_mean(name, (known for _, known in arguments))
