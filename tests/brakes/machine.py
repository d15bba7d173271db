"""
The machine: calls that wish, results that come late, reports, operators, crashes and time, in any order, held against
the table of every breaker.

Whatever happens, each breaker stands as the table says; its permit is out once; what was admitted in another generation
moves nothing; and in the end, when the upstream is well, every breaker finds its way back by the permits alone.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from breakers import observe
from breakers.breaker import Breaker, State
from breakers.call import Health
from tests.brakes.watched import Watched
from tests.brakes.world import BURSTS, DRAWS, FORCED, HEALED_STEPS, KEYS, PASSING_S, WHICH, Burst, Process
from tests.repeats.world import TICK


class Machine(Watched):
    """
    Everything that can happen to breakers; a subclass says what stands behind the processes.
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
        Let the upstream be well: by and by everything passes.
        """
        try:
            self.heals()
        finally:
            for process in self.processes:
                self.do(process.store.close())
            self.loop.close()

    # --------------------------------------------------------------------------------------------------- on their way

    @rule(writes=st.booleans(), process=WHICH, at_once=st.booleans())
    def ask(self, writes: bool, process: int, at_once: bool) -> None:
        """
        A call is judged on what stands of the breakers, and reserved at once or later.
        """
        asked = self.judged(writes, process % len(self.processes))
        if asked is not None and at_once:
            self.reserve(asked)

    @rule(writes=st.booleans(), process=WHICH, bursts=st.lists(BURSTS, min_size=1, max_size=3), draw=DRAWS)
    def come_and_end(self, writes: bool, process: int, bursts: list[Burst], draw: float) -> None:
        """
        Some calls pass one after the other and end, and are reported; and some more a moment later.
        """
        number = process % len(self.processes)
        for burst in bursts:
            self.passes(burst.pause_s)
            for _ in range(burst.count):
                asked = self.judged(writes, number)
                if asked is None:
                    return
                self.reserve(asked)
                if burst.lets_go and asked.held is not None:
                    self.lets_go(asked)
                elif asked in self.calls:
                    self.leave(asked)
                    self.end(asked, burst.health, burst.slow, draw)
            self.report(number, draw)

    @rule(which=WHICH, steps=st.integers(1, 3), burst=BURSTS, draw=DRAWS)
    def goes_on(self, which: int, steps: int, burst: Burst, draw: float) -> None:
        """
        A call that was left on its way goes on, or is let go before anything is on record of it.
        """
        if not self.calls:
            return
        asked = self.calls[-1 - which % len(self.calls)]
        for _ in range(steps):
            if asked not in self.calls:
                return
            self.time.at += TICK
            if asked.sent:
                self.end(asked, burst.health, burst.slow, draw)
            elif asked.held is None:
                self.reserve(asked)
            elif burst.lets_go:
                self.lets_go(asked)
            else:
                self.leave(asked)

    @rule(process=WHICH, draw=DRAWS)
    def reports(self, process: int, draw: float) -> None:
        """
        A process reports what it has counted, is told what all have, and moves what that trips.
        """
        self.report(process % len(self.processes), draw)

    # ------------------------------------------------------------------------------------------------ what moves them

    @rule(process=WHICH, draw=DRAWS)
    def ticks(self, process: int, draw: float) -> None:
        """
        Somebody looks which breakers are due.
        """
        self.tick(self.processes[process % len(self.processes)], draw)

    @rule(process=WHICH, draw=DRAWS)
    def waits(self, process: int, draw: float) -> None:
        """
        Time passes until something is due, and somebody looks.
        """
        records = [record for record in self.model.records.values() if record.state is not State.PASSING]
        if records:
            self.sleeps(records)
            self.tick(self.processes[process % len(self.processes)], draw)

    @rule(process=WHICH, key=st.sampled_from(KEYS), state=FORCED, rarely=WHICH)
    def is_decided(self, process: int, key: str, state: State | None, rarely: int) -> None:
        """
        Now and then, an operator forces a breaker for a while, or lets it go on.
        """
        until = self.time.at + timedelta(seconds=120)

        def decide(record: Breaker) -> Breaker | None:
            if state is None:
                return observe.released(record, by="ann", why="a test", at=self.time.at)
            return observe.forced(record, key, state, by="ann", why="a test", at=self.time.at, until=until)

        if rarely % 7 == 0:
            self.moves(key, decide, self.processes[process % len(self.processes)], new=True)

    @rule(seconds=st.sampled_from(PASSING_S))
    def time_passes(self, seconds: float) -> None:
        """
        Time passes.
        """
        self.passes(seconds)

    @rule(process=WHICH, rarely=WHICH)
    def crashes(self, process: int, rarely: int) -> None:
        """
        Now and then, a process dies where it stands, and the next one begins with its record.
        """
        number = process % len(self.processes)
        died = self.processes[number]
        for event in died.record:
            # What it knows already moves nothing.
            self.do(died.store.apply(event))
        if rarely % 7:
            return
        self.do(died.store.close())
        for asked in [asked for asked in self.calls if asked.process == number]:
            self.calls.remove(asked)
            self.loose.add(asked.id)
        self.processes[number] = Process(self.backing.store(self.time.now), died.record)
        self.do(self.processes[number].store.start(died.record, replica=f"r{number}"))
        if not self.backing.claims_outlive:
            self.model.records = {event.breaker.key: event.breaker for event in died.record}
            self.model.reports, self.model.alive = [], {}
        self.counted["crashes"] += 1

    # ------------------------------------------------------------------------------------------------ what always holds

    @invariant()
    def stand_as_the_table_says(self) -> None:
        """
        Every breaker stands as the table says, whoever looks.
        """
        for process in self.processes[-1:]:
            found = {record.key: record for record in self.do(process.store.breakers())}
            for key in KEYS:
                self.agrees(key, found.get(key))

    def heals(self) -> None:
        """
        Let every call end well from now on: whatever is out, nobody waits for ever.
        """
        if not self.processes:
            return
        for _ in range(HEALED_STEPS):
            self.time.at += TICK
            self.tick(self.processes[-1], 0.5)
            records = [record for record in self.model.records.values() if record.state is not State.PASSING]
            if not records:
                return
            asked = self.judged(True, 0)
            if asked is not None:
                self.reserve(asked)
            passes = asked is not None and asked in self.calls
            if asked is not None and passes:
                self.leave(asked)
                self.end(asked, Health.OK, False, 0.5)
            # Whoever else has a permit says nothing any more: in the end its time is over.
            if not passes or all(record.state is not State.PROBING for record in records):
                self.sleeps(records)
        raise AssertionError(f"nothing heals {self.model.records}")
