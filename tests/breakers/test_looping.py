"""The loop guard, rule by rule: the table L1 to L6, and what frees what was refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakers.call import Call
from breakers.guard import USUAL
from breakers.looping import Looping
from breakers.windows import WINDOW_S, Kind, Result
from config.habit import Habit
from tests.breakers.circling import (
    DONE,
    FAILING,
    LATER,
    NOT_FOUND,
    SAME,
    Scene,
    comment,
    guarded,
    habitual,
    labels,
    opened,
    other,
    read,
    under,
)
from tests.breakers.world import write


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


def test_edit_and_test() -> None:
    """An edit and a test, over and over, are no cycle while the test's result differs, and one once it does not."""
    scene = Scene()
    edits = [(step, result) for at in range(8) for step, result in ((labels(7, "wip"), DONE), (A, other(at)))]
    assert scene.all(*edits) == [""] * 16
    assert scene.all(*[(labels(7, "wip"), DONE), (A, SAME)] * 3, (labels(7, "wip"), DONE)) == [*[""] * 6, "L4!"]


def test_a_cycle_ends() -> None:
    """The members of a cycle are free again once another write may have changed something."""
    scene = Scene()
    scene.all(*[(A, SAME), (B, SAME)] * 3)
    assert scene.make(A) == "L4!"
    scene.make(comment(), DONE)
    assert [scene.make(A), scene.make(B)] == ["", ""]


def test_slow_rounds() -> None:
    """Rounds that do not lie within ten minutes are none of one cycle, however often they are made."""
    assert Scene().all(*[(A, SAME), (B, SAME)] * 8, wait=130.0) == [""] * 16
    assert Scene().all(*[(A, SAME), (B, SAME)] * 3, (A, SAME), wait=110.0)[-1] == "L4!"


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
    assert said == [*[""] * 30, *["L5?"] * 10]


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
    assert said == [*[""] * 30, "L5?"]


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
