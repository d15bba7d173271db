"""
The ledger as the road sees it: one verb for each thing that must be on record, in the road's words.

`intend`, `conclude` and `decline` return once the record is durable; reads are appended, and waited for only where the
configuration says so. `LedgerUnavailable` from a verb means that nothing that needs the record may go on.

A `place` says where a record stands: whoever keeps one can have the answer or the intent that stands there read again.
Only this file builds an `Intent` or an `Entry`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from breakers.call import Call, Outcome
from breakers.known import Earlier
from breakers.store.events import Event, IntentOpened, opened_by
from breakers.store.protocol import HeldRead, HeldWrite
from breakers.verdict import Reason
from config.settings import LedgerSettings
from proxy.clock import Clock, Randomness
from proxy.errors import LedgerUnavailable, OutcomeUnrecorded
from proxy.ledger import changed, records, repeats
from proxy.ledger.access import Access
from proxy.ledger.alerted import Alerted
from proxy.ledger.approvals import ApprovalRecords
from proxy.ledger.blobs import OPENER_BYTES, Capture
from proxy.ledger.configured import Configured
from proxy.ledger.counted import Counted
from proxy.ledger.disk import Disk
from proxy.ledger.doubts import Doubts, Probed, Resolved
from proxy.ledger.drafts import Draft
from proxy.ledger.drifts import DriftRecords
from proxy.ledger.entries import Entry, Intent
from proxy.ledger.fleets import FleetRecords
from proxy.ledger.keyring import KeyRing
from proxy.ledger.layout import LEDGER
from proxy.ledger.lookups import Lookups
from proxy.ledger.notices import Notices
from proxy.ledger.parts import Shown
from proxy.ledger.pen import Pen
from proxy.ledger.reads import ChargedReads
from proxy.ledger.records import Declined, Delivered
from proxy.ledger.recovery import say_closed
from proxy.ledger.remembered import REMEMBERED_S, Events
from proxy.ledger.reread import KeptAnswer, Reread, StoredIntent
from proxy.ledger.reviewed import ReviewRecords
from proxy.ledger.space import Space
from proxy.ledger.state import State, open_state
from proxy.ledger.stops import StopRecords, worded
from proxy.ledger.tasks import TaskRecords
from proxy.ledger.views import Recovery
from proxy.ledger.writer import Rank, Stats, Writer
from proxy.ledger.writer import State as WriterState
from proxy.wire import Wire

__all__ = [
    "READ_BYTES_KEPT", "Capture", "Declined", "Delivered", "Entry", "Intent", "KeptAnswer", "Ledger", "Probed",
    "Resolved", "StoredIntent",
]  # fmt: skip

READ_BYTES_KEPT = 64 * 1024
"""Of a read's answer; what is larger is on record by its length and digest."""

WRITE_BYTES_KEPT = 1024 * 1024
"""Of a write's answer, where nobody says otherwise."""


