"""The stop: which record binds a call, what each mode does to it, and what nothing answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts
from breakers.killswitch import bars, bars_reading, killswitch, park
from breakers.known import State
from breakers.policy import NOTHING_FOUND
from breakers.stops import ALL, CANARY, RUNNING, Mode, Stop, Stops, scopes_of
from breakers.suggestion import Cause, Grant
from breakers.task import Above, Task
from breakers.verdict import Again, Forward, Reason, Refuse, Repeat, Suggest
from config.caps import NO_CAPS
from tests.breakers.world import AT, QUIET, before, call, known, policy, write

EVERYTHING = policy({"*": {}})
NOTHING = policy({})
READ, WRITE = call("charges.retrieve"), write("labels/set", {"path.number": 7}, key="k-1")
HOUR = timedelta(hours=1)


def stops(*records: Stop) -> Stops:
    """Stops where everything else runs."""
    return RUNNING.joined(Stops(MappingProxyType({stop.scope: stop for stop in records})))


def stopped(mode: Mode, scope: str = ALL, epoch: int = 5, **more: object) -> Stops:
    """One scope in a mode."""
    return stops(Stop(scope, mode, epoch, **more))  # type: ignore[arg-type] # a record's own fields


def under(held: Stops) -> Facts:
    """Facts with these stops."""
    return replace(QUIET, stops=held)


def granted(asked: Call, *answers: str) -> Call:
    """A write that an approver let pass for these reasons."""
    return replace(asked, grant=Grant("01S", "digest", frozenset(answers), "ana"))


MODES: dict[Mode, tuple[object, object, object]] = {
    Mode.RUN: (Forward, Repeat, Forward),
    Mode.SUGGEST: (Forward, Repeat, Suggest),
    Mode.STOP_WRITES: (Forward, Repeat, Refuse),
    Mode.STOP_ALL: (Refuse, Refuse, Refuse),
}


@pytest.mark.parametrize("mode", Mode)
def test_modes(mode: Mode) -> None:
    """Each mode lets pass, answers, parks or refuses a read, a repeat and a write as the table says."""
    held = stopped(mode)
    again = known(before(replace(WRITE, id="01FIRST"), State.COMPLETED))
    verdicts = (
        decide(READ, EVERYTHING, under(held)),
        decide(WRITE, EVERYTHING, replace(again, stops=held)),
        decide(WRITE, EVERYTHING, under(held)),
    )
    assert tuple(type(verdict) for verdict in verdicts) == MODES[mode]
    assert not isinstance(verdicts[1], Repeat) or verdicts[1].again is Again.REPLAY
    assert all(one.reason is Reason.KILLED and one.gate == "kill" for one in verdicts if isinstance(one, Refuse))


SCOPES = (ALL, "api:shop", "agent:clerk", "task:task-1", "op:labels/set", "op:shop:labels/set")
OTHERS = (CANARY, "api:other", "agent:other", "task:task-2", "op:refunds.create", "op:other:labels/set", "op:shop")


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes(scope: str) -> None:
    """A stop of any scope that a call is in binds it, and the refusal says which, under which record and why."""
    no = decide(WRITE, EVERYTHING, under(stopped(Mode.STOP_WRITES, scope, reason="OPS-7")))
    assert isinstance(no, Refuse)
    details = dict(no.details)
    assert (details["scope"], details["mode"], details["epoch"], details["because"]) == (
        *(scope, "stop-writes", "5", "OPS-7"),
    )


@pytest.mark.parametrize("scope", OTHERS)
def test_other_scopes(scope: str) -> None:
    """A stop of what a call is not in is nothing to it."""
    assert isinstance(decide(WRITE, EVERYTHING, under(stopped(Mode.STOP_ALL, scope))), Forward)


def test_tasks_above() -> None:
    """A stop of a task binds what is done under every task below it."""
    opened = Task("clerk/B", "clerk", AT, AT + HOUR, NO_CAPS, above=(Above("clerk/A", NO_CAPS, AT + HOUR),))
    asked = replace(WRITE, caller=replace(WRITE.caller, task="clerk/B", opened=opened))
    for task in ("clerk/A", "clerk/B"):
        assert isinstance(decide(asked, EVERYTHING, under(stopped(Mode.STOP_WRITES, f"task:{task}"))), Refuse)


def test_overlap() -> None:
    """Of a stop of everything and one of a scope the stricter binds, and lifting either leaves the other."""
    wide, narrow = Stop(ALL, Mode.STOP_WRITES, 5), Stop("agent:clerk", Mode.STOP_ALL, 6)
    both = stops(wide, narrow)
    assert bars(READ, both, AT) == narrow
    assert bars(WRITE, both.changed(replace(narrow, mode=Mode.RUN, epoch=7)), AT) == wide
    lifted = both.changed(replace(wide, mode=Mode.RUN, epoch=7))
    assert bars(READ, lifted, AT) == narrow
    other = replace(WRITE, caller=replace(WRITE.caller, agent="other", task="other/1"))
    assert bars(other, lifted, AT) is None


def test_absence_is_stopped() -> None:
    """Where no record says that everything runs, writes do not."""
    no = decide(WRITE, EVERYTHING, under(Stops()))
    assert isinstance(no, Refuse)
    assert no.reason is Reason.KILLED
    assert isinstance(decide(READ, EVERYTHING, under(Stops())), Forward)


def test_before_the_list() -> None:
    """A stop is told to whoever may do nothing as well."""
    for held in (stopped(Mode.STOP_ALL), stopped(Mode.STOP_WRITES)):
        no = decide(WRITE, NOTHING, under(held))
        assert isinstance(no, Refuse)
        assert no.reason is Reason.KILLED


def test_suggests_for_each() -> None:
    """Every scope that only suggests parks a write, and only a grant that answers all of them lets it pass."""
    two = stops(Stop(ALL, Mode.SUGGEST, 5), Stop("agent:clerk", Mode.SUGGEST, 6, reason="OPS-7"))
    parked = decide(WRITE, EVERYTHING, under(two))
    assert isinstance(parked, Suggest)
    assert [one.id for one in parked.parked] == ["kill:all", "kill:agent:clerk"]
    assert {one.cause for one in parked.parked} == {Cause.KILL}
    assert "OPS-7" in parked.parked[1].detail
    every = ("kill:all", "kill:agent:clerk")
    for answers, passes in ((every[:1], False), (every[1:], False), (every, True)):
        assert (bars(granted(WRITE, *answers), two, AT) is None) is passes


@pytest.mark.parametrize("mode", [Mode.STOP_WRITES, Mode.STOP_ALL])
def test_grant_answers_no_refusal(mode: Mode) -> None:
    """What stops writes is answered by no grant, whatever it lists."""
    asked = granted(WRITE, *(park(Stop(scope, mode, 5)).id for scope in scopes_of(WRITE)))
    held = stopped(mode)
    no = killswitch(asked, EVERYTHING, under(held), NOTHING_FOUND)
    assert isinstance(no, Refuse)
    assert no.reason is Reason.KILLED
    assert bars(asked, held, AT) is not None


def test_for_a_time() -> None:
    """What runs for a time is stopped again from that moment on, to the microsecond."""
    held = stopped(Mode.RUN, until=AT + HOUR, back=Mode.STOP_ALL)
    late = AT + HOUR - timedelta(microseconds=1)
    assert isinstance(decide(WRITE, EVERYTHING, replace(under(held), at=late)), Forward)
    assert isinstance(decide(READ, EVERYTHING, replace(under(held), at=AT + HOUR)), Refuse)
    assert bars(WRITE, held, late) is None
    assert bars(READ, held, AT + HOUR) is not None


def test_reading_for_doubts() -> None:
    """Under `stop-all` what is in doubt is read only where every such record says so, and an agent's read never is."""
    yes, no = Stop(ALL, Mode.STOP_ALL, 5, reconciles=True), Stop("api:shop", Mode.STOP_ALL, 6)
    assert bars_reading(WRITE, stops(yes), AT, reconciling=True) is None
    assert bars_reading(WRITE, stops(yes), AT) == yes
    assert bars_reading(WRITE, stops(yes, no), AT, reconciling=True) == no
    assert bars_reading(WRITE, stopped(Mode.STOP_WRITES), AT) is None


