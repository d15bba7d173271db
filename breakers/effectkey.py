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
from collections.abc import Mapping
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

# Where an argument may stand, and how its value is said there: as text, in small letters, or as it is.
_Spots = tuple[tuple[tuple[Place, str], bool, bool], ...]
# The alternatives of a reference, whether it must say something, and the literal behind it.
_Reference = tuple[tuple[_Spots, ...], bool, str]
_Template = tuple[str, tuple[_Reference, ...]]

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
    begins, references = found
    pieces, says_any = [begins], False
    for alternatives, is_certain, literal in references:
        value = _first(alternatives, operation.arguments)
        says_any = says_any or value is not _ABSENT
        if value is not _ABSENT and value is not None and value != "":
            pieces += (_rendered(value), literal)
        elif is_certain:
            return None
        else:
            pieces += ("null", literal)
    return "".join(pieces) if says_any else None


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
    certain = _said_for_certain(spec.effect_key)
    found: _Template = (
        literals[0],
        tuple(
            (tuple(_spots(spec, name) for name in names), at in certain, literals[at + 1])
            for at, names in enumerate(references)
        ),
    )
    spec.worked_out[_WORKED_OUT] = found
    return found


def _spots(spec: OperationSpec, name: str) -> _Spots:
    # Only where it is declared: what stands elsewhere under its name must not make the same effect another one.
    declared = [(place, name) for place in _PLACES if (place, name) in spec.arguments]
    is_currency = spec.amount is not None and name == spec.amount.currency
    return tuple((key, key[0] is Place.PATH, is_currency) for key in declared)


def _first(alternatives: tuple[_Spots, ...], arguments: Mapping[tuple[Place, str], object]) -> object:
    first: object = _ABSENT
    for spots in alternatives:
        for key, is_text, is_currency in spots:
            if key in arguments:
                value = arguments[key]
                if is_currency and isinstance(value, str):
                    value = value.lower()
                elif is_text:
                    value = str(value)
                if value is not None and value != "":
                    return value
                if first is _ABSENT:
                    first = value
                # Of one name, where it stands first is what counts.
                break
    return first


def _rendered(value: object) -> str:
    if isinstance(value, Decimal):
        # 1.50 and 1.5 are one number, and so are 1.0 and 1.
        return str(int(value)) if value == int(value) else format(value.normalize(), "f")
    return orjson.dumps(value, default=_file, option=_OPTIONS).decode()


def _file(value: object) -> str:
    if isinstance(value, Part):
        return sha256(value.data).hexdigest()
    raise TypeError
