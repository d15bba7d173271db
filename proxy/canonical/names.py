"""
The grammar of argument names: how a flat list of pairs is one tree, for every parser that reads it.

In the bracket style a name is `name` followed by `[key]` groups. One prefix is a scalar, a map, or a list, and a list
is spelled by `[]` or by dense indices in order, never by both. What parsers are known to disagree on is refused: a
scalar given twice, gaps or disorder in indices, groups after `[]`, brackets out of place. In the plain style a name is
just a name, which may repeat only where its operation declares an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache

from breakers.verdict import Reason
from proxy.canonical.pairs import Pairs
from proxy.canonical.spelling import spelled
from proxy.errors import Refused

Tree = str | list["Tree"] | dict[str, "Tree"]

# Groups after one name; Stripe's deepest argument has half as many.
DEPTH_MAX = 16

# Digits of an index; more indices than a form may have pairs cannot be dense.
_INDEX_DIGITS_MAX = 4

# The longest name that is remembered as it was taken apart.
_KEPT_LENGTH_MAX = 256

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)").fullmatch
_brackets = re.compile(r"[\[\]]").search
_KEY = re.compile(r"\[([^\[\]]*)\]").findall


class _Shape(StrEnum):
    MAP = "a map"
    INDEXED = "a list with indices"
    APPENDED = "a list with `[]`"


def nest(pairs: Pairs, reason: Reason) -> Mapping[str, Tree]:
    """
    Return the tree that names in the bracket style spell.
    """
    if not _brackets("".join([name for name, _ in pairs])):
        return gather(pairs, _never, reason)
    tree: dict[str, Tree] = {}
    shapes: dict[str, _Shape] = {}
    for name, value in pairs:
        if "[" not in name and "]" not in name and name not in tree:
            # As most: there is nothing to take apart, and nothing to contradict.
            tree[name] = value
            continue
        base, keys = (_taken_apart if len(name) <= _KEPT_LENGTH_MAX else _taken_apart.__wrapped__)(name)
        if not base:
            raise Refused(reason, f"The name `{spelled(name)}` has brackets out of place.")
        if len(keys) > DEPTH_MAX:
            raise Refused(reason, f"The name `{spelled(name)}` is nested more than {DEPTH_MAX} levels deep.")
        _Place(name, reason, shapes).put(tree, base, keys, value)
    _refuse_case_variants(tree, reason)
    return tree


# The names that SDKs write come again with every request. One may be as long as a body: such a one is not kept.
@lru_cache(maxsize=1024)
def _taken_apart(name: str) -> tuple[str, tuple[str, ...]]:
    """
    Return what stands before the groups of a name, and their keys; nothing of one whose brackets are out of place.
    """
    found = _NAME(name)
    return (found.group(1), tuple(_KEY(found.group(2)))) if found else ("", ())


def gather(pairs: Pairs, may_repeat: Callable[[str], bool], reason: Reason) -> Mapping[str, Tree]:
    """
    Return the values that names in the plain style have; only one that `may_repeat` repeats, and then has a list.
    """
    values: dict[str, Tree] = dict(pairs)
    if len(values) != len(pairs):
        values = _repeated(pairs, may_repeat, reason)
    _refuse_case_variants(values, reason)
    return values


def _never(_: str) -> bool:
    return False


def _repeated(pairs: Pairs, may_repeat: Callable[[str], bool], reason: Reason) -> dict[str, Tree]:
    values: dict[str, Tree] = {}
    for name, value in pairs:
        held = values.get(name)
        if held is None:
            values[name] = value
        elif not may_repeat(name):
            raise Refused(reason, f"The argument `{spelled(name)}` is given twice.")
        elif isinstance(held, list):
            held.append(value)
        else:
            values[name] = [held, value]
    return values


def _refuse_case_variants(names: Iterable[str], reason: Reason) -> None:
    together = "".join(names)
    if together == together.casefold():
        return
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise Refused(reason, f"The arguments `{spelled(twin)}` and `{spelled(name)}` differ only in case.")


class _Place:
    """
    Where one pair belongs in the tree, given the shapes that earlier names gave to its prefixes.
    """

    def __init__(self, name: str, reason: Reason, shapes: dict[str, _Shape]) -> None:
        self._name = name
        self._reason = reason
        self._shapes = shapes

    def put(self, tree: dict[str, Tree], base: str, keys: tuple[str, ...], value: str) -> None:
        """
        Walk down from `tree` along `keys`, making what is missing, and set the value at the end.
        """
        here: dict[str, Tree] | list[Tree] = tree
        key, prefix = base, base
        for next_key in keys:
            shape = self._shape_of(next_key)
            known = self._shapes.setdefault(prefix, shape)
            child = self._held(here, key)
            if known is not shape or isinstance(child, str):
                raise self._refusal(f"makes `{spelled(prefix)}` {shape}, which another name makes something else")
            if child is None:
                child = {} if shape is _Shape.MAP else []
                self._set(here, key, child)
            here, key, prefix = child, next_key, f"{prefix}[{next_key}]"
        if key and self._held(here, key) is not None:
            raise self._refusal("is given twice, or as a value beside a list or map")
        self._set(here, key, value)

    def _shape_of(self, key: str) -> _Shape:
        if not key:
            if not self._name.endswith("[]") or self._name.count("[]") > 1:
                raise self._refusal("has something after `[]`")
            return _Shape.APPENDED
        if not (key.isascii() and key.isdigit()):
            return _Shape.MAP
        if len(key) > _INDEX_DIGITS_MAX or (key[0] == "0" and key != "0"):
            raise self._refusal("has an index that no list can have")
        return _Shape.INDEXED

    def _held(self, here: dict[str, Tree] | list[Tree], key: str) -> Tree | None:
        if isinstance(here, dict):
            return here.get(key)
        index = int(key)
        if index > len(here):
            raise self._refusal("leaves a gap in its indices, or gives them out of order")
        return here[index] if index < len(here) else None

    def _set(self, here: dict[str, Tree] | list[Tree], key: str, value: Tree) -> None:
        if isinstance(here, dict):
            here[key] = value
        else:
            here.append(value)

    def _refusal(self, what: str) -> Refused:
        return Refused(self._reason, f"The name `{spelled(self._name)}` {what}.")
