"""
The machine: charged calls on their way, crashes, replies that are lost, late senders, and time, in any order.

Every call is charged at up to three totals. Whatever happens to it, what the store says of every total is what the
model counts, and no call is admitted that would make one larger than its cap. A process that begins replays its record.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from breakers.call import Call
from breakers.known import Ended, Names, State
from breakers.spend import Charge, released
from breakers.store.events import IntentEnded, ReadHeld, ReadSettled, opened_by
from breakers.store.protocol import LEASE_S, Exhausted, Permit, Stale
from breakers.verdict import Forward
from tests.breakers.world import call as plain
from tests.budgets.model import Is, Model, Spender
from tests.budgets.world import WAYS, Carried, Process, Way, charges_at
from tests.repeats.world import TICK, Backing, StillTime

T = TypeVar("T")

# Within every window and past it: the lease, the minute, the hour, the day, the month and the rest.
PASSING_S = (2.57, 14.21, 15.37, 31.09, 61.07, 3600.11)
LONG_S = (86_401.17, 32 * 86_401.19, 41 * 86_401.23)

WHICH = st.integers(0, 99)


class Machine(RuleBasedStateMachine):
    """
    Everything that can happen to charged calls; a subclass says what stands behind the processes.
    """

    backing: ClassVar[Backing]
    counted: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = StillTime(self.backing.began())
        self.began = self.time.at
        # A store of several processes gives up what has lapsed when it stands in the way, and not before.
        self.model = Model(exact=not self.backing.claims_outlive)
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
            self.do(self.processes[-1].store.start((), replica=f"r{len(self.processes)}"))

    def teardown(self) -> None:
        """
        Crash everything: what the totals are then is what the records say.
        """
        try:
            for number in range(len(self.processes)):
                self.crash(number)
            self.totals_are_counted()
        finally:
            for process in self.processes:
                self.do(process.store.close())
            self.loop.close()

    # --------------------------------------------------------------------------------------------------- on their way

    @rule(
        writes=st.booleans(),
        amounts=st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 7, 12]), st.integers(0, 3)),
        process=WHICH,
        way=WAYS,
    )
    def ask(self, writes: bool, amounts: tuple[int, int, int], process: int, way: Way) -> None:
        """
        One call: it is admitted exactly if every total has room, and goes some steps.
        """
        self.time.at += TICK
        number = process % len(self.processes)
        charges = charges_at(self.time.at, amounts)
        go = self.judged(writes, charges, number)
        said = self.do(self.processes[number].store.reserve(go))
        if way.twice and not isinstance(said, Exhausted):
            # The reply was lost.
            said = self.do(self.processes[number].store.reserve(go))
        assert not isinstance(said, Stale)
        admitted = self.model.admits(said, charges, self.time.at)
        self.counted["admitted" if admitted else "denied"] += 1
        if not admitted or isinstance(said, Exhausted):
            return
        state = Is.CLAIMED if writes else Is.HELD
        until = self.time.at + timedelta(seconds=LEASE_S)
        self.model.spenders.append(Spender(go.call.id, charges, number, writes, until, state))
        self.processes[number].carried.append(Carried(self.model.spenders[-1], go, said))
        self.carry(self.processes[number], self.processes[number].carried[-1], way, way.steps)

    def judged(self, writes: bool, charges: tuple[Charge, ...], number: int) -> Forward:
        """
        Return a verdict that lets a call pass whose names nobody else has.
        """
        id_ = f"01{self.counted['calls']:08}"
        self.counted["calls"] += 1
        asked: Call = replace(plain("refunds.create" if writes else "refunds.retrieve", id=id_), at=self.time.at)
        asked = replace(asked, names=Names((f"f1:{id_}",), f"k:{id_}", f"e:{id_}")) if writes else asked
        facts = self.do(self.processes[number].store.facts(asked))
        return Forward(asked, facts, "v1", (), charges=charges)

    @rule(which=WHICH, way=WAYS)
    def goes_on(self, which: int, way: Way) -> None:
        """
        A call that was left on its way goes some steps further.
        """
        under_way = [(process, carried) for process in self.processes for carried in process.carried]
        if under_way:
            process, carried = under_way[-1 - which % len(under_way)]
            self.carry(process, carried, way, way.steps)

    def carry(self, process: Process, carried: Carried, way: Way, steps: int) -> None:
        """
        Take a call some steps further: on record, past the gate, its end on record, settled.
        """
        for _ in range(steps):
            self.time.at += TICK
            self.passes(way.pause_s)
            if carried not in process.carried:
                return
            if way.end is None and not carried.spender.durable:
                self.lets_go(process, carried)
            elif not carried.spender.durable:
                self.records(process, carried)
            elif carried.permit is None:
                self.asks_the_gate(process, carried, way)
            elif carried.ended is None:
                self.concludes(process, carried, way)
            else:
                self.settles(process, carried, way)

    def lets_go(self, process: Process, carried: Carried) -> None:
        """
        Its caller hangs up before anything was on record: what it holds is given back.
        """
        nothing = Ended(State.COMPLETED, self.time.at, applied=False, spent=released(carried.go.charges))
        self.do(process.store.settle(carried.held, nothing if carried.spender.writes else None))
        carried.spender.state = Is.GONE
        process.carried.remove(carried)
        self.counted["let go"] += 1

    def records(self, process: Process, carried: Carried) -> None:
        """
        Its intent is on record.
        """
        call, charges = carried.go.call, carried.go.charges
        process.record.append(
            opened_by(call, "place", charges) if carried.spender.writes else ReadHeld(call.id, call.at, charges)
        )
        carried.spender.durable = True

    def asks_the_gate(self, process: Process, carried: Carried, way: Way) -> None:
        """
        Ask whether its first byte may leave: never, once its claim was given up.
        """
        one = carried.spender
        if not one.writes:
            carried.permit = Permit.GRANTED
            return
        event = opened_by(carried.go.call, "place", carried.go.charges)
        for _ in range(1 + way.twice):
            carried.permit = self.do(process.store.dispatch(carried.held, event))  # type: ignore[arg-type] # a write's
        lost = one.is_given_up(self.time.at)
        maybe = one.has_lapsed(self.time.at) and not self.model.exact
        assert maybe or (carried.permit is Permit.LOST) is lost, f"{one} is {carried.permit}"
        one.state = Is.GONE if carried.permit is Permit.LOST else Is.HELD
        self.counted[f"dispatch {carried.permit}"] += 1

    def concludes(self, process: Process, carried: Carried, way: Way) -> None:
        """
        Its end is on record: what it took, which may be more than it held, or that nobody knows.
        """
        one, end = carried.spender, way.end or State.COMPLETED
        if carried.permit is Permit.LOST:
            end, spent = State.COMPLETED, released(one.charges)
        else:
            spent = tuple(max(0, charge.amount + way.more) for charge in one.charges)
        end = end if one.writes else State.COMPLETED
        carried.ended = Ended(end, self.time.at, carried.permit is Permit.GRANTED, keeps=way.twice)
        if end is State.COMPLETED:
            carried.ended = replace(carried.ended, spent=spent)
        process.record.append(
            IntentEnded(one.call, carried.ended) if one.writes else ReadSettled(one.call, carried.ended.spent)
        )
        one.concluded = True
        self.counted[f"{end} by {way.more:+}" if end is State.COMPLETED else str(end)] += 1

    def settles(self, process: Process, carried: Carried, way: Way) -> None:
        """
        It is settled from its end, once or twice.
        """
        for _ in range(1 + way.twice):
            self.do(process.store.settle(carried.held, carried.ended))
        self.ends(carried)
        process.carried.remove(carried)

    def ends(self, carried: Carried) -> None:
        """
        Note an end.
        """
        assert carried.ended is not None
        done = carried.ended.state is State.COMPLETED
        carried.spender.state, carried.spender.spent = (Is.SPENT, carried.ended.spent) if done else (Is.HELD, ())

    # ------------------------------------------------------------------------------------------------ doubt and damage

    @rule(which=WHICH, way=WAYS, stops=st.booleans())
    def resolve(self, which: int, way: Way, stops: bool) -> None:
        """
        What is in doubt is found, with what it took; a crash may come before the store knows.
        """
        carried = {each.spender for process in self.processes for each in process.carried}
        doubted = [one for one in self.model.spenders if one.state is Is.HELD and one.writes and one not in carried]
        if not doubted:
            return
        one = doubted[-1 - which % len(doubted)]
        process = self.processes[one.process]
        found = way.end in {State.COMPLETED, None}
        spent = tuple(max(0, charge.amount + way.more) for charge in one.charges) if found else ()
        ended = Ended(State.COMPLETED if found else State.PARKED, self.time.at, found, found, 201, "seen", spent=spent)
        opened = next(event for event in process.record if getattr(event, "intent", None) == one.call)
        process.record.append(IntentEnded(one.call, ended))
        if not stops:
            for _ in range(1 + way.twice):
                self.do(process.store.resolve(opened, ended))  # type: ignore[arg-type] # the first that is said of it
        one.concluded = True
        if found:
            one.state, one.spent = Is.SPENT, spent
        self.counted["found" if found else "parked again"] += 1
        if stops:
            self.crash(one.process)

    @rule(process=WHICH, rarely=WHICH)
    def crashes(self, process: int, rarely: int) -> None:
        """
        Now and then, a process dies where it stands, and the next one begins with its record.
        """
        if rarely % 3 == 0:
            self.crash(process % len(self.processes))

    def crash(self, number: int) -> None:
        """
        End a process, and begin the next one.
        """
        died = self.processes[number]
        for carried in died.carried:
            if carried.ended is not None:
                self.ends(carried)
        # In its own name: of what is not on record nothing is held any more.
        self.model.lost(number)
        self.do(died.store.close())
        self.processes[number] = Process(self.backing.store(self.time.now), died.record)
        self.do(self.processes[number].store.start(died.record, replica=f"r{number + 1}"))
        self.counted["crashes"] += 1

    @rule(process=WHICH)
    def replay_record(self, process: int) -> None:
        """
        A record that is replayed into a live store changes no total.
        """
        live = self.processes[process % len(self.processes)]
        # Of what it carries itself the record may know less, or more, than the store does.
        carried = {each.spender.call for each in live.carried}
        for event in live.record:
            if (getattr(event, "intent", None) or getattr(event, "call", None)) not in carried:
                self.do(live.store.apply(event))

    @rule(seconds=st.sampled_from(PASSING_S))
    def time_passes(self, seconds: float) -> None:
        """
        Time passes.
        """
        self.passes(seconds)

    @rule(seconds=st.sampled_from(LONG_S), rarely=WHICH)
    def long_time_passes(self, seconds: float, rarely: int) -> None:
        """
        Now and then, whole periods pass, where a store goes by this clock alone.
        """
        if self.model.exact and rarely % 4 == 0:
            self.passes(seconds)

    def passes(self, seconds: float) -> None:
        """
        Let time pass; on a server whose own clock goes slower, not so much that it would have forgotten.
        """
        if self.model.exact or (self.time.at - self.began).total_seconds() + seconds < 20 * 3600:
            self.time.pass_s(seconds)
            self.backing.expire(self.time.at)

    # ------------------------------------------------------------------------------------------------ what always holds

    @invariant()
    def totals_are_counted(self) -> None:
        """
        Every total is what the calls took of it, whoever looks.
        """
        # What several processes share any of them may show.
        self.model.agrees(self.do(self.processes[-1].store.totals()), self.time.at)
