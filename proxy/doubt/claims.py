"""
Whether an object shows what a write sent: each sent value, at the place where the API shows it, of the same type.

A vendor fills in what was not sent, and may show a thing where its name was sent. So an object must have the members
that were sent and may have more; a list has as many elements, each the one that was sent, in any order; in place of a
text or a number there may be an object that has it as a member. Leaves are compared as images are: `1`, `1.0` and `"1"`
are three different values. Nothing sent (null, an empty text) is shown by nothing, or by what was sent.

What makes one write's effect another's must be among what is compared: of two that differ in nothing else, an object
that shows the rest is no proof. Such are what an effect key names, and files, whose content no list shows.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from breakers.call import Operation, Part
from breakers.effectkey import effect_arguments
from config.catalog import Kind, Place
from config.dialect import point_at
from proxy.images import same
from proxy.paths import MEMBERS, pointer

_INTEGER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Claim:
    """
    One value that was sent, and the JSON pointer at which an object shows it.
    """

    pointer: str
    value: object

    def shown_by(self, item: object) -> bool:
        """
        Tell whether an object shows it.
        """
        return holds(point_at(item, self.pointer), self.value)


def claims_of(operation: Operation, shown: Mapping[str, str | None]) -> tuple[Claim, ...]:
    """
    Return what a write's arguments claim of its object.

    `shown` maps an argument to where the object shows it, or to None, nowhere. Without that, an argument of the body
    shows under its own name, one of the query or the path nowhere; a file claims nothing.
    """
    return tuple(
        claim
        for (place, name), value in operation.arguments.items()
        for claim in _of(place, name, _typed(operation, place, name, value), shown)
    )


def tells_apart(operation: Operation, shown: Mapping[str, str | None], listed: Container[tuple[str, str]]) -> bool:
    """
    Tell whether what a write claims, and what was `listed` by (place, argument), is all that makes its effect.
    """
    sent = {(place, name): value for (place, name), value in operation.arguments.items() if value not in (None, "")}
    if any(isinstance(value, Part) for value in sent.values()):
        return False
    seen = {
        name
        for (place, name), value in sent.items()
        if place is Place.PATH or (place, name) in listed or any(_of(place, name, value, shown))
    }
    present = {name for _, name in sent}
    named = (next((name for name in names if name in present), None) for names in effect_arguments(operation.spec))
    return all(name is None or name in seen for name in named)


def _of(place: Place, name: str, value: object, shown: Mapping[str, str | None]) -> Iterator[Claim]:
    at = shown.get(name, pointer((name,)) if place is Place.BODY else None)
    if at is None or isinstance(value, Part):
        return
    exact = _exact(value)
    if not at.endswith(MEMBERS):
        yield Claim(at, exact)
    elif isinstance(exact, dict):
        above = at.removesuffix(MEMBERS)
        yield from (Claim(above + pointer((str(member),)), inner) for member, inner in exact.items())


def _typed(operation: Operation, place: Place, name: str, value: object) -> object:
    """
    Return a value as a body would spell it: what stands in a path is text, whatever it means.
    """
    declared = operation.spec.arguments.get((place, name))
    number = place is Place.PATH and declared is not None and declared.kind is Kind.INTEGER
    return int(value) if number and isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _exact(value: object) -> object:
    """
    Return a value of a request as an image would hold it, where every number that is no integer is a decimal.
    """
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {str(name): _exact(inner) for name, inner in value.items()}
    return [_exact(inner) for inner in value] if isinstance(value, list) else value


def holds(shown: object, sent: object) -> bool:
    """
    Tell whether what is shown is what was sent, filled in or not.
    """
    if sent in (None, ""):
        return shown in (None, "") or shown == []
    if isinstance(sent, dict):
        return isinstance(shown, dict) and all(holds(shown.get(name), inner) for name, inner in sent.items())
    if isinstance(sent, list):
        return isinstance(shown, list) and len(shown) == len(sent) and _paired(list(shown), sent)
    if isinstance(shown, dict):
        return any(same(inner, sent) for inner in shown.values())
    return same(shown, sent)


def _paired(shown: list[object], sent: list[object]) -> bool:
    """
    Tell whether each sent element is one of those that are shown, none of them twice.
    """
    for one in sent:
        found = next((at for at, other in enumerate(shown) if holds(other, one)), None)
        if found is None:
            return False
        del shown[found]
    return True
