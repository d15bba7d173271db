"""
Marks: how the id of an intent is written into a request, and how what the request made is recognised by it.

A mark is for whoever looks for a write whose answer was lost. It is one value that this file spells, put where the
catalogue says that the vendor keeps and shows it; a request that has no such place leaves as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from breakers.call import Form, Json, Request
from config.catalog import Marker, MarkerForm
from config.dialect import point_at
from proxy.paths import pointer_names

NAME = "breakwater_call"

TRAILER_NAME = "Breakwater-Call"
"""Of a commit message: a trailer's name has no underscore."""

INTENT = "intent"
"""The member of a property's value that holds the id: vendors index properties by member."""

_ABSENT = object()
_Turn = Callable[[object], object]


def spelled(marker: Marker, intent: str) -> str:
    """
    Return the mark of an intent as it stands in a request, and as a search may look for it.
    """
    match marker.form:
        case MarkerForm.COMMENT:
            return f"<!-- {NAME}: {intent} -->"
        case MarkerForm.TRAILER:
            return f"{TRAILER_NAME}: {intent}"
        case MarkerForm.LABEL:
            return f"{NAME}_{intent}"
        case MarkerForm.MEMBER | MarkerForm.PROPERTY:
            return intent


def marked(request: Request, marker: Marker, intent: str) -> Request:
    """
    Return the request with the intent's mark in it; the same request where its body has no place for one.
    """
    place = ((marker.argument,) if marker.argument else ()) + pointer_names(marker.pointer)
    match request.body:
        case Json(value):
            turned = _changed(value, place, lambda held: _turned(held, marker, intent))
            return request if turned is _ABSENT else replace(request, body=Json(turned))
        case Form(pairs):
            turned_pairs = _in_form(dict(pairs), pairs, place, marker, intent)
            return request if turned_pairs is None else replace(request, body=Form(turned_pairs))
        case _:
            return request


def shows(item: object, marker: Marker, intent: str) -> bool:
    """
    Tell whether an object shows the mark of this intent, at the place where its API shows marks.
    """
    held, mark = point_at(item, marker.shown), spelled(marker, intent)
    match marker.form:
        case MarkerForm.MEMBER:
            return isinstance(held, dict) and held.get(NAME) == mark
        case MarkerForm.COMMENT:
            return isinstance(held, str) and mark in held
        case MarkerForm.TRAILER:
            return isinstance(held, str) and mark in (line.strip() for line in held.splitlines())
        case MarkerForm.LABEL:
            return isinstance(held, list) and any(mark in (one, point_at(one, "/name")) for one in held)
        case MarkerForm.PROPERTY:
            return _property(held) == {INTENT: mark}


def _turned(held: object, marker: Marker, intent: str) -> object:
    """
    Return what stands at the marker's place once it bears the mark, or `_ABSENT` where it cannot.
    """
    mark, absent = spelled(marker, intent), held is _ABSENT or held is None
    match marker.form:
        case MarkerForm.MEMBER if absent or isinstance(held, dict):
            return {**(held if isinstance(held, dict) else {}), NAME: mark}
        case MarkerForm.COMMENT if absent:
            return mark
        # Without a text there the vendor writes one of its own, which a trailer alone would take the place of.
        case MarkerForm.COMMENT | MarkerForm.TRAILER if isinstance(held, str) and held:
            return f"{held}\n\n{mark}"
        case MarkerForm.COMMENT if held == "":
            return mark
        case MarkerForm.LABEL if absent or isinstance(held, list):
            return [*(held if isinstance(held, list) else ()), mark]
        case MarkerForm.PROPERTY if absent or isinstance(held, list):
            return [*_without_mark(held), {"key": NAME, "value": {INTENT: mark}}]
        case _:
            return _ABSENT


def _changed(value: object, place: tuple[str, ...], turn: _Turn) -> object:
    """
    Return a JSON value with what stands at a place turned; the objects on the way there are made, nothing else is.
    """
    if not place:
        return turn(value)
    if value is _ABSENT:
        value = {}
    if not isinstance(value, dict):
        return _ABSENT
    inner = _changed(value.get(place[0], _ABSENT), place[1:], turn)
    return _ABSENT if inner is _ABSENT else {**value, place[0]: inner}


def _in_form(
    values: Mapping[str, str],
    pairs: tuple[tuple[str, str], ...],
    place: tuple[str, ...],
    marker: Marker,
    intent: str,
) -> tuple[tuple[str, str], ...] | None:
    """
    Return a form's pairs with the mark among them: a member by its own name, a text with the mark behind it.
    """
    if not place:
        return None
    name = place[0] + "".join(f"[{inner}]" for inner in place[1:])
    if marker.form is MarkerForm.MEMBER:
        # `metadata=` empties what `metadata[…]` would fill.
        if name in values:
            return None
        turned: object = spelled(marker, intent)
        name = f"{name}[{NAME}]"
    else:
        turned = _turned(values.get(name, _ABSENT), marker, intent)
    if not isinstance(turned, str):
        return None
    return (*(pair for pair in pairs if pair[0] != name), (name, turned))


def _without_mark(held: object) -> list[object]:
    # A caller that copies the properties of another object must not copy its mark.
    return [one for one in held if point_at(one, "/key") != NAME] if isinstance(held, list) else []


def _property(held: object) -> object:
    if isinstance(held, list):
        return next((point_at(one, "/value") for one in held if point_at(one, "/key") == NAME), None)
    return point_at(held, f"/{NAME}")
