"""
What a write would change, as far as that can be told before it is made: what its arguments ask for, beside what its
object shows now.

Only the API knows what it will do; so this is what was asked for, in the words of its catalogue, and which members
change by themselves. Where no recipe says what an operation touches, nothing is foretold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from breakers.call import Operation, Part
from config.catalog import After, Before, Place
from config.dialect import point_at
from proxy.paths import MEMBERS, pointer, pointer_names


@dataclass(frozen=True, slots=True)
class Ask:
    """
    One member of the object that is asked for: where it is, what it shows now (None: nothing), what it is to become.
    """

    path: str
    was: str | None
    becomes: str


@dataclass(frozen=True, slots=True)
class Foretold:
    """
    What a write would do to the object that it is about: `act` is `create`, `update` or `delete`.

    `by_itself` are members that change with it, as its catalogue says; `unseen` tells that it could not be read.
    """

    kind: str
    act: str
    asks: tuple[Ask, ...] = ()
    by_itself: tuple[str, ...] = ()
    unseen: bool = False
    others: tuple[str, ...] = field(default=())


def foretold(operation: Operation, before: Mapping[str, object]) -> Foretold | None:
    """
    Return what a write would change; `before` are the objects as they are, parsed, by type, null where there is none.
    """
    touches = operation.spec.touches
    if not touches:
        return None
    main = touches[0]
    kind, shown = main.object.type, before.get(main.object.type)
    makes = main.before is Before.NONE
    act = "create" if makes else "delete" if main.after is After.GONE else "update"
    asks = tuple(
        Ask(path, _now(shown, path), value)
        for path, value in sorted(_asked(operation, dict(main.claims)))
        if _now(shown, path) != value
    )
    others = tuple(touch.object.type for touch in touches[1:])
    return Foretold(kind, act, asks, tuple(main.object.expected), not makes and kind not in before, others)


def _asked(operation: Operation, claims: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """
    Yield the pointers within the main object that the arguments ask for, each with its value.
    """
    for (place, name), value in operation.arguments.items():
        by_itself = pointer((name,)) if place is Place.BODY else None
        shown = claims.get(name, by_itself) if place is not Place.PATH else None
        if shown is None:
            continue
        if shown.endswith(MEMBERS):
            held = value if isinstance(value, Mapping) else {}
            yield from ((shown.removesuffix(MEMBERS) + pointer((str(one),)), spelled(held[one])) for one in held)
        else:
            yield from _leaves(shown, value)


def _leaves(above: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(above + pointer((str(name),)), inner)
    else:
        yield above, spelled(value)


def _now(shown: object, path: str) -> str | None:
    above, _, last = path.rpartition("/")
    held = point_at(shown, above) if shown is not None else None
    if isinstance(held, dict):
        name = pointer_names(f"/{last}")[0]
        return spelled(held[name]) if name in held else None
    found = point_at(shown, path) if shown is not None else None
    return None if found is None else spelled(found)


def spelled(value: object) -> str:
    """
    Return a value as people are shown it: JSON, and a file by its name and size.
    """
    if isinstance(value, Part):
        return f"file {json.dumps(value.filename or value.name)}, {len(value.data)} bytes"
    return json.dumps(value, sort_keys=True, default=_odd)


def _odd(value: object) -> object:
    return spelled(value) if isinstance(value, Part) else str(value)
