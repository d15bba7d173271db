"""
Stores asked the same things side by side: what one says, all say, whatever came before.

Whoever compares is a pair of stores and no model: the memory of one process is held against Redis, by the clock of the
machine. Numbers that only a store itself understands (versions, generations) are not compared, but what follows from
them is: each store judges by its own facts, new ones and old ones.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from breakers.breaker import State, Wish
from breakers.call import Call
from breakers.facts import Facts
from breakers.known import Ended
from breakers.spend import Charge, amounts
from breakers.stops import ALL, Mode, Stop
from breakers.store import moves
from breakers.store.events import Event, KillChanged, TaskClosed, TaskOpened, TokenRevoked, opened_by
from breakers.store.protocol import Exhausted, HeldRead, HeldWrite, Reservation, Store
from breakers.suggestion import Stage
from breakers.task import Closed, Task
from breakers.verdict import Forward
from config.caps import Caps
from tests.contract.brakes import KEY, breaker, granted, place, probe, suggestion, turned
from tests.contract.charges import life, month, refusing, spending
from tests.contract.world import parked, read, rejected, unknown, write

NAMES = st.tuples(
    st.sampled_from(["f1:1", "f1:2"]), st.sampled_from(["k:1", "k:2", None]), st.sampled_from(["e:1", None])
)
AMOUNTS = st.integers(0, 6)
# At one cap at least: what takes over a lapsed claim and takes of no cap leaves what that held to lapse by itself.
CHARGES = st.lists(
    st.one_of(AMOUNTS.map(lambda n: month(n, cap=9)), AMOUNTS.map(lambda n: life(n, cap=5, alerts=(50, 100)))),
    min_size=1,
    max_size=2,
    unique_by=lambda charge: charge.key,
).map(tuple)
# A generation has one state, whoever asks.
STATES = {1: State.PROBING, 2: State.RAMPING, 3: State.PROBING, 4: State.BLOCKED}
WISHES = st.sampled_from([*[()] * 9, (probe(gen=1),), (probe(gen=3),), (place(gen=2),)])
WHICH = st.integers(0, 50)
TASK = "clerk/01T"

Ask = Callable[[Store], Awaitable[Any]]


class Alike(RuleBasedStateMachine):
    """
    One run: the same calls at all stores. `stores` makes them, by the machine's clock.
    """

    stores: ClassVar[Callable[[Callable[[], datetime]], list[Store]]]
    began: ClassVar[datetime]
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.at, self.count, self.epoch = asyncio.Runner(), self.began, 0, 1
        self.pair = type(self).stores(lambda: self.at)
        self.held: list[list[Reservation]] = []
        self.judged: list[tuple[Call, list[Facts]]] = []
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        for store in self.pair:
            await store.start([KillChanged(Stop(ALL, Mode.RUN, 1))])

    def teardown(self) -> None:
        """
        Close what was opened.
        """
        for store in self.pair:
            self.runner.run(store.close())
        self.runner.close()

    def all(self, what: str, ask: Ask, told: Callable[[Any], object] = lambda said: said) -> list[Any]:
        """
        Ask every store the same, hold what `told` makes of their answers against one another, and return the answers.
        """

        async def asked() -> list[Any]:
            return [await ask(store) for store in self.pair]

        said = self.runner.run(asked())
        first, *rest = map(told, said)
        self.seen[what] += 1
        for other in rest:
            assert other == first, f"{what}: one says {first!r}, another {other!r}"
        return said

    def made(self) -> str:
        """
        Return the id of one call more; ids of calls sort by when they came.
        """
        self.count += 1
        return f"01A{self.count:05}"

    # -------------------------------------------------------------------------------------------------------- the calls

    @rule(names=NAMES, charges=CHARGES, wishes=WISHES)
    def judge(
        self, names: tuple[str, str | None, str | None], charges: tuple[Charge, ...], wishes: tuple[Wish, ...]
    ) -> None:
        """
        Judge a write, and take what it consumes.
        """
        self._reserve(self._write(names), charges, wishes)

    @rule(charges=CHARGES, wishes=WISHES)
    def judge_read(self, charges: tuple[Charge, ...], wishes: tuple[Wish, ...]) -> None:
        """
        Judge a read, and take what it consumes.
        """
        self._reserve(replace(read(self.made()), at=self.at), charges, wishes)

    @rule(
        names=NAMES, charges=CHARGES, how=st.sampled_from(["done", "done", "refused", "nothing", "unknown", "parked"])
    )
    def make(self, names: tuple[str, str | None, str | None], charges: tuple[Charge, ...], how: str) -> None:
        """
        Make a write from its judgement to its end, where it may pass.
        """
        before = len(self.held)
        self._reserve(self._write(names), charges, ())
        if len(self.held) > before:
            self._dispatch(self.held[-1])
            self._settle(self.held[-1], how)

    @rule(which=WHICH, charges=CHARGES)
    def judged_long_ago(self, which: int, charges: tuple[Charge, ...]) -> None:
        """
        Take what a call consumes by facts that were read some time ago.
        """
        if self.judged:
            call, facts = self.judged[which % len(self.judged)]
            self._take(call, facts, charges, ())

    def _write(self, names: tuple[str, str | None, str | None]) -> Call:
        fingerprint, key, effect = names
        return replace(write(self.made(), key, fingerprint, effect), at=self.at)

    def _reserve(self, call: Call, charges: tuple[Charge, ...], wishes: tuple[Wish, ...]) -> None:
        facts = self.all("facts", lambda store: store.facts(call), _of_facts)
        self.judged = [*self.judged[-4:], (replace(call, id=self.made()), facts)]
        self._take(call, facts, charges, wishes)

    def _take(self, call: Call, facts: list[Facts], charges: tuple[Charge, ...], wishes: tuple[Wish, ...]) -> None:
        each = iter(facts)
        said = self.all(
            "reserve",
            lambda store: store.reserve(Forward(call, next(each), "v1", (), charges=charges, wishes=wishes)),
            _of_reserve,
        )
        self.seen[f"reserved: {type(said[0]).__name__}"] += 1
        if isinstance(said[0], HeldRead | HeldWrite):
            self.held.append(said)

    @rule(which=WHICH)
    def dispatch(self, which: int) -> None:
        """
        Mark a write as about to be sent, perhaps once more, perhaps too late.
        """
        held = self._one(which)
        if held is not None and isinstance(held[0], HeldWrite):
            self._dispatch(held)

    def _dispatch(self, held: list[Any]) -> None:
        go, each = held[0].go, iter(held)
        opened = opened_by(go.call, f"log/0#0/{go.call.id}", go.charges)
        said = self.all("dispatch", lambda store: store.dispatch(next(each), opened))
        self.seen[f"dispatched: {said[0]}"] += 1

    @rule(which=WHICH, how=st.sampled_from(["done", "refused", "nothing", "unknown", "parked", "given back"]))
    def settle(self, which: int, how: str) -> None:
        """
        End a reservation, perhaps once more, perhaps otherwise.
        """
        held = self._one(which)
        if held is not None and (how != "given back" or isinstance(held[0], HeldRead)):
            self._settle(held, how)

    def _settle(self, held: list[Reservation], how: str) -> None:
        each, end = iter(held), self._end(how, held[0])
        answer = b"sealed" if how == "done" else None
        self.all("settle", lambda store: store.settle(next(each), end, answer))

    @rule(which=WHICH, how=st.sampled_from(["done", "refused", "nothing", "parked"]))
    def resolve(self, which: int, how: str) -> None:
        """
        Say how a write ended by what was found out since.
        """
        held = self._one(which)
        if held is not None and isinstance(held[0], HeldWrite):
            go = held[0].go
            opened = opened_by(go.call, f"log/0#0/{go.call.id}", go.charges)
            end = self._end(how, held[0])
            assert end is not None
            known = self.all("earlier", lambda store: store.earlier(go.call.id), _of_earlier)
            if known[0] is not None and known[0].state.value in {"unknown", "parked"}:
                self.all("resolve", lambda store: store.resolve(opened, end))

    @rule(which=WHICH, reached=st.booleans())
    def deliver(self, which: int, *, reached: bool) -> None:
        """
        Note whether an answer arrived.
        """
        held = self._one(which)
        if held is not None:
            self.all("delivered", lambda store: store.delivered(held[0].go.call.id, reached=reached))

    def _one(self, which: int) -> list[Reservation] | None:
        return self.held[-1 - which % min(8, len(self.held))] if self.held else None

    def _end(self, how: str, held: Reservation) -> Ended | None:
        took = amounts(held.go.charges)
        match how:
            case "given back":
                return None
            case "done":
                end = spending(*took)
            case "refused":
                end = replace(rejected(), spent=took)
            case "nothing":
                end = refusing(*(0 for _ in took))
            case _:
                end = unknown() if how == "unknown" else parked()
        return replace(end, at=self.at)

    # -------------------------------------------------------------------------------------------- what keeps calls back

    @rule(
        scope=st.sampled_from([ALL, "agent:clerk", "op:refunds.create"]),
        mode=st.sampled_from([*Mode, *[Mode.RUN] * 6]),
        epoch=st.integers(-2, 2),
    )
    def stop(self, scope: str, mode: Mode, epoch: int) -> None:
        """
        Order a stop, or its end, under an epoch that is new, old, or the same.
        """
        self.epoch += max(0, epoch)
        epoch = max(1, self.epoch + min(0, epoch))
        stood = self.all("stops", lambda store: store.stops(), lambda said: dict(said.by_scope))[0].by_scope.get(scope)
        if (stood.mode if stood is not None else Mode.RUN) is mode:
            # Whether what changes nothing makes what was judged before stale is a store's own affair.
            self.judged.clear()
        self.all("stop", lambda store: store.apply(KillChanged(Stop(scope, mode, epoch, "ann", at=self.began))))

    @rule(gen=st.sampled_from(list(STATES)), old=st.booleans())
    def move(self, gen: int, *, old: bool) -> None:
        """
        Move a breaker, from what stands there or from what does not.
        """
        stood = [
            {one.key: one for one in said}.get(KEY)
            for said in self.all("breakers", lambda store: store.breakers(), list)
        ]
        each, after = iter(stood), breaker(STATES[gen], gen)
        before = breaker(State.PASSING, 9)
        made = self.all("move", lambda store: store.move(before if old else next(each), after))
        self.seen["moved"] += made[0]

    @rule(number=st.integers(1, 2), which=st.sampled_from(["f1:1", "f1:2"]))
    def park(self, number: int, which: str) -> None:
        """
        Park a write, perhaps one that is parked already.
        """
        new = suggestion(f"01S{number}", by=write(fingerprint=which, key=None))
        self.all("suggest", lambda store: store.suggest(new))

    @rule(
        number=st.integers(1, 2),
        to=st.sampled_from([Stage.APPROVED, Stage.REJECTED, Stage.EXPIRED, Stage.VOID]),
        old=st.booleans(),
    )
    def decide(self, number: int, to: Stage, *, old: bool) -> None:
        """
        Say what becomes of a parked write, by what stands there or by what is old.
        """
        stands = self.all("suggestion", lambda store: store.suggestion(f"01S{number}"))
        if stands[0] is not None:
            before = replace(stands[0], version=stands[0].version + 5) if old else stands[0]
            said = self.all("turn", lambda store: store.turn(before, turned(before, to, by="ann")))
            self.seen["turned"] += said[0]

    @rule(number=st.integers(1, 2), charges=CHARGES)
    def carry_out(self, number: int, charges: tuple[Charge, ...]) -> None:
        """
        Carry a parked write out, whether it was approved or not.
        """
        stands = self.all("suggestion", lambda store: store.suggestion(f"01S{number}"))
        if stands[0] is not None:
            asked = replace(write(self.made(), None, stands[0].fingerprint), at=self.at)
            self._reserve(granted(stands[0], asked), charges, ())

    # ---------------------------------------------------------------------------------------------- tasks, tokens, time

    @rule(event=st.sampled_from(["opened", "closed", "revoked"]), rarely=st.integers(0, 3))
    def envelope(self, event: str, rarely: int) -> None:
        """
        Open or close the task, or revoke a token of it.
        """
        if rarely:
            return
        task = Task(TASK, "clerk", self.began, self.began + timedelta(hours=4), Caps())
        told: dict[str, Event] = {
            "opened": TaskOpened(task),
            "closed": TaskClosed(TASK, self.at, Closed.DONE),
            "revoked": TokenRevoked("a" * 16, self.began + timedelta(hours=4)),
        }
        self.all(event, lambda store: store.apply(told[event]))

    @rule(seconds=st.sampled_from([1, 10, 20, 45, 130]))
    def pass_by(self, seconds: int) -> None:
        """
        Let time pass: leases lapse, what has lapsed is given up, what is remembered is forgotten.
        """
        self.at += timedelta(seconds=seconds)
        # As every process does behind the road: what has lapsed is seen to by whoever looks first.
        assert self.all("fault", lambda store: store.fault()) == [None] * len(self.pair)

    @invariant()
    def says_the_same(self) -> None:
        """
        Hold against one another what people are shown.
        """
        self.all("totals", lambda store: store.totals(), _of_totals)
        self.all(
            "open",
            lambda store: store.open_intents(),
            lambda said: {(one.opened.intent, one.suspended, one.parked) for one in said},
        )
        self.all("stops", lambda store: store.stops(), lambda said: dict(said.by_scope))
        self.all("suggestions", lambda store: store.suggestions(), _of_suggestions)
        self.all("envelope", lambda store: store.envelope(TASK, ("a" * 16,)))
        self.all("alerts", lambda store: store.alerts(), lambda said: {replace(alert, at=self.began) for alert in said})
        self.all("breakers", lambda store: store.breakers(), lambda said: {one.key: one for one in said})


def _of_earlier(said: Any) -> object:
    return None if said is None else replace(said, until=None, place="")


def _of_facts(facts: Facts) -> object:
    # A claim whose lease has passed keeps nobody out: whether it is still there is the store's own affair.
    under = {
        name: [_of_earlier(one) for one in records if not moves.has_lapsed(one, facts.at)]
        for name, records in facts.known.under.items()
    }
    known = {name: records for name, records in under.items() if records}
    suggested = None if facts.suggested is None else replace(facts.suggested, changed_at=None)
    return known, dict(facts.stops.by_scope), dict(facts.breakers), suggested


def _of_suggestions(said: Any) -> object:
    # When it was seen that a grant had lapsed is nobody's word.
    return {one.id: replace(one, changed_at=None) for one in said}


def _of_reserve(said: object) -> object:
    return said if isinstance(said, Exhausted) else type(said)


def _of_totals(said: Any) -> object:
    return {(one.node, one.period, one.measure): (one.settled, one.held, one.cap) for one in said}
