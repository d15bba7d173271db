"""How a rule finds an argument in a call: by its name in every place, or in the one place that its prefix names."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from breakers.call import Operation
from config.catalog import OperationSpec, Place
from config.policy import bare_name


@dataclass(frozen=True, slots=True)
class Reading:
    """
    A name as a rule wrote it, and the places in which it binds.
    """

    written: str
    name: str
    places: tuple[Place, ...]
    _spots: tuple[tuple[tuple[Place, str], str], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        spots = tuple([((place, self.name), f"{place}.{self.name}") for place in self.places])
        object.__setattr__(self, "_spots", spots)

    def found(self, operation: Operation) -> list[tuple[str, object]]:
        """
        Return (`place.name`, value) for each place in which the call has the argument, declared there or not.
        """
        arguments = operation.arguments
        return [(shown, arguments[key]) for key, shown in self._spots if key in arguments]

    def mistyped(self, operation: Operation) -> str | None:
        """
        Return the first `place.name` whose value has another type than the operation declares.
        """
        if not operation.mistyped:
            return None
        return next((shown for shown, _ in self.found(operation) if shown in operation.mistyped), None)

    def declared_in_body(self, spec: OperationSpec) -> bool:
        """
        Tell whether what binds here is declared in the operation's body.
        """
        return Place.BODY in self.places and (Place.BODY, self.name) in spec.arguments


# The names that the rules and catalogues of one process write: a few hundred, and the same with every call.
@lru_cache(maxsize=4096)
def reading(written: str) -> Reading:
    """
    Return how a name is read: `owner` wherever it stands, `path.owner` in the path only.
    """
    name = bare_name(written)
    places = tuple(Place) if name == written else (Place(written.removesuffix(f".{name}")),)
    return Reading(written, name, places)
