"""Which objects a call touches, by name: each parameter of an object's read, taken from where its recipe says."""

from __future__ import annotations

from collections.abc import Mapping

from breakers.call import Call, Operation
from config.catalog import ObjectSpec, Place, Source, Touch
from config.dialect import point_at
from config.recipes import ANSWER, CONSTANT

_PLACES = frozenset(Place)

Key = Mapping[str, str]
"""The parameters of an object's read by name; an optional one that is not known is not there."""


def key_of(touch: Touch, operation: Operation, answer: object = None) -> Key | None:
    """
    Return what identifies a touched object, or None where the call does not say it (its answer may: `answer`, parsed).

    A part that the call says in a way that names nothing is never left out: the read would show another object.
    """
    key: dict[str, str] = {}
    for parameter, source in touch.sources:
        text = text_of(source, operation, answer)
        if text is not None:
            key[parameter] = text
        elif parameter not in touch.object.optional or _is_said(source, operation):
            return None
    return key


def is_misnamed(touch: Touch, operation: Operation) -> bool:
    """
    Tell whether the call says which object it touches, in a way that names none.
    """
    return any(_is_said(source, operation) and text_of(source, operation) is None for _, source in touch.sources)


def key_of_read(spec: ObjectSpec, operation: Operation) -> Key | None:
    """
    Return what identifies the object that a read shows, where the read is the one that its type names.
    """
    found: dict[str, str] = {}
    for parameter in spec.key:
        text = _argument(parameter, operation)
        if text is not None:
            found[parameter] = text
        elif parameter not in spec.optional:
            return None
    return found


def object_id(spec: ObjectSpec, key: Key) -> str:
    """
    Return an object's id within its type: the parts of its key, in their order, joined by `/`.
    """
    return "/".join([key[parameter] for parameter in spec.key if parameter in key])


def named(operation: Operation) -> tuple[tuple[str, str], ...]:
    """
    Return the objects that a call names, as (type, id): those that it would touch, or shows.
    """
    return operation.naming(_named) if operation.spec.touches or operation.spec.shows else ()


def _named(operation: Operation) -> tuple[tuple[str, str], ...]:
    found: dict[tuple[str, str], None] = {}
    for touch in operation.spec.touches:
        if (key := key_of(touch, operation)) is not None:
            found[touch.object.type, object_id(touch.object, key)] = None
    for spec in operation.spec.shows:
        if (key := key_of_read(spec, operation)) is not None:
            found[spec.type, object_id(spec, key)] = None
    return tuple(found)


def touched(call: Call) -> tuple[tuple[str, str, str], ...]:
    """
    Return the objects that a call names, each as (API account, type, id).
    """
    return tuple([(call.api, kind, one) for kind, one in named(call.operation)])


def _argument(parameter: str, operation: Operation) -> str | None:
    for place in (Place.PATH, Place.QUERY):
        if (place, parameter) in operation.arguments:
            return _spelled(operation.arguments[place, parameter])
    return None


def _is_said(source: Source, operation: Operation) -> bool:
    return source.origin in _PLACES and operation.arguments.get((Place(source.origin), source.name)) is not None


def text_of(source: Source, operation: Operation, answer: object = None) -> str | None:
    """
    Return the text that a source says, or None where it says none; `answer` is the write's, parsed.
    """
    if source.origin == CONSTANT:
        return source.name
    if source.origin == ANSWER:
        return None if answer is None else _spelled(point_at(answer, source.name))
    # The tables have the member itself; to look one up takes longer than the rest.
    place = source.origin if isinstance(source.origin, Place) else Place(source.origin)
    value = operation.arguments.get((place, source.name))
    text = _spelled(point_at(value, source.pointer) if source.pointer else value)
    if text is None or not text.startswith(source.strip):
        return None
    return text.removeprefix(source.strip) or None


def _spelled(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
