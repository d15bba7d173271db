"""Calls one after another on a clock that is moved by hand, and what the loop guard says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from breakers.call import Call
from breakers.guard import USUAL, Guard, compile_guard
from breakers.looping import Looping
from breakers.task import Task
from breakers.windows import Kind, Result
from config.caps import NO_CAPS
from config.habit import Habit
from config.loops import Loops
from tests.breakers.world import AT, CATALOG, write

SAME = Result(Kind.ANSWER, b"the same")
NOT_FOUND = Result(Kind.ERROR, b"404")
FAILING = Result(Kind.FAULT, b"503")
LATER = Result(Kind.LATER)
DONE = Result(Kind.ANSWER, b"201", changes=True)

OPENED = Task("clerk/01TASK", "clerk", AT, AT + timedelta(hours=24), NO_CAPS)


def other(number: int) -> Result:
    return Result(Kind.ANSWER, str(number).encode())


def read(charge: str = "ch_1") -> Call:
    return write("charges.retrieve", {"path.id": charge})


def comment(text: str = "Done.", number: int = 7, **more: object) -> Call:
    return write("comments/create", {"path.number": number, "body.body": text}, **more)  # type: ignore[arg-type] # `id`


def labels(number: int, *names: str) -> Call:
    return write("labels/set", {"path.number": number, "body.labels": list(names)})


def under(one: Call, task: str) -> Call:
    return replace(one, caller=replace(one.caller, task=task, named=True))


def opened(one: Call, after_s: float = 0.0) -> Call:
    caller = replace(one.caller, task=OPENED.id, named=True, opened=OPENED)
    return replace(one, caller=caller, at=AT + timedelta(seconds=after_s))


def guarded(written: Mapping[str, object]) -> Guard:
    guard = compile_guard(Loops.model_validate(written), ["shop"], {"shop": CATALOG})
    assert guard is not None
    return guard


def habitual(one: Call, habit: Habit) -> Call:
    return replace(one, operation=replace(one.operation, spec=replace(one.operation.spec, habit=habit)))


@dataclass
class Scene:
    """Calls one after another, each after a wait; of each is said `L1`, `L2!` where refused, `L5?` where parked."""

    guard: Guard = USUAL
    looping: Looping = field(default_factory=Looping)
    now: float = 1000.0

    def make(self, one: Call, result: Result = SAME, wait: float = 1.0) -> str:
        self.now += wait
        seen = self.looping.begin(one, self.guard, self.now)
        noticed = seen.noticed
        if noticed is None or not noticed.refuses:
            noticed = self.looping.admit(seen, self.now) or noticed
        if noticed is not None and noticed.refuses:
            return noticed.rule + ("?" if noticed.parks else "!")
        noticed = self.looping.ended(seen, result, self.now) or noticed
        return "" if noticed is None else noticed.rule

    def all(self, *steps: tuple[Call, Result], wait: float = 1.0) -> list[str]:
        return [self.make(one, result, wait) for one, result in steps]

    def refuse(self, task: str = "task-1", wait: float = 1.0) -> None:
        self.now += wait
        self.looping.refused(task, self.guard, self.now)
