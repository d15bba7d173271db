"""
The same verbs for a fleet: one script an atomic verb, over a link that sends everything once.

Every key of a deployment has one hash tag, `bw:{DEPLOYMENT}:…`, and every key that a script touches is declared to it:

| key | what it holds |
|---|---|
| `epoch` | under which replay of the ledger writes are held; `building` is the next one, while it is replayed |
| `versions` | the counter that every version of a name comes from |
| `name:NAME` | a name's version (`#`) and, by intent, the records that stand under it |
| `intent:ID` | the record of an intent (`packed.py`); without a TTL while it may have been sent and has not ended |
| `open` | by intent, the records of those |
| `answer:ID` | a sealed answer |

What calls are charged with stands beside it (`charged.py`), and so do tasks and revoked tokens (`envelopes.py`), the
stop (`stopped.py`), breakers (`gauged.py`) and suggestions (`suggested.py`).

Scripts count and compare; what a record becomes is decided in `moves.py`, as in every store: `move` puts it there if
the record is still the one that was seen, and returns what it found if not. Leases are measured by the server's clock.

A script whose answer was lost may have run: each is idempotent by intent. An end that could not be noted is owed, and
is noted before anything else is judged here; until then whoever asks sees a write in flight, which sends nothing, and
what a call may take is held. A server that lost its data has no `epoch`: nothing is held until `start` has replayed the
ledger. A fleet has one ledger a process, and each replays its own; what another replica knows better stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from breakers.call import Call
from breakers.facts import Facts
from breakers.known import IN_FLIGHT, Earlier, Ended, State
from breakers.spend import Alert, Total
from breakers.store import moves
from breakers.store.belonging import Belonging, InFleet
from breakers.store.board import Pins
from breakers.store.braking import asked
from breakers.store.charged import Charged, Said
from breakers.store.claims import Claims
from breakers.store.envelopes import Envelopes, envelope
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    BreakerMoved,
    Event,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    KillChanged,
    ReadHeld,
    ReadSettled,
    SuggestionNoted,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
    opened_by,
)
from breakers.store.gauged import permits
from breakers.store.history import History, delivery, ending, histories
from breakers.store.intents import Intents, Owing, never_sent
from breakers.store.letters import Mail
from breakers.store.link import Link, Shared, is_same_replay, reading, text
from breakers.store.packed import Packer, pack_opened
from breakers.store.protocol import (
    LEASE_S,
    Exhausted,
    HeldRead,
    HeldWrite,
    OpenIntent,
    Permit,
    Reservation,
    Stale,
    StoreUnavailable,
)
from breakers.store.replaying import Replay
from breakers.store.seeing import Seeing
from breakers.store.stopped import scoped
from breakers.store.suggested import SHELF
from breakers.store.waiters import Waiters
from breakers.task import Envelope, News, Task
from breakers.verdict import Forward

PAUSE_S, PAUSE_MAX_S = 0.02, 0.25
"""Between two looks at an intent that somebody waits for: short at first, because most writes end soon."""


class FleetStore(Seeing, InFleet):
    """
    The store of a fleet, over a client that never re-sends.
    """

    kind = "redis"

    def __init__(
        self,
        link: Link,
        deployment: str,
        now: Callable[[], datetime],
        retention: moves.Retention = moves.BY_DEFAULT,
        lease_s: float = LEASE_S,
    ) -> None:
        self._link = link
        super().__init__(Shared(link, deployment), now, Packer(now, retention))
        self.mail, self.pins = Mail(self._shared), Pins(self._shared)
        self._charged, self._envelopes = Charged(self._shared, now), Envelopes(self._shared, now)
        self._intents = Intents(self._shared, self._packer, self._charged, self._lately)
        self._claims = Claims(self._shared, self._charged, round(lease_s * 1000))
        InFleet.__init__(self, Belonging(self._shared))
        self._started = False
        # What it has in flight, each with the record as it was left, and the ends that Redis has not taken yet.
        self._carried: dict[str, tuple[IntentOpened, bytes]] = {}
        self._owed: dict[str, Owing] = {}
        self._paying = asyncio.Lock()
        self._waiters = Waiters()

    def __repr__(self) -> str:
        owed = len(self._owed) + len(self._charged.owed) + len(self._returns)
        return f"<FleetStore {self._shared.tag} carried={len(self._carried)} owed={owed} emptied={self.emptied}>"

    @property
    def emptied(self) -> bool:
        """
        Return whether what was replayed into it is lost.
        """
        return self._shared.emptied

    async def start(self, events: Iterable[Event], *, names_by: str = "", replica: str = "") -> None:
        """
        Replay the ledger over what is there, and hold writes under the epoch that Redis has, or under a new one.
        """
        if not self.fleet.begun:
            await self.fleet.begin(names_by)
        self.fleet.begun = False
        self._intents.replica = self.fleet.known.name
        said = histories(events)
        await self._tell_all(said)
        replay = Replay(self._intents, self._charged, self._envelopes, frozenset(self._carried))
        await replay.tell(said, self._now(), self._packer.retention)
        await self._tell_executions(said, begins=not self._started)
        if not self._started:
            # This process has held nothing yet, so that what the one before it left is not under way.
            self._charged.replica = replica
            await self._charged.undo_unknown(said.calls())
        await self._pay()
        self.fleet.told()
        self._started = True
        if (why := await self._entered()) is not None:
            raise StoreUnavailable(why)

    async def close(self) -> None:
        await self._link.close()

    async def fault(self) -> str | None:
        try:
            if (why := await self.fleet.look()) is not None:
                return why
            if not self.untold:
                await self.fleet.compare()
                await self._pay()
                why = await self._entered() if self.emptied else None
                await self._charged.sweep()
                await self._suggestions.give_back()
        except StoreUnavailable as error:
            return str(error)
        return why or (self._shared.why if self.emptied else None)

    async def facts(self, call: Call) -> Facts:
        if not call.operation.writes:
            at, kept = self._now(), self._seen(call)
            return Facts(at, kept.generation, stops=kept.stops, breakers=kept.breakers)
        names = () if call.names is None else call.names.asked
        # An end that is being told here is among what the next one is judged by.
        await self._ending.told(names)
        keys = ("epoch", "stops", "breakers", *SHELF[:2], *(f"name:{name}" for name in names))
        which = asked(call)
        told = (self._shared.epoch, *which.told)
        with reading():
            word, *rest = await self._shared.run("facts", keys, *told)
            if word == b"known" and self._owes():
                # It answers again: nobody is judged by what it was not told.
                await self._pay()
                word, *rest = await self._shared.run("facts", keys, *told)
            if word != b"known":
                raise self._shared.lost()
            return self._read(call, which, rest)

    async def reserve(self, go: Forward) -> Reservation | Stale | Exhausted:
        if not go.call.operation.writes:
            if go.charges and self._charged.is_held(go.call.id):
                return HeldRead(go)
            if go.facts.generation != self._stopped.generation:
                return Stale()
            if not go.charges and not go.wishes:
                return HeldRead(go)
            self._charged.ask_again(go.call.id)
        if go.facts.marks is not None and go.facts.marks[0] != self._shared.epoch:
            return Stale()
        for given_back in (self._returns, self._owed):
            given_back.pop(go.call.id, None)
        if not go.call.operation.writes and self._owes():
            await self._pay()
        if self.emptied:
            raise self._shared.lost()
        epoch = self._shared.epoch
        with reading():
            said = await self._taken(go)
            if isinstance(said, Exhausted) and await self._ending.told():
                # There may be room by now: what others were held for, and did not take, was given back.
                said = await self._taken(go)
            match said:
                case "lost", _:
                    raise self._shared.lost()
                case "held", _ if self._shared.epoch != epoch:
                    # It was held where nothing holds any more, though all may have been told anew by now.
                    self._unheld(go)
                    if go.charges and not go.call.operation.writes:
                        await self._charged.end(go.call.id, go.charges, None)
                    raise StoreUnavailable(self._shared.why)
                case "held", answer:
                    self._had(go, answer)
                    return HeldWrite(go, epoch) if go.call.operation.writes else HeldRead(go)
                case Exhausted():
                    return said
                case "barred", (task, revoked):
                    return Stale(envelope=envelope(task, is_revoked=revoked == b"1"))
                case "stale", found if found and not self._owes():
                    return Stale(self._read(go.call, asked(go.call), found))
                case _:
                    return Stale()

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> Permit:
        intent, names = held.go.call.id, () if opened.names is None else opened.names.held
        if held.epoch and self._shared.epoch and not is_same_replay(held.epoch, self._shared.epoch):
            # All was told anew since, and perhaps without its claim: another may have it.
            return Permit.LOST
        # What it takes was held with the claim, whatever is said of it now.
        grant = held.go.call.grant
        said = "" if grant is None else grant.suggestion
        opened = replace(opened, charges=held.go.charges, suggestion=said, replica=self._intents.replica)
        keys = (
            *("epoch", "stops", "versions", f"intent:{intent}", "open", "lapsing", *SHELF),
            *(f"name:{name}" for name in names),
        )
        with reading():
            told = (self._shared.epoch, intent, pack_opened(opened), opened.suggestion, *scoped(held.go.call))
            word, *rest = await self._shared.run("dispatch", keys, *told)
            if word == b"lost-epoch":
                raise self._shared.lost()
            if word == b"lost":
                return Permit.LOST
            (value,) = rest
            self._carried[intent] = (opened, value)
            return Permit(text(word))

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        End a reservation. What Redis does not take now is owed; nobody who has an answer in hand is told about that.
        """
        call, charges = held.go.call, held.go.charges
        if isinstance(held, HeldRead):
            if charges:
                with self._ending.telling(call.id, ()):
                    await self._charged.end(call.id, charges, ended)
            return
        if ended is None:
            return
        is_let_go = call.id not in self._carried and moves.is_let_go(ended)
        opened, seen = self._carried.pop(call.id, (opened_by(call, charges=charges), None))
        owing = Owing(opened, ended, answer, held.go.wishes if is_let_go else None)
        with self._ending.telling(call.id, () if call.names is None else call.names.held):
            try:
                await self._intents.settle(owing, seen)
            except BaseException as error:
                self._owed[call.id] = owing
                if not isinstance(error, StoreUnavailable):
                    raise
            finally:
                self._waiters.wake(call.id)

    async def resolve(self, opened: IntentOpened, ended: Ended, answer: bytes | None = None) -> bool:
        moved, kept = await self._intents.change(opened.intent, None, ending(opened, ended), answer)
        self._waiters.wake(opened.intent)
        if moved or kept is None or kept.record.state is not State.COMPLETED:
            return True
        return moves.says_the_same(kept.record, ended)

    async def delivered(self, intent: str, *, reached: bool) -> None:
        if intent in self._owed:
            # It is said of the end, and so behind it.
            await self._pay()
        await self._intents.change(intent, None, delivery(reached=reached))

    async def earlier(self, intent: str) -> Earlier | None:
        return await self._intents.earlier(intent)

    async def wait(self, intent: str, within_s: float) -> Earlier | None:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + within_s, PAUSE_S
        while True:
            record = await self.earlier(intent)
            left = until - loop.time()
            if record is None or record.state not in IN_FLIGHT or left <= 0:
                return record
            await self._waiters.woken(intent, min(pause, left))
            pause = min(2 * pause, PAUSE_MAX_S)

    async def answer(self, intent: str) -> bytes | None:
        kept: bytes | None = await self._shared.ask("GET", f"answer:{intent}")
        return kept

    async def open_intents(self) -> tuple[OpenIntent, ...]:
        return await self._intents.open()

    async def envelope(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        return await self._envelopes.of(task, tokens)

    async def news(self) -> News:
        return await self._envelopes.news()

    async def tasks(self) -> tuple[Task, ...]:
        return await self._envelopes.open()

    async def totals(self, node: str = "") -> tuple[Total, ...]:
        return await self._charged.totals(node)

    async def alerts(self) -> tuple[Alert, ...]:
        return await self._charged.alerts()

    async def apply(self, event: Event) -> None:
        match event:
            case IntentOpened():
                await self._intents.replay(History(event), carried=event.intent in self._carried)
            case IntentEnded(intent, ended):
                await self._intents.change(intent, None, ending(None, ended))
            case IntentDelivered(intent, delivered):
                await self.delivered(intent, reached=delivered)
            case KillChanged() | BreakerMoved() | SuggestionNoted():
                await self._tell(event)
            case ReadHeld(call, _, charges):
                await self._charged.count(call, charges, None)
            case ReadSettled(call, spent):
                await self._charged.count_end(call, spent)
            case AlertRaised(alert):
                await self._charged.raised(alert, waits=True)
            case AlertDelivered(alert):
                await self._charged.delivered(alert)
            case TaskOpened() | TaskClosed() | TokenRevoked():
                await self._envelopes.apply(event)

    async def _entered(self) -> str | None:
        why = await self.fleet.enter()
        if why is None:
            # Reads are judged by what was seen: from the first one on, what others say is among it.
            await self._gauged.all()
        return why

    def _unheld(self, go: Forward) -> None:
        """
        Have given back what may be taken for nothing.
        """
        if go.call.operation.writes:
            self._owed[go.call.id] = never_sent(go, self._now())
        elif go.wishes:
            self._returns[go.call.id] = go

    async def _pay(self) -> None:
        """
        Note the ends that are owed. Raise `StoreUnavailable` at the first that Redis does not take.
        """
        # One after the other: what is owed is told once, however many wait to be judged.
        async with self._paying:
            for intent, owing in list(self._owed.items()):
                await self._intents.settle(owing)
                self._owed.pop(intent, None)
                self._waiters.wake(intent)
            await self._charged.pay()
            await self._give_back()

    def _owes(self) -> bool:
        return bool(self._owed or self._charged.owed) or super()._owes()

    async def _taken(self, go: Forward) -> Said | Exhausted:
        """
        Take what a call consumes. What may be taken where that has no answer is given back later.
        """
        try:
            if go.call.operation.writes:
                # Whatever comes of it: what stands under its names may be another from here on.
                self._lately.taken(() if go.call.names is None else go.call.names.held)
                return await self._claims.claim(go)
            return await self._charged.hold(go.call.id, go.charges, permits(go.wishes))
        except BaseException:
            self._unheld(go)
            raise
