"""
The machine: writes that are parked, words of approvers, executions on their way, stops, crashes and time, in any order.

Whatever happens, a suggestion has one end; a write that was parked is sent at most once, and never after a person or
the time has said no; and what was sent is never to be had again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from breakers.known import Ended
from breakers.known import State as Of
from breakers.stops import Mode, Stop
from breakers.store.events import IntentEnded, KillChanged, SuggestionNoted, opened_by
from breakers.store.protocol import LEASE_S, HeldWrite, Permit, Stale
from breakers.suggestion import LIVE, Grant, Stage
from breakers.verdict import Forward
from tests.grants.standing import Standing
from tests.grants.world import (
    AGENTS_KEYS,
    ANSWERS,
    ENDS,
    PASSING_S,
    THINGS,
    WHICH,
    WORDS,
    Carried,
    Known,
    Process,
    Way,
    suggestion_of,
    write_of,
)
from tests.repeats.world import TICK

T = TypeVar("T")


class Machine(Standing):
    """
    Everything that can happen to parked writes; a subclass says what stands behind the processes.
    """

    @initialize()
    def begin(self) -> None:
        """
        Start every process on nothing.
        """
        self.backing.clear()
        for number in range(self.backing.processes):
            self.processes.append(Process(self.backing.store(self.time.now)))
            self.do(self.processes[-1].store.start((), replica=f"r{number}"))

    def teardown(self) -> None:
        """
        Crash everything: what the records say is what stands.
        """
        try:
            for number in range(len(self.processes)):
                self.crash(number)
            self.stand_as_they_should()
        finally:
            for process in self.processes:
                self.do(process.store.close())
            self.loop.close()

    # -------------------------------------------------------------------------------------------------------- the words

    @rule(process=WHICH, thing=THINGS, key=AGENTS_KEYS, way=ENDS, is_approved=st.booleans())
    def park(self, process: int, thing: str, key: str | None, way: Way, is_approved: bool) -> None:
        """
        A write is parked: it joins what is live for it, or begins a suggestion, which may be carried out at once.
        """
        before = len(self.known)
        self.parks(process, thing, key)
        if is_approved and len(self.known) > before:
            self.decides(self.known[-1], [Stage.APPROVED])
            self.executes(self.known[-1], way)

    def parks(self, process: int, thing: str, key: str | None) -> None:
        """
        Park a write.
        """
        number = process % len(self.processes)
        new = suggestion_of(self.id(), thing, key, self.time.at)
        live = [one for one in self.known if one.stage in LIVE]
        under_key = [one for one in live if key is not None and one.noted.key == new.key]
        joined = next(iter(under_key + [one for one in live if one.noted.fingerprint == new.fingerprint]), None)
        said = self.do(self.processes[number].store.suggest(new))
        assert said.id == (new.id if joined is None else joined.noted.id), f"{new} is {said}, and should be {joined}"
        self.counted["parked" if joined is None else "joined"] += 1
        if joined is None:
            self.known.append(Known(new, number, thing, key))
            self.processes[number].record.append(SuggestionNoted(new))

    @rule(which=WHICH, words=st.lists(WORDS, min_size=1, max_size=2))
    def decide(self, which: int, words: list[Stage]) -> None:
        """
        Somebody decides on what stands, or two at once: one has effect.
        """
        if self.known:
            self.decides(self.known[-1 - which % len(self.known)], words)

    def decides(self, one: Known, words: list[Stage]) -> None:
        """
        Have all of these said at once of what stands.
        """
        process = self.processes[one.owner]
        seen = self.do(process.store.suggestion(one.noted.id))
        assert seen is not None
        self.holds(one, seen.stage)
        is_first = one.stage in {Stage.OPEN, Stage.APPROVED}
        for word in words:
            after = replace(seen, stage=word, version=seen.version + 1, changed_at=self.time.at)
            turned = self.do(process.store.turn(seen, after))
            assert turned is is_first, f"{seen.stage} was turned to {word}: {turned}"
            if turned:
                one.stage, is_first = word, False
                process.record.append(SuggestionNoted(after))
            self.counted[f"{word}" if turned else "no effect"] += 1

    # ------------------------------------------------------------------------------------------------------ executions

    @rule(which=WHICH, way=ENDS)
    def execute(self, which: int, way: Way) -> None:
        """
        What is approved is carried out, some steps of the way.
        """
        approved = [one for one in self.known if one.stage is Stage.APPROVED] or self.known
        if approved:
            self.executes(approved[which % len(approved)], way)

    def executes(self, one: Known, way: Way) -> None:
        """
        Carry a suggestion out, by a good grant or another.
        """
        process = self.processes[one.owner]
        self.passes(way.pause_s)
        digest = one.noted.digest if way.good else "something else"
        call = replace(
            write_of(self.id(), one.thing, one.key, self.time.at), grant=Grant(one.noted.id, digest, ANSWERS)
        )
        go = Forward(call, self.do(process.store.facts(call)), "v1", ())
        process.carried.append(Carried(one, go))
        self.carry(process, process.carried[-1], way)

    @rule(which=WHICH, way=ENDS)
    def goes_on(self, which: int, way: Way) -> None:
        """
        An execution that was left on its way goes some steps further.
        """
        under_way = [(process, carried) for process in self.processes for carried in process.carried]
        if under_way:
            self.carry(*under_way[-1 - which % len(under_way)], way)

    def carry(self, process: Process, carried: Carried, way: Way) -> None:
        """
        Take an execution some steps: reserved, on record, past the gate, its end on record, settled.
        """
        for _ in range(way.steps):
            if carried not in process.carried:
                return
            if carried.held is None:
                self.reserves(process, carried, is_new=carried.fresh)
            elif not carried.recorded and way.lets_go:
                self.lets_go(process, carried)
            elif not carried.recorded:
                process.record.append(opened_by(carried.go.call, "place"))
                carried.recorded = True
                if not carried.lost:
                    carried.one.stage = Stage.EXECUTING
            elif carried.permit is None:
                self.asks_the_gate(process, carried)
            else:
                self.ends(process, carried, way)
        carried.fresh = False

    def reserves(self, process: Process, carried: Carried, *, is_new: bool) -> None:
        """
        Take the grant: once, of what is approved, as it was shown, and in time.
        """
        one, call = carried.one, carried.go.call
        found = self.do(process.store.suggestion(one.noted.id))
        assert found is not None
        self.holds(one, found.stage)
        is_good = call.grant is not None and call.grant.digest == one.noted.digest
        is_good = is_good and self.time.at + TICK < one.noted.expires
        is_had = is_good and one.stage is Stage.APPROVED
        said = self.do(process.store.reserve(carried.go))
        self.counted["executing" if isinstance(said, HeldWrite) else "stale"] += 1
        if not isinstance(said, HeldWrite):
            # Judged a while ago, it may be judged again for what else has moved.
            assert said == Stale(), said
            assert not (is_had and is_new), f"{one} is not to be had by {call.grant}"
            process.carried.remove(carried)
            return
        if is_good and one.stage is Stage.EXECUTING and one.loose:
            # Claims that are over are given up in this very step.
            self.comes_back(one)
            is_had = True
        assert is_had, f"{one} is given to {call.grant}"
        one.stage, one.intent, one.loose = Stage.EXECUTING, call.id, False
        carried.held, carried.since = said, self.time.at

    def lets_go(self, process: Process, carried: Carried) -> None:
        """
        Nothing of it is on record: the grant is to be had again.
        """
        assert carried.held is not None
        self.do(process.store.settle(carried.held, Ended(Of.COMPLETED, self.time.at, applied=False)))
        self.gives_back(carried)
        process.carried.remove(carried)
        self.counted["let go"] += 1

    def asks_the_gate(self, process: Process, carried: Carried) -> None:
        """
        Ask for its first byte.
        """
        assert carried.held is not None
        permit = self.do(process.store.dispatch(carried.held, opened_by(carried.go.call, "place")))
        may_be_lost = carried.lost or self.time.at - carried.since >= timedelta(seconds=LEASE_S)
        expected = Permit.STOPPED if self.stop is Mode.STOP_WRITES else Permit.GRANTED
        assert permit is expected or (permit is Permit.LOST and may_be_lost), f"{carried} is {permit}"
        assert not (carried.lost and permit is not Permit.LOST), f"{carried} has no claim, and is {permit}"
        carried.permit = permit
        self.counted[f"dispatch {permit}"] += 1
        if permit is Permit.GRANTED:
            carried.one.sent += 1
            assert carried.one.sent == 1, f"{carried.one} was sent again"
        if permit is Permit.LOST:
            carried.lost = True

    def ends(self, process: Process, carried: Carried, way: Way) -> None:
        """
        Its end is on record, and settled unless the process dies before that; or nobody knows it.
        """
        assert carried.held is not None
        state = Of.COMPLETED if carried.permit is not Permit.GRANTED else way.end
        ended = Ended(state, self.time.at, carried.permit is Permit.GRANTED, keeps=True, place="end")
        process.record.append(IntentEnded(carried.go.call.id, ended))
        carried.ended = state
        carried.one.ended_unsent |= carried.permit is not Permit.GRANTED
        if way.crashes:
            self.crash(carried.one.owner)
            return
        self.do(process.store.settle(carried.held, ended))
        self.over(carried)
        process.carried.remove(carried)

    @rule(which=WHICH)
    def resolve(self, which: int) -> None:
        """
        What is in doubt is found.
        """
        doubts = [one for one in self.known if one.stage is Stage.EXECUTING and one.doubt is not None]
        if doubts:
            one = doubts[which % len(doubts)]
            process, opened = self.processes[one.owner], one.doubt
            assert opened is not None
            ended = Ended(Of.COMPLETED, self.time.at, applied=True, keeps=True, place="seen")
            process.record.append(IntentEnded(opened.intent, ended))
            assert self.do(process.store.resolve(opened, ended))
            one.stage, one.doubt = Stage.EXECUTED, None
            self.counted["found"] += 1

    # ------------------------------------------------------------------------------------------------------- the damage

    @rule(mode=st.sampled_from([Mode.RUN, Mode.RUN, Mode.SUGGEST, Mode.STOP_WRITES]), process=WHICH)
    def stops(self, mode: Mode, process: int) -> None:
        """
        An operator stops writes, has them parked, or lets them go on.
        """
        self.stop, self.epoch = mode, self.epoch + 1
        event = KillChanged(Stop("all", mode, self.epoch))
        for one in self.processes:
            # Every process has it on record.
            one.record.append(event)
        self.do(self.processes[process % len(self.processes)].store.apply(event))

    @rule(process=WHICH, rarely=WHICH)
    def crashes(self, process: int, rarely: int) -> None:
        """
        Now and then, a process dies where it stands, and the next one begins with its record.
        """
        if rarely % 5 == 2:
            self.crash(process % len(self.processes))

    def crash(self, number: int) -> None:
        """
        End a process, and begin the next one.
        """
        died = self.processes[number]
        self.do(died.store.close())
        for carried in died.carried:
            self.dies(carried)
        self.processes[number] = Process(self.backing.store(self.time.now), died.record)
        self.do(self.processes[number].store.start(died.record, replica=f"r{number}"))
        self.counted["crashes"] += 1

    @rule(rarely=WHICH)
    def all_is_lost(self, rarely: int) -> None:
        """
        Now and then, what the processes share is lost, and each tells its record again.
        """
        if rarely % 5 != 3 or not self.backing.claims_outlive:
            return
        self.backing.clear()
        for process in self.processes:
            for carried in process.carried:
                if carried.held is not None:
                    carried.lost = True
                    if not carried.recorded:
                        carried.one.loose = True
        for number, process in enumerate(self.processes):
            self.do(process.store.start(process.record, replica=f"r{number}"))
        self.counted["losses"] += 1

    @rule(seconds=st.sampled_from(PASSING_S))
    def time_passes(self, seconds: float) -> None:
        """
        Time passes.
        """
        self.passes(seconds)

    def passes(self, seconds: float) -> None:
        """
        Let time pass, here and where the claims are.
        """
        if seconds:
            self.time.pass_s(seconds)
            self.backing.expire(self.time.at)

    # ----------------------------------------------------------------------------------------------- what always holds

    @invariant()
    def stand_as_they_should(self) -> None:
        """
        Every suggestion stands as it should, whoever looks, and what was sent is not to be had.
        """
        if not self.processes:
            return
        found = {one.id: one for one in self.do(self.processes[-1].store.suggestions())}
        assert set(found) == {one.noted.id for one in self.known}
        for one in self.known:
            self.holds(one, found[one.noted.id].stage)
            assert not one.sent or one.stage in {Stage.EXECUTING, Stage.EXECUTED}, f"{one} was sent"
