"""
What is on record of a unit of work: its task, the tokens that were revoked, the alerts on its caps, the reads that were
charged to them; and the events that all of it is replayed as.

What is over need not be told: a task and a revocation a day after their time, a read and an alert once they are older
than the bound. A read without an end is told without one, and counts as taken whole. Where a part of a log is lost, a
closing may be lost with it: then every task that was open is over. A task may have been opened by another process, in
whose ledger that stands: its end is told by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from breakers.spend import Alert, Notice
from breakers.store.events import (
    AlertDelivered,
    AlertRaised,
    Event,
    ReadHeld,
    ReadSettled,
    TaskClosed,
    TaskOpened,
    TokenRevoked,
)
from breakers.task import Above, Closed, Task
from config.caps import Caps
from config.tasks import LIFE_MAX_S
from proxy.ledger.charges import charges_of, spent_of
from proxy.ledger.drafts import present, read_stamp, stamp

KINDS = frozenset(
    {
        *("call.held", "lease.taken", "lease.ended", "task.opened", "task.closed", "token.revoked"),
        *("budget.alerted", "budget.told"),
    }
)
"""Beside the ends of reads, which are outcomes like any other."""

OVER_AFTER = timedelta(days=1)
"""For how long after its time a task or a revocation is known: a clock that is set back finds it."""

LIFE_MAX = timedelta(seconds=LIFE_MAX_S)
"""A task that is closed would be over after this much, whenever it was opened."""

ALERTED = timedelta(days=72)
"""For how long an alert is known: as long as any total that it may be about is kept."""

Entry = Mapping[str, Any]


def task_fields(task: Task) -> dict[str, object]:
    """
    Return what the record of an opened task says beside the task's id, under which it stands.
    """
    above = [present({"task": one.id, "caps": _spelled(one.caps), "exp": stamp(one.until)}) for one in task.above]
    return present(
        {
            "agent": task.agent,
            "at": stamp(task.opened_at),
            "exp": stamp(task.expires_at),
            "caps": _spelled(task.caps),
            "record": task.record,
            "trace": task.trace,
            "model": task.model,
            "prompt": task.prompt,
            "above": above or None,
        }
    )


def _spelled(caps: Caps) -> dict[str, object] | None:
    return caps.model_dump(mode="json", exclude_none=True) if caps.capped else None


def task_from(entry: Entry) -> Task:
    """
    Return the task that a record says was opened.
    """
    return Task(
        id=entry["task"],
        agent=entry["agent"],
        opened_at=read_stamp(entry.get("at", entry["ts"])),
        expires_at=read_stamp(entry["exp"]),
        caps=_caps(entry),
        record=entry.get("record"),
        trace=entry.get("trace"),
        model=entry.get("model"),
        prompt=entry.get("prompt"),
        above=tuple(Above(one["task"], _caps(one), read_stamp(one["exp"])) for one in entry.get("above", ())),
    )


def _caps(said: Entry) -> Caps:
    return Caps.model_validate(said.get("caps", {}))


def alert_from(entry: Entry) -> Alert:
    """
    Return the alert that a record says was raised.
    """
    return Alert(
        Notice(entry["kind"]),
        entry["node"],
        entry["period"],
        entry["measure"],
        int(entry["threshold"]),
        int(entry["cap"]),
        int(entry["settled"]),
        read_stamp(entry.get("at", entry["ts"])),
    )


@dataclass(slots=True, repr=False)
class Enveloped:
    """
    The fold over these records, oldest first; `since` is the bound, the rest is carried from segment to segment.
    """

    since: datetime
    reads: dict[str, ReadHeld] = field(default_factory=dict)
    tasks: dict[str, tuple[TaskOpened, TaskClosed | None]] = field(default_factory=dict)
    elsewhere: dict[str, TaskClosed] = field(default_factory=dict)
    revoked: dict[str, TokenRevoked] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Enveloped({len(self.reads)} reads without an end, {len(self.tasks)} tasks)"

    def see(self, entry: Entry) -> Iterator[Event]:
        """
        Take the next entry, and yield what follows from it and nothing can change any more.

        Raise `KeyError`, `TypeError` or `ValueError` where it is not what its kind says.
        """
        match entry["k"]:
            case "call.held":
                held = ReadHeld(entry["call"], read_stamp(entry["at"]), charges_of(entry))
                self.reads[held.call] = held
            case "lease.taken":
                # So many reads at once: what is not on record as given back counts as taken.
                self.reads[entry["lease"]] = ReadHeld(entry["lease"], read_stamp(entry["at"]), charges_of(entry))
            case "lease.ended":
                yield from self.ended(entry["lease"], entry)
            case "task.opened":
                self._forget(read_stamp(entry["ts"]))
                self.tasks[entry["task"]] = (TaskOpened(task_from(entry)), None)
            case "task.closed":
                over = TaskClosed(entry["task"], read_stamp(entry["ts"]), Closed(entry["why"]))
                self._close(over)
            case "token.revoked":
                self._forget(read_stamp(entry["ts"]))
                self.revoked[entry["tid"]] = TokenRevoked(entry["tid"], read_stamp(entry["until"]))
            case "budget.alerted":
                alert = alert_from(entry)
                self._forget(read_stamp(entry["ts"]))
                self.alerts[alert.id] = alert
            case "budget.told" if entry["alert"] in self.alerts:
                alert = self.alerts.pop(entry["alert"])
                if alert.at >= self.since:
                    yield AlertRaised(alert)
                    yield AlertDelivered(alert.id)

    def _close(self, over: TaskClosed) -> None:
        known = self.tasks.get(over.task)
        if known is not None:
            opened, closed = known
            self.tasks[over.task] = (opened, closed or over)
        else:
            self._forget(over.at)
            self.elsewhere.setdefault(over.task, over)

    def ended(self, held_as: str, entry: Entry) -> Iterator[Event]:
        """
        Take the end of a read or of a lease, and yield what was taken of the caps above it.
        """
        held = self.reads.pop(held_as, None)
        if held is not None and held.at >= self.since:
            yield held
            yield ReadSettled(held.call, spent_of(entry, held.charges))

    def lost(self, at: datetime) -> None:
        """
        Take it that records are lost, of which nobody knows what they closed.
        """
        for id_, (opened, closed) in self.tasks.items():
            self.tasks[id_] = (opened, closed or TaskClosed(id_, at, Closed.ORPHANED))

    def rest(self, at: datetime) -> Iterator[Event]:
        """
        Yield what nothing has ended yet, as of this moment.
        """
        yield from (held for held in self.reads.values() if held.at >= self.since)
        for opened, closed in self.tasks.values():
            if opened.task.expires_at + OVER_AFTER > at:
                yield opened
                if closed is not None:
                    yield closed
        yield from (closed for closed in self.elsewhere.values() if closed.at + LIFE_MAX + OVER_AFTER > at)
        yield from (revoked for revoked in self.revoked.values() if revoked.until + OVER_AFTER > at)
        # That one was told may stand in the ledger of another process: here it is without an end.
        yield from (AlertRaised(alert) for alert in self.alerts.values() if alert.at >= self.since)

    def _forget(self, at: datetime) -> None:
        """
        Give up what is over, so that a long log's tasks are not all held: the oldest first, while they are.
        """
        while self.tasks and (oldest := next(iter(self.tasks.values()))[0].task).expires_at + OVER_AFTER <= at:
            del self.tasks[oldest.id]
        while self.elsewhere and (one := next(iter(self.elsewhere.values()))).at + LIFE_MAX + OVER_AFTER <= at:
            del self.elsewhere[one.task]
        while self.revoked and (first := next(iter(self.revoked.values()))).until + OVER_AFTER <= at:
            del self.revoked[first.token]
        while self.alerts and (alert := next(iter(self.alerts.values()))).at + ALERTED <= at:
            del self.alerts[alert.id]
