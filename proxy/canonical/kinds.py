"""
Values as their declared types: text and JSON each have one spelling of a type, and any other value is mistyped.

Text becomes a number only in its one plain spelling (no sign on zero, no leading zeros, no exponent); a number of JSON
is exact as an integer and the decimal of its binary64 otherwise, so that a limit compares without floats. Integers are
those of 64 bits with a sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from breakers.call import Part
from config.catalog import Kind

Conversion = Callable[[object], object]

# What a conversion returns for a value of another type; no value can be it.
MISTYPED = object()

_INTEGER_MIN = -(2**63)
_INTEGER_MAX = 2**63 - 1
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}").fullmatch
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\.[0-9]{1,18}").fullmatch
_BOOLEANS: Mapping[object, object] = MappingProxyType({"true": True, "false": False})


def _as_it_is(value: object) -> object:
    return value


def _string_of_text(value: object) -> object:
    # A file is a string to every catalogue.
    return value if isinstance(value, (str, Part)) else MISTYPED


def _integer_of_text(value: object) -> object:
    return _bounded(int(value)) if isinstance(value, str) and _INTEGER(value) else MISTYPED


def _number_of_text(value: object) -> object:
    return Decimal(value) if isinstance(value, str) and _FRACTION(value) else _integer_of_text(value)


def _boolean_of_text(value: object) -> object:
    return _BOOLEANS.get(value, MISTYPED) if isinstance(value, str) else MISTYPED


def _list(value: object) -> object:
    return value if isinstance(value, list) else MISTYPED


def _list_of_repeats(value: object) -> object:
    # Where names repeat for lists, a name that stands once is a list of one.
    return [value] if isinstance(value, str) else _list(value)


def _map(value: object) -> object:
    return value if isinstance(value, dict) else MISTYPED


def _string(value: object) -> object:
    return value if isinstance(value, str) else MISTYPED


def _boolean(value: object) -> object:
    return value if isinstance(value, bool) else MISTYPED


def _integer(value: object) -> object:
    # Python takes a boolean for an integer.
    return _bounded(value) if isinstance(value, int) and not isinstance(value, bool) else MISTYPED


def _number(value: object) -> object:
    return Decimal(repr(value)) if isinstance(value, float) else _integer(value)


def _bounded(number: int) -> object:
    return number if _INTEGER_MIN <= number <= _INTEGER_MAX else MISTYPED


FROM_BRACKETS: Mapping[Kind, Conversion] = MappingProxyType(
    {
        Kind.STRING: _string_of_text,
        Kind.INTEGER: _integer_of_text,
        Kind.NUMBER: _number_of_text,
        Kind.BOOLEAN: _boolean_of_text,
        Kind.ARRAY: _list,
        Kind.OBJECT: _map,
        Kind.ANY: _as_it_is,
    }
)

FROM_PLAIN: Mapping[Kind, Conversion] = MappingProxyType({**FROM_BRACKETS, Kind.ARRAY: _list_of_repeats})

FROM_JSON: Mapping[Kind, Conversion] = MappingProxyType(
    {
        Kind.STRING: _string,
        Kind.INTEGER: _integer,
        Kind.NUMBER: _number,
        Kind.BOOLEAN: _boolean,
        Kind.ARRAY: _list,
        Kind.OBJECT: _map,
        Kind.ANY: _as_it_is,
    }
)
