"""
The ledger as the road sees it: one verb for each thing that must be on record, in the road's words.

`intend`, `conclude` and `decline` return once the record is durable; reads are appended, and waited for only where the
configuration says so. `LedgerUnavailable` from a verb means that nothing that needs the record may go on.

Only this file builds an `Intent` or an `Entry`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from breakers.call import Call, Outcome
from breakers.store.protocol import HeldRead, HeldWrite, IntentOpened, opened_by
from breakers.verdict import Reason
from config.settings import LedgerSettings
from proxy.clock import Clock, Randomness
from proxy.errors import LedgerUnavailable, OutcomeUnrecorded
from proxy.ledger import changed, records
from proxy.ledger.blobs import OPENER_BYTES, Capture
from proxy.ledger.disk import Disk
from proxy.ledger.drafts import Draft, checked, system
from proxy.ledger.keyring import KeyRing
from proxy.ledger.layout import LEDGER
from proxy.ledger.records import Declined, Delivered, Shown
from proxy.ledger.space import Space
from proxy.ledger.state import State, open_state
from proxy.ledger.tail import Written
from proxy.ledger.tally import MINUTE_S, Tally
from proxy.ledger.views import Recovery
from proxy.ledger.writer import Rank, Stats, Writer
from proxy.ledger.writer import State as WriterState
from proxy.wire import Wire

__all__ = ["READ_BYTES_KEPT", "Capture", "Declined", "Delivered", "Entry", "Intent", "Ledger"]

READ_BYTES_KEPT = 64 * 1024
"""Of a read's answer; what is larger is on record by its length and digest."""

