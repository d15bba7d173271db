"""
What the machine does in a step, and holds against the model: a call judged and reserved, a write on its way, a crash.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from breakers.call import Applied
from breakers.decide import decide
from breakers.idempotency import ended_by
from breakers.known import IN_FLIGHT, Ended, State
from breakers.store.events import IntentDelivered, IntentEnded, opened_by
from breakers.store.protocol import LEASE_S, Exhausted, HeldWrite, Permit
from breakers.verdict import Forward, Refuse, Repeat, Verdict
from tests.budgets.model import Model as Budgets
from tests.repeats.model import LATE_S, Answer, Intent, Model
from tests.repeats.purse import Purse, charges_of
from tests.repeats.shop import Asked, policy
from tests.repeats.world import ENDS, KEPT, TICK, UNSENT, Backing, Carried, Process, StillTime, Way

T = TypeVar("T")

CARDS = policy()


class Carriage(RuleBasedStateMachine):
    """
    Processes before one upstream, and the reference beside them; a subclass says what happens in which order.
    """

    backing: ClassVar[Backing]
    counted: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = StillTime(self.backing.began())
        self.model = Model()
        self.purse = Purse(Budgets(exact=not self.backing.claims_outlive))
        self.epoch = 0
        self.processes: list[Process] = []

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """
        Let a verb of the store run to its end.
        """
        return self.loop.run_until_complete(verb)

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
        return replace(verdict, charges=charges_of(asked, self.time.at)) if isinstance(verdict, Forward) else verdict

    def reserved(self, go: Forward, asked: Asked, number: int) -> bool:
        """
        Reserve what may pass, and tell whether every cap had room; claims whose lease had passed are taken over.
        """
        process = self.processes[number]
        held = self.do(process.store.reserve(go))
        now = self.time.at
        for claim in self.model.intents:
            met = set(claim.asked.names.held) & set(asked.names.asked)
            if claim.state is State.CLAIMED and not claim.stands(now) and met:
                claim.state = None
                self.purse.given_up(claim.id)
                self.counted["taken over"] += 1
        if not self.purse.admits(go.call.id, go.charges, held, number, now):
            assert isinstance(held, Exhausted)
            self.counted["no room"] += 1
            return False
        assert isinstance(held, HeldWrite), f"{asked} is {held}"
        intent = Intent(go.call.id, asked, now, now + timedelta(seconds=LEASE_S), number)
        intent.allowed = "duplicate-allowed" in go.flags
        self.model.intents.append(intent)
        process.carried.append(Carried(intent, held, opened_by(go.call, charges=go.charges)))
        return True

    def told_again(self, id_: str, number: int) -> None:
        """
        Deliver a replay.
        """
        intent = next(intent for intent in self.model.intents if intent.id == id_)
        self.do(self.processes[number].store.delivered(id_, reached=True))
        # Each process replays its own record: what another one delivered is noted where the write itself is.
        self.processes[intent.process].record.append(IntentDelivered(id_, delivered=True))
        intent.delivered = True

    def carry(self, process: Process, carried: Carried, way: Way) -> None:
        """
        Take a write some steps further: on record, past the gate, sent, its end on record, settled.
        """
        for _ in range(way.steps):
            self.time.at += TICK
            if way.pause_s:
                self.passes(way.pause_s)
            if not carried.intent.durable:
                process.record.append(carried.opened)
                carried.intent.durable = True
                self.purse.recorded(carried.intent.id)
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
        # A claim that lapsed as long ago as it had been held is given up.
        given_up = intent.state is State.CLAIMED and (self.time.at - intent.until).total_seconds() >= LEASE_S
        if given_up and (permit is Permit.LOST or not self.backing.claims_outlive):
            intent.state = None
            self.purse.given_up(intent.id)
        lost = intent.state not in IN_FLIGHT
        expected = Permit.LOST if lost else Permit.STOPPED if self.model.stopped else Permit.GRANTED
        assert permit is expected, f"{intent} is {permit}, and should be {expected}"
        self.counted[f"dispatch {permit}"] += 1
        if not lost:
            intent.state = State.DISPATCHED
            self.purse.dispatched(intent.id)
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
        ended = ended_by(carried.outcome, self.time.at, place, delivered=way.heard)
        carried.ended = self.purse.spent(carried.intent.id, ended, carried.outcome)
        kept = carried.outcome is not UNSENT and carried.sent in KEPT
        assert carried.ended.keeps is kept, f"{carried.ended} after {carried.sent}"
        process.record.append(IntentEnded(carried.intent.id, carried.ended))
        carried.intent.concluded = True
        self.purse.concluded(carried.intent.id)

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
        self.purse.ended(intent.id, ended)
        if intent.state is State.COMPLETED or (intent.state is State.PARKED and ended.state is State.UNKNOWN):
            return
        if intent.state is None and ended.state is State.COMPLETED:
            return
        intent.state, intent.applied, intent.delivered = ended.state, ended.applied, ended.delivered
        intent.ended_at = ended.at if ended.state is State.COMPLETED else None
        if ended.state is State.COMPLETED and not ended.keeps:
            intent.state = None

    def passes(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.time.pass_s(seconds)
        self.backing.expire(self.time.at)

    def crash(self, number: int) -> None:
        """
        End a process, and begin the next one.
        """
        died = self.processes[number]
        for carried in died.carried:
            if carried.ended is not None:
                self.ends(carried.intent, carried.ended)
        self.model.lost(number, claims=not self.backing.claims_outlive)
        self.purse.model.lost(number, claims_outlive=self.backing.claims_outlive)
        self.do(died.store.close())
        self.processes[number] = Process(self.backing.store(self.time.now), died.record)
        self.do(self.processes[number].store.start(died.record))
        self.counted["crashes"] += 1

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
