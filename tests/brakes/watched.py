"""
One step of a call, of a report and of a breaker, and what stands of every breaker held against the table's record.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from breakers import observe
from breakers.breaker import Breaker, Delta
from breakers.call import Health
from breakers.known import Ended, Names
from breakers.known import State as Of
from breakers.store.events import BreakerMoved, opened_by
from breakers.store.protocol import LEASE_S, HeldWrite, Permit, Stale
from breakers.verdict import Forward
from tests.brakes.model import Model, bucket, same
from tests.brakes.world import KEYS, NOTHING, READS, WRITES, Asked, Process, after, tripped, wished
from tests.breakers.world import call as plain
from tests.repeats.world import TICK, Backing, StillTime

T = TypeVar("T")


class Watched(RuleBasedStateMachine):
    """
    Processes that share breakers, and the reference beside them; a subclass says what happens in which order.
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
            if writes or not self.backing.claims_outlive:
                self.agrees(key, record)
            else:
                # Reads go by what their own process has seen last.
                assert (0 if record is None else record.gen) <= self.model.gen(key)
        wishes = [wished(record, writes) for record in seen.values() if record is not None]
        if None in wishes:
            self.counted["kept back"] += 1
            return None
        wanted = tuple(wish for wish in wishes if wish is not None and wish is not NOTHING)
        asked = Asked(Forward(call, facts, "v1", (), wishes=wanted), number, self.now_s)
        # A read that passes shows how writes would fare as well.
        asked.gens = {key: self.model.gen(key) for key in KEYS} | {
            key: 0 if record is None else record.gen for key, record in seen.items()
        }
        self.calls.append(asked)
        return asked

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
        if not expected and not isinstance(said, Stale):
            # Claims that are over are given up in this very step.
            for record in [self.model.records[wish.key] for wish in go.wishes if wish.probe]:
                if self.is_loose(record):
                    self.comes_back(record)
            expected = all(self.model.has(wish, asked.id, now) for wish in go.wishes)
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
            step = partial(after, result=result, at=self.time.at, draw=draw)
            moved = self.moves(key, step, process)
            assert not (stale and moved), f"{key} was moved by a result of {result.gen}"
            self.counted["stale results"] += stale
        self.out = {name: call for name, call in self.out.items() if call != asked.id}

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
            step = partial(tripped, sums=sums, at=self.time.at, draw=draw)
            self.counted["trips"] += self.moves(sums.key, step, one, new=True)

    def moves(self, key: str, step: Callable[[Breaker], Breaker | None], by: Process, *, new: bool = False) -> bool:
        """
        Move a breaker as the table says, in the place of what is seen; whoever saw an older one moves nothing.
        """
        seen = self.looks(key, by)
        after = step(seen or Breaker(key)) if new or seen is not None else None
        if after is None or after == seen:
            return False
        old = self.model.records.get(key)
        self.counted["moves"] += 1
        if self.counted["moves"] % 4 == 0:
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

    def tick(self, by: Process, draw: float) -> None:
        """
        Move what time alone moves.
        """
        for key in KEYS:
            lapsed = (record := self.looks(key, by)) is not None and record.probe is not None
            if self.moves(key, lambda record: observe.due(record, self.time.at, draw), by) and lapsed:
                self.counted["lapsed"] += 1

    def passes(self, seconds: float) -> None:
        """
        Let time pass, here and where the claims are.
        """
        self.time.pass_s(seconds)
        self.backing.expire(self.time.at)

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
        if not same(found, record) and record is not None and self.is_loose(record):
            record = self.comes_back(record)
        assert same(found, record), f"{found} stands, and should be {record}"

    def is_loose(self, record: Breaker) -> bool:
        """
        Tell whether the permit of a breaker may have come back without its holder's doing.
        """
        return record.probe is not None and record.probe.call in self.loose

    def comes_back(self, record: Breaker) -> Breaker:
        """
        Note that it has.
        """
        self.counted["came back"] += 1
        record = self.model.records[record.key] = replace(record, probe=None)
        return record

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

    def sleeps(self, records: list[Breaker]) -> None:
        """
        Let time pass until something is due of these.
        """
        moments = [record.until for record in records] + [record.probe.expires for record in records if record.probe]
        left = [(moment - self.time.at).total_seconds() for moment in moments if moment is not None]
        self.passes(max(0.0, min(left, default=1.0)) + 0.01)
