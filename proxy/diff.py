"""
The difference between two images: a patch that leads from one to the other, and the guarded one that leads back.

A patch is an RFC 6902 array of `add`, `remove` and `replace` only, its members in sorted order. Objects are compared
member by member, arrays are replaced whole: what a list element is, only its API knows. No path lies in another one,
so the order of a patch has no meaning.

    to undo     guard                             then
    add         test: the value that was added    remove
    replace     test: the value that replaced     replace, by the value before
    remove      absent                            add, the value before

`absent` is ours, because RFC 6902 has no such guard; so is the strictness of `test`, which asks for the same digits and
types. An inverse restores fields where they still are as the write left them, and otherwise nothing at all. A forward
patch guards less: it asks that what it replaces or removes is there, and that what it adds is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.errors import Drift
from proxy.images import same
from proxy.paths import Op, member, pointer_names

ABSENT = object()
"""What stands in a step for a member that is not there; no parsed value is it."""


PASSED_LEVELS = 3
"""Most of an object is as it was, a member or two below its top; one made to be deep is not walked for each level."""


class Step(NamedTuple):
    """
    One place where two images differ: its pointer, and the value on either side or `ABSENT`.
    """

    path: str
    before: object
    after: object


def steps(before: object, after: object, path: str = "", passed: int = PASSED_LEVELS) -> Iterator[Step]:
    """
    Yield every place where two parsed images differ, sorted by their members; `passed` levels of what is the same are
    passed over at once.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if not same(before, after):
            yield Step(path, before, after)
        return
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, ABSENT), after.get(name, ABSENT)
        if was is now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            if not (passed and same(was, now)):
                yield from steps(was, now, path + member(name), max(0, passed - 1))
        elif not same(was, now):
            yield Step(path + member(name), was, now)


def patch(before: object, after: object) -> list[Op]:
    """
    Return the patch that leads from one image to the other.
    """
    return forward(steps(before, after))


def inverse(before: object, after: object) -> list[Op]:
    """
    Return the guarded patch that leads from `after` back to `before`.
    """
    return backward(list(steps(before, after)))


def forward(found: Iterable[Step]) -> list[Op]:
    """
    Return the patch of these differences.
    """
    return [_change(step.path, step.before, step.after) for step in found]


def backward(found: list[Step]) -> list[Op]:
    """
    Return the guarded patch back: the last difference first, before each operation its guard.
    """
    ops: list[Op] = []
    for path, before, after in reversed(found):
        guard: Op = {"op": "absent", "path": path}
        ops.append(guard if after is ABSENT else {"op": "test", "path": path, "value": after})
        ops.append(_change(path, after, before))
    return ops


def _change(path: str, before: object, after: object) -> Op:
    if after is ABSENT:
        return {"op": "remove", "path": path}
    return {"op": "add" if before is ABSENT else "replace", "path": path, "value": after}


def apply(document: object, ops: Iterable[Op]) -> object:
    """
    Return the document that a patch or an inverse makes of this one, which stays as it is.

    Raise `Drift` where a guard fails or a place is not as the operation needs it: then nothing is made. Raise
    `ValueError` for what is no operation of ours.
    """
    held = _copied(document)
    for op in ops:
        held = _applied(held, op)
    return held


def _applied(document: object, op: Op) -> object:
    kind, path, value = _read(op)
    *above, last = pointer_names(path) or ("",)
    if not path:
        if kind not in {"test", "replace"}:
            raise ValueError(f"{kind} has no place to be done at")
        _hold(path, kind != "test" or same(document, value))
        return value if kind == "replace" else document
    parent = document
    for name in above:
        parent = parent.get(name) if isinstance(parent, dict) else None
    # No patch of ours reaches into a list.
    if not isinstance(parent, dict):
        raise Drift(path)
    _hold(path, (last in parent) is (kind not in {"add", "absent"}))
    if kind == "test":
        _hold(path, same(parent[last], value))
    elif kind == "remove":
        del parent[last]
    elif kind != "absent":
        parent[last] = _copied(value)
    return document


def _hold(path: str, holds: bool) -> None:  # noqa: FBT001 a guard is a truth
    if not holds:
        raise Drift(path)


def _read(op: Op) -> tuple[str, str, object]:
    kind, path = op.get("op"), op.get("path")
    bare = kind in {"remove", "absent"}
    if not isinstance(kind, str) or not isinstance(path, str) or not (bare or "value" in op):
        raise ValueError("an operation lacks a member")
    if not bare and kind not in {"add", "replace", "test"}:
        raise ValueError(f"{kind!r} is no operation of ours")
    return kind, path, op.get("value")


def _copied(value: object) -> object:
    # Lists are replaced whole and never written into, so both documents may hold the same one.
    return {name: _copied(inner) for name, inner in value.items()} if isinstance(value, dict) else value