class Ledger:
    """
    One process's record, open for writing.

    `on_poisoned` is called in the event loop once nothing can be recorded any more: the process must end with exit 1.
    """

    def __init__(
        self,
        state: State,
        *,
        folder: Path,
        settings: LedgerSettings,
        clock: Clock,
        randomness: Randomness,
        disk: Disk,
        answer_bytes_max: int = WRITE_BYTES_KEPT,
    ) -> None:
        self._state, self._settings, self._clock, self._randomness = state, settings, clock, randomness
        self._disk, self._answer_bytes_max, self._started, self._closed = disk, answer_bytes_max, False, False
        self._writer = Writer(
            state.log,
            disk,
            clock,
            Space.of(settings.disk, disk, folder / LEDGER),
            entries_max=settings.batch_max_entries,
            bytes_max=settings.batch_max_bytes,
            pending_max=settings.max_pending,
        )
        self._pen = Pen(self._writer)
        self._counted = Counted(self._pen, clock, self._writer.stats)
        self._repeated = Counted(self._pen, clock, self._writer.stats, "repeated")
        self._doubts = Doubts(self._pen, state.log.origin, state.views.open, answer_bytes_max)
        self.access, self.tasks = Access(self._pen), TaskRecords(self._pen)
        self.alerted = Alerted(self._pen, state.remembered.enveloped.alerts)
        self.charged_reads, self.lookups = ChargedReads(self._pen, state.ring), Lookups(self._pen)
        self.configured, self.notices = Configured(self._pen), Notices(self._pen, state.remembered.noticed.untold)
        self.fleet = FleetRecords(self._pen, state.replica, state.views.fleet, self._doubts)
        self.reviews, self.drift = ReviewRecords(self._pen), DriftRecords(self._pen, state.views.drifted)
        self.replica, self._reread = state.replica, Reread(disk, folder, state.ring)
        self.approvals = ApprovalRecords(self._pen, state.ring, self._reread, state.remembered.parked.known.values())
        self.on_poisoned: Callable[[], None] = lambda: None
        recovered = state.views.recovery(len(state.torn.entries) if state.torn else 0)
        self.stops = StopRecords(self._pen, worded(recovered.stops, recovered.words, self._reread))
        self._events = Events(disk, folder / LEDGER, self.stops.newest, state.remembered, state.snapshots.kept)
        self.recovered: Recovery = replace(recovered, events=self._events, stops=self.stops.newest())

    def __repr__(self) -> str:
        return f"<Ledger {self.origin} {self.state} size={self.size} pending={self.pending}>"

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        settings: LedgerSettings,
        clock: Clock,
        randomness: Randomness,
        disk: Disk,
        config_hash: str,
        software: str,
        new_epoch: str | None = None,
        answer_bytes_max: int = WRITE_BYTES_KEPT,
        remembered_s: float = REMEMBERED_S,
    ) -> Ledger:
        """
        Lock a state folder and open its ledger, making what is missing and recovering what a crash left.

        The end of a write is told to a store for `remembered_s` seconds.
        Raise `StartRefused` where another has it or it cannot be used, `LedgerDamaged` where it does not verify.
        """
        state = open_state(
            folder,
            settings,
            clock=clock,
            randomness=randomness,
            disk=disk,
            config_hash=config_hash,
            software=software,
            new_epoch=new_epoch,
            since=clock.now() - timedelta(seconds=remembered_s),
        )
        return cls(
            state,
            folder=folder,
            settings=settings,
            clock=clock,
            randomness=randomness,
            disk=disk,
            answer_bytes_max=answer_bytes_max,
        )

    @property
    def state(self) -> WriterState:
        """
        Return whether records can be written: `ready`, `readonly` or `poisoned`.
        """
        return self._writer.state

    @property
    def fault(self) -> BaseException | None:
        """
        Return what poisoned the ledger.
        """
        return self._writer.fault

    @property
    def origin(self) -> str:
        """
        Return the log's name.
        """
        return self._state.log.origin

    @property
    def size(self) -> int:
        """
        Return how many entries are durable.
        """
        return self._state.log.tree.size

    @property
    def pending(self) -> int:
        """
        Return how many entries are not durable yet.
        """
        return self._writer.pending

    @property
    def stats(self) -> Stats:
        """
        Return what was written so far.
        """
        return self._writer.stats

    @property
    def ring(self) -> KeyRing:
        """
        Return the key ring.
        """
        return self._state.ring

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """
        Begin to take records.
        """
        self._started = True
        self._writer.start(loop, lambda: self.on_poisoned())  # noqa: PLW0108 who is told may be said later
        self._state.snapshots.start(self._writer.give_up, lambda: self.state is WriterState.READY)
        self._counted.start(loop)
        self._repeated.start(loop)

    async def close(self, reason: str) -> None:
        """
        Make everything that was taken durable, say that the log was closed, and give the folder back.
        """
        if self._closed:
            return
        self._closed = True
        if not self._started:
            self.start(asyncio.get_running_loop())
        self._counted.stop()
        self._repeated.stop()
        if await self._pen.close(reason):
            # Stop here: the log says that it was closed, and the next start writes its newest segment again.
            say_closed(self._disk, self._state.log)
        self._state.snapshots.close(whole=self.state is WriterState.READY)
        self._reread.close()
        self._state.close(self._disk)

    async def recovery_opened(self) -> None:
        """
        Record each write that an earlier process left in doubt, or without its change, once.
        """
        for write in self._state.views.unnamed():
            await self._doubts.opened(write.opened)
        for owed in tuple(self._state.views.owed.values()):
            await self._pen.durable(changed.interrupted(owed), Rank.END)

    def events(self) -> list[Event]:
        """
        Return what a store is rebuilt from, as far as the record says it now; it reads files: call it in a thread.
        """
        return list(self._events.anew())

    def answer_at(self, place: str) -> KeptAnswer | None:
        """
        Return the answer that stands at a place, or None; it reads files: call it in a thread.
        """
        return self._reread.answer(place)

    def intent_at(self, place: str) -> StoredIntent:
        """
        Return the intent that stands at a place; it reads files: call it in a thread.

        Raise `LookupError` where none does.
        """
        return self._reread.intent(place)

    async def doubt_opened(self, opened: IntentOpened) -> None:
        """
        Record that nobody knows how a write ended; once, however often it is said.
        """
        await self._doubts.opened(opened)

    async def doubt_probed(self, opened: IntentOpened, probed: Probed, *never_store: str) -> None:
        """
        Record one attempt to find out how a write in doubt ended.
        """
        await self._doubts.probed(opened, probed, never_store)

    async def doubt_resolved(self, opened: IntentOpened, resolved: Resolved, *never_store: str) -> Entry:
        """
        Record how a write in doubt ended, or that a person must say.
        """
        written = await self._doubts.resolved(opened, resolved, never_store)
        return Entry(opened.intent, written.index, written.leaf_hash, written.place)

    def admit_read(self) -> None:
        """
        Refuse with `LedgerUnavailable` a read that could not be recorded, before it is sent.
        """
        if self.state is WriterState.READONLY and self._settings.on_unavailable.reads == "serve_unlogged":
            return
        self._writer.admit(Rank.READ)

    async def intend(self, held: HeldWrite, wire: Wire) -> Intent:
        """
        Record that a write may be sent from now on.
        """
        drafted = partial(records.intent, held, wire, self.ring, self._randomness(OPENER_BYTES))
        written = await self._pen.durable(drafted, Rank.WRITE)
        opened = opened_by(held.go.call, written.place, held.go.charges)
        return Intent(held, written.index, written.leaf_hash, wire, opened, written.place)

    async def conclude(self, intent: Intent, outcome: Outcome, shown: Shown, spent: tuple[int, ...] = ()) -> Entry:
        """
        Record how a write ended, what its agent will be shown, and what it took of its charges.

        Raise `OutcomeUnrecorded` where that could not be made durable: nobody may be told how it ended.
        """
        call, kept_max = intent.held.go.call, self._answer_bytes_max
        try:
            drafted = partial(records.write_outcome, call, intent.index, outcome, shown, kept_max, spent)
            return await self._entry(call.id, drafted, Rank.END)
        except LedgerUnavailable as unavailable:
            raise OutcomeUnrecorded(str(unavailable)) from unavailable

    async def decline(self, declined: Declined) -> Entry | None:
        """
        Record a refusal of a known agent's call; None where that agent had so many in this minute that it is counted.
        """
        agent = declined.caller.agent
        if not self._counted.records(agent):
            self._writer.admit(Rank.READ)
            self._counted.count(agent, str(declined.refuse.reason))
            return None
        return await self._entry(declined.call, partial(records.refusal, declined, self.ring), Rank.WRITE)

    async def read_done(self, held: HeldRead, outcome: Outcome, seen: Delivered) -> None:
        """
        Record a read that has ended; wait for it only where reads are durable.
        """
        if self.state is WriterState.READONLY and self._settings.on_unavailable.reads == "serve_unlogged":
            self.stats.lost += 1
            return
        drafted = partial(records.read_outcome, held, outcome, seen, self.ring)
        await self._pen.read(drafted, durable=self._settings.reads == "durable")

    def look_done(
        self, call: Call, read: str, outcome: Outcome, body: bytes, kept_max: int = READ_BYTES_KEPT, *never_store: str
    ) -> None:
        """
        Record a read of ours; where a judgement asked for it, it is durable before the intent that follows from it.
        """
        self._pen.note(partial(records.subject_read, call, read, outcome, body, kept_max, never_store))

    def change_recorded(self, intent: Intent, outcome: Entry, change: changed.Changed) -> None:
        """
        Record what a write that took effect has changed.
        """
        self._pen.note(partial(changed.change, intent.held.go.call, intent.index, outcome.index, change, self.ring))

    def late_change_recorded(self, call: Call, opened: IntentOpened, resolved: Entry, change: changed.Changed) -> None:
        """
        Record what a write has changed that was found, once it was in doubt no more, to have taken effect.
        """
        self._pen.note(self._doubts.changed(call, opened, resolved.place, change, self.ring))

    def repeated(self, call: Call, earlier: Earlier, how: str, status: int) -> None:
        """
        Record that a call was answered from an earlier one: how, and with which status; a flood of them is counted.
        """
        if self._repeated.records(call.caller.agent):
            self._pen.note(repeats.repeated(call, earlier, how, status, self.ring))
        else:
            self._writer.admit(Rank.READ)
            self._repeated.count(call.caller.agent, how)

    async def answered_early(self, call: Call, shown: Shown) -> None:
        """
        Record what an agent is told of a write that has not ended.
        """
        await self._pen.durable(repeats.answered_early(call, shown), Rank.END)

    def delivery_aborted(self, call: Call, delivered: int) -> None:
        """
        Record that an answer did not arrive whole.
        """
        # Lost, it would say that the answer arrived, and whoever asks again would not be given it.
        self._pen.note(repeats.delivery_aborted(call, delivered), Rank.END)

    def delivered(self, call: Call, intent: str) -> None:
        """
        Record that the answer of an intent, which its own caller missed, has reached this call's.
        """
        self._pen.note(repeats.delivered(call, intent))

    def edge_refused(self, reason: Reason) -> None:
        """
        Count a request that was refused before it had an agent.
        """
        self._counted.count(None, str(reason))

    async def _entry(self, call: str, drafted: Callable[[], Draft], rank: Rank) -> Entry:
        written = await self._pen.durable(drafted, rank)
        return Entry(call, written.index, written.leaf_hash, written.place)
