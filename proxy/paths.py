"""
Which changes were asked for: every path that a patch changes is requested, expected or unexpected.

Paths are JSON pointers into a write's image, one document whose members are the types of the objects that it touches:
`/issue/title`. What a write asked for is told by its arguments, down to the leaves of nested objects; a list is one
leaf. A changed path is requested where it is, lies in, or holds a claimed one; expected where the catalogue says that
such a member changes by itself; everything else is unexpected, and is what a person should see first. That an object
comes into being is requested of the main one and of those that the operation makes; that it goes, only of those that
the operation removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from breakers.call import Operation
from breakers.noun import noun
from config.catalog import After, Before, OperationSpec, Place
from config.dialect import point_at
from proxy.ledger.document import LeftOut

Op = Mapping[str, object]
"""One operation of a patch, as RFC 6902 spells it."""

MEMBERS = "/*"

_WORKED_OUT = "proxy.paths"
"""Under this name what is foreseen of an operation is kept with it: no two files have the same."""

CHANGING = frozenset({"add", "remove", "replace"})
"""The operations that change something; the others only look."""


@noun
class Foreseen:
    """
    What is known of a write's changes before it is made.

    `claimed` are the pointers that it asked for; `expected` are, by type, dotted members that change by themselves, at
    any depth; `makes` and `removes` are the types whose objects may come and go by it.
    """

    claimed: tuple[str, ...] = ()
    expected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    makes: frozenset[str] = frozenset()
    removes: frozenset[str] = frozenset()


@noun
class Paths:
    """
    The changed paths, sorted by who wanted them, and those that were asked for and cannot be seen.
    """

    requested: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def by_reason(self) -> dict[str, list[str]]:
        """
        Return them by the word for who wanted them.
        """
        return {
            "requested": list(self.requested),
            "expected": list(self.expected),
            "unexpected": list(self.unexpected),
            "unseen": list(self.unseen),
        }


def foreseen(operation: Operation) -> Foreseen:
    """
    Return what the catalogue and the arguments say that a write will change; its first touch is the main one.
    """
    if not operation.spec.touches:
        return Foreseen()
    known: Any = operation.spec.worked_out.get(_WORKED_OUT) or _worked_out(operation.spec)
    main, claims, expected, makes, removes = known
    return Foreseen(claimed_paths(operation.arguments, main, claims), expected, makes, removes)


def _worked_out(spec: OperationSpec) -> tuple[object, ...]:
    """
    Return what is foreseen of all calls of an operation: main object, where it shows arguments, and of every `Foreseen`
    all but what is claimed.
    """
    touches = spec.touches
    main = touches[0].object.type
    makes = frozenset({main, *(touch.object.type for touch in touches if touch.before is Before.NONE)})
    removes = frozenset(touch.object.type for touch in touches if touch.after is After.GONE)
    expected = {touch.object.type: touch.object.expected for touch in touches}
    found = spec.worked_out[_WORKED_OUT] = (main, dict(touches[0].claims), expected, makes, removes)
    return found


def claimed_paths(
    arguments: Mapping[tuple[Place, str], object], main: str, claims: Mapping[str, str | None]
) -> tuple[str, ...]:
    """
    Return the pointers that a write's arguments ask for in its main object, sorted.

    `claims` maps an argument to where the object shows it, or to None, nowhere. Without that, an argument of the body
    shows under its own name, one of the query nowhere. What stands in the path names the object and claims nothing.
    Behind a pointer that ends in `/*` each member of the argument claims all that the member of that name holds: where
    a reference is set by one of its members, the vendor fills in the others.
    """
    found: set[str] = set()
    path, body, top = Place.PATH, Place.BODY, member(main)
    for (place, name), value in arguments.items():
        if place is path:
            continue
        shown = claims[name] if name in claims else member(name) if place is body else None
        if shown is None:
            continue
        if shown.endswith(MEMBERS):
            above = top + shown.removesuffix(MEMBERS)
            names = value if isinstance(value, Mapping) else ()
            found.update([above + member(str(name)) for name in names])
        elif isinstance(value, Mapping):
            found.update(_leaves(top + shown, value))
        else:
            found.add(top + shown)
    return tuple(sorted(found))


def sort_paths(ops: Iterable[Op], known: Foreseen, after: object) -> Paths:
    """
    Sort the paths that a patch changes; `after` is the image that it leads to.
    """
    changing = [(op, str(op["path"])) for op in ops if op["op"] in CHANGING]
    claimed = frozenset(known.claimed)
    # Where whole objects came or went, nobody asks for it.
    inside = any(path.count("/") > 1 for _, path in changing)
    above = {part for path in claimed for part in _upwards(path)} if inside else claimed
    by_itself = {kind: LeftOut(names) for kind, names in known.expected.items() if names} if inside else {}
    requested, expected, unexpected = [], [], []
    for op, path in changing:
        names = pointer_names(path)
        whole = len(names) == 1
        if _comes_or_goes(op, names[0], known) if whole else path in above or not claimed.isdisjoint(_upwards(path)):
            requested.append(path)
        elif len(names) > 1 and names[0] in by_itself and by_itself[names[0]].covers(names[1:]):
            expected.append(path)
        else:
            unexpected.append(path)
    # What was to be removed is seen by its absence.
    removed = {member(kind) for kind in known.removes}
    removed.update([path for op, path in changing if op["op"] == "remove"])
    unseen = [path for path in _not_in(after, known.claimed) if removed.isdisjoint(_upwards(path))]
    return Paths(tuple(requested), tuple(expected), tuple(unexpected), tuple(unseen))


def pointer(names: Iterable[str]) -> str:
    """
    Return the JSON pointer (RFC 6901) along these members.
    """
    return "".join([member(name) for name in names])


def member(name: str) -> str:
    """
    Return the JSON pointer to one member.
    """
    return "/" + (name if "/" not in name and "~" not in name else name.replace("~", "~0").replace("/", "~1"))


def pointer_names(path: str) -> tuple[str, ...]:
    """
    Return the members along a JSON pointer, or raise `ValueError` where it is none.
    """
    if path and not path.startswith("/"):
        raise ValueError(f"{path!r} is no JSON pointer")
    names = path.split("/")[1:]
    return tuple(names) if "~" not in path else tuple(name.replace("~1", "/").replace("~0", "~") for name in names)


def _comes_or_goes(op: Op, kind: str, known: Foreseen) -> bool:
    """
    Tell whether a whole object came by request, or went by request.
    """
    comes = op["op"] != "remove" and op["value"] is not None
    return kind in (known.makes if comes else known.removes)


def _leaves(above: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(above + member(str(name)), inner)
    else:
        yield above


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _not_in(document: object, claimed: Iterable[str]) -> Iterator[str]:
    """
    Yield the pointers to what is not in a document.
    """
    holders: dict[str, object] = {}
    for path in claimed:
        above, _, last = path.rpartition("/")
        if above not in holders:
            holders[above] = point_at(document, above)
        holder = holders[above]
        # A member that is null is there all the same, so what holds it is asked.
        if isinstance(holder, dict):
            is_there = (last if "~" not in last else pointer_names("/" + last)[0]) in holder
        else:
            is_there = point_at(document, path) is not None
        if not is_there:
            yield path
