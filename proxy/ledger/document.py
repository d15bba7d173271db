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
from collections.abc import Iterable
from dataclasses import dataclass

from breakers.call import Form, Json, Multipart, Opaque, Part, Request

_SPLIT = re.compile(r"[\[\].]+")


def _names(path: str) -> tuple[str, ...]:
    # An index or an empty bracket is a place in a list, not a name.
    return tuple(name for name in _SPLIT.split(path) if name and not name.isdigit())


class LeftOut:
    """
    The members of one operation that are never stored, and which of them a request or an answer held.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple((path, tuple(path.split("."))) for path in paths)
        self._needles = tuple(f'"{names[-1]}"'.encode() for _, names in self._paths)
        self.found: set[str] = set()

    def __repr__(self) -> str:
        return f"LeftOut({len(self._paths)} members, {len(self.found)} found)"

    def covers(self, place: tuple[str, ...]) -> bool:
        """
        Tell whether a place is, or lies in, a member that is left out, at any depth; what is covered counts as found.
        """
        for path, names in self._paths:
            if any(place[at : at + len(names)] == names for at in range(len(place) - len(names) + 1)):
                self.found.add(path)
                return True
        return False

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
        """
        Return the pairs of a query or form that may be stored.
        """
        return [[name, value] for name, value in pairs if not self.covers(_names(name))]

    def value(self, value: object, place: tuple[str, ...] = ()) -> object:
        """
        Return what of a JSON value may be stored.
        """
        if isinstance(value, dict):
            inner = {str(name): (*place, str(name)) for name in value}
            return {n: self.value(value[n], at) for n, at in inner.items() if not self.covers(at)}
        if isinstance(value, (list, tuple)):
            return [self.value(item, place) for item in value]
        return value

    def text(self, body: bytes) -> bytes:
        """
        Return what of a body of any kind may be stored: its own bytes, unless it names such a member.

        Then it is JSON without that member, or nothing, where it is not JSON and nobody can tell what is in it.
        """
        # A member's name stands in JSON as it is, or with an escape in it.
        if b"\\u" not in body and not any(needle in body for needle in self._needles):
            return body
        before = len(self.found)
        try:
            cleaned = self.value(json.loads(body))
        except (ValueError, RecursionError):
            return body if not self._paths else b""
        return spell(cleaned) if len(self.found) > before else body


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


def _part(part: Part) -> dict[str, object]:
    return {"name": part.name, "filename": part.filename, "type": part.media_type, "data": _base64(part.data)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spell(document: object) -> bytes:
    """
    Return the document's bytes: sorted and ASCII; numbers that JSON's reader gave us exactly keep their text.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), default=str).encode()
