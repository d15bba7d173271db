"""
The index: where in the log the records of a call, a task, an agent, an operation or an object stand.

`STATE/index.db` is disposable: nothing stands in it that the log does not say, nobody waits for it, and it is never
asked whether something happened. Whoever wants to look something up opens it, and it first reads what the log has
beyond it. It belongs to the log in which the entry that it read last stands where it read it; where that is not so (a
log that was cut, replaced or begun anew), or the file is not what it was, it is thrown away and built again. Where the
folder cannot be written to, it is built in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.ledger.disk import Disk
from proxy.ledger.frames import MAGIC
from proxy.ledger.layout import INDEX, epochs, segments
from proxy.ledger.read import Record, read_segment, record_at
from proxy.ledger.tree import leaf_hash

# Of what the tables mean: an index of another version is built again.
VERSION = 1

ROWS_AT_ONCE = 5_000
"""Enough to make SQLite's overhead vanish, few enough to hold."""

_SCHEMA = """
CREATE TABLE stand (epoch TEXT PRIMARY KEY, size INTEGER, segment INTEGER, place INTEGER, leaf BLOB) WITHOUT ROWID;
CREATE TABLE entry (
    epoch TEXT, i INTEGER, segment INTEGER, place INTEGER, kind TEXT, ts TEXT,
    call TEXT, task TEXT, agent TEXT, api TEXT, op TEXT, intent INTEGER, eff TEXT, PRIMARY KEY (epoch, i)
) WITHOUT ROWID;
CREATE TABLE object (type TEXT, id_h TEXT, epoch TEXT, i INTEGER, PRIMARY KEY (type, id_h, epoch, i)) WITHOUT ROWID;
CREATE INDEX entry_call ON entry (call);
CREATE INDEX entry_task ON entry (task);
CREATE INDEX entry_agent ON entry (agent, ts);
CREATE INDEX entry_op ON entry (op, ts);
CREATE INDEX entry_ts ON entry (ts);
CREATE INDEX entry_intent ON entry (epoch, intent) WHERE intent IS NOT NULL;
CREATE INDEX object_at ON object (epoch, i);
"""

# A write's newest word on whether it took effect; none, or that nobody knows, keeps it open.
_OPEN = """
SELECT epoch, i FROM entry AS written WHERE kind = 'call.intent' AND NOT EXISTS (
    SELECT 1 FROM entry AS ended
    WHERE ended.epoch = written.epoch AND ended.intent = written.i AND ended.kind = 'call.outcome'
        AND ended.eff <> 'unknown'
)
"""

# Records that name an object by any id that some record uses for the same object.
_TOUCHING = """
SELECT DISTINCT named.epoch, named.i FROM object AS named WHERE named.type = :type AND named.id_h IN (
    SELECT other.id_h FROM object AS one JOIN object AS other USING (type, epoch, i)
    WHERE one.type = :type AND one.id_h = :id_h
)
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What to find; everything that is given must hold. Times are RFC 3339 in UTC, as entries spell them.
    """

    call: str | None = None
    task: str | None = None
    agent: str | None = None
    api: str | None = None
    operation: str | None = None
    kind: str | None = None
    since: str | None = None
    until: str | None = None
    open_only: bool = False
    newest: int | None = None


class Index:
    """
    The index of one state folder's ledger, as far as the log went when it was opened.
    """

    def __init__(self, disk: Disk, state: Path, database: sqlite3.Connection, ledger: Path) -> None:
        self._disk, self._state, self._database, self._ledger = disk, state, database, ledger

    def __repr__(self) -> str:
        (count,) = self._database.execute("SELECT count(*) FROM entry").fetchone()
        return f"Index({self._state}, {count} entries)"

    def close(self) -> None:
        """
        Close the file.
        """
        self._database.close()

    def find(self, wanted: Wanted) -> list[Record]:
        """
        Return the records that were asked for, oldest first; of too many, the newest.
        """
        columns = {"call": "call", "task": "task", "agent": "agent", "api": "api", "operation": "op", "kind": "kind"}
        said = {column: value for name, column in columns.items() if (value := getattr(wanted, name)) is not None}
        terms = [f"{column} = :{column}" for column in said]
        if wanted.since is not None:
            terms.append("ts >= :since")
        if wanted.until is not None:
            terms.append("ts < :until")
        if wanted.open_only:
            terms.append(f"(epoch, i) IN ({_OPEN})")
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        query = f"SELECT epoch, i, segment, place FROM entry {where} ORDER BY epoch DESC, i DESC LIMIT :newest"  # noqa: S608 the terms are ours
        values = {**said, "since": wanted.since, "until": wanted.until, "newest": wanted.newest or -1}
        return self._records(reversed(self._database.execute(query, values).fetchall()))

    def touching(self, kind: str, id_h: str) -> list[Record]:
        """
        Return every record that names an object, under any of its ids, and the calls' other records with them.
        """
        query = f"""
            SELECT epoch, i, segment, place FROM entry WHERE call IN (
                SELECT call FROM entry WHERE (epoch, i) IN ({_TOUCHING})
            ) ORDER BY epoch, i
        """  # noqa: S608 the text is ours
        return self._records(self._database.execute(query, {"type": kind, "id_h": id_h}).fetchall())

    def _records(self, rows: Iterable[tuple[str, int, int, int]]) -> list[Record]:
        paths: dict[tuple[str, int], Path] = {
            (epoch.name, first): path
            for epoch in epochs(self._disk, self._ledger)
            for first, path in segments(self._disk, epoch)
        }
        return [record_at(self._disk, paths[epoch, segment], index, place) for epoch, index, segment, place in rows]


