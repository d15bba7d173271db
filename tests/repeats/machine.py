"""
The machine: calls, crashes, lost answers, late senders, passing time in any order, each step held against the model.

Nothing here is faked but the network and the disk: `decide` judges, a store reserves, marks, settles and resolves, and
a process that begins replays its own record. A fleet is several processes with one store behind them and a record each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from breakers.known import IN_DOUBT, Ended, State
from breakers.store.events import IntentDelivered, IntentEnded
from breakers.store.protocol import OpenIntent, Stale
from breakers.verdict import Again, Forward, Repeat
from tests.breakers.stopping import halted, running
from tests.repeats.carriage import Carriage
from tests.repeats.shop import AGENTS, OPERATIONS, Asked
from tests.repeats.world import ENDS, TICK, Process, Way

# Few of everything, so that calls meet.
ASKED = st.builds(
    Asked,
    operation=st.sampled_from(OPERATIONS),
    thing=st.sampled_from(["a", "b"]),
    remark=st.sampled_from(["", "again"]),
    agent=st.sampled_from([AGENTS[0], *AGENTS]),
    key=st.sampled_from([None, None, "one", "two"]),
    duplicate=st.sampled_from([False, False, True]),
    again=st.booleans(),
)

# Within every window and past it: the lease, the minute, the quarter of an hour, the day, the week and the rest.
PASSING_S = (1.03, 2.57, 14.21, 15.37, 61.07, 14 * 60 + 0.11, 16 * 60 + 0.13, 86_401.17, 7 * 86_401.19, 91 * 86_401.23)

CHANGES: tuple[Mapping[str, Any], ...] = (
    {},
    {},
    {"again": True},
    {"key": None},
    {"key": "two"},
    {"duplicate": True},
    {"remark": "other"},
    {"thing": "b"},
    {"agent": AGENTS[1]},
)

WHICH = st.integers(0, 99)
WAYS = st.builds(
    Way,
    steps=st.sampled_from([5, 5, 0, 1, 2, 3, 4]),
    end=st.sampled_from(tuple(ENDS)),
    twice=st.sampled_from([False, False, True]),
    heard=st.sampled_from([True, True, False]),
    pause_s=st.sampled_from([*[0.0] * 12, 0.41, 2.31, 15.43]),
)


class Machine(Carriage):
    """
    Everything that can happen, in any order; a subclass says what stands behind the processes.
    """

    @initialize()
    def begin(self) -> None:
        """
        Start every process on nothing.
        """
        self.backing.clear()
        for _ in range(self.backing.processes):
            self.processes.append(Process(self.backing.store(self.time.now)))
            self.do(self.processes[-1].store.start(()))

    def teardown(self) -> None:
        """
        Crash everything: whatever was on record is completed, unknown or parked.
        """
        try:
            for number in range(len(self.processes)):
                self.crash(number)
            for intent in self.model.intents:
                assert not intent.durable or intent.state in {None, State.COMPLETED, *IN_DOUBT}
                self.stands_as_it_should(intent)
        finally:
            for process in self.processes:
                self.do(process.store.close())
            self.loop.close()

    # ------------------------------------------------------------------------------------------------------ the calls

    @rule(asked=ASKED, process=WHICH, way=WAYS)
    def ask(self, asked: Asked, process: int, way: Way) -> None:
        """
        One call: what it is told is what the model says, and what may pass is reserved and goes some steps.
        """
        self.told(asked, process % len(self.processes), way)

    @rule(which=WHICH, change=st.sampled_from(CHANGES), process=WHICH, way=WAYS)
    def ask_again(self, which: int, change: Mapping[str, Any], process: int, way: Way) -> None:
        """
        One of the calls of before once more, unchanged or with one thing changed.
        """
        if self.model.intents:
            first = self.model.intents[-1 - which % len(self.model.intents)]
            self.told(replace(first.asked, **change), process % len(self.processes), way)

    def told(self, asked: Asked, number: int, way: Way) -> None:
        """
        Judge a call; carry it some steps where it may pass, and deliver what is replayed unless its caller hangs up.
        """
        self.time.at += TICK
        verdict = self.judged(asked, number)
        if isinstance(verdict, Forward):
            if self.reserved(verdict, asked, number):
                self.carry(self.processes[number], self.processes[number].carried[-1], way)
        elif isinstance(verdict, Repeat) and verdict.again is Again.REPLAY and way.heard:
            self.told_again(verdict.earlier.intent, number)

    @rule(first=ASKED, second=ASKED, alike=st.booleans(), process=WHICH, other=WHICH, way=WAYS)
    def at_once(self, first: Asked, second: Asked, alike: bool, process: int, other: int, way: Way) -> None:
        """
        Two calls judged on the same state: where one needs a name of the other's, the later is judged again.
        """
        self.time.at += TICK
        second = replace(first, key=second.key, remark=first.remark) if alike else second
        numbers = process % len(self.processes), other % len(self.processes)
        verdicts = self.judged(first, numbers[0]), self.judged(second, numbers[1])
        one, two = verdicts
        if not isinstance(one, Forward) or not isinstance(two, Forward):
            return
        if not self.reserved(one, first, numbers[0]):
            return
        if set(second.names.asked) & set(first.names.held):
            assert self.do(self.processes[numbers[1]].store.reserve(two)) == Stale(), "two were reserved on one state"
            self.counted["stale"] += 1
        # Where the first took over what had lapsed, it may have moved a name of the second's as well.
        verdict = self.judged(second, numbers[1])
        if isinstance(verdict, Forward):
            self.reserved(verdict, second, numbers[1])
        process_ = self.processes[numbers[0]]
        self.carry(process_, process_.carried[-1], way)

    # --------------------------------------------------------------------------------------------- the way of a write

    @rule(which=WHICH, way=WAYS)
    def goes_on(self, which: int, way: Way) -> None:
        """
        A write that was left on its way goes some steps further.
        """
        under_way = [(process, carried) for process in self.processes for carried in process.carried]
        if under_way:
            self.carry(*under_way[-1 - which % len(under_way)], way)

    # ------------------------------------------------------------------------------------------------ doubt and damage

    @rule(which=WHICH, park=st.booleans(), stops=st.booleans())
    def resolve(self, which: int, park: bool, stops: bool) -> None:
        """
        What is in doubt is found, found absent, or left to a person; a crash may come before the store knows.
        """
        carried = {carried.intent for process in self.processes for carried in process.carried}
        doubted = [each for each in self.model.intents if each.state in IN_DOUBT and each not in carried]
        if not doubted:
            return
        intent = doubted[-1 - which % len(doubted)]
        park = park and intent.state is State.UNKNOWN
        process = self.processes[intent.process]
        found = bool(intent.effects)
        ended = Ended(State.COMPLETED, self.time.at, found, found, 201 if found else None, "seen", delivered=False)
        ended = Ended(State.PARKED, self.time.at) if park else self.purse.spent(intent.id, ended)
        opened = next(event for event in process.record if getattr(event, "intent", None) == intent.id)
        process.record.append(IntentEnded(intent.id, ended))
        intent.concluded = True
        self.purse.concluded(intent.id)
        if not stops:
            assert self.do(process.store.resolve(opened, ended))  # type: ignore[arg-type]
        self.ends(intent, ended)
        self.counted["parked" if park else "found" if found else "absent"] += 1
        if stops:
            self.crash(intent.process)

    @rule(which=WHICH, reached=st.booleans(), process=WHICH, way=WAYS)
    def heard_of(self, which: int, reached: bool, process: int, way: Way) -> None:
        """
        It turns out whether an answer reached its caller, who asks again without a word.
        """
        done = [intent for intent in self.model.intents if intent.state is State.COMPLETED]
        if not done:
            return
        intent = done[-1 - which % len(done)]
        carrier = self.processes[intent.process]
        self.do(carrier.store.delivered(intent.id, reached=reached))
        carrier.record.append(IntentDelivered(intent.id, delivered=reached))
        intent.delivered = reached
        self.told(replace(intent.asked, key=None, duplicate=False, again=False), process % len(self.processes), way)

    @rule(process=WHICH, rarely=WHICH)
    def crashes(self, process: int, rarely: int) -> None:
        """
        Now and then, a process dies where it stands, and the next one begins with its record.
        """
        if rarely % 3 == 0:
            self.crash(process % len(self.processes))

    @rule(process=WHICH)
    def replay_record(self, process: int) -> None:
        """
        A record that is replayed into a live store changes nothing.
        """
        live = self.processes[process % len(self.processes)]
        # Of what it carries itself the record may know less, or more, than the store does.
        carried = {each.intent.id for each in live.carried}
        for event in live.record:
            if getattr(event, "intent", None) not in carried:
                self.do(live.store.apply(event))

    @rule(seconds=st.sampled_from(PASSING_S))
    def time_passes(self, seconds: float) -> None:
        """
        Time passes.
        """
        self.passes(seconds)

    @rule(rarely=WHICH)
    def stop_or_resume(self, rarely: int) -> None:
        """
        Now and then, an operator stops writes; more often, lets them pass again.
        """
        if rarely % 4 and not self.model.stopped:
            return
        self.epoch += 1
        self.model.stopped = not self.model.stopped
        changed = halted(self.epoch) if self.model.stopped else running(self.epoch)
        self.processes[0].record.append(changed)
        self.do(self.processes[0].store.apply(changed))

    # ------------------------------------------------------------------------------------------------ what always holds

    @invariant()
    def once_or_not_at_all(self) -> None:
        """
        No intent has two effects.
        """
        assert [intent for intent in self.model.intents if intent.effects > 1] == []

    @invariant()
    def open_as_they_should(self) -> None:
        """
        What the store calls open is what the model calls so.
        """
        shown: dict[str, State] = {}
        for process in self.processes:
            shown |= {each.opened.intent: _state(each) for each in self.do(process.store.open_intents())}
        assert shown == self.model.open()

    @invariant()
    def totals_are_counted(self) -> None:
        """
        Every total is what the calls that were carried through took of it.
        """
        # What several processes share any of them may show.
        self.purse.model.agrees(self.do(self.processes[-1].store.totals()), self.time.at)


def _state(open_: OpenIntent) -> State:
    return State.PARKED if open_.parked else State.UNKNOWN if open_.suspended else State.DISPATCHED
