"""
The shared state of one process: the embedded default, plain Python under one lock.

It holds whether writes may pass, and the writes whose outcome is not known. Nothing in it awaits, so that no verb is
ever cut in half; the lock is there for callers on other threads.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock

from breakers.call import Applied, Call, Outcome
from breakers.facts import Facts
from breakers.store.protocol import (
    Event,
    HeldRead,
    HeldWrite,
    IntentEnded,
    IntentOpened,
    OpenIntent,
    Reservation,
    Stale,
    WritesChanged,
    opened_by,
)
from breakers.verdict import Forward


class MemoryStore:
    """
    The store of one process, empty until the ledger is replayed into it.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = Lock()
        self._generation = 0
        self._stopped = False
        self._epoch = 0
        self._open: dict[str, OpenIntent] = {}

    def __repr__(self) -> str:
        suspended = sum(intent.suspended for intent in self._open.values())
        return (
            f"<MemoryStore generation={self._generation} epoch={self._epoch} stopped={self._stopped} "
            f"in_flight={len(self._open) - suspended} in_doubt={suspended}>"
        )

    @property
    def writes(self) -> WritesChanged:
        """
        Return what the newest record says about writes.
        """
        with self._lock:
            return WritesChanged(self._stopped, self._epoch)

    async def facts(self, call: Call) -> Facts:  # noqa: ARG002 nothing here depends on the call yet
        """
        Return the snapshot that a decision about `call` may look at.
        """
        with self._lock:
            return Facts(at=self._now(), generation=self._generation, writes_stopped=self._stopped)

    async def reserve(self, go: Forward) -> Reservation | Stale:
        """
        Grant what `go` consumes; `Stale` when the state moved since its facts were read.
        """
        with self._lock:
            if go.facts.generation != self._generation:
                return Stale()
        return HeldWrite(go) if go.call.operation.writes else HeldRead(go)

    async def dispatch(self, held: HeldWrite, opened: IntentOpened) -> bool:  # noqa: ARG002 it holds nothing to mark yet
        """
        Mark the intent as about to be sent; False when writes were stopped meanwhile and nothing may leave.
        """
        with self._lock:
            # Marked even where it is stopped: the intent is durable and stays open until `settle` ends it. One that is
            # in doubt already stays so.
            self._open.setdefault(opened.intent, OpenIntent(opened, suspended=False))
            return not self._stopped

    async def settle(self, held: Reservation, outcome: Outcome) -> None:
        """
        End the reservation by its outcome; an unknown one is suspended instead of removed.
        """
        match held:
            case HeldRead():
                return
            case HeldWrite(go):
                with self._lock:
                    if outcome.applied is Applied.UNKNOWN:
                        self._suspend(opened_by(go.call))
                    else:
                        self._open.pop(go.call.id, None)

    async def suspend(self, opened: IntentOpened) -> None:
        """
        Keep an intent as in doubt.
        """
        with self._lock:
            self._suspend(opened)

    def open_intents(self) -> tuple[OpenIntent, ...]:
        """
        Return the intents in flight and in doubt, oldest first.
        """
        with self._lock:
            return tuple(sorted(self._open.values(), key=lambda intent: (intent.opened.at, intent.opened.intent)))

    def apply(self, event: Event) -> None:
        """
        Replay one event of the ledger; applying it twice changes nothing more.

        An intent that is only known from a replay is in doubt: whoever carried it is gone.
        """
        with self._lock:
            match event:
                case IntentOpened():
                    if event.intent not in self._open:
                        self._suspend(event)
                case IntentEnded(intent, unknown=True):
                    if intent in self._open:
                        self._suspend(self._open[intent].opened)
                case IntentEnded(intent):
                    self._open.pop(intent, None)
                case WritesChanged():
                    self._change_writes(event)

    def _suspend(self, opened: IntentOpened) -> None:
        known = self._open.get(opened.intent)
        self._open[opened.intent] = OpenIntent(known.opened if known else opened, suspended=True)

    def _change_writes(self, event: WritesChanged) -> None:
        # An older record never undoes a newer one; of two with one epoch the stricter holds.
        if event.epoch < self._epoch:
            return
        stopped = event.stopped or (event.epoch == self._epoch and self._stopped)
        if stopped is not self._stopped:
            self._generation += 1
        self._epoch, self._stopped = event.epoch, stopped
