"""
The request as it is kept: one JSON document of the canonical form, without the members that must never be stored.

A member to leave out is named by a dotted path that matches at any depth, lists being looked through: `card.number` is
the member `number` of any member `card`, and the form field `card[number]`. Credentials never get here: a canonical
request does not hold them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import is_

import orjson

from breakers.call import Form, Json, Multipart, Opaque, Request
from breakers.noun import noun
from proxy.images import parse_image, spell_parsed

CUTS_KEPT = 64
CUT_BYTES_MAX = 16 * 1024
"""An answer is looked through for its record, and a moment later for the image of what it shows: so many of them are
remembered, up to this size."""

NAME_LENGTH_MAX = 256
"""Of the names in forms that are remembered; one may be as long as a body."""

_LEAVES = frozenset({str, int, float, bool, Decimal, type(None)})
"""Types of values without members; a value of any other type is asked for them."""

_SPLIT = re.compile(r"[\[\].]+")


def _names_in(path: str) -> tuple[str, ...]:
    return (_names if len(path) <= NAME_LENGTH_MAX else _names.__wrapped__)(path)


@lru_cache(maxsize=1024)
def _names(path: str) -> tuple[str, ...]:
    # An index or an empty bracket is a place in a list, not a name.
    return tuple(name for name in _SPLIT.split(path) if name and not name.isdigit())


@dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """
    Paths of members, split, by their last name: one look-up tells of nearly every member that it is none of them.

    `spelled` finds one of those names in a body, if it is there without an escape.
    """

    paths: tuple[str, ...]
    by_last: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]
    names: frozenset[str]
    spelled: re.Pattern[bytes]


@lru_cache(maxsize=512)
def _compiled(paths: tuple[str, ...]) -> _Paths:
    by_last: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for path in paths:
        names = tuple(path.split("."))
        by_last.setdefault(names[-1], []).append((path, names))
    spelled = re.compile(b'"(?:%b)"' % b"|".join(re.escape(name.encode()) for name in by_last))
    return _Paths(paths, {last: tuple(found) for last, found in by_last.items()}, frozenset(by_last), spelled)


class LeftOut:
    """
    The members of one operation that are never stored, and which of them a request or an answer held.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = _compiled(tuple(paths))
        self.found: set[str] = set()

    def __repr__(self) -> str:
        return f"LeftOut({len(self._paths.names)} names, {len(self.found)} found)"

    def covers(self, place: Sequence[str]) -> bool:
        """
        Tell whether a place is, or lies in, a member that is left out, at any depth; what is covered counts as found.
        """
        if self._paths.names.isdisjoint(place):
            return False
        return any(self._ends_at(place[: at + 1]) for at in range(len(place)))

    def _ends_at(self, place: Sequence[str]) -> bool:
        for path, names in self._paths.by_last.get(place[-1], ()):
            if tuple(place[-len(names) :]) == names:
                self.found.add(path)
                return True
        return False

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
        """
        Return the pairs of a query or form that may be stored.
        """
        kept = []
        for name, value in pairs:
            if not self.covers(_names_in(name)):
                kept.append([name, value])
        return kept

    def value(self, value: object) -> object:
        """
        Return what of a JSON value may be stored: itself, where that is all of it.
        """
        return self._value(value, [])

    def _value(self, value: object, place: list[str]) -> object:
        if isinstance(value, dict):
            return self._members(value, place)
        if isinstance(value, (list, tuple)):
            kept = [self._value(item, place) for item in value]
            return value if all(map(is_, kept, value)) else kept
        return value

    def _members(self, value: Mapping[str, object], place: list[str]) -> object:
        kept, whole, names = {}, True, self._paths.names
        for name, inner in value.items():
            is_leaf = type(inner) in _LEAVES
            if is_leaf and name not in names:
                kept[name] = inner
                continue
            place.append(name)
            # Above this member nothing is covered, or the walk would not be here.
            if name in names and self._ends_at(place):
                whole = False
            else:
                kept[name] = found = inner if is_leaf else self._value(inner, place)
                whole = whole and found is inner
            place.pop()
        return value if whole else kept

    def may_be_in(self, body: bytes) -> bool:
        """
        Tell whether a body may name such a member.
        """
        # A member's name stands in JSON as it is, or with an escape in it.
        return bool(self._paths.names) and (b"\\u" in body or self._paths.spelled.search(body) is not None)

    def text(self, body: bytes) -> bytes:
        """
        Return what of a body of any kind may be stored: its own bytes, unless it names such a member.

        Then it is JSON without that member and the same in everything else, or nothing, where nobody can tell what is
        in it: where it is not JSON, or says a member twice, of which a reader sees one.
        """
        if not self.may_be_in(body):
            return body
        kept, found = (_cut if len(body) <= CUT_BYTES_MAX else _cut.__wrapped__)(self._paths, body)
        self.found |= found
        return body if kept is None else kept


