"""The loop guard's bounds: polling, hammering, what two tasks share, what is remembered, and its gate."""

from __future__ import annotations

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Caller
from breakers.guard import USUAL, compile_guard
from breakers.looping import HAMMERING, HAMMERING_S, Looping
from breakers.verdict import Reason
from breakers.windows import PLACES_MAX, WINDOW_CALLS, Result
from config.habit import Habit, Polling
from config.loops import Loops
from tests.breakers.circling import DONE, NOT_FOUND, SAME, Scene, comment, guarded, habitual, opened, other, read, under
from tests.breakers.world import CATALOG, QUIET, allow, deny, policy
from tests.conftest import Figure

B, C, D = (read(f"ch_{name}") for name in "bcd")

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


def test_suspended_among_many() -> None:
    """A suspension outlasts the window of its task, which goes where many others are busy."""
    scene = Scene(looping=Looping(windows_max=2))
    for _ in range(20):
        scene.refuse("task-0", wait=0.1)
    for number in range(1, 6):
        assert scene.make(under(read(f"ch_{number}"), f"task-{number}"), wait=0.1) == ""
    assert scene.make(under(read("ch_0"), "task-0")) == "refusals!"


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
    assert scene.all((comment("x"), DONE), (comment("y"), DONE)) == ["", "L5?"]
    assert scene.all((C, SAME), (D, SAME), (C, SAME), (D, SAME), (C, SAME))[-1] == "L4!"


def test_another_agent() -> None:
    """What one agent writes at a place says nothing of another."""
    scene = Scene()
    scene.all(*((comment(f"Text {at}."), DONE) for at in range(30)))
    stranger = replace(comment("x"), caller=Caller("other", "key-2", "other/1"))
    assert scene.make(stranger, DONE) == ""


def test_cost(figure: Figure) -> None:
    """What the guard costs a call is printed, and is far below a millisecond."""
    scene, times = Scene(), 1000
    began = time.perf_counter()
    for number in range(times):
        scene.make(read(f"ch_{number % 50}"), DONE)
    micros = (time.perf_counter() - began) / times * 1_000_000
    figure("loop guard, microseconds a call", round(micros))
    assert micros < 1000
