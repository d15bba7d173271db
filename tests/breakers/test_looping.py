"""The loop guard on a clock that is moved by hand: the table L1 to L6, polling, bounds, and what tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call, Caller
from breakers.guard import USUAL, Guard, compile_guard
from breakers.looping import HAMMERING, HAMMERING_S, PLACES_MAX, WINDOW_S, Looping
from breakers.task import Task
from breakers.verdict import Reason
from breakers.windows import WINDOW_CALLS, Kind, Result
from config.caps import NO_CAPS
from config.habit import Habit, Polling
from config.loops import Loops
from tests.breakers.world import AT, CATALOG, QUIET, allow, deny, policy, write

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
    """Calls one after another, each after a wait; what is said of each is `L1`, or `L2!` where it is refused."""

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
            return f"{noticed.rule}!"
        noticed = self.looping.ended(seen, result, self.now) or noticed
        return "" if noticed is None else noticed.rule

    def all(self, *steps: tuple[Call, Result], wait: float = 1.0) -> list[str]:
        return [self.make(one, result, wait) for one, result in steps]

    def refuse(self, task: str = "task-1", wait: float = 1.0) -> None:
        self.now += wait
        self.looping.refused(task, "clerk", self.guard, self.now)


# one call, over and over with this result: what is said of each
@pytest.mark.parametrize(
    ("one", "result", "said"),
    [
        (read(), NOT_FOUND, ["", "", "L1", "L2!", "L2!"]),
        (comment(), NOT_FOUND, ["", "", "L1", "L2!"]),
        (read(), FAILING, ["", "", *["L1"] * 10]),
        (read(), Result(Kind.REFUSAL, b"not-allowed"), ["", "", *["L1"] * 10]),
        (read(), SAME, [*[""] * 4, *["L3"] * 6, "L3!", "L3!"]),
        (read(), LATER, [""] * 30),
        (comment(), SAME, [*[""] * 4, *["L3"] * 8]),
        (comment(), DONE, [""] * 12),
    ],
)
def test_one_call(one: Call, result: Result, said: list[str]) -> None:
    """A call that is made over and over is warned of, and then refused where only its author can change that."""
    assert Scene().all(*[(one, result)] * len(said)) == said


def test_another_error() -> None:
    """An error of another class begins anew."""
    scene, conflict = Scene(), Result(Kind.ERROR, b"422")
    assert scene.all((read(), NOT_FOUND), (read(), NOT_FOUND), (read(), conflict), (read(), conflict)) == [""] * 4
    assert scene.all((read(), conflict), (read(), conflict)) == ["L1", "L2!"]


def test_a_success_between() -> None:
    """A success between two errors is the end of the first run."""
    scene = Scene()
    scene.all((read(), NOT_FOUND), (read(), NOT_FOUND), (read(), SAME))
    assert scene.all((read(), NOT_FOUND), (read(), NOT_FOUND), (read(), NOT_FOUND)) == ["", "", "L1"]


# what comes between a refusal and the next attempt, and whether that is let through
@pytest.mark.parametrize(
    ("between", "wait", "free"),
    [
        ([], 1.0, False),
        ([(read("ch_2"), SAME)], 1.0, False),
        ([(comment(), DONE)], 1.0, True),
        ([(comment(), Result(Kind.FAULT, b"unknown", changes=True))], 1.0, True),
        ([(comment(), NOT_FOUND)], 1.0, False),
        ([], WINDOW_S - 20, False),
        ([], WINDOW_S, True),
    ],
)
@pytest.mark.parametrize(("result", "times", "rule"), [(NOT_FOUND, 3, "L2!"), (SAME, 10, "L3!")])
def test_free_again(
    between: list[tuple[Call, Result]], wait: float, free: bool, result: Result, times: int, rule: str
) -> None:
    """What was refused is free once another write may have changed its result, or the window has passed."""
    scene = Scene()
    scene.all(*[(read(), result)] * times)
    assert scene.make(read(), result) == rule
    scene.all(*between)
    assert (scene.make(read(), result, wait) == "") is free


def test_a_write_elsewhere() -> None:
    """A write at another API changes nothing that this one shows."""
    scene = Scene()
    scene.all(*[(read(), NOT_FOUND)] * 3)
    scene.make(replace(comment(), api="other"), DONE)
    assert scene.make(read(), NOT_FOUND) == "L2!"


def test_a_long_way_back() -> None:
    """What lies more than two hundred calls back is in no window."""
    scene = Scene()
    scene.all(*[(read(), NOT_FOUND)] * 3)
    scene.all(*((read(f"ch_{number}"), SAME) for number in range(2, 202)), wait=0.1)
    assert scene.make(read(), NOT_FOUND) == ""


A, B, C, D = (read(f"ch_{name}") for name in "abcd")


# steps, made three times over: whether what comes next of them is refused
@pytest.mark.parametrize(
    ("steps", "next_", "said"),
    [
        ([(A, SAME), (B, SAME)], A, "L4!"),
        ([(A, SAME), (B, SAME)], B, "L4!"),
        ([(A, SAME), (B, SAME)], C, ""),
        ([(A, SAME), (B, SAME), (C, SAME)], C, "L4!"),
        ([(A, SAME), (B, NOT_FOUND), (C, SAME), (D, SAME)], D, "L4!"),
        ([(A, SAME), (A, SAME), (B, SAME)], B, "L4!"),
        # Five steps are no cycle, and an answer that alternates is one that changes.
        ([(A, SAME), (B, SAME), (C, SAME), (D, SAME), (read("ch_e"), SAME)], A, ""),
        ([(A, other(1)), (B, SAME), (A, other(2)), (B, SAME)], A, ""),
    ],
)
def test_cycles(steps: list[tuple[Call, Result]], next_: Call, said: str) -> None:
    """Three rounds of the same few calls with the same results are a cycle, and its members are refused."""
    scene = Scene()
    assert not any("!" in heard for heard in scene.all(*steps * 3))
    assert scene.make(next_).replace("L1", "") == said


def test_a_cycle_ends() -> None:
    """The members of a cycle are free again once another write may have changed something."""
    scene = Scene()
    scene.all(*[(A, SAME), (B, SAME)] * 3)
    assert scene.make(A) == "L4!"
    scene.make(comment(), DONE)
    assert [scene.make(A), scene.make(B)] == ["", ""]


def test_two_rounds() -> None:
    """Two rounds are none yet."""
    scene = Scene()
    assert scene.all(*[(A, SAME), (B, SAME)] * 2, (A, SAME)) == [""] * 5


def nonce(text: str, number: int, nonce: int) -> Call:
    # The members of its body stand in another order each time.
    members = {"body.why": str(nonce), "body.charge": text, "body.amount": number}
    return write("refunds.create", dict(sorted(members.items(), reverse=nonce % 2 == 0)))


def test_declared_nonce() -> None:
    """With a nonce that is declared volatile, and members in any order, A-B-A-B is a cycle."""
    scene = Scene(guarded({"volatile": {"refunds.*": ["why"]}}))
    steps = [(nonce("ch_a" if at % 2 else "ch_b", 100, at), DONE) for at in range(7)]
    assert scene.all(*steps) == [*[""] * 6, "L4!"]


def test_undeclared_nonce() -> None:
    """With a nonce that nobody declared, more than thirty writes at one place are too many."""
    scene = Scene()
    said = scene.all(*((comment(f"{'ab'[at % 2]} {at}"), DONE) for at in range(40)))
    assert said == [*[""] * 30, *["L5!"] * 10]


# forty writes in five minutes: how many of them pass
@pytest.mark.parametrize(
    ("writes", "wait", "passed"),
    [
        ([labels(number, "bug") for number in range(40)], 1.0, 40),
        ([comment(f"Text {number}.") for number in range(40)], 1.0, 30),
        ([comment(f"Text {number}.") for number in range(40)], 10.1, 40),
        ([comment("Text.", number) for number in range(40)], 1.0, 40),
        ([habitual(comment(f"{number}"), Habit(many=True)) for number in range(40)], 1.0, 40),
        ([habitual(nonce(f"ch_{number}", 1, 1), Habit(refers=("charge",))) for number in range(40)], 1.0, 40),
        ([habitual(nonce("ch_1", number, 1), Habit(refers=("charge",))) for number in range(40)], 1.0, 30),
        ([habitual(nonce(f"for {number}", 1, 1), Habit(refers=("charge",))) for number in range(40)], 1.0, 30),
    ],
)
def test_many_writes(writes: list[Call], wait: float, passed: int) -> None:
    """Writes at one place are counted whatever they say; the same one at many places is work."""
    assert Scene().all(*((one, DONE) for one in writes), wait=wait).count("") == passed


def test_at_once() -> None:
    """Of forty writes that are looked at before any is made, no more than thirty pass."""
    looping = Looping()
    seen = [looping.begin(comment(str(number)), USUAL, 1.0) for number in range(40)]
    assert not any(one.noticed for one in seen)
    assert sum(looping.admit(one, 1.0) is None for one in seen) == 30


def test_withdrawn() -> None:
    """A write of which nothing was sent is not counted."""
    looping = Looping()
    for number in range(40):
        seen = looping.begin(opened(comment(str(number))), USUAL, 1.0)
        assert looping.admit(seen, 1.0) is None
        looping.withdraw(seen)


def test_a_new_task() -> None:
    """A new task for each call does not reset what the agent has written at one place."""
    scene = Scene()
    said = scene.all(*((under(comment(f"Text {at}."), f"task-{at}"), DONE) for at in range(31)))
    assert said == [*[""] * 30, "L5!"]


def test_calls_of_a_task() -> None:
    """An opened task makes five hundred calls, and a standing one as many as it likes."""
    reads = [read(f"ch_{number}") for number in range(520)]
    assert Scene().all(*((opened(one), SAME) for one in reads), wait=0.1).count("L6!") == 20
    assert Scene().all(*((one, SAME) for one in reads), wait=0.1).count("") == 520


def test_writes_of_a_task() -> None:
    """An opened task makes fifty writes, and may still read."""
    scene = Scene()
    said = scene.all(*((opened(labels(number, "bug")), DONE) for number in range(51)))
    assert said == [*[""] * 50, "L6!"]
    assert scene.make(opened(read())) == ""


def test_time_of_a_task() -> None:
    """An opened task lasts an hour, unless its card says otherwise."""
    assert Scene().make(opened(read(), 3600)) == ""
    assert Scene().make(opened(read(), 3601)) == "L6!"
    assert Scene(guarded({"task": {"lasts": "2h"}})).make(opened(read(), 3601)) == ""


CI = habitual(read("run_1"), Habit(polling=Polling(interval_s=2.0, for_s=6 * 3600)))


def test_polling() -> None:
    """A run that is polled for twenty minutes, and does not change, is never refused nor warned of."""
    assert set(Scene().all(*[(opened(CI), SAME)] * 590, wait=2.0)) == {""}


def test_polling_too_fast() -> None:
    """A poll that comes sooner than its interval counts like any read."""
    assert Scene().all(*[(CI, SAME)] * 12, wait=0.5)[-1] == "L3!"


def test_polling_too_long() -> None:
    """What has not changed for as long as it may be polled counts from then on."""
    scene = Scene(guarded({"poll": {"charges.*": {"min_interval": "1s", "max": "10m"}}}))
    said = scene.all(*[(read(), SAME)] * 80, wait=10.0)
    assert said.index("L3!") == 71


@given(st.lists(st.integers(0, 3), max_size=120), st.floats(0.01, 30))
def test_changing_answers(answers: list[int], wait: float) -> None:
    """A read whose answer is another than the time before is never stopped, whatever else goes on."""
    scene = Scene()
    before = -1
    for answer in answers:
        changed = answer if answer != before else answer + 10
        assert "!" not in scene.make(read(), other(changed), wait)
        scene.make(B, SAME, 61.0)
        before = changed


@given(st.lists(st.tuples(st.sampled_from("xy"), st.integers(0, 3), st.sampled_from([SAME, NOT_FOUND])), max_size=60))
def test_two_tasks(calls: list[tuple[str, int, Result]]) -> None:
    """What is said of a task's reads is the same whether or not another task works in between."""
    together, alone = Scene(), {"x": Scene(), "y": Scene()}
    for task, number, result in calls:
        one = under(read(f"ch_{number}"), f"clerk/{task}")
        alone[task].now = together.now
        assert together.make(one, result) == alone[task].make(one, result)


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=60))
def test_bounded(calls: list[tuple[int, bool]]) -> None:
    """However many different calls there are, a window holds no more than its bounds."""
    scene = Scene(looping=Looping(windows_max=3))
    for number, writes in calls:
        for at in range(8):
            one = comment("x", number * 8 + at) if writes else read(f"ch_{number * 8 + at}")
            scene.make(under(one, f"task-{number % 7}"), DONE if writes else SAME, 0.0)
    windows = [*scene.looping._tasks.values(), *scene.looping._agents.values()]
    assert len(scene.looping._tasks) <= 3
    for window in windows:
        assert len(window.runs) <= WINDOW_CALLS
        assert len(window.places) <= PLACES_MAX
        assert len(window.steps) <= 12
        assert all(len(run.at) <= 10 for run in window.runs.values())


