"""
What a call says, as the loop guard compares it: reads too, and without what tells no two calls apart.

Three digests of one call. `exact` is of all that it says. `loose` leaves out the arguments that are declared volatile,
so that a number made up anew for every attempt hides no cycle. `place` is of a write: its operation, and what names the
objects that it is about (its path, its query, and what of its body names one); whatever else it says is left out, so
that forty comments with different words on one issue are at one place, and one label on forty issues is at forty. None
of them ever leaves this process.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from breakers.call import Call, Form, Json, Multipart, Request
from breakers.fingerprint import canonical_1, framed
from breakers.guard import Guard
from config.catalog import Place

_DIGEST_BYTES = 16

NAME_CHARS_MAX = 128
"""Of what names an object: an id, a key, a path; what is longer or has a space in it is prose."""


class Said:
    """
    What one call says.
    """

    __slots__ = ("_call", "_place", "_volatile", "exact", "loose")

    def __init__(self, call: Call, guard: Guard) -> None:
        # A write's names hold the same already; no name of one is a digest of a read.
        names = call.names
        self.exact = _digest(canonical_1(call)) if names is None else names.fingerprint.encode()
        self._call, self._volatile = call, frozenset(guard.volatile(call.api, call.operation.spec))
        self.loose = _digest(canonical_1(_without(call, self._volatile))) if self._volatile else self.exact
        self._place: bytes | None = None

    def __repr__(self) -> str:
        return f"Said({self.exact.hex()})"

    @property
    def place(self) -> bytes:
        """
        Return the digest of where a write is made: nothing of a read, and of what is done often by nature.
        """
        if self._place is None:
            operation = self._call.operation
            counts = operation.writes and not operation.spec.habit.many
            self._place = _digest(framed(_place(self._call, self._volatile))) if counts else b""
        return self._place


def _place(call: Call, volatile: frozenset[str]) -> list[str]:
    spec, request, arguments = call.operation.spec, call.request, call.operation.arguments
    texts = [call.api, spec.name, str(len(request.segments)), *request.segments]
    texts += [text for pair in sorted(request.query) if pair[0] not in volatile for text in pair]
    for name in spec.habit.refers:
        value = arguments.get((Place.BODY, name))
        if name not in volatile and _names_an_object(value):
            texts += [name, str(value)]
    return texts


def _names_an_object(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, str) and len(value) <= NAME_CHARS_MAX and value.split() == [value]


def _without(call: Call, names: frozenset[str]) -> Call:
    """
    Return a call without the arguments of these names, wherever they stand in its query or at the top of its body.
    """
    request = call.request
    query = tuple(pair for pair in request.query if _head(pair[0]) not in names)
    return replace(call, request=replace(_with_body(request, names), query=query))


def _with_body(request: Request, names: frozenset[str]) -> Request:
    match request.body:
        case Form(pairs):
            return replace(request, body=Form(tuple(pair for pair in pairs if _head(pair[0]) not in names)))
        case Json(dict() as members):
            return replace(request, body=Json({name: value for name, value in members.items() if name not in names}))
        case Multipart(parts):
            return replace(request, body=Multipart(tuple(part for part in parts if _head(part.name) not in names)))
        case _:
            return request


def _head(name: str) -> str:
    # `metadata[nonce]` is a part of the argument `metadata`.
    return name.partition("[")[0]


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()
