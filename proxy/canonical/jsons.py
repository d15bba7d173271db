"""
JSON bodies: one meaning for every parser, or refused; what is sent is our own text of the parsed value.

Members keep their order. An integer is exact within 64 bits and refused beyond; any other number is a binary64, so what
was judged is what is sent; `-0` is a float, because an integer has no negative zero.
"""

from __future__ import annotations

import json
import math
import re

import orjson

from breakers.verdict import Reason
from proxy.canonical.spelling import spelled
from proxy.errors import Refused

# Containers inside one another; far beyond any API's, far below any parser's stack.
DEPTH_MAX = 64

_INTEGER_MIN = -(2**63)
_INTEGER_MAX = 2**64 - 1
_INTEGER_DIGITS_MAX = 20

# A string, whole or unfinished, or one bracket: what is needed to count depth without parsing.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL).finditer

_SURROGATE = re.compile(r"[\ud800-\udfff]").search


def parse_json(data: bytes) -> object:
    """
    Parse one JSON text strictly, or refuse it.

    Refused are a byte order mark, invalid UTF-8, lone surrogates, duplicate members, NaN and infinities, numbers beyond
    64 bits or binary64, more than `DEPTH_MAX` levels, and bytes after the value.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(Reason.BODY_MALFORMED, "The JSON body is not valid UTF-8.") from None
    _refuse_depth(text)
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except ValueError:
        raise Refused(Reason.BODY_MALFORMED, "The body is not one JSON value.") from None
    # Escapes are the only way in for a lone surrogate, and no encoder can send one.
    if "\\u" in text and _lone_surrogate(value):
        raise Refused(Reason.BODY_MALFORMED, "The JSON body has half of a surrogate pair.")
    return value


def encode_json(value: object) -> bytes:
    """
    Return the canonical text of a value that `parse_json` gave.
    """
    return orjson.dumps(value)


def _refuse_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth = 0
    for found in _STRING_OR_BRACKET(text):
        mark = text[found.start()]
        depth += (mark in "[{") - (mark in "]}")
        if depth > DEPTH_MAX:
            raise Refused(Reason.BODY_MALFORMED, f"The JSON body is nested more than {DEPTH_MAX} levels deep.")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise Refused(Reason.BODY_MALFORMED, f"The JSON member `{spelled(name)}` is given twice.")
        members[name] = value
    return members


def _integer(text: str) -> int | float:
    if text == "-0":
        return -0.0
    if len(text) <= _INTEGER_DIGITS_MAX and _INTEGER_MIN <= (number := int(text)) <= _INTEGER_MAX:
        return number
    raise Refused(Reason.BODY_MALFORMED, "The JSON body has an integer beyond 64 bits.")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Refused(Reason.BODY_MALFORMED, "The JSON body has a number beyond binary64.")
    return number


def _constant(_: str) -> float:
    raise Refused(Reason.BODY_MALFORMED, "The JSON body has a number that JSON does not know.")


def _lone_surrogate(value: object) -> bool:
    return _SURROGATE(json.dumps(value, ensure_ascii=False)) is not None
