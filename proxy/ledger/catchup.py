"""
How the index is brought up to where the log stands.

For each epoch the index knows how far it has read, and the hash of the entry that it read last. Where the log still has
that entry at that place, the index belongs to it: an entry has an id, a time and a link to an earlier one, so no other
log has it there. Otherwise everything is thrown away and read again.

The log is read outside of any transaction and taken in by batches, each with the stand that it leads to; a batch counts
only where the stand is still the one that it follows on. Two processes that read at once share the work, one that is
stopped loses a batch, and whoever looks in between sees the log as it was at some moment.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breakers.call import Applied
from breakers.known import State
from proxy.errors import StartRefused
from proxy.ledger.disk import Disk
from proxy.ledger.frames import MAGIC
from proxy.ledger.layout import epochs, segments
from proxy.ledger.places import epoch_of
from proxy.ledger.profile import INTEGER_MAX
from proxy.ledger.read import Record, read_from
from proxy.ledger.tree import leaf_hash

# Of what the tables mean: an index of another version is built again.
VERSION = 3

ROWS_AT_ONCE = 20_000
"""Enough to make SQLite's overhead vanish, few enough to hold, and a fraction of a second to write."""

CACHE_KIB = 32_768
"""Of the database in memory: the upper pages of every tree of a large index."""

_SCHEMA = """
CREATE TABLE stand (epoch INTEGER PRIMARY KEY, size INTEGER, segment INTEGER, place INTEGER, leaf BLOB);
CREATE TABLE entry (
    epoch INTEGER, i INTEGER, segment INTEGER, place INTEGER, bytes INTEGER,
    kind TEXT, ts TEXT, call TEXT, task TEXT, agent TEXT, api TEXT, op TEXT,
    PRIMARY KEY (epoch, i)
) WITHOUT ROWID;
CREATE TABLE object (type TEXT, id_h TEXT, epoch INTEGER, i INTEGER, PRIMARY KEY (type, id_h, epoch, i)) WITHOUT ROWID;
CREATE TABLE open (epoch INTEGER, i INTEGER, PRIMARY KEY (epoch, i)) WITHOUT ROWID;
CREATE INDEX entry_call ON entry (call) WHERE call IS NOT NULL;
CREATE INDEX entry_task ON entry (task);
CREATE INDEX entry_agent ON entry (agent, ts) WHERE agent IS NOT NULL;
CREATE INDEX entry_op ON entry (op, ts) WHERE op IS NOT NULL;
CREATE INDEX entry_ts ON entry (ts);
CREATE INDEX object_at ON object (epoch, i);
"""

DEFINITE = (Applied.APPLIED, Applied.NOT_APPLIED)
"""What an outcome says of a write that is no longer open."""

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Stand:
    """
    How far an epoch was read: how many entries, and where the last of them stands, with its hash.
    """

    size: int
    segment: int
    place: int
    leaf: bytes


def said_by(record: Record) -> Row:
    """
    Return what the index says of a record, in the order of its columns.
    """
    entry = record.entry
    actor = entry.get("act")
    agent = (actor.get("agent") if isinstance(actor, dict) else None) or entry.get("agent")
    said = (record.kind, entry["ts"], entry.get("call"), entry["task"], agent, entry.get("prov"), entry.get("op"))
    # Whatever a damaged log says: only text is looked up.
    return tuple(one if isinstance(one, str) else None for one in said)


Stopping = Callable[[], bool]
"""Whether whoever reads has been told to stop: a long log takes minutes."""


def nobody_stops() -> bool:
    """
    Return that it may take its time.
    """
    return False


def catch_up(disk: Disk, database: sqlite3.Connection, ledger: Path, stopping: Stopping = nobody_stops) -> None:
    """
    Take in what the log has beyond the index; begin anew where the index does not belong to the log.

    Raise `StartRefused` where it is to stop before that is done; what was taken in until then stays.
    """
    database.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    # A stop of the machine may cost what was read last, and never mixes old with new.
    database.execute("PRAGMA synchronous=NORMAL")
    known = epochs(disk, ledger)
    if not _belongs(disk, database, known):
        with _transaction(database):
            # Another process may have done it meanwhile.
            if not _belongs(disk, database, known):
                _begin_anew(database)
    for epoch in known:
        while not _read_on(disk, database, epoch, stopping):
            pass


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # Where SQLite has given up by itself there is nothing to roll back.
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _begin_anew(database: sqlite3.Connection) -> None:
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        database.execute(f'DROP TABLE "{name}"')
    for statement in _SCHEMA.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version={VERSION}")


