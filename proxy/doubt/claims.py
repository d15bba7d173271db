"""
Whether an object shows what a write sent: each sent value, at the place where the API shows it, of the same type.

A vendor fills in what was not sent, and may show a thing where its name was sent. So an object must have the members
that were sent and may have more; a list has as many elements, each the one that was sent, in any order; in place of a
text or a number there may be an object that has it as a member. Leaves are compared as images are: `1`, `1.0` and `"1"`
are three different values. Nothing sent (null, an empty text) is shown by nothing, or by what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from breakers.call import Operation, Part
from config.catalog import Place
from config.dialect import point_at
from proxy.images import same
from proxy.paths import MEMBERS, pointer


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
    shows under its own name, one of the query nowhere; what stands in the path claims nothing, and neither does a file.
    """
    return tuple(
        claim for (place, name), value in operation.arguments.items() for claim in _of(place, name, value, shown)
    )


def _of(place: Place, name: str, value: object, shown: Mapping[str, str | None]) -> Iterator[Claim]:
    by_itself = pointer((name,)) if place is Place.BODY else None
    at = shown.get(name, by_itself) if place is not Place.PATH else None
    if at is None or isinstance(value, Part):
        return
    exact = _exact(value)
    if not at.endswith(MEMBERS):
        yield Claim(at, exact)
    elif isinstance(exact, dict):
        above = at.removesuffix(MEMBERS)
        yield from (Claim(above + pointer((str(member),)), inner) for member, inner in exact.items())


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
