"""
The JSON that an entry may hold: objects, arrays, strings, booleans, null, and integers that every reader keeps exact.

Inside this profile, the sorted output of orjson equals RFC 8785 byte for byte, so an entry has one spelling and its
hash is taken over the bytes that are stored.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

INTEGER_MAX = 2**53 - 1
"""The largest integer that a reader with double-precision numbers keeps exact."""

DEPTH_MAX = 16
"""Entries are flat; a deeper value is a mistake, and a bound here is a bound for every reader."""

NAMES_KEPT = 1024
"""Member names that are remembered to be inside; entries have some three hundred."""

_STRICT = orjson.OPT_STRICT_INTEGER
_LEAVES = {str, int, bool, type(None)}
_NESTED = {dict, list, tuple}

_names: set[object] = set()

_KEY = re.compile(r"[A-Za-z0-9_.~-]+")
_HALF = re.compile(r"[\ud800-\udfff]")


def check(value: object) -> None:
    """
    Refuse a value outside the profile: `ValueError` names the first place.
    """
    if _is_inside(value):
        return
    # Only what is outside gets here, to be told where.
    try:
        _check((value,), -1)
    except ValueError as outside:
        why, path = outside.args
        raise ValueError(f"{why} at /{'/'.join(reversed(path[:-1]))}") from None


def spell(value: object) -> bytes:
    """
    Return the one spelling of a value that was checked.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _is_inside(value: object) -> bool:
    try:
        # It refuses what no entry holds inside a text and an integer, faster than anybody else can look.
        orjson.dumps(value, option=_STRICT)
    except TypeError:
        return False
    return _has_kinds((value,), -1)


def _has_kinds(value: Any, depth: int) -> bool:
    """
    Tell whether every name in a container is inside, and every value of a kind that is.
    """
    if type(value) is dict:
        if not value.keys() <= _names:
            if not all(map(_is_name, value)):
                return False
            if len(_names) < NAMES_KEPT:
                _names.update(value)
        value = value.values()
    for item in value:
        # A subclass has a spelling of its own (an enum, say), so types are asked for exactly.
        kind = type(item)
        if kind not in _LEAVES and (kind not in _NESTED or depth >= DEPTH_MAX or not _has_kinds(item, depth + 1)):
            return False
    return True


def _check(value: dict[object, object] | list[object] | tuple[object, ...], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError("too deep", [])
    key: object = ""
    named = isinstance(value, dict)
    try:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if named and not _is_name(key):
                raise ValueError("a member name outside the profile", [])
            kind = type(item)
            if kind is str:
                if not item.isascii() and _HALF.search(item):  # type: ignore[attr-defined, call-overload] # it is a str
                    raise ValueError("half a character", [])
            elif kind is dict or kind is list or kind is tuple:
                _check(item, depth + 1)  # type: ignore[arg-type] # it is one of them
            elif kind is int:
                if not -INTEGER_MAX <= item <= INTEGER_MAX:  # type: ignore[operator] # it is an int
                    raise ValueError("an integer that not every reader keeps exact", [])
            elif item is not None and kind is not bool:
                raise ValueError(f"a {kind.__name__}", [])
    except ValueError as outside:
        outside.args[1].append(ascii(key).strip("'"))
        raise


def _is_name(key: object) -> bool:
    return type(key) is str and _KEY.fullmatch(key) is not None
