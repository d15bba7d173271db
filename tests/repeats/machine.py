"""
The machine: calls, crashes, lost answers, late senders, passing time in any order, each step held against the model.

Nothing here is faked but the network and the disk: `decide` judges, a store reserves, marks, settles and resolves, and
a process that begins replays its own record. A fleet is several processes with one store behind them and a record each.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from breakers.call import Applied
from breakers.decide import decide
from breakers.idempotency import ended_by
from breakers.known import IN_DOUBT, IN_FLIGHT, Ended, State
from breakers.store.protocol import (
    LEASE_S,
    REMEMBERED_S,
    HeldWrite,
    IntentDelivered,
    IntentEnded,
    OpenIntent,
    Permit,
    Stale,
    WritesChanged,
    opened_by,
)
from breakers.verdict import Again, Forward, Refuse, Repeat, Verdict
from tests.repeats.model import LATE_S, Answer, Intent, Model
from tests.repeats.shop import AGENTS, OPERATIONS, Asked, policy
from tests.repeats.world import ENDS, KEPT, TICK, UNSENT, Backing, Carried, Process, StillTime, Way

T = TypeVar("T")

CARDS = policy()

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


class Machine(RuleBasedStateMachine):
    """
    Processes before one upstream; a subclass says what stands behind them, and may spoil them.
    """

    backing: ClassVar[Backing]
    counted: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = StillTime(self.backing.began())
        self.model = Model()
        self.epoch = 0
        self.processes: list[Process] = []

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """
        Let a verb of the store run to its end.
        """
        return self.loop.run_until_complete(verb)

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
            self.reserved(verdict, asked, number)
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
        self.reserved(one, first, numbers[0])
        if set(second.names.asked) & set(first.names.held):
            assert self.do(self.processes[numbers[1]].store.reserve(two)) == Stale(), "two were reserved on one state"
            self.counted["stale"] += 1
        # Where the first took over what had lapsed, it may have moved a name of the second's as well.
        verdict = self.judged(second, numbers[1])
        if isinstance(verdict, Forward):
            self.reserved(verdict, second, numbers[1])
        process_ = self.processes[numbers[0]]
        self.carry(process_, process_.carried[-1], way)

    def judged(self, asked: Asked, number: int) -> Verdict:
        """
        Judge a call, and hold the verdict against the model's.
        """
        call = asked.call(f"01{len(self.model.intents):04}{self.counted['calls']}", self.time.at)
        self.counted["calls"] += 1
        facts = self.do(self.processes[number].store.facts(call))
        verdict = decide(call, CARDS, facts)
        expected = self.model.expected(asked, self.time.at)
        told = _told(verdict)
        assert _agree(told, expected), f"{asked} is told {told}, and should be {expected}"
        self.counted[str(expected[0]) if expected else "forward"] += 1
        return verdict

    def reserved(self, go: Forward, asked: Asked, number: int) -> None:
        """
        Reserve what may pass; claims whose lease had passed are taken over.
        """
        process = self.processes[number]
        held = self.do(process.store.reserve(go))
        assert isinstance(held, HeldWrite), f"{asked} is {held}"
        now = self.time.at
        for claim in self.model.intents:
            met = set(claim.asked.names.held) & set(asked.names.asked)
            if claim.state is State.CLAIMED and not claim.stands(now) and met:
                claim.state = None
                self.counted["taken over"] += 1
        intent = Intent(go.call.id, asked, now, now + timedelta(seconds=LEASE_S), number)
        intent.allowed = "duplicate-allowed" in go.flags
        self.model.intents.append(intent)
        process.carried.append(Carried(intent, held, opened_by(go.call)))

    def told_again(self, id_: str, number: int) -> None:
        """
        Deliver a replay.
        """
        intent = next(intent for intent in self.model.intents if intent.id == id_)
        self.do(self.processes[number].store.delivered(id_, reached=True))
        # Each process replays its own record: what another one delivered is noted where the write itself is.
        self.processes[intent.process].record.append(IntentDelivered(id_, delivered=True))
        intent.delivered = True

    # --------------------------------------------------------------------------------------------- the way of a write

    @rule(which=WHICH, way=WAYS)
    def goes_on(self, which: int, way: Way) -> None:
        """
        A write that was left on its way goes some steps further.
        """
        under_way = [(process, carried) for process in self.processes for carried in process.carried]
        if under_way:
            self.carry(*under_way[-1 - which % len(under_way)], way)

    def carry(self, process: Process, carried: Carried, way: Way) -> None:
        """
        Take a write some steps further: on record, past the gate, sent, its end on record, settled.
        """
        for _ in range(way.steps):
            self.time.at += TICK
            if way.pause_s:
                self.time_passes(way.pause_s)
            if not carried.intent.durable:
                process.record.append(carried.opened)
                carried.intent.durable = True
            elif carried.outcome is None and carried.intent.granted_at is None:
                self.asks_the_gate(process, carried)
            elif carried.outcome is None:
                self.sends(process, carried, way)
            elif carried.ended is None:
                self.concludes(process, carried, way)
            elif carried in process.carried:
                self.settles(process, carried, way)

    def asks_the_gate(self, process: Process, carried: Carried) -> Permit:
        """
        Ask whether its first byte may leave; a write that may not is over.
        """
        intent = carried.intent
        permit = self.do(process.store.dispatch(carried.held, carried.opened))
        # A claim that lapsed long ago may be forgotten as well.
        forgotten = intent.state is State.CLAIMED and (self.time.at - intent.until).total_seconds() > REMEMBERED_S
        if forgotten and permit is Permit.LOST:
            intent.state = None
        lost = intent.state not in IN_FLIGHT
        expected = Permit.LOST if lost else Permit.STOPPED if self.model.stopped else Permit.GRANTED
        assert permit is expected, f"{intent} is {permit}, and should be {expected}"
        self.counted[f"dispatch {permit}"] += 1
        if not lost:
            intent.state = State.DISPATCHED
        if permit is Permit.GRANTED:
            intent.granted_at = self.time.at
        else:
            carried.outcome = UNSENT
        return permit

    def sends(self, process: Process, carried: Carried, way: Way) -> None:
        """
        The first byte leaves, unless more than two seconds passed since the gate; an upstream's key may send it twice.
        """
        intent = carried.intent
        assert intent.granted_at is not None
        if (self.time.at - intent.granted_at).total_seconds() > LATE_S:
            self.counted["late"] += 1
            carried.outcome = UNSENT
            return
        self.model.nothing_twice(intent, self.time.at)
        did, outcome = ENDS[way.end]
        intent.effects += did
        carried.outcome, carried.sent = outcome, way.end
        self.counted[way.end] += 1
        if way.twice and outcome.applied is Applied.UNKNOWN:
            self.sent_again(process, carried)

    def sent_again(self, process: Process, carried: Carried) -> None:
        """
        The same bytes leave once more under the same key, which the upstream remembers, if the gate lets them.
        """
        unknown = carried.outcome
        if self.asks_the_gate(process, carried) is not Permit.GRANTED:
            carried.outcome = unknown
            return
        carried.intent.effects = 1
        carried.outcome, carried.sent = ENDS["done"][1], "done"
        self.counted["sent again"] += 1

    def concludes(self, process: Process, carried: Carried, way: Way) -> None:
        """
        The end of a write becomes durable.
        """
        assert carried.outcome is not None
        place = f"place of {carried.intent.id}"
        carried.ended = ended_by(carried.outcome, self.time.at, place, delivered=way.heard)
        kept = carried.outcome is not UNSENT and carried.sent in KEPT
        assert carried.ended.keeps is kept, f"{carried.ended} after {carried.sent}"
        process.record.append(IntentEnded(carried.intent.id, carried.ended))
        carried.intent.concluded = True

    def settles(self, process: Process, carried: Carried, way: Way) -> None:
        """
        A write is settled from its end, once or twice.
        """
        assert carried.ended is not None
        for _ in range(1 + way.twice):
            self.do(process.store.settle(carried.held, carried.ended))
        self.ends(carried.intent, carried.ended)
        process.carried.remove(carried)

    def ends(self, intent: Intent, ended: Ended) -> None:
        """
        Note an end, where there was none.
        """
        if intent.state is State.COMPLETED or (intent.state is State.PARKED and ended.state is State.UNKNOWN):
            return
        if intent.state is None and ended.state is State.COMPLETED:
            return
        intent.state, intent.applied, intent.delivered = ended.state, ended.applied, ended.delivered
        intent.ended_at = ended.at if ended.state is State.COMPLETED else None
        if ended.state is State.COMPLETED and not ended.keeps:
            intent.state = None

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
        ended = Ended(State.PARKED, self.time.at) if park else ended
        opened = next(event for event in process.record if getattr(event, "intent", None) == intent.id)
        process.record.append(IntentEnded(intent.id, ended))
        intent.concluded = True
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
            self.crash(process)

    def crash(self, process: int) -> None:
        """
        End a process, and begin the next one.
        """
        number = process % len(self.processes)
        died = self.processes[number]
        for carried in died.carried:
            if carried.ended is not None:
                self.ends(carried.intent, carried.ended)
        self.model.lost(number, claims=not self.backing.claims_outlive)
        self.do(died.store.close())
        self.processes[number] = Process(self.backing.store(self.time.now), died.record)
        self.do(self.processes[number].store.start(died.record))
        self.counted["crashes"] += 1

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
        self.time.pass_s(seconds)
        self.backing.expire(self.time.at)

    @rule(rarely=WHICH)
    def stop_or_resume(self, rarely: int) -> None:
        """
        Now and then, an operator stops writes; more often, lets them pass again.
        """
        if rarely % 4 and not self.model.stopped:
            return
        self.epoch += 1
        self.model.stopped = not self.model.stopped
        changed = WritesChanged(self.model.stopped, self.epoch)
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

    def stands_as_it_should(self, intent: Intent) -> None:
        """
        Fail unless the store's record of an intent says what the model does.
        """
        earlier = self.do(self.processes[0].store.earlier(intent.id))
        if intent.state is None or not intent.stands(self.time.at):
            return
        assert earlier is not None, f"{intent} is forgotten"
        assert (earlier.state, earlier.agent) == (intent.state, intent.asked.agent)
        if intent.state is State.COMPLETED:
            assert (earlier.applied, earlier.delivered) == (intent.applied, intent.delivered)


def _state(open_: OpenIntent) -> State:
    return State.PARKED if open_.parked else State.UNKNOWN if open_.suspended else State.DISPATCHED


def _told(verdict: Verdict) -> tuple[str, str]:
    match verdict:
        case Repeat(again, earlier):
            return again, earlier.intent
        case Refuse(reason, details=details):
            return reason, dict(details).get("intent", "")
        case Forward():
            return "forward", ""
        case _:
            raise AssertionError(verdict)


def _agree(told: tuple[str, str], expected: Answer) -> bool:
    if expected is None:
        return told[0] == "forward"
    return told[0] == expected[0] and (not expected[1] or told[1] in expected[1])