def test_most_of_all() -> None:
    """A window that saw a thousand different calls holds the last two hundred."""
    scene = Scene()
    scene.all(*((read(f"ch_{number}"), SAME) for number in range(1000)), wait=0.1)
    assert len(scene.looping._tasks["task-1"].runs) == WINDOW_CALLS


def test_hammering() -> None:
    """After twenty refusals within a minute everything of the task is refused, for a minute."""
    scene = Scene()
    for _ in range(19):
        scene.refuse()
    assert scene.make(read()) == ""
    scene.refuse()
    assert scene.make(read("ch_2")) == f"{HAMMERING}!"
    assert scene.make(under(read("ch_2"), "task-2")) == ""
    assert scene.make(read("ch_2"), wait=HAMMERING_S) == ""


def test_slow_refusals() -> None:
    """Refusals that do not come within one minute suspend nothing."""
    scene = Scene()
    for _ in range(40):
        scene.refuse(wait=3.2)
    assert scene.make(read()) == ""


def test_gate() -> None:
    """The gate refuses what was noticed to be a loop, says which, and lets a warning pass."""
    looping, card = Looping(), policy({"*": {}})
    scene = Scene(looping=looping)
    scene.all(*[(read(), NOT_FOUND)] * 3)
    seen = looping.begin(read(), USUAL, scene.now)
    no = deny(card, read(), Reason.LOOP_DETECTED, "loops", replace(QUIET, noticed=seen.noticed))
    assert ("loop", "L2") in no.details
    assert "another write" in no.detail
    assert seen.noticed is not None
    allow(card, read(), replace(QUIET, noticed=replace(seen.noticed, refuses=False)))


