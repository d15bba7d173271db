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
from functools import lru_cache

from breakers.call import Form, Json, Multipart, Opaque, Request

_SPLIT = re.compile(r"[\[\].]+")


def _names(path: str) -> tuple[str, ...]:
    # An index or an empty bracket is a place in a list, not a name.
    return tuple(name for name in _SPLIT.split(path) if name and not name.isdigit())


@lru_cache(maxsize=512)
def _compiled(paths: tuple[str, ...]) -> Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """
    Return the paths, split, by their last name: one look-up tells of nearly every member that it is none of them.
    """
    by_last: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for path in paths:
        names = tuple(path.split("."))
        by_last.setdefault(names[-1], []).append((path, names))
    return {last: tuple(found) for last, found in by_last.items()}


class LeftOut:
    """
    The members of one operation that are never stored, and which of them a request or an answer held.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_last = _compiled(tuple(paths))
        self.found: set[str] = set()

    def __repr__(self) -> str:
        return f"LeftOut({len(self._by_last)} names, {len(self.found)} found)"

    def covers(self, place: Sequence[str]) -> bool:
        """
        Tell whether a place is, or lies in, a member that is left out, at any depth; what is covered counts as found.
        """
        return any(self._ends_at(place[: at + 1]) for at in range(len(place)))

    def _ends_at(self, place: Sequence[str]) -> bool:
        for path, names in self._by_last.get(place[-1], ()):
            if tuple(place[-len(names) :]) == names:
                self.found.add(path)
                return True
        return False

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
        """
        Return the pairs of a query or form that may be stored.
        """
        return [[name, value] for name, value in pairs if not self.covers(_names(name))]

    def value(self, value: object) -> object:
        """
        Return what of a JSON value may be stored.
        """
        return self._value(value, [])

    def _value(self, value: object, place: list[str]) -> object:
        if isinstance(value, dict):
            kept = {}
            for name, inner in value.items():
                place.append(str(name))
                # Above this member nothing is covered, or the walk would not be here.
                if not self._ends_at(place):
                    kept[str(name)] = self._value(inner, place)
                place.pop()
            return kept
        if isinstance(value, (list, tuple)):
            return [self._value(item, place) for item in value]
        return value

    def text(self, body: bytes) -> bytes:
        """
        Return what of a body of any kind may be stored: its own bytes, unless it names such a member.

        Then it is JSON without that member, or nothing, where nobody can tell what is in it: where it is not JSON, or
        says a member twice, of which a reader sees one.
        """
        # A member's name stands in JSON as it is, or with an escape in it.
        if b"\\u" not in body and not any(f'"{last}"'.encode() in body for last in self._by_last):
            return body
        before = len(self.found)
        try:
            cleaned = self.value(json.loads(body, object_pairs_hook=_once))
        except (ValueError, RecursionError):
            return body if not self._by_last else b""
        return spell(cleaned) if len(self.found) > before else body


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


@dataclass(frozen=True, slots=True)
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
    document: dict[str, object] = {
        "v": 1,
        "base": request.base,
        "method": request.method,
        "segments": list(request.segments),
        "query": left_out.pairs(request.query),
        "headers": [list(pair) for pair in request.headers],
        "redirecting": [list(pair) for pair in request.redirecting],
        "media_type": request.media_type,
        "body": _body(request, left_out),
        "dropped": list(request.dropped),
        "mistyped": list(extra.mistyped),
        "undeclared": list(extra.undeclared),
        "key": extra.key,
        "sent_headers": [list(pair) for pair in extra.sent_headers],
        "refusal": [list(pair) for pair in extra.refusal],
    }
    if left_out.found:
        document["left_out"] = sorted(left_out.found)
    return {name: value for name, value in document.items() if value not in (None, [])}


def _body(request: Request, left_out: LeftOut) -> object:
    match request.body:
        case None:
            return None
        case Form(pairs):
            return {"form": left_out.pairs(pairs)}
        case Json(value):
            return {"json": left_out.value(value)}
        case Multipart(parts):
            kept = [part for part in parts if not left_out.covers(_names(part.name))]
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


def spell(document: object, *, in_order: bool = False) -> bytes:
    """
    Return the document's bytes: sorted and ASCII; numbers that JSON's reader gave us exactly keep their text.

    With `in_order` members stay in theirs: in a request's body it means nothing, and is part of the bytes that left.
    """
    return json.dumps(document, sort_keys=not in_order, separators=(",", ":"), default=str).encode()
