"""
Makes the snapshots of one log beside the process that writes it, and proves what the start took on trust.

A thread that lives as long as there is work: it reads files that nobody writes to any more, folds them as a start does,
and puts what comes of that beside them. It has a share of the processor, so that the road does not wait for it; a stop
does what is left at once, or leaves it to the next start.

What the start did not read is hashed and compared with what was sealed. Where that fails the snapshot is removed and
the process ends, as it would not have started: the next start reads the segment, and says what is wrong with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread

from breakers.store.bundle import Bundle
from breakers.store.events import Event, IntentOpened
from proxy.clock import Clock
from proxy.errors import LedgerDamaged
from proxy.ledger.disk import Disk
from proxy.ledger.eventlines import EVENTS_A_LINE, spell_told
from proxy.ledger.fold import Fold, Newest, fold_on
from proxy.ledger.frames import MAGIC, SEAL_BYTES
from proxy.ledger.kept import Kept, about_segment
from proxy.ledger.layout import segments
from proxy.ledger.recovery import damaged
from proxy.ledger.remembered import Remembered, reading, remembered_epochs
from proxy.ledger.replay import End, Ending, Replay
from proxy.ledger.snapshot import Snapshot, fold_version
from proxy.ledger.tail import LONG_AGO
from proxy.ledger.tree import Frontier

SHARE = 0.1
"""Of one processor, and of the time in which nothing else of this process can run."""

SLICE_S = 0.001
"""Worked without a pause: less than a write waits for its disk."""

PIECE_BYTES = 1 << 20
"""Hashed without a pause: about as long as a slice."""

STOP_WITHIN_S = 5.0
"""What a stop may take longer for its snapshot: a few full segments, and far less than supervisors wait."""

Pause = Callable[[], None]
"""Called every so often by what takes long: it returns soon, or raises `TimeoutError`."""


class Snapshots:
    """
    The snapshots of the log that is written to: `due` says that there may be one to be made.
    """

    def __init__(
        self,
        disk: Disk,
        epoch: Path,
        kept: Kept,
        clock: Clock,
        since: datetime,
        trusted: Sequence[tuple[Path, Snapshot]] = (),
    ) -> None:
        self.kept, self.unproved = kept, list(trusted)
        self._disk, self._epoch, self._clock, self._since = disk, epoch, clock, since
        # How many segments have a snapshot that fits, without a gap, and that of the last of them.
        self._whole = 0
        self._before: Snapshot | None = None
        self._on_damage: Callable[[LedgerDamaged], None] | None = None
        self._has_room: Callable[[], bool] = lambda: True
        self._lock, self._ending = Lock(), Flag()
        self._due = False
        self._thread: Thread | None = None
        self.fault: Exception | None = None

    def __repr__(self) -> str:
        return f"<Snapshots {self._whole} made, {len(self.unproved)} to be proved, fault={self.fault!r}>"

    def start(self, on_damage: Callable[[LedgerDamaged], None], has_room: Callable[[], bool]) -> None:
        """
        Begin to prove and, while the disk has room, to make; `on_damage` is called in a thread of our own, with what
        does not hold.
        """
        self._on_damage, self._has_room = on_damage, has_room
        self.due()

    def due(self) -> None:
        """
        Look again what is to be done.
        """
        with self._lock:
            self._due = True
            if self._thread is None and self._on_damage is not None and not self._ending.is_set():
                thread = Thread(target=self._run, name="snapshots", daemon=True)
                # Where no further thread can be had, the log goes on: it is asked for again at the next seal.
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def close(self, *, whole: bool) -> None:
        """
        End the thread; it blocks. With `whole`, make what is missing, the newest segment's included, if time allows.
        """
        self._ending.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()
        if whole:
            until = self._clock.monotonic() + STOP_WITHIN_S
            try:
                self.make(lambda: self._hurry(until), newest=True)
            except (OSError, LedgerDamaged):
                # Out of time, or of room, or damaged: the next start finds it.
                return
            except Exception as fault:
                # As in the thread: whoever stops gives the folder back whatever comes of this.
                self.fault = fault

    def prove(self, pause: Pause) -> None:
        """
        Compare what was taken on trust with what was sealed.

        Raise `LedgerDamaged` for the first that is not the same; its snapshot is gone then.
        """
        while self.unproved:
            path, snapshot = self.unproved[0]
            digest, offset, end = sha256(), 0, snapshot.about.end
            while offset < end and (piece := self._disk.read_part(path, offset, min(PIECE_BYTES, end - offset))):
                digest.update(piece)
                offset += len(piece)
                pause()
            if digest.hexdigest() != snapshot.about.sha256:
                # Where that is not possible, the next start ends as this one does.
                with contextlib.suppress(OSError):
                    self._disk.remove(snapshot.path)
                raise damaged(path, self._damage(path, snapshot))
            self.unproved.pop(0)

    def make(self, pause: Pause, *, newest: bool = False) -> None:
        """
        Make the snapshots that are missing, oldest first: of every sealed segment, and with `newest` of the last.

        Raise `LedgerDamaged` where a segment is not what was written.
        """
        if not fold_version():
            return
        found = segments(self._disk, self._epoch)
        for position in range(self._whole, len(found) if newest else len(found) - 1):
            (first, path), last = found[position], position == len(found) - 1
            if not self._fits(first, path, last=last):
                self._make(first, path, pause, last=last)
            if last or not self._fits(first, path, last=False):
                return
            self._whole, self._before = position + 1, self.kept.beside(path, first)

    def _fits(self, first: int, path: Path, *, last: bool) -> bool:
        snapshot = self.kept.beside(path, first)
        if snapshot is None or last:
            # Nobody knows without reading it whether all of the newest is in its snapshot.
            return False
        before = self._before.about.tree if self._before is not None else Frontier()
        return snapshot.follows(before) and snapshot.is_sealed(self._disk, path)

    def _make(self, first: int, path: Path, pause: Pause, *, last: bool) -> None:
        result = Fold(remembered=Remembered(LONG_AGO))
        views, remembered = result.views, result.remembered
        assert remembered is not None
        if self._before is not None:
            if not self.kept.put_state(self._before, views, remembered):
                return
            result.tree = self._before.about.tree
        else:
            for former in remembered_epochs(self._disk, self._epoch.parent, self._since)[:-1]:
                for _ in reading(self._disk, former, remembered, self.kept):
                    remembered.told.clear()
                    pause()
        lines, before = _Lines(remembered, pause), result.tree.root()
        segment = fold_on(self._disk, first, path, result, self.kept, lines.take)
        if segment.ending.end is End.TAMPERED or (segment.ending.end is not End.SEALED and not last):
            raise damaged(path, segment.ending)
        if segment.ending.end is End.TORN:
            return
        about = about_segment(views, before, result.tree, first, _said(segment), segment.blob_end)
        if about.end > len(MAGIC):
            self.kept.write(path, about, views, remembered, lines.rest())

    def _damage(self, path: Path, snapshot: Snapshot) -> Ending:
        """
        Return what is wrong with a segment that is not what was sealed.
        """
        first = snapshot.about.first
        behind = [(path, at) for at, path in segments(self._disk, self._epoch) if at < first]
        before = self.kept.beside(*behind[-1]) if behind else None
        replay = Replay(self._disk.read(path), before.about.tree if before is not None else Frontier())
        for _ in replay:
            pass
        if replay.ending.end is not End.SEALED:
            return replay.ending
        return Ending(End.TAMPERED, 0, first, 0, "the segment is not the one that was sealed")

    def _run(self) -> None:
        pace = _Pace(self._clock, self._ending)
        while self._is_due():
            try:
                self.prove(pace)
                if self._has_room():
                    self.make(pace)
            except OSError:
                # A stop, or a disk that does not answer now: it is asked again when the next segment is sealed.
                continue
            except LedgerDamaged as found:
                assert self._on_damage is not None
                self._on_damage(found)
            except Exception as fault:
                # A snapshot that cannot be made costs time at the next start, and nothing now.
                self.fault = fault

    def _is_due(self) -> bool:
        with self._lock:
            due, self._due = self._due and not self._ending.is_set(), False
            if not due:
                self._thread = None
            return due

    def _hurry(self, until: float) -> None:
        if self._clock.monotonic() > until:
            raise TimeoutError


class _Pace:
    """
    Pauses whoever calls it, so that its thread has no more than `SHARE` of a processor.
    """

    def __init__(self, clock: Clock, ending: Flag) -> None:
        self._clock, self._ending = clock, ending
        self._since = clock.thread_cpu()

    def __call__(self) -> None:
        """
        Return at once, or after a pause for what was worked since the last; raise `TimeoutError` at the end.
        """
        worked = self._clock.thread_cpu() - self._since
        if worked >= SLICE_S:
            self._ending.wait(worked / SHARE - worked)
            self._since = self._clock.thread_cpu()
        if self._ending.is_set():
            raise TimeoutError


class _Lines:
    """
    Events as they are told, spelled a few at a time, so that they are neither all held nor all spelled at once.
    """

    def __init__(self, remembered: Remembered, pause: Pause) -> None:
        self._remembered, self._pause = remembered, pause
        self._lines: list[bytes] = []

    def take(self) -> None:
        """
        Spell what was told, where that is worth a line, and pause.
        """
        while len(self._remembered.told) >= EVENTS_A_LINE:
            self._spell(EVENTS_A_LINE)
            self._pause()
        self._pause()

    def rest(self) -> list[bytes]:
        """
        Return all lines.
        """
        self.take()
        if left := len(self._remembered.told):
            self._spell(left)
        return self._lines

    def _spell(self, count: int) -> None:
        left = self._remembered.told
        told: list[Event | Bundle] = [left.popleft() for _ in range(count)]
        if isinstance(told[-1], IntentOpened) and left:
            # Its end stands behind it.
            told.append(left.popleft())
        self._lines.append(spell_told(told))


def _said(segment: Newest) -> memoryview:
    """
    Return a segment's bytes up to its SEAL or its last COMMIT.
    """
    end = segment.ending.good - (SEAL_BYTES if segment.ending.end is End.SEALED else 0)
    return memoryview(segment.data)[:end]
