"""What counts as a loop for one agent: its card and the catalogues of its APIs, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from config.catalog import OperationSpec
from config.habit import Polling
from config.loops import STANDARD, Loops
from config.routes import Catalog


@dataclass(frozen=True, slots=True)
class Guard:
    """
    The numbers of one card, and what it adds to what the catalogues know, by (API account, operation).
    """

    errors: int = STANDARD.errors
    answers: int = STANDARD.answers
    cycles: int = STANDARD.cycles
    writes: int = STANDARD.writes
    refusals: int = STANDARD.refusals
    task_calls: int = STANDARD.task.calls
    task_writes: int = STANDARD.task.writes
    task_s: float = STANDARD.task.lasts_s
    polls: Mapping[tuple[str, str], Polling] = field(default_factory=lambda: MappingProxyType({}))
    odd: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def polling(self, api: str, spec: OperationSpec) -> Polling | None:
        """
        Return how an operation may be polled: as the card says, else its catalogue; None where it may not.
        """
        return self.polls.get((api, spec.name), spec.habit.polling)

    def volatile(self, api: str, spec: OperationSpec) -> tuple[str, ...]:
        """
        Return the arguments that tell no two calls of an operation apart, by the card and by its catalogue.
        """
        return (*self.odd.get((api, spec.name), ()), *spec.habit.volatile)


USUAL = Guard()
"""Of every card that says nothing of loops: one object, however many agents there are."""


def compile_guard(loops: Loops, apis: Iterable[str], catalogs: Mapping[str, Catalog]) -> Guard | None:
    """
    Return what counts as a loop under a card that names these APIs; None where nothing does.
    """
    if not loops.enabled:
        return None
    if loops == STANDARD:
        return USUAL
    polls: dict[tuple[str, str], Polling] = {}
    odd: dict[tuple[str, str], tuple[str, ...]] = {}
    for api in apis:
        for pattern, poll in loops.poll.items():
            polling = Polling(poll.min_interval_s, poll.max_s)
            polls |= {(api, spec.name): polling for spec in catalogs[api].matching(pattern)}
        for pattern, names in loops.volatile.items():
            for spec in catalogs[api].matching(pattern):
                odd[api, spec.name] = (*odd.get((api, spec.name), ()), *names)
    return Guard(
        errors=loops.errors,
        answers=loops.answers,
        cycles=loops.cycles,
        writes=loops.writes,
        refusals=loops.refusals,
        task_calls=loops.task.calls,
        task_writes=loops.task.writes,
        task_s=loops.task.lasts_s,
        polls=MappingProxyType(polls),
        odd=MappingProxyType(odd),
    )