RECORDS = st.builds(
    Stop,
    scope=st.sampled_from((ALL, "agent:clerk", "op:labels/set")),
    mode=st.sampled_from(list(Mode)),
    epoch=st.integers(0, 4),
    until=st.none() | st.sampled_from((AT - HOUR, AT + HOUR)),
    back=st.sampled_from(list(Mode)),
)


@given(st.lists(RECORDS, max_size=8), st.randoms())
def test_order_is_nothing(records: list[Stop], shuffled: object) -> None:
    """In whatever order, and however often, records arrive: the newest of each scope counts, the stricter of two."""
    again = [*records, *records]
    shuffled.shuffle(again)  # type: ignore[attr-defined] # a random.Random
    one, other = Stops(), Stops()
    for stop in records:
        one = one.changed(stop)
    for stop in again:
        other = other.changed(stop)
    for scope in (ALL, "agent:clerk", "op:labels/set"):
        here, there = one.by_scope.get(scope), other.by_scope.get(scope)
        assert (here is None) == (there is None)
        if here is not None and there is not None:
            assert (here.epoch, here.mode) == (there.epoch, there.mode)
            assert here.epoch == max(stop.epoch for stop in records if stop.scope == scope)
    assert one.joined(other).binding(SCOPES, AT).mode_at(AT) is one.binding(SCOPES, AT).mode_at(AT)


@given(st.lists(RECORDS, max_size=6))
def test_gates_and_last_look_agree(records: list[Stop]) -> None:
    """What is asked before the first byte lets leave exactly what the gates would let pass."""
    held = Stops()
    for stop in records:
        held = held.changed(stop)
    for asked in (READ, WRITE):
        assert isinstance(decide(asked, EVERYTHING, under(held)), Forward) is (bars(asked, held, AT) is None)
