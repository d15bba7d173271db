"""
The thread that writes: it takes what is queued, makes it durable as one batch, and tells those who wait.

While one batch becomes durable the next one forms by itself. The thread is called once for all that comes in a few
turns of the event loop, and everybody who waits on a batch is told by one call into it. What nobody waits for calls
nobody: it goes with the next batch that somebody waits for, or a moment later.

A record is drafted and checked by the batch that it is in: one behind the other that takes half as long as between all
else that a call does. One that cannot be put on record fails alone.

    ready ──disk full, or little room──▶ readonly ──room again──▶ ready
      └───────────── any other fault of the disk ─────────────▶ poisoned (the process ends)

Readonly refuses what can still be refused; what must be written (an outcome, the log's end) is tried with the reserve
given up. Under load reads are shed first and writes at twice the bound; what must be written never is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from threading import Condition, Thread

from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.ledger.disk import Disk
from proxy.ledger.drafts import Draft, Record, checked
from proxy.ledger.log import commit
from proxy.ledger.space import LOOK_EVERY_S, Space
from proxy.ledger.tail import Batch, Log, Written

AGE_MAX_S = 0.25
"""A queue whose oldest record waits longer than this is a disk that cannot keep up, if it is crowded too."""

LINGER_S = 0.02
"""For so long a record that nobody waits for stays for others to come: a batch costs as much as ten records."""

QUIET_TURNS = 3
GATHER_S = 0.005
"""The thread is called once as many turns of the loop have brought no record that is waited for, or after this long: a
loop that is idle makes its turns in some microseconds, and what a busy one still has to do may bring more."""

CROWDED = 8
"""Of the queue's bound, this part: one slow sync before a few records is a hiccup, and no read is refused for it."""


class State(StrEnum):
    """
    Whether records can be written.
    """

    READY = "ready"
    READONLY = "readonly"
    POISONED = "poisoned"


class Rank(IntEnum):
    """
    What a record is worth when not all can be written: a read and a write can still be refused, an end cannot.

    The last one, that the log was closed, is a batch of its own: what it says of all before it holds by then.
    """

    READ = 0
    WRITE = 1
    END = 2
    LAST = 3


@dataclass(slots=True)
class Stats:
    """
    What the writer did so far. `on_batch` is told the entries of each batch and the seconds until they were durable,
    `on_undrafted` why a record that nobody waits for could not be drafted; `free_bytes` is the room that was left when
    it last looked.

    What is counted is counted in the loop's thread alone: a count that two threads raise loses some.
    """

    entries: int = 0
    lost: int = 0
    shed: int = 0
    free_bytes: int = 0
    on_batch: Callable[[int, float], None] = field(default=lambda _entries, _seconds: None)
    on_undrafted: Callable[[Exception], None] = field(default=lambda _error: None)


@dataclass(slots=True)
class Waiting:
    """
    A record in the queue, since when, and who is told where it stands, where anybody is; `draft` is there once it is
    taken.
    """

    record: Record
    rank: Rank
    since: float
    future: asyncio.Future[Written] | None
    draft: Draft = field(init=False, repr=False)


