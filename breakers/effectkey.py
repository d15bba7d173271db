"""
The business effect of a call, as its catalogue names it: `refund:{payment_intent}:{amount}` with this call's arguments.

An argument stands as canonical JSON of its typed value, one of the path as text; of alternatives (`{a|b}`) the first
that says something counts. One that is absent, null or empty (a form's way to say null) is `null`, so that two refunds
of one payment without an amount are one effect. The code of a currency is the same in capitals. Nobody knows the effect
of a call that has none of the arguments, or says nothing of one that must be said (`{customer!}`: what somebody pays is
not what anybody pays): then there is no key, and nothing is compared.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256

import orjson

from breakers.call import Operation, Part
from config.catalog import OperationSpec, Place

_REFERENCE = re.compile(r"\{([^{}]*)\}")

_ABSENT = object()

_PLACES = tuple(Place)

# A file comes as a dataclass, and stands by its digest.
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def effect_key(operation: Operation) -> str | None:
    """
    Return the rendered effect key of a call, or None where its operation has none, or the call nothing of it.
    """
    template = operation.spec.effect_key
    if not template:
        return None
    literals, references = _parsed(template)
    values = [_first(names, operation) for names in references]
    if all(value is _ABSENT for value in values):
        return None
    if any(_is_nothing(values[at]) for at in _said_for_certain(template)):
        return None
    pieces = [literals[0]]
    for value, literal in zip(values, literals[1:], strict=True):
        pieces += [_rendered(value), literal]
    return "".join(pieces)


def effect_arguments(spec: OperationSpec) -> tuple[tuple[str, ...], ...]:
    """
    Return the arguments that make an operation's effect, alternatives together; nothing where it has no effect key.
    """
    return _parsed(spec.effect_key)[1]


@lru_cache(maxsize=1024)
def _parsed(template: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    pieces = _REFERENCE.split(template)
    return tuple(pieces[::2]), tuple(tuple(names.removesuffix("!").split("|")) for names in pieces[1::2])


@lru_cache(maxsize=1024)
def _said_for_certain(template: str) -> tuple[int, ...]:
    """
    Return which references of a template must say something.
    """
    return tuple(at for at, names in enumerate(_REFERENCE.findall(template)) if names.endswith("!"))


def _first(names: tuple[str, ...], operation: Operation) -> object:
    values = [_argument(name, operation.spec, operation) for name in names]
    present = [value for value in values if value is not _ABSENT]
    return next((value for value in present if not _is_nothing(value)), present[0] if present else _ABSENT)


def _argument(name: str, spec: OperationSpec, operation: Operation) -> object:
    # Only where it is declared: what stands elsewhere under its name must not make the same effect another one.
    for place in _PLACES:
        key = (place, name)
        if key in operation.arguments and key in spec.arguments:
            value = operation.arguments[key]
            if isinstance(value, str) and spec.amount is not None and name == spec.amount.currency:
                return value.lower()
            return str(value) if place is Place.PATH else value
    return _ABSENT


def _is_nothing(value: object) -> bool:
    return value is _ABSENT or value is None or value == ""


def _rendered(value: object) -> str:
    if _is_nothing(value):
        return "null"
    if isinstance(value, Decimal):
        # 1.50 and 1.5 are one number, and so are 1.0 and 1.
        return str(int(value)) if value == int(value) else format(value.normalize(), "f")
    return orjson.dumps(value, default=_file, option=_OPTIONS).decode()


def _file(value: object) -> str:
    if isinstance(value, Part):
        return sha256(value.data).hexdigest()
    raise TypeError
