"""What is said of loops, held against the tables: by an overlay of an operation, by a card of those that it allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from config.catalog import Argument, OperationSpec, Place, Subject, Touch
from config.faults import CatalogFault, Fault, did_you_mean
from config.habit import NO_HABIT, Habit, Polling
from config.loops import Loops
from config.overlay import Curated
from config.routes import Catalog
from config.shape import Places
from config.source import Trail

Arguments = Mapping[tuple[Place, str], Argument]


def compile_habit(
    curated: Curated,
    arguments: Arguments,
    types: Iterable[str],
    subjects: Iterable[Subject],
    touches: Iterable[Touch],
    *,
    reads: bool,
) -> Habit:
    """
    Return how an operation is used, or raise `CatalogFault`; the fault does not name the operation yet.

    An argument of a body names an object where it is called like a type of one (`types`), or where a recipe takes an
    object from it.
    """
    names = {name for _, name in arguments}
    if unknown := next((name for name in curated.volatile if name not in names), None):
        raise CatalogFault(f"it has no argument `{unknown}`", did_you_mean(unknown, names))
    if curated.poll is not None and not reads:
        raise CatalogFault("`poll` is for reads", "remove `poll`")
    if curated.many and reads:
        raise CatalogFault("`many` is for writes", "remove `many`")
    taken = {subject.by for subject in subjects if subject.place is Place.BODY}
    taken |= {source.name for touch in touches for _, source in touch.sources if source.origin == Place.BODY}
    refers = {name for place, name in arguments if place is Place.BODY and (name in taken or name in frozenset(types))}
    polling = None if curated.poll is None else Polling(curated.poll.min_interval, curated.poll.max)
    habit = Habit(polling, curated.volatile, () if reads else tuple(sorted(refers)), curated.many)
    return NO_HABIT if habit == NO_HABIT else habit


def loop_faults(trail: Trail, loops: Loops, catalogs: Iterable[Catalog], places: Places) -> Iterator[Fault]:
    """
    Yield what a card says of operations that no API has that it may call, and of arguments that none of them has.
    """
    known = tuple(catalogs)
    for pattern, names in loops.volatile.items():
        at: Trail = (*trail, "volatile", pattern)
        specs = _matching(known, pattern)
        if not specs:
            yield places.key(at).fault(*_nothing(known, pattern))
            continue
        declared = {name for spec in specs for _, name in spec.arguments}
        for index, name in enumerate(names):
            if name not in declared:
                fault = f"nothing that `{pattern[:80]}` matches has an argument `{name[:60]}`"
                yield places.value((*at, index)).fault(fault, did_you_mean(name, declared))
    for pattern in loops.poll:
        specs = _matching(known, pattern)
        if not specs:
            yield places.key((*trail, "poll", pattern)).fault(*_nothing(known, pattern))
        elif all(spec.effect != "read" for spec in specs):
            fault = f"`{pattern[:80]}` reads nothing: only reads are polled"
            yield places.key((*trail, "poll", pattern)).fault(fault, "remove it")


def _matching(catalogs: Iterable[Catalog], pattern: str) -> tuple[OperationSpec, ...]:
    return tuple(spec for catalog in catalogs for spec in catalog.matching(pattern))


def _nothing(catalogs: Iterable[Catalog], pattern: str) -> tuple[str, str]:
    near = did_you_mean(pattern, (name for catalog in catalogs for name in catalog.operations))
    return f"no API that this card names has an operation `{pattern[:80]}`", near