def open_index(disk: Disk, state: Path, ledger: Path) -> Index:
    """
    Return the index, brought up to where the log stands now.
    """
    for database in _databases(disk, state):
        index = Index(disk, state, database, ledger)
        try:
            _catch_up(disk, database, ledger)
        except sqlite3.Error:
            # Cut, overwritten, locked by a reader that does not end, or no room: the next one starts from nothing.
            database.close()
        else:
            return index
    raise AssertionError("an index in memory cannot be built")


def _databases(disk: Disk, state: Path) -> Iterator[sqlite3.Connection]:
    path = state / INDEX
    for fresh in (False, True):
        try:
            if fresh:
                for name in (path, path.with_name(f"{path.name}-journal")):
                    disk.remove(name)
            yield disk.database(path)
        except OSError:
            break
    yield sqlite3.connect(":memory:", isolation_level=None)


def _catch_up(disk: Disk, database: sqlite3.Connection, ledger: Path) -> None:
    # Nothing is lost with it, so nothing is waited for.
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN IMMEDIATE")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    stands = _stands(database) if version == VERSION else {}
    known = epochs(disk, ledger)
    if version != VERSION or not _belongs(disk, known, stands):
        _begin_anew(database)
        stands = {}
    for epoch in known:
        _read_on(disk, database, epoch, stands.get(epoch.name))
    database.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class _Stand:
    """
    How far an epoch was read: how many entries, and where the last of them stands, with its hash.
    """

    size: int
    segment: int
    place: int
    leaf: bytes


def _stands(database: sqlite3.Connection) -> dict[str, _Stand]:
    rows = database.execute("SELECT epoch, size, segment, place, leaf FROM stand").fetchall()
    return {epoch: _Stand(*rest) for epoch, *rest in rows}


def _begin_anew(database: sqlite3.Connection) -> None:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        database.execute(f'DROP TABLE "{name}"')
    for statement in _SCHEMA.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")


def _belongs(disk: Disk, known: Sequence[Path], stands: Mapping[str, _Stand]) -> bool:
    """
    Tell whether the log still says, where the index read last, what it read there.
    """
    by_name = {epoch.name: dict(segments(disk, epoch)) for epoch in known}
    for name, stand in stands.items():
        path = by_name.get(name, {}).get(stand.segment)
        if path is None:
            return False
        # Whole batches from there on: an entry behind which no COMMIT stands is not in the log.
        records = read_segment(disk.read(path), path, stand.size - 1, stand.place)
        first = next(records, None)
        if first is None or leaf_hash(first.body) != stand.leaf:
            return False
    return True


def _read_on(disk: Disk, database: sqlite3.Connection, epoch: Path, stand: _Stand | None) -> None:
    last: tuple[int, Record] | None = None
    rows: list[tuple[object, ...]] = []
    named: list[tuple[object, ...]] = []
    for first, path in segments(disk, epoch):
        if stand is not None and first < stand.segment:
            continue
        resumed = stand is not None and first == stand.segment
        start, place = (stand.size - 1, stand.place) if stand is not None and resumed else (first, len(MAGIC))
        for record in read_segment(disk.read(path), path, start, place):
            if stand is not None and record.index < stand.size:
                continue
            rows.append(_row(epoch.name, first, record))
            named += [(one["type"], one["id_h"], epoch.name, record.index) for one in record.entry.get("res", ())]
            last = (first, record)
            if len(rows) >= ROWS_AT_ONCE:
                _insert(database, rows, named)
    _insert(database, rows, named)
    if last is not None:
        first, record = last
        stood = (epoch.name, record.index + 1, first, record.offset, leaf_hash(record.body))
        database.execute("INSERT OR REPLACE INTO stand VALUES (?, ?, ?, ?, ?)", stood)


def _insert(database: sqlite3.Connection, rows: list[tuple[object, ...]], named: list[tuple[object, ...]]) -> None:
    database.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", named)
    rows.clear()
    named.clear()


def _row(epoch: str, segment: int, record: Record) -> tuple[object, ...]:
    entry: Mapping[str, Any] = record.entry
    agent = entry.get("act", {}).get("agent") or entry.get("agent")
    return (
        epoch, record.index, segment, record.offset, record.kind, entry["ts"],
        entry.get("call"), entry["task"], agent, entry.get("prov"), entry.get("op"), entry.get("intent"),
        entry.get("eff"),
    )  # fmt: skip