def _belongs(disk: Disk, database: sqlite3.Connection, known: Sequence[Path]) -> bool:
    """
    Tell whether the log still says, where the index read last, what it read there.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        return False
    folders = {int(epoch.name): epoch for epoch in known}
    stands = database.execute("SELECT epoch, size, segment, place, leaf FROM stand").fetchall()
    return all(epoch in folders and _stands(disk, folders[epoch], Stand(*rest)) for epoch, *rest in stands)


def _stands(disk: Disk, epoch: Path, stand: Stand) -> bool:
    path = dict(segments(disk, epoch)).get(stand.segment)
    if path is None:
        return False
    # Whole batches from there on: an entry behind which no COMMIT stands is not in the log.
    first = next(read_from(disk, path, stand.size - 1, stand.place), None)
    return first is not None and leaf_hash(first.body) == stand.leaf


def _stand(database: sqlite3.Connection, epoch: int) -> Stand | None:
    row = database.execute("SELECT size, segment, place, leaf FROM stand WHERE epoch = ?", (epoch,)).fetchone()
    return Stand(*row) if row else None


def _read_on(disk: Disk, database: sqlite3.Connection, epoch: Path, stopping: Stopping) -> bool:
    """
    Take in what an epoch has beyond the index; return False where another process took in some of it meanwhile.
    """
    batch = _Batch(int(epoch.name), _stand(database, int(epoch.name)))
    for segment, record in _beyond(disk, epoch, batch.after):
        batch.take(segment, record)
        if len(batch.entries) >= ROWS_AT_ONCE:
            if not batch.write(database):
                return False
            if stopping():
                raise StartRefused("the index is not whole yet: the process stops", "ask again once it has started")
            batch = _Batch(batch.epoch, batch.leads_to)
    return batch.write(database)


def _beyond(disk: Disk, epoch: Path, stand: Stand | None) -> Iterator[tuple[int, Record]]:
    """
    Yield the records behind a stand, each with the index at which its segment begins.
    """
    size = stand.size if stand is not None else 0
    for first, path in segments(disk, epoch):
        if stand is not None and first < stand.segment:
            continue
        index, place = first, len(MAGIC)
        if stand is not None and first == stand.segment:
            index, place = stand.size - 1, stand.place
        for record in read_from(disk, path, index, place):
            # A damaged log may say one index twice: the first counts.
            if record.index >= size:
                size = record.index + 1
                yield first, record


@dataclass(slots=True)
class _Batch:
    """
    Rows that are taken in together, behind a stand.
    """

    epoch: int
    after: Stand | None
    entries: list[Row] = field(default_factory=list)
    objects: list[Row] = field(default_factory=list)
    opened: list[Row] = field(default_factory=list)
    ended: list[Row] = field(default_factory=list)
    last: tuple[int, Record] | None = None

    def take(self, segment: int, record: Record) -> None:
        """
        Add a record.
        """
        entry, index = record.entry, record.index
        place = (self.epoch, index, segment, record.offset, len(record.body))
        self.entries.append((*place, *said_by(record)))
        self.objects += [(kind, id_h, self.epoch, index) for kind, id_h in _named(entry)]
        if record.kind == "call.intent":
            self.opened.append((self.epoch, index))
        elif (ended := _ended_by(record, self.epoch)) is not None:
            self.ended.append(ended)
        self.last = (segment, record)

    @property
    def leads_to(self) -> Stand | None:
        """
        Return the stand that it leads to.
        """
        if self.last is None:
            return self.after
        segment, record = self.last
        return Stand(record.index + 1, segment, record.offset, leaf_hash(record.body))

    def write(self, database: sqlite3.Connection) -> bool:
        """
        Take the rows in; return False where the stand is no longer the one that they follow on.
        """
        stand = self.leads_to
        if stand is None or stand == self.after:
            return True
        with _transaction(database):
            if _stand(database, self.epoch) != self.after:
                return False
            database.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self.entries)
            database.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", self.objects)
            database.executemany("INSERT INTO open VALUES (?, ?)", self.opened)
            database.executemany("DELETE FROM open WHERE epoch = ? AND i = ?", self.ended)
            stood = (self.epoch, stand.size, stand.segment, stand.place, stand.leaf)
            database.execute("INSERT OR REPLACE INTO stand VALUES (?, ?, ?, ?, ?)", stood)
        return True


def _ended_by(record: Record, epoch: int) -> tuple[int, int] | None:
    """
    Return the intent, by epoch and index, that a record ends; a read's outcome ends none, and a person is to end what
    is parked.
    """
    entry = record.entry
    resolved = record.kind == "recovery.resolved" and entry.get("state") == State.COMPLETED
    if not (resolved or record.kind == "call.outcome") or entry.get("eff") not in DEFINITE:
        return None
    intent, former = entry.get("intent"), entry.get("of")
    if not isinstance(intent, int):
        return None
    ended = (epoch_of(former) if resolved and isinstance(former, str) else epoch, intent)
    # Nothing ends what comes after it.
    return ended if (1, 0) <= ended < (epoch, record.index) and 0 <= intent <= INTEGER_MAX else None


def _named(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    res = entry.get("res")
    for one in res if isinstance(res, list) else ():
        kind, id_h = (one.get("type"), one.get("id_h")) if isinstance(one, dict) else (None, None)
        if isinstance(kind, str) and isinstance(id_h, str):
            yield kind, id_h