def test_the_card_first() -> None:
    """What the card refuses is refused by the card, whatever the loop guard noticed."""
    looping = Looping()
    Scene(looping=looping).all(*[(read(), NOT_FOUND)] * 3)
    facts = replace(QUIET, noticed=looping.begin(read(), USUAL, 1010.0).noticed)
    deny(policy({"refunds.*": {}}), read(), Reason.NOT_ALLOWED, "allowlist", facts)


def test_off() -> None:
    """A card that turns the guard off has none, and one that says nothing shares the usual one."""
    assert compile_guard(Loops(enabled=False), ["shop"], {"shop": CATALOG}) is None
    assert compile_guard(Loops(), ["shop"], {"shop": CATALOG}) is USUAL


def test_thresholds() -> None:
    """Every number is the card's."""
    scene = Scene(guarded({"errors": 2, "answers": 4, "cycles": 2, "writes": 1, "refusals": 2}))
    assert scene.all((read(), NOT_FOUND), (read(), NOT_FOUND)) == ["L1", "L2!"]
    assert scene.all(*[(B, SAME)] * 5) == ["", "L3", "L3", "L3", "L3!"]
    assert scene.all((comment("x"), DONE), (comment("y"), DONE)) == ["", "L5!"]
    assert scene.all((C, SAME), (D, SAME), (C, SAME), (D, SAME), (C, SAME))[-1] == "L4!"


def test_another_agent() -> None:
    """What one agent writes at a place says nothing of another."""
    scene = Scene()
    scene.all(*((comment(f"Text {at}."), DONE) for at in range(30)))
    stranger = replace(comment("x"), caller=Caller("other", "key-2", "other/1"))
    assert scene.make(stranger, DONE) == ""