@lru_cache(maxsize=CUTS_KEPT)
def _cut(paths: _Paths, body: bytes) -> tuple[bytes | None, frozenset[str]]:
    """
    Return what is left of a body, None where that is all of it, and which paths were found.
    """
    left_out = LeftOut(paths.paths)
    try:
        value = parse_image(body)
    except ValueError:
        return b"", frozenset()
    kept = left_out.value(value)
    return None if kept is value else spell_parsed(kept), frozenset(left_out.found)


@noun
class Extra:
    """
    What is sealed beside the request itself: names of odd arguments, the agent's key, what left, why it was refused.
    """

    mistyped: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    key: str | None = None
    sent_headers: tuple[tuple[str, str], ...] = ()
    refusal: tuple[tuple[str, str], ...] = ()


def request_document(request: Request, left_out: LeftOut, extra: Extra) -> dict[str, object]:
    """
    Return the document of a request; `left_out` names in it what was found and not kept.
    """
    document: dict[str, object] = {"v": 1, "base": request.base, "method": request.method}
    for name, texts in (
        ("segments", request.segments),
        ("dropped", request.dropped),
        ("mistyped", extra.mistyped),
        ("undeclared", extra.undeclared),
    ):
        if texts:
            document[name] = list(texts)
    for name, pairs in (
        ("headers", request.headers),
        ("redirecting", request.redirecting),
        ("sent_headers", extra.sent_headers),
        ("refusal", extra.refusal),
    ):
        if pairs:
            document[name] = list(map(list, pairs))
    if request.media_type is not None:
        document["media_type"] = request.media_type
    if extra.key is not None:
        document["key"] = extra.key
    if request.query and (query := left_out.pairs(request.query)):
        document["query"] = query
    if request.body is not None:
        document["body"] = _body(request, left_out)
    if left_out.found:
        document["left_out"] = sorted(left_out.found)
    return document


def _body(request: Request, left_out: LeftOut) -> object:
    match request.body:
        case None:
            return None
        case Form(pairs):
            return {"form": left_out.pairs(pairs)}
        case Json(value):
            return {"json": left_out.value(value)}
        case Multipart(parts):
            kept = [part for part in parts if not left_out.covers(_names_in(part.name))]
            return {
                "parts": [
                    {"name": p.name, "filename": p.filename, "type": p.media_type, "data": _base64(p.data)}
                    for p in kept
                ]
            }
        case Opaque(data):
            return {"bytes": _base64(left_out.text(data)), "length": len(data)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spell_kept(document: object) -> bytes:
    """
    Return the text of a document as it is sealed, members in their order: nobody compares it byte for byte.
    """
    try:
        return orjson.dumps(document, default=str)
    except TypeError:
        # An integer beyond 64 bits, half a character.
        return spell(document, in_order=True)


def spell(document: object, *, in_order: bool = False) -> bytes:
    """
    Return the document's bytes: sorted and ASCII; numbers that JSON's reader gave us exactly keep their text.

    With `in_order` members stay in theirs: in a request's body it means nothing, and is part of the bytes that left.
    """
    return json.dumps(document, sort_keys=not in_order, separators=(",", ":"), default=str).encode()