WRITE_BYTES_KEPT = 1024 * 1024
"""Of a write's answer, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Intent:
    """
    A write whose intent is durable: it may be sent, as `wire` and nothing else.
    """

    held: HeldWrite
    index: int
    leaf_hash: bytes
    wire: Wire
    opened: IntentOpened


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A durable record: what it says may be shown.
    """

    call: str
    index: int
    leaf_hash: bytes


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
        self._disk = disk
        room = settings.disk
        space = Space(
            disk,
            folder / LEDGER,
            free_bytes_min=room.min_free_bytes,
            free_pct_min=room.min_free_pct,
            reserve_bytes=room.reserve_bytes,
        )
        self._writer = Writer(
            state.log,
            disk,
            clock,
            space,
            entries_max=settings.batch_max_entries,
            bytes_max=settings.batch_max_bytes,
            pending_max=settings.max_pending,
        )
        self._answer_bytes_max = answer_bytes_max
        self._tally = Tally(clock.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._started = self._closed = False
        self.on_poisoned: Callable[[], None] = lambda: None
        self.recovered: Recovery = state.views.recovery(len(state.torn.entries) if state.torn else 0)

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
    ) -> Ledger:
        """
        Lock a state folder and open its ledger, making what is missing and recovering what a crash left.

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
        self._writer.start(loop, self._poisoned)
        self._timer = loop.call_later(MINUTE_S, self._every_minute, loop)

    async def close(self, reason: str) -> None:
        """
        Make everything that was taken durable, say that the log was closed, and give the folder back.
        """
        if self._closed:
            return
        self._closed = True
        if not self._started:
            self.start(asyncio.get_running_loop())
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        said = "disk-full" if self.state is WriterState.READONLY else reason
        # Where nothing can be said any more, the next start finds a stop that was not clean.
        with contextlib.suppress(LedgerUnavailable):
            await self._durable(system("log.closed", reason=said), Rank.END)
        self._writer.stop()
        segment = self._state.log.segment
        for handle in (segment.entries, segment.blobs) if segment else ():
            self._disk.close(handle)
        self._state.keys.close()
        self._disk.close(self._state.lock)

    async def recovery_opened(self) -> None:
        """
        Record each write that an earlier process left without an outcome, or without its change, once.
        """
        for write in self._state.views.unnamed():
            await self._durable(records.recovery_opened(write.opened, write.index), Rank.END)
        for owed in tuple(self._state.views.owed.values()):
            await self._durable(changed.interrupted(owed.intent, owed.outcome), Rank.END)

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
        draft = records.intent(held, wire, self.ring, self._randomness(OPENER_BYTES))
        written = await self._durable(draft, Rank.WRITE)
        call = held.go.call
        return Intent(held, written.index, written.leaf_hash, wire, opened_by(call))

    async def conclude(self, intent: Intent, outcome: Outcome, shown: Shown) -> Entry:
        """
        Record how a write ended and what its agent will be shown.

        Raise `OutcomeUnrecorded` where that could not be made durable: nobody may be told how it ended.
        """
        call, kept_max = intent.held.go.call, self._answer_bytes_max
        try:
            return await self._entry(records.write_outcome(call, intent.index, outcome, shown, kept_max), Rank.END)
        except LedgerUnavailable as unavailable:
            raise OutcomeUnrecorded(str(unavailable)) from unavailable

    async def decline(self, declined: Declined) -> Entry | None:
        """
        Record a refusal of a known agent's call; None where that agent had so many in this minute that it is counted.
        """
        self._flush_if_over()
        agent = declined.caller.agent
        if not self._tally.records(agent):
            self._writer.admit(Rank.READ)
            self._tally.count(agent, str(declined.refuse.reason))
            return None
        return await self._entry(records.refusal(declined, self.ring), Rank.WRITE)

    async def read_done(self, held: HeldRead, outcome: Outcome, seen: Delivered) -> None:
        """
        Record a read that has ended; wait for it only where reads are durable.
        """
        if self.state is WriterState.READONLY and self._settings.on_unavailable.reads == "serve_unlogged":
            self.stats.lost += 1
            return
        future = self._note(records.read_outcome(held.go, outcome, seen, self.ring))
        if self._settings.reads == "durable":
            await future

    def look_done(
        self, call: Call, read: str, outcome: Outcome, body: bytes, kept_max: int = READ_BYTES_KEPT, *never_store: str
    ) -> None:
        """
        Record a read of ours; where a judgement asked for it, it is durable before the intent that follows from it.
        """
        self._note(records.subject_read(call, read, outcome, body, kept_max, never_store))

    def change_recorded(self, intent: Intent, outcome: Entry, change: changed.Changed) -> None:
        """
        Record what a write that took effect has changed.
        """
        self._note(changed.change(intent.held.go.call, intent.index, outcome.index, change, self.ring))

    async def answered_early(self, call: Call, shown: Shown) -> None:
        """
        Record what an agent is told of a write that has not ended.
        """
        await self._durable(records.answered_early(call, shown), Rank.END)

    def delivery_aborted(self, call: Call, delivered: int) -> None:
        """
        Record that an answer did not arrive whole.
        """
        self._note(records.delivery_aborted(call, delivered))

    def edge_refused(self, reason: Reason) -> None:
        """
        Count a request that was refused before it had an agent.
        """
        self._flush_if_over()
        self._tally.count(None, str(reason))

    async def key_minted(self, agent: str, kid: str, digest: str) -> None:
        """
        Record a new agent key.
        """
        await self._durable(system("key.minted", agent=agent, kid=kid, hash=digest), Rank.WRITE)

    async def key_revoked(self, kid: str) -> None:
        """
        Record that an agent key is not valid any more.
        """
        await self._durable(system("key.revoked", kid=kid), Rank.END)

    async def credential_changed(self, name: str, number: int, act: str) -> None:
        """
        Record what an operator did to one version of a sealed credential.
        """
        await self._durable(system("credential.changed", name=name, ver=number, how=act), Rank.END)

    async def _entry(self, draft: Draft, rank: Rank) -> Entry:
        written = await self._durable(draft, rank)
        return Entry(draft.call or "", written.index, written.leaf_hash)

    async def _durable(self, draft: Draft, rank: Rank) -> Written:
        return await self._submit(draft, rank)

    def _note(self, draft: Draft) -> asyncio.Future[Written]:
        # Nobody may wait for it: that it was lost is counted, and needs no second voice.
        future = self._submit(draft, Rank.READ, admitted=True)
        future.add_done_callback(_look)
        return future

    def _submit(self, draft: Draft, rank: Rank, *, admitted: bool = False) -> asyncio.Future[Written]:
        try:
            return self._writer.submit(checked(draft), rank, admitted=admitted)
        except ValueError as error:
            raise LedgerUnavailable(f"this cannot be put on record: {error}") from error

    def _poisoned(self) -> None:
        self.on_poisoned()

    def _every_minute(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flush()
        self._timer = loop.call_later(MINUTE_S, self._every_minute, loop)

    def _flush_if_over(self) -> None:
        if self._tally.over(self._clock.monotonic()):
            self._flush()

    def _flush(self) -> None:
        """
        Record what was counted.
        """
        task = f"edge/{self._clock.now():%Y-%m-%d}"
        for count in self._tally.drain(self._clock.monotonic()):
            kind = "edge.refused" if count.agent is None else "agent.refused"
            try:
                self._note(records.counted(kind, count.reasons, task, count.agent))
            except LedgerUnavailable:
                self.stats.lost += 1


def _look(future: asyncio.Future[Written]) -> None:
    if not future.cancelled():
        future.exception()
