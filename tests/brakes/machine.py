"""
The machine: calls that wish, results that come late, reports, operators, crashes and time, in any order, held against
the table of every breaker.

Whatever happens, each breaker stands as the table says; its permit is out once; what was admitted in another generation
moves nothing; and in the end, when the upstream is well, every breaker finds its way back by the permits alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from breakers import observe
from breakers.breaker import Breaker, Delta, State, Wish
from breakers.call import Health
from breakers.known import Ended, Names
from breakers.known import State as Of
from breakers.store.events import BreakerMoved, opened_by
from breakers.store.protocol import LEASE_S, HeldWrite, Permit, Stale, Store
from breakers.thresholds import Thresholds
from breakers.verdict import Forward
from tests.brakes.model import Model, bucket, same
from tests.breakers.world import call as plain
from tests.repeats.world import TICK, Backing, StillTime

T = TypeVar("T")

READS, WRITES = "api:shop/read", "api:shop/write"
KEYS = (READS, WRITES)
STANDARD = Thresholds()

PERMIT_S = 65.0

# Within every window and past it: a bucket, the claim, the first back-off, the minute, the permit, the window.
PASSING_S = (0.9, 4.7, 11.3, 16.1, 31.7, 37.9, 66.3, 307.1)

# Nobody is kept back for longer than this, as often as everything has failed.
HEALED_STEPS = 100

WHICH = st.integers(0, 99)

# How upstreams are, most of the time.
HEALTHS = st.sampled_from([Health.OK] * 4 + [Health.FAIL] * 3 + [Health.FAIL_LOCAL, Health.THROTTLE, Health.IGNORE])

FORCED = st.sampled_from([None, None, State.FORCED_BLOCKED, State.FORCED_SUGGEST_ONLY, State.FORCED_PASSING])

DRAWS = st.sampled_from([0.0, 0.5, 0.999])


@dataclass(frozen=True, slots=True)
class Burst:
    """
    So many calls that end alike, so much later.
    """

    pause_s: float
    count: int
    health: Health
    slow: bool


BURSTS = st.builds(Burst, st.sampled_from([0.0, 0.4, 4.7, 11.3]), st.integers(1, 6), HEALTHS, st.booleans())


@dataclass(slots=True, eq=False)
class Asked:
    """
    A call under way: what it was judged with, what it holds once it was reserved.
    """

    go: Forward
    process: int
    since: float
    held: HeldWrite | None = None
    gens: dict[str, int] = field(default_factory=dict)
    sent: bool = False

    @property
    def id(self) -> str:
        """
        Return the call's id.
        """
        return self.go.call.id


@dataclass(slots=True, eq=False)
class Process:
    """
    One process: its store, the transitions on its record, what it has counted and not reported.
    """

    store: Store
    record: list[BreakerMoved] = field(default_factory=list)
    counted: dict[tuple[str, int, int], Delta] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    """
    Everything that can happen to breakers; a subclass says what stands behind the processes.
    """

    backing: ClassVar[Backing]
    counted: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        # A server keeps milliseconds: what falls on an edge falls there on both sides.
        began = self.backing.began()
        self.time = StillTime(began.replace(microsecond=began.microsecond // 1000 * 1000))
        self.model = Model()
        self.processes: list[Process] = []
        self.calls: list[Asked] = []
        # Calls whose permit may have been given back without their doing.
        self.loose: set[str] = set()
        self.out: dict[tuple[str, int], str] = {}

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """
        Let a verb of the store run to its end.
        """
        return self.loop.run_until_complete(verb)

    @property
    def now_s(self) -> float:
        """
        Return the time in seconds.
        """
        return self.time.at.timestamp()

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

    def judged(self, writes: bool, number: int) -> Asked | None:
        """
        Return a call that passes if it gets what it wishes for, or None where it is kept back.
        """
        self.time.at += TICK
        id_ = f"01{self.counted['calls']:08}"
        self.counted["calls"] += 1
        call = replace(plain("refunds.create" if writes else "refunds.retrieve", id=id_), at=self.time.at)
        call = replace(call, names=Names((f"f1:{id_}",), f"k:{id_}")) if writes else call
        facts = self.do(self.processes[number].store.facts(call))
        seen = {key: facts.breakers.get(key) for key in KEYS if key == READS or writes}
        for key, record in seen.items():
            self.agrees(key, record)
        wishes = [_wished(record, writes) for record in seen.values() if record is not None]
        if None in wishes:
            self.counted["kept back"] += 1
            return None
        wanted = tuple(wish for wish in wishes if wish is not None and wish is not _NOTHING)
        asked = Asked(Forward(call, facts, "v1", (), wishes=wanted), number, self.now_s)
        # A read that passes shows how writes would fare as well.
        asked.gens = {key: self.model.gen(key) for key in KEYS}
        self.calls.append(asked)
        return asked

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
                if asked in self.calls:
                    self.leave(asked)
                    self.end(asked, burst.health, burst.slow, draw)
            self.report(number, draw)

    @rule(which=WHICH, steps=st.integers(1, 3), lets_go=st.booleans(), burst=BURSTS, draw=DRAWS)
    def goes_on(self, which: int, steps: int, lets_go: bool, burst: Burst, draw: float) -> None:
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
            elif lets_go:
                self.lets_go(asked)
            else:
                self.leave(asked)

    def reserve(self, asked: Asked) -> None:
        """
        Reserve a call: it has all that it wishes for, or nothing.
        """
        self.time.at += TICK
        go, now = asked.go, self.time.at
        for wish in go.wishes:
            # Somebody's permit may have come back unseen.
            self.looks(wish.key)
        expected = all(self.model.has(wish, asked.id, now) for wish in go.wishes)
        said = self.do(self.processes[asked.process].store.reserve(go))
        assert isinstance(said, Stale) is not expected, f"{go.wishes} are {said}, at {now}: {self.model.records}"
        self.counted["had" if expected and go.wishes else "reserved" if expected else "stale"] += 1
        if isinstance(said, Stale) or not expected:
            self.calls.remove(asked)
            return
        asked.since = self.now_s
        for wish in go.wishes:
            self.model.take(wish, asked.id, now)
            if wish.probe:
                other = self.out.get((wish.key, wish.gen))
                assert other in self.loose | {None, asked.id}, f"{other} and {asked.id} probe {wish.key} at once"
                self.out[wish.key, wish.gen] = asked.id
                self.counted["probes"] += 1
        if isinstance(said, HeldWrite):
            asked.held = said
        else:
            asked.sent = True

    def lets_go(self, asked: Asked) -> None:
        """
        Let a write go: its permit is there for the next one at once.
        """
        assert asked.held is not None
        nothing = Ended(Of.COMPLETED, self.time.at, applied=False)
        self.do(self.processes[asked.process].store.settle(asked.held, nothing))
        self.gave_back(asked.id)
        self.calls.remove(asked)
        self.counted["let go"] += 1

    def leave(self, asked: Asked) -> None:
        """
        Have a call leave: a write asks first, and is lost where it waited for too long.
        """
        if asked.held is None:
            return
        event = opened_by(asked.go.call, "place")
        permit = self.do(self.processes[asked.process].store.dispatch(asked.held, event))
        assert permit is Permit.GRANTED or (permit is Permit.LOST and self.may_be_lost(asked))
        if permit is Permit.LOST:
            self.loose.add(asked.id)
            self.calls.remove(asked)
            self.counted["lost"] += 1
            return
        asked.sent = True

    def end(self, asked: Asked, health: Health, slow: bool, draw: float) -> None:
        """
        Count the result of a call, and tell it.
        """
        self.time.at += TICK
        self.calls.remove(asked)
        writes = asked.go.call.operation.writes
        process = self.processes[asked.process]
        if asked.held is not None:
            self.do(process.store.settle(asked.held, Ended(Of.COMPLETED, self.time.at, applied=True, place="place")))
        self.note(process, WRITES if writes else READS, asked, health, slow)
        for key in KEYS:
            result = observe.Result(asked.id, asked.gens[key], health, slow=slow, read=not writes)
            stale = result.gen != self.model.gen(key)
            moved = self.moves(key, lambda record, told=result: observe.after(record, told, self.time.at, draw), process)
            assert not (stale and moved), f"{key} was moved by a result of {result.gen}"
            self.counted["stale results"] += stale
        for key, call in list(self.out.items()):
            if call == asked.id:
                del self.out[key]

    def note(self, process: Process, key: str, asked: Asked, health: Health, slow: bool) -> None:
        """
        Count one result in the process that had it.
        """
        if health in {Health.THROTTLE, Health.IGNORE}:
            return
        name = (key, asked.gens[key], bucket(self.time.at))
        one = process.counted.get(name) or Delta(*name)
        is_ok, writes = health is Health.OK, int(asked.go.call.operation.writes)
        process.counted[name] = replace(
            one,
            ok=one.ok + is_ok,
            slow=one.slow + (is_ok and slow),
            fail=one.fail + (health is Health.FAIL),
            local=one.local + (health is Health.FAIL_LOCAL),
            writes=one.writes + writes,
            tail=0 if is_ok else one.tail + 1,
            broken=one.broken or is_ok,
        )

    @rule(process=WHICH, draw=DRAWS)
    def reports(self, process: int, draw: float) -> None:
        """
        A process reports what it has counted, is told what all have, and moves what that trips.
        """
        self.report(process % len(self.processes), draw)

    def report(self, number: int, draw: float) -> None:
        """
        Report what one process has counted, and move what all have counted trips.
        """
        self.time.at += TICK
        one = self.processes[number]
        deltas, one.counted = list(one.counted.values()), {}
        every = self.do(one.store.count(deltas, f"r{number}"))
        self.model.count(deltas, number, self.time.at)
        assert [sums.key for sums in every] == list(dict.fromkeys(delta.key for delta in deltas))
        for sums in every:
            expected = self.model.sums(sums.key, self.time.at)
            assert sums == expected, f"{sums} is said, and should be {expected}"
            self.counted["sums"] += 1
            self.counted["runs"] += sums.streak > 1
            trips = self.moves(
                sums.key, lambda record, told=sums: observe.tripped(record, told, STANDARD, self.time.at, draw), one, new=True
            )
            self.counted["trips"] += trips

    # ------------------------------------------------------------------------------------------------ what moves them

    def moves(self, key: str, step: Callable[[Breaker], Breaker | None], by: Process, *, new: bool = False) -> bool:
        """
        Move a breaker as the table says, in the place of what is seen; whoever saw an older one moves nothing.
        """
        seen = self.looks(key, by)
        after = step(seen or Breaker(key)) if new or seen is not None else None
        if after is None or after == seen:
            return False
        old = self.model.records.get(key)
        assert not self.do(by.store.move(replace(after, gen=99), after)), "one was moved that nobody saw"
        assert self.do(by.store.move(seen, after)), f"{after} does not take the place of {seen}"
        self.model.records[key] = after
        if after.gen != (0 if old is None else old.gen):
            self.model.forget(key)
            by.record.append(BreakerMoved(after))
            self.counted[f"to {after.state}"] += 1
        elif old is not None and old.probe is not None and after.probe is None:
            self.out.pop((key, old.gen), None)
        return True

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

    def tick(self, by: Process, draw: float) -> None:
        """
        Move what time alone moves.
        """
        for key in KEYS:
            lapsed = (record := self.looks(key, by)) is not None and record.probe is not None
            if self.moves(key, lambda record: observe.due(record, self.time.at, draw), by) and lapsed:
                self.counted["lapsed"] += 1

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

    def passes(self, seconds: float) -> None:
        """
        Let time pass, here and where the claims are.
        """
        self.time.pass_s(seconds)
        self.backing.expire(self.time.at)

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
            for key in KEYS:
                self.looks(key, process)

    def looks(self, key: str, by: Process | None = None) -> Breaker | None:
        """
        Return what stands of a breaker, which is what the table says.
        """
        store = (by or self.processes[0]).store
        found = {record.key: record for record in self.do(store.breakers())}.get(key)
        self.agrees(key, found)
        return found

    def agrees(self, key: str, found: Breaker | None) -> None:
        """
        Hold what is found of a breaker against the table's record, in which a permit may have come back by itself.
        """
        record = self.model.records.get(key)
        for asked in self.calls:
            if self.may_be_lost(asked):
                self.loose.add(asked.id)
        if not same(found, record) and record is not None and record.probe is not None and record.probe.call in self.loose:
            record = self.model.records[key] = replace(record, probe=None)
            self.counted["came back"] += 1
        assert same(found, record), f"{found} stands, and should be {record}"

    def may_be_lost(self, asked: Asked) -> bool:
        """
        Tell whether a write waits for so long that another may have its claim.
        """
        return asked.held is not None and not asked.sent and self.now_s - asked.since >= LEASE_S

    def gave_back(self, call: str) -> None:
        """
        Note that a call has no permit any more.
        """
        for key, record in self.model.records.items():
            if record.probe is not None and record.probe.call == call:
                self.model.records[key] = replace(record, probe=None)
        self.out = {key: one for key, one in self.out.items() if one != call}

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


    def sleeps(self, records: list[Breaker]) -> None:
        """
        Let time pass until something is due of these.
        """
        moments = [record.until for record in records] + [record.probe.expires for record in records if record.probe]
        left = [(moment - self.time.at).total_seconds() for moment in moments if moment is not None]
        self.passes(max(0.0, min(left, default=1.0)) + 0.01)


_NOTHING = Wish("", 0, probe=False)


def _wished(record: Breaker, writes: bool) -> Wish | None:
    """
    Return what a call needs of a breaker, or None where it is kept back.
    """
    match record.state:
        case State.PROBING if writes or record.before is State.BLOCKED:
            return Wish(record.key, record.gen, probe=True, lease_s=PERMIT_S)
        case State.RAMPING if writes:
            return Wish(record.key, record.gen, probe=False, gap_s=observe.gap_s(record))
        case State.BLOCKED | State.FORCED_BLOCKED:
            return None
        case State.SUGGEST_ONLY | State.FORCED_SUGGEST_ONLY if writes:
            return None
        case _:
            return _NOTHING
