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
from typing import Any

import orjson

from breakers.call import Operation, Part
from config.catalog import OperationSpec, Place

_REFERENCE = re.compile(r"\{([^{}]*)\}")

_ABSENT = object()

_WORKED_OUT = "effect key"

_Spots = tuple[tuple[Place, str], ...]
_Template = tuple[tuple[str, ...], tuple[int, ...], tuple[tuple[_Spots, ...], ...]]

_PLACES = tuple(Place)

# A file comes as a dataclass, and stands by its digest.
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def effect_key(operation: Operation) -> str | None:
    """
    Return the rendered effect key of a call, or None where its operation has none, or the call nothing of it.
    """
    if not operation.spec.effect_key:
        return None
    found: Any = operation.spec.worked_out.get(_WORKED_OUT) or _worked_out(operation.spec)
    literals, certain, references = found
    values = [_first(reference, operation) for reference in references]
    if values.count(_ABSENT) == len(values):
        return None
    for at in certain:
        if _is_nothing(values[at]):
            return None
    pieces = [literals[0]]
    for value, literal in zip(values, literals[1:], strict=True):
        pieces += (_rendered(value), literal)
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


def _worked_out(spec: OperationSpec) -> _Template:
    """
    Return an operation's template with the places where its arguments may stand, and keep it with the operation.
    """
    literals, references = _parsed(spec.effect_key)
    # Only where it is declared: what stands elsewhere under its name must not make the same effect another one.
    spots = tuple(
        tuple(tuple((place, name) for place in _PLACES if (place, name) in spec.arguments) for name in names)
        for names in references
    )
    found = spec.worked_out[_WORKED_OUT] = (literals, _said_for_certain(spec.effect_key), spots)
    return found


def _first(reference: tuple[_Spots, ...], operation: Operation) -> object:
    first: object = _ABSENT
    for spots in reference:
        value = _argument(spots, operation)
        if not _is_nothing(value):
            return value
        if first is _ABSENT:
            first = value
    return first


def _argument(spots: _Spots, operation: Operation) -> object:
    arguments = operation.arguments
    for key in spots:
        if key in arguments:
            value, amount = arguments[key], operation.spec.amount
            if isinstance(value, str) and amount is not None and key[1] == amount.currency:
                return value.lower()
            return str(value) if key[0] is Place.PATH else value
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
