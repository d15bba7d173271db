"""
An approver's edits of a parked write, `body.amount=500` and `query.expand=…`, and how far they lead from it.

A value keeps the type of the one whose place it takes; one that comes anew is read as JSON where it is JSON, and as
text otherwise. In a form or a query the name is written as it is sent (`metadata[order]`), or with dots. Nothing else
of a request can be edited: another path is another object, and another header another account.

How far two requests are apart is counted in leaves: every scalar of body, query and path, by its place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from breakers.call import Form, Json, Request
from config.faults import did_you_mean
from proxy.canonical.jsons import parse_json
from proxy.errors import Refused, StartRefused
from proxy.ledger.document import Extra, LeftOut, request_document

EDITS_MAX = 32
"""Of one edit: whoever changes more means another write."""

HINT = "write `--set body.amount=500` or `--set query.NAME=VALUE`"

Leaves = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Distance:
    """
    How many leaves differ, of how many there are in either request.
    """

    changed: int
    leaves: int


def edited(request: Request, written: Sequence[str]) -> Request:
    """
    Return a request with these edits made. Raise `StartRefused` for what is no edit, or changes nothing that can be.
    """
    if not 0 < len(written) <= EDITS_MAX:
        raise StartRefused(f"an edit sets one value at least, and {EDITS_MAX} at most", HINT)
    after = request
    for one in written:
        where, said, value = one.partition("=")
        place, dot, name = where.partition(".")
        if not (said and dot and name) or place not in {"body", "query"}:
            raise StartRefused(f"'{one[:80]}' is no edit", HINT)
        after = _in_query(after, name, value) if place == "query" else _in_body(after, name, value)
    if after == request:
        raise StartRefused("this is what the request says already", "`breakwater suggestions show ID` prints it")
    return after


def distance(before: Request, after: Request) -> Distance:
    """
    Return how far two requests are apart.
    """
    was, now = leaves(before), leaves(after)
    names = was.keys() | now.keys()
    changed = sum(name not in was or name not in now or was[name] != now[name] for name in names)
    return Distance(changed, len(names))


def leaves(request: Request) -> Leaves:
    """
    Return every scalar of a request by its place.
    """
    document = request_document(request, LeftOut(()), Extra())
    said = {name: document[name] for name in ("segments", "query", "redirecting", "body") if name in document}
    return dict(_leaves("", said))


def _leaves(place: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{place}/{name}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            # A pair of a form or query is a leaf under its own name, wherever it stands.
            is_pair = isinstance(inner, list) and len(inner) == 2 and all(isinstance(one, str) for one in inner)
            named, held = (
                (f"{place}/{inner[0]}#{_nth(value, number)}", inner[1]) if is_pair else (f"{place}/{number}", inner)
            )
            yield from _leaves(named, held)
    else:
        # `1`, `1.0`, `true` and `"1"` are four values.
        yield place, (type(value).__name__, value)


def _nth(pairs: list[list[str]], number: int) -> int:
    return sum(pair[0] == pairs[number][0] for pair in pairs[:number])


def _in_query(request: Request, name: str, value: str) -> Request:
    return replace(request, query=_set_pair(request.query, name, value))


def _in_body(request: Request, name: str, value: str) -> Request:
    match request.body:
        case Form(pairs):
            return replace(request, body=Form(_set_pair(pairs, name, value)))
        case Json(held) if isinstance(held, dict):
            changed = copy.deepcopy(held)
            _set_member(changed, name, value)
            return replace(request, body=Json(changed))
        case _:
            raise StartRefused("the body of this request cannot be edited", "reject it, and let the agent ask anew")


def _set_pair(pairs: Sequence[tuple[str, str]], name: str, value: str) -> tuple[tuple[str, str], ...]:
    first, *rest = name.split(".")
    spelled = name if any(one == name for one, _ in pairs) else first + "".join(f"[{part}]" for part in rest)
    places = [at for at, (one, _) in enumerate(pairs) if one == spelled]
    if len(places) > 1:
        raise StartRefused(f"`{spelled[:80]}` stands there {len(places)} times", "one of several cannot be edited")
    if not places:
        return (*pairs, (spelled, value))
    return tuple((one, value if at == places[0] else was) for at, (one, was) in enumerate(pairs))


def _set_member(body: dict[str, object], name: str, value: str) -> None:
    *above, last = name.split(".")
    held: object = body
    for part in above:
        held = _inside(held, part, name)
    if isinstance(held, dict):
        held[last] = _typed(value, held.get(last), name)
    elif isinstance(held, list) and last.isdigit() and int(last) < len(held):
        held[int(last)] = _typed(value, held[int(last)], name)
    else:
        raise StartRefused(f"`body.{name[:80]}` is no place in the body", HINT)


def _inside(held: object, part: str, name: str) -> object:
    if isinstance(held, dict) and part in held:
        return held[part]
    if isinstance(held, list) and part.isdigit() and int(part) < len(held):
        return held[int(part)]
    hint = did_you_mean(part, held) if isinstance(held, dict) else ""
    raise StartRefused(f"`body.{name[:80]}` is no place in the body", hint or HINT)


def _typed(value: str, was: object, name: str) -> object:
    if isinstance(was, str):
        return value
    try:
        read = parse_json(value.encode())
    except Refused:
        read = value
    if was is not None and not _is_alike(read, was):
        raise StartRefused(f"`body.{name[:80]}` has a value of another type", f"it is {json.dumps(was)[:60]} now")
    return read


def _is_alike(read: object, was: object) -> bool:
    if isinstance(was, bool) or isinstance(read, bool):
        return isinstance(was, bool) and isinstance(read, bool)
    numbers = int | float
    return isinstance(read, numbers) if isinstance(was, numbers) else isinstance(read, type(was))
