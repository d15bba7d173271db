"""
What a store must know of writes that came before, read from the record: the events that rebuild it.

A write is told once its end is known, and only where that is not too long ago; what has no end is told last, whatever
its age. So little is held at any time, however long the log. Of a write whose names are free again, and that was
charged to no cap, only the end is told, without which a store that outlives the process could hold it as under way for
ever.

Former logs are read as well, because a new log forgets no key: each as far as it can be read, and what stands behind
damage like the rest, for it can only add to what is not done twice. Of a log that began before the bound the former
ones say nothing that is still remembered: what was in doubt was carried over.

Whether an answer reached its caller is on record only where it did not. After a stop that was not clean, or on a disk
that was full, nobody knows it of the last ones: those of `UNCONFIRMED` before the last record count as missed.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import orjson

from breakers.call import Applied
from breakers.idempotency import ended_as
from breakers.known import Ended, State
from breakers.stops import Stops
from breakers.store.bundle import Bundle, Bundled
from breakers.store.events import (
    BreakerMoved,
    Event,
    IntentDelivered,
    IntentEnded,
    IntentOpened,
    KillChanged,
)
from proxy.ledger import frames
from proxy.ledger.charges import spent_of
from proxy.ledger.disk import Disk
from proxy.ledger.drafts import DISK_FULL, read_stamp
from proxy.ledger.enveloped import KINDS, Enveloped
from proxy.ledger.frames import Broken, Frame, Kind
from proxy.ledger.layout import epochs, segments
from proxy.ledger.moved import CHANGED
from proxy.ledger.noticed import TOLD, Noticed
from proxy.ledger.parked import KINDS as APPROVALS
from proxy.ledger.parked import Parked
from proxy.ledger.places import spell_place
from proxy.ledger.read import first_record
from proxy.ledger.stopped import CHANGED as STOPPED
from proxy.ledger.views import opened_from

REMEMBERED_S = 97 * 86_400.0
"""For how long an end is told of, where nobody says otherwise: a week of answers, 90 days more of outcomes."""

TOTALS_S = 72 * 86_400.0
"""For how long at least: the longest period of a cap, 31 days, and 40 for which a store keeps its total after it."""

UNCONFIRMED = timedelta(seconds=15)
"""Longer than an answer waits between its record and its caller, and no longer than clients wait before they repeat."""

SEEN = frozenset(
    {
        "call.intent", "call.outcome", "call.delivery", "recovery.opened", "recovery.resolved", "log.opened",
        "log.recovered", "log.closed", CHANGED, TOLD, STOPPED, *KINDS, *APPROVALS,
    }
)  # fmt: skip
"""Kinds from which something follows."""

# Only these are parsed: in a long log most entries are others.
_TOLD = re.compile(
    rb'"k":"(?:call\.(?:intent|outcome|delivery|held)|lease\.|recovery\.|log\.|task\.|token\.revoked|budget\.|approval\.'
    rb'|breaker\.|notice\.)|"notice":\{'
)
# Of a read that was charged to no cap nothing follows.
_OF_A_READ = re.compile(rb'"intent":null(?!.*"spent":\[)')

# Asked of every write of a long log, where asking the enum takes as long as all else of it.
_APPLIED: Mapping[str, Applied] = {str(applied): applied for applied in Applied}

Entry = Mapping[str, Any]


@dataclass(slots=True)
class _Held:
    """
    A write whose end was not read yet; `ended` says how it stands until then.
    """

    opened: IntentOpened
    ended: Ended | None = None
    delivered: bool = True


@dataclass(slots=True, repr=False)
class Remembered:
    """
    The fold over entries, oldest first, that adds to `told` what follows from them; `since` is the bound.

    All other fields are carried from one segment of a log into the next, and stand in the snapshot between them.
    """

    since: datetime
    told: deque[Event | Bundle] = field(default_factory=deque)
    enveloped: Enveloped = field(init=False)
    _held: dict[str, _Held] = field(default_factory=dict)
    _last_said: str = ""
    # What ended since the last start of the program.
    _latest: deque[tuple[datetime, str]] = field(default_factory=deque)
    noticed: Noticed = field(default_factory=Noticed)
    parked: Parked = field(default_factory=Parked)

    def __post_init__(self) -> None:
        self.enveloped = Enveloped(self.since)

    def __repr__(self) -> str:
        return f"Remembered({len(self._held)} without an end)"

    def see(self, entry: Entry, place: str, opened: IntentOpened | None = None) -> None:
        """
        Take the next entry; of an intent's, `opened` is what it says where that is known already.

        Raise `KeyError`, `TypeError` or `ValueError` where it is not what its kind says.
        """
        kind: str = entry["k"]
        match kind:
            case "call.intent":
                self._held[entry["call"]] = _Held(opened or opened_from(entry, place))
                if "sug" in entry:
                    self.parked.sent(entry)
            case "call.outcome":
                if entry["intent"] is not None:
                    self._outcome(entry, place)
                elif "spent" in entry:
                    self.told += self.enveloped.ended(entry["call"], entry)
            case "call.delivery":
                self._delivery(entry)
            case "recovery.opened":
                self._doubted(entry)
            case "recovery.resolved":
                self._resolved(entry, place)
            case "log.closed" if entry.get("reason") != DISK_FULL:
                self._latest.clear()
            case "log.opened" | "log.recovered" | "log.closed":
                self.stopped()
                if (entry.get("prev") or {}).get("lost_bytes"):
                    self.enveloped.lost(read_stamp(entry["ts"]))
                    self.parked.lost(read_stamp(entry["ts"]))
            case kind if kind in APPROVALS:
                self.parked.see(entry, place)
            case _:
                self.told += self.enveloped.see(entry)
        if "notice" in entry:
            self.noticed.see(entry)
        self._last_said = entry["ts"]

    def stopped(self) -> None:
        """
        Take it that the program did not end by saying so: whether its last answers arrived is not known.
        """
        if self._latest:
            last = read_stamp(self._last_said)
            missed = [intent for at, intent in self._latest if at >= last - UNCONFIRMED]
            self.told += [IntentDelivered(intent, delivered=False) for intent in missed]
            self._latest.clear()

    def rest(self) -> None:
        """
        Tell of the writes that have no end.
        """
        for held in self._held.values():
            self.told.append(held.opened)
            if held.ended is not None:
                self.told.append(IntentEnded(held.opened.intent, held.ended))
        if self._last_said:
            self.told += self.enveloped.rest(read_stamp(self._last_said))
            self.told += self.parked.rest(read_stamp(self._last_said))
        self.told += (BreakerMoved(breaker) for breaker in self.noticed.breakers.values())

    def _outcome(self, entry: Entry, place: str) -> None:
        held = self._held.get(entry["call"])
        if held is None:
            return
        at, applied = read_stamp(entry["ts"]), _APPLIED[entry["eff"]]
        took = spent_of(entry, held.opened.charges)
        ended = ended_as(applied, entry.get("st"), at, place, delivered=held.delivered, spent=took)
        if ended.state is State.COMPLETED:
            self._completed(held, ended)
        else:
            held.ended = ended

    def _completed(self, held: _Held, ended: Ended) -> None:
        intent = held.opened.intent
        del self._held[intent]
        if ended.at < self.since:
            return
        if ended.keeps or held.opened.charges:
            self.told.append(held.opened)
        self.told.append(IntentEnded(intent, ended))
        if ended.keeps and ended.delivered:
            self._latest.append((ended.at, intent))
            while self._latest[0][0] < ended.at - UNCONFIRMED:
                self._latest.popleft()

    def _delivery(self, entry: Entry) -> None:
        call = entry["call"]
        if (repeated := entry.get("par")) is not None:
            self.told.append(IntentDelivered(repeated, bool(entry["complete"])))
        elif call in self._held:
            self._held[call].delivered = False
        elif entry.get("rw") != "r":
            self.told.append(IntentDelivered(call, delivered=False))

    def _doubted(self, entry: Entry) -> None:
        if entry.get("of") is not None:
            # It stands there for the intent of a former log, which may not be read any more.
            self._held.setdefault(entry["call"], _Held(opened_from(entry, entry.get("place", ""))))
        held = self._held.get(entry["call"])
        if held is not None and held.ended is None:
            state = State.PARKED if entry.get("parked") else State.UNKNOWN
            held.ended = Ended(state, read_stamp(entry["ts"]), delivered=False)

    def _resolved(self, entry: Entry, place: str) -> None:
        held = self._held.get(entry["call"])
        if held is None:
            return
        at = read_stamp(entry["ts"])
        if entry["state"] != State.COMPLETED:
            held.ended = Ended(State.PARKED, at, status=entry.get("st"), place=place, delivered=False)
            return
        applied, took = entry["eff"] == Applied.APPLIED, spent_of(entry, held.opened.charges)
        keeps, status = bool(entry["keeps"]), entry.get("st")
        ended = Ended(State.COMPLETED, at, applied, keeps, status, place, delivered=False, spent=took)
        self._completed(held, ended)


class Shortcuts(Protocol):
    """
    What was made of sealed segments, so that they need not be read again.
    """

    def tell(self, segment: Path, first: int, remembered: Remembered) -> str | None:
        """
        Let `remembered` see all of a segment; return the log's name, or None where the segment must be read.
        """


class Events(Bundled):
    """
    The events of a ledger, `stops` first. What a start has read already is told once; later they are read anew.
    """

    def __init__(
        self,
        disk: Disk,
        ledger: Path,
        stops: Callable[[], Stops],
        remembered: Remembered,
        kept: Shortcuts | None = None,
    ) -> None:
        self._disk, self._ledger, self._stops, self._since = disk, ledger, stops, remembered.since
        self._kept = kept
        self._at_start: Remembered | None = remembered

    def __repr__(self) -> str:
        return f"Events(since {self._since:%Y-%m-%d})"

    def __iter__(self) -> Iterator[Event]:
        return _apart(self.bundled())

    def bundled(self) -> Iterator[Event | Bundle]:
        """
        Yield the events, and in bundles what snapshots have in them.
        """
        # Of what was told nothing is held: a long log's events are as large as the store that is made of them.
        at_start, self._at_start = self._at_start, None
        if at_start is None:
            yield from self._anew()
            return
        yield from self._stopped()
        at_start.rest()
        while at_start.told:
            yield at_start.told.popleft()

    def _stopped(self) -> Iterator[Event]:
        yield from map(KillChanged, self._stops().by_scope.values())

    def anew(self) -> Iterator[Event]:
        """
        Read the events again, as far as the record says them now.
        """
        return _apart(self._anew())

    def _anew(self) -> Iterator[Event | Bundle]:
        yield from self._stopped()
        anew = Remembered(self._since)
        for epoch in remembered_epochs(self._disk, self._ledger, self._since):
            for _ in reading(self._disk, epoch, anew, self._kept):
                while anew.told:
                    yield anew.told.popleft()
        anew.rest()
        yield from anew.told


def _apart(told: Iterable[Event | Bundle]) -> Iterator[Event]:
    for one in told:
        if isinstance(one, Bundle):
            yield from one
        else:
            yield one


def remembered_epochs(disk: Disk, ledger: Path, since: datetime) -> list[Path]:
    """
    Return the logs that say something that is still remembered, oldest first.
    """
    found: list[Path] = []
    for epoch in reversed(epochs(disk, ledger)):
        found.insert(0, epoch)
        began = first_record(disk, epoch)
        if began is not None and began.kind == "log.opened" and read_stamp(began.entry["ts"]) < since:
            break
    return found


def reread(disk: Disk, epoch: Path, remembered: Remembered, kept: Shortcuts | None = None) -> None:
    """
    Let `remembered` see every entry of a log that can be read.
    """
    for _ in reading(disk, epoch, remembered, kept):
        pass


def reading(disk: Disk, epoch: Path, remembered: Remembered, kept: Shortcuts | None = None) -> Iterator[None]:
    """
    Let `remembered` see every entry of a log that can be read, a few at each step.
    """
    origin, found = "", segments(disk, epoch)
    for position, (first, path) in enumerate(found):
        newest = position == len(found) - 1
        named = kept.tell(path, first, remembered) if kept is not None and not newest else None
        if named is not None:
            origin = named
            yield
            continue
        for frame in _believable(disk.read(path), newest=newest):
            body = frame.payload
            if not _TOLD.search(body) or _OF_A_READ.search(body):
                continue
            # Behind damage anything may stand; what stands before it was looked at by a start.
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                entry = orjson.loads(body)
                if entry["k"] == "log.opened":
                    origin = entry["origin"]
                remembered.see(entry, spell_place(origin, first, int(entry["i"]), frame.offset, len(body)))
                yield


def _believable(data: bytes, *, newest: bool) -> Iterator[Frame]:
    """
    Yield the entries of whole batches; of a segment that is damaged, and not only torn or being written, all others.
    """
    pending: list[Frame] = []
    offset = len(frames.MAGIC)
    while offset < len(data):
        found = frames.frame_at(data, offset)
        if isinstance(found, Broken):
            if newest and frames.find_commit(data, offset) is None:
                return
            yield from pending
            yield from (frame for frame in frames.salvage(data, offset) if frame.kind is Kind.ENTRY)
            return
        offset = found.end
        if found.kind is Kind.ENTRY:
            pending.append(found)
        elif found.kind is Kind.COMMIT:
            yield from pending
            pending.clear()
