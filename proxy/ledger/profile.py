"""
The JSON that an entry may hold: objects, arrays, strings, booleans, null, and integers that every reader keeps exact.

Inside this profile, the sorted output of orjson equals RFC 8785 byte for byte, so an entry has one spelling and its
hash is taken over the bytes that are stored.
"""

from __future__ import annotations

import re

import orjson

INTEGER_MAX = 2**53 - 1
"""The largest integer that a reader with double-precision numbers keeps exact."""

DEPTH_MAX = 16
"""Entries are flat; a deeper value is a mistake, and a bound here is a bound for every reader."""

_KEY = re.compile(r"[A-Za-z0-9_.~-]+")


def check(value: object) -> None:
    """
    Refuse a value outside the profile: `ValueError` names the first place.
    """
    _check(value, "", 0)


def spell(value: object) -> bytes:
    """
    Return the one spelling of a value that was checked.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _check(value: object, place: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"too deep at {place}")
    # A subclass has a spelling of its own (an enum, say), so `bool` and `str` are asked for exactly.
    match value:
        case None | bool():
            return
        case str() if type(value) is str:
            _check_text(value, place)
        case int() if type(value) is int:
            if abs(value) > INTEGER_MAX:
                raise ValueError(f"an integer that not every reader keeps exact at {place or '/'}")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or not _KEY.fullmatch(key):
                    raise ValueError(f"a member name outside the profile at {place or '/'}")
                _check(item, f"{place}/{key}", depth + 1)
        case list() | tuple():
            for position, item in enumerate(value):
                _check(item, f"{place}/{position}", depth + 1)
        case _:
            raise ValueError(f"a {type(value).__name__} at {place or '/'}")


def _check_text(text: str, place: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"half a character at {place or '/'}")