class Writer:
    """
    The queue before the log and the thread that empties it.
    """

    def __init__(
        self, log: Log, disk: Disk, clock: Clock, space: Space, *, entries_max: int, bytes_max: int, pending_max: int
    ) -> None:
        self._log, self._disk, self._clock, self._space = log, disk, clock, space
        self._entries_max, self._bytes_max, self._pending_max = entries_max, bytes_max, pending_max
        self._queue: deque[Waiting] = deque()
        self._changed = Condition()
        # Of the queue, what is being drafted or written.
        self._taken: list[Waiting] = []
        # The thread is to take what is queued; whether it will be told so soon, or in a moment.
        self._called = self._calls = self._lingers = False
        self._quiet, self._gathers_until = 0, 0.0
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._on_poisoned: Callable[[], None] = lambda: None
        self.state = State.READY
        self.fault: BaseException | None = None
        self._found: BaseException | None = None
        self.stats = Stats()

    def __repr__(self) -> str:
        return f"<Writer {self.state} pending={self.pending} {self._log!r}>"

    @property
    def pending(self) -> int:
        """
        Return how many records are not durable yet.
        """
        return len(self._queue) + len(self._taken)

    def start(self, loop: asyncio.AbstractEventLoop, on_poisoned: Callable[[], None]) -> None:
        """
        Begin to write; those who wait are told in `loop`.
        """
        self._loop, self._on_poisoned = loop, on_poisoned
        self.look_at_space()
        self._thread = Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def admit(self, rank: Rank) -> None:
        """
        Refuse with `LedgerUnavailable` what could not be recorded now, or should give way to what is worth more.
        """
        if self.state is State.POISONED or self._closing:
            raise LedgerUnavailable("the ledger is closed")
        if rank >= Rank.END:
            return
        if self.state is State.READONLY:
            raise LedgerUnavailable("the disk is full")
        # A write is worth more than a read: it is shed at twice the bound.
        share, oldest = 2 if rank is Rank.WRITE else 1, 0.0
        if len(self._queue) * CROWDED >= self._pending_max:
            with self._changed:
                oldest = self._clock.monotonic() - self._queue[0].since if self._queue else 0.0
        if self.pending >= self._pending_max * share or oldest > AGE_MAX_S * share:
            self.stats.shed += 1
            raise LedgerUnavailable("the disk does not keep up")

    def submit(self, record: Record, rank: Rank) -> asyncio.Future[Written]:
        """
        Queue a record that was admitted, in the loop's own thread; the future says where it stands once it is durable.
        """
        assert self._loop is not None
        future: asyncio.Future[Written] = self._loop.create_future()
        self._queue.append(Waiting(record, rank, self._clock.monotonic(), future))
        self._call_thread(soon=True)
        return future

    def leave(self, record: Record, rank: Rank) -> None:
        """
        Queue a record that nobody waits for, in the loop's own thread.
        """
        self._queue.append(Waiting(record, rank, self._clock.monotonic(), None))
        self._call_thread(soon=False)

    def _call_thread(self, *, soon: bool) -> None:
        assert self._loop is not None
        if soon:
            self._quiet = 0
            if not self._calls:
                self._calls, self._gathers_until = True, self._loop.time() + GATHER_S
                self._loop.call_soon(self._turned)
        elif not (self._calls or self._lingers):
            self._lingers = True
            self._loop.call_later(LINGER_S, self._lingered)

    def _turned(self) -> None:
        assert self._loop is not None
        self._quiet += 1
        if self._quiet > QUIET_TURNS or self._loop.time() >= self._gathers_until:
            self._call_now()
        else:
            self._loop.call_soon(self._turned)

    def _lingered(self) -> None:
        self._lingers = False
        if self._queue:
            self._call_now()

    def _call_now(self) -> None:
        self._calls = False
        with self._changed:
            self._called = True
            self._changed.notify()

    def stop(self) -> None:
        """
        Return when everything that was queued is durable and the thread has ended; it blocks.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def give_up(self, found: BaseException) -> None:
        """
        End as after a fault of the disk, because of what was found elsewhere; from any thread.
        """
        with self._changed:
            self._found = found
            self._changed.notify()

    def take(self) -> list[Waiting]:
        """
        Take what the next batch is made of, oldest first, and draft it.
        """
        self._taken, size = [], 0
        # What comes while they are drafted goes with the next one.
        for _ in range(min(len(self._queue), self._entries_max)):
            if size >= self._bytes_max or (self._taken and self._queue[0].rank is Rank.LAST):
                break
            with self._changed:
                waiting = self._queue.popleft()
                self._taken.append(waiting)
            if self._drafted(waiting):
                size += sum([len(part.payload.data) for part in waiting.draft.parts])
            else:
                self._taken.pop()
        with self._changed:
            self._called = bool(self._queue)
        return self._taken

    def _drafted(self, waiting: Waiting) -> bool:
        try:
            # What it was drafted from holds a credential, which is not kept until the next batch.
            waiting.record = waiting.draft = checked(waiting.record)
        except Exception as error:  # this record's own fault: no other one of the batch may fail with it
            self._call(self._undrafted, waiting.future, error)
            return False
        return True

    def look_at_space(self) -> None:
        """
        Become readonly where there is little room, and ready again where there is enough.
        """
        try:
            enough = self._space.enough(self._clock.monotonic())
            self.stats.free_bytes = self._space.free_bytes
        except OSError:
            # A disk that cannot be looked at is taken for one without room.
            enough = False
        if self.state is not State.POISONED:
            self.state = State.READY if enough else State.READONLY

    def write(self, batch: list[Waiting]) -> None:
        """
        Make a batch durable and tell those who wait, or tell them that it is not.
        """
        if self.state is State.POISONED:
            return self._tell([], batch)
        began = self._clock.monotonic()
        try:
            written, failed = self._commit(batch)
        except Exception as fault:
            # Not only what the disk says: after a fault that nobody foresaw, nobody knows what is on disk either.
            self.state, self.fault = State.POISONED, fault
            # Whoever ends the process hears of it before anyone who waits goes on.
            self._call(self._on_poisoned)
            return self._tell([], batch)
        return self._tell(written, failed, self._clock.monotonic() - began)

    def _commit(self, batch: list[Waiting]) -> tuple[list[tuple[Waiting, Written]], list[Waiting]]:
        try:
            return self._commit_all(batch), []
        except LedgerUnavailable:
            self.state = State.READONLY
            self._space.release()
        must = [waiting for waiting in batch if waiting.rank >= Rank.END]
        rest = [waiting for waiting in batch if waiting.rank < Rank.END]
        try:
            return self._commit_all(must) if must else [], rest
        except LedgerUnavailable:
            return [], batch

    def _commit_all(self, batch: list[Waiting]) -> list[tuple[Waiting, Written]]:
        drafts = tuple(waiting.draft for waiting in batch)
        written = commit(Batch(self._log, drafts, self._clock.now()), self._disk)
        return list(zip(batch, written, strict=True))

    def _tell(self, written: list[tuple[Waiting, Written]], failed: list[Waiting], seconds: float = 0.0) -> None:
        good = [(waiting.future, where) for waiting, where in written if waiting.future is not None]
        bad = [waiting.future for waiting in failed if waiting.future is not None]
        self._call(self._tell_in_loop, good, bad, len(written), len(failed), seconds)

    def _tell_in_loop(
        self,
        good: list[tuple[asyncio.Future[Written], Written]],
        bad: list[asyncio.Future[Written]],
        entries: int,
        lost: int,
        seconds: float,
    ) -> None:
        self.stats.entries += entries
        self.stats.lost += lost
        for future, where in good:
            if not future.done():
                future.set_result(where)
        for future in bad:
            _fail(future, LedgerUnavailable("the record could not be made durable"))
        if entries:
            self.stats.on_batch(entries, seconds)

    def _undrafted(self, future: asyncio.Future[Written] | None, error: Exception) -> None:
        self.stats.lost += 1
        if future is not None:
            _fail(future, error)
        else:
            self.stats.on_undrafted(error)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        try:
            while self._wait():
                self.look_at_space()
                if batch := self.take():
                    self.write(batch)
                    self._taken = []
        except BaseException as fault:
            # Nobody would take what is queued any more: those who wait are told, and the process ends.
            self.state, self.fault = State.POISONED, fault
            with self._changed:
                waiting = [*self._taken, *self._queue]
                self._taken = []
                self._queue.clear()
            self._tell([], waiting)
            self._call(self._on_poisoned)

    def _wait(self) -> bool:
        """
        Wait for work, at most until the disk should be looked at again; False means that there will be none.
        """
        with self._changed:
            if not self._called and not self._closing and self._found is None:
                self._changed.wait(LOOK_EVERY_S)
            if self._found is not None:
                raise self._found
            return bool(self._queue) or not self._closing


def _fail(future: asyncio.Future[Written], error: Exception) -> None:
    if not future.done():
        # The latter no future holds: whoever waits for it would wait forever.
        outside = isinstance(error, ValueError | StopIteration)
        future.set_exception(LedgerUnavailable(f"this cannot be put on record: {error}") if outside else error)
