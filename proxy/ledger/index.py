"""
The index: where in the log the records of a call, a task, an agent, an operation or an object stand.

`STATE/index.db` is disposable: nothing stands in it that the log does not say, nobody waits for it, and it is never
asked whether something happened. Whoever wants to look something up opens it, and it first reads what the log has
beyond it (`catchup`). What it answers are records read from the log itself: where one is not what the index says of it,
or the file is not what it was, the index is thrown away and built again. Where the folder cannot be written to, or
another process holds the file for long, it is built in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from proxy.errors import StartRefused
from proxy.ledger.catchup import Stopping, catch_up, nobody_stops, said_by
from proxy.ledger.disk import Disk
from proxy.ledger.layout import INDEX, epoch_folder, segment_name
from proxy.ledger.read import Record, ledger_in, record_at

BUSY_WAIT_MS = 3_000
"""Another process writes for fractions of a second at a time; one that holds the file for longer was stopped."""

HELD = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""What SQLite says where another process has the file: nothing is wrong with it."""

_PLACE = "epoch, i, segment, place, bytes, kind, ts, call, task, agent, api, op"

# An outcome says neither API nor operation: it is found with the call that it ends. A look of ours under another call
# has an operation of its own.
_OF_CALL = """
({column} = :{column} OR {column} IS NULL AND call IN (
    SELECT call FROM entry WHERE {column} = :{column} AND kind <> 'call.look'
))
"""

# All ids of an object: those that some record names together with one that is known already.
_IDS = """
WITH RECURSIVE ids (id_h) AS (
    VALUES {known}
    UNION
    SELECT other.id_h FROM ids JOIN object AS one ON one.type = :type AND one.id_h = ids.id_h
    JOIN object AS other ON other.type = :type AND other.epoch = one.epoch AND other.i = one.i
)
"""

# The records that name it, and with each of them the other records of its call.
_TOUCHING = f"""
{_IDS},
naming (epoch, i) AS (SELECT epoch, i FROM object WHERE type = :type AND id_h IN (SELECT id_h FROM ids)),
calls (call) AS (SELECT call FROM entry WHERE (epoch, i) IN naming)
SELECT {_PLACE} FROM entry WHERE call IN calls OR (epoch, i) IN naming ORDER BY epoch, i
"""  # noqa: S608 the text is ours

_TASKS = "SELECT task FROM entry WHERE call IS NOT NULL GROUP BY task ORDER BY max(ts) DESC LIMIT :newest"

_TYPES = "SELECT DISTINCT api, type FROM object JOIN entry USING (epoch, i) WHERE api IS NOT NULL ORDER BY api, type"


T = TypeVar("T")
Row = tuple[Any, ...]
Way = Callable[[Disk, Path], sqlite3.Connection]


class _Untrue(Exception):
    """
    The log does not say what the index says of it.
    """


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What to find; everything that is given must hold. Times are RFC 3339 in UTC, as entries spell them.

    `until` is a moment that is not part of it; `open_only` are intents whose outcome nobody knows, `of_reads` tells of
    outcomes whether they are those of reads.
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
    of_reads: bool | None = None
    newest: int | None = None

    def query(self) -> tuple[str, Mapping[str, object]]:
        """
        Return the query that finds it, newest first, and its values.
        """
        values = {"call": self.call, "task": self.task, "agent": self.agent, "kind": self.kind}
        terms = [f"{column} = :{column}" for column, value in values.items() if value is not None]
        through_call = {"api": self.api, "op": self.operation}
        terms += [_OF_CALL.format(column=column) for column, value in through_call.items() if value is not None]
        bounds = {"since": (self.since, "ts >= :since"), "until": (self.until, "ts < :until")}
        terms += [term for value, term in bounds.values() if value is not None]
        if self.of_reads is not None:
            # A write's outcome says neither API nor operation: its intent does.
            terms.append("api IS NOT NULL" if self.of_reads else "api IS NULL")
        if self.open_only:
            terms.append("(epoch, i) IN open")
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        query = f"SELECT {_PLACE} FROM entry {where} ORDER BY epoch DESC, i DESC LIMIT :newest"  # noqa: S608 the terms are ours
        newest = -1 if self.newest is None else max(0, self.newest)
        return query, {**values, **through_call, "since": self.since, "until": self.until, "newest": newest}


class Index:
    """
    The index of one state folder's ledger, as far as the log went when it was opened.
    """

    def __init__(self, disk: Disk, state: Path, ledger: Path, stopping: Stopping = nobody_stops) -> None:
        self._disk, self._state, self._ledger = disk, state, ledger
        self._database = _opened(disk, state, ledger, _kept, stopping)

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
        return self._records(*wanted.query())[::-1]

    def count(self, wanted: Wanted) -> int:
        """
        Return how many records there are of what was asked for.
        """
        query, values = wanted.query()
        (row,) = self._asked(lambda: self._rows(f"SELECT count(*) FROM ({query})", values))  # noqa: S608 the query is ours
        return int(row[0])

    def touching(self, kind: str, *ids: str) -> list[Record]:
        """
        Return every record that names an object, and the calls' other records with them.

        `ids` are hashes of its ids that are known already; others are found.
        """
        known = {f"id_{number}": id_h for number, id_h in enumerate(ids)}
        query = _TOUCHING.format(known=", ".join(f"(:{name})" for name in known))
        return self._records(query, {"type": kind, **known})

    def tasks(self, newest: int) -> list[str]:
        """
        Return the tasks that have calls, the one that was heard of last first.
        """
        return [task for (task,) in self._asked(lambda: self._rows(_TASKS, {"newest": newest}))]

    def types(self) -> dict[str, list[str]]:
        """
        Return the types of the objects that are on record, by API.
        """
        found: dict[str, list[str]] = {}
        for api, kind in self._asked(lambda: self._rows(_TYPES, {})):
            found.setdefault(api, []).append(kind)
        return found

    def _records(self, query: str, values: Mapping[str, object]) -> list[Record]:
        return self._asked(lambda: [self._record(*row) for row in self._rows(query, values)])

    def _rows(self, query: str, values: Mapping[str, object]) -> list[Row]:
        return self._database.execute(query, values).fetchall()

    def _record(self, epoch: int, index: int, segment: int, place: int, length: int, *said: object) -> Record:
        try:
            path = epoch_folder(self._ledger, epoch) / segment_name(segment)
            record = record_at(self._disk, path, index, place, length)
        except (OSError, ValueError, TypeError, OverflowError) as error:
            # A file that is gone, or a damaged row.
            raise _Untrue from error
        if said_by(record) != tuple(said):
            raise _Untrue
        return record

    def _asked(self, ask: Callable[[], T]) -> T:
        for again in (_anew, _in_memory):
            try:
                return ask()
            except (sqlite3.Error, _Untrue) as error:
                self._database.close()
                self._database = _opened(self._disk, self._state, self._ledger, _after(error, again))
        try:
            return ask()
        except _Untrue as error:
            raise StartRefused("the ledger is being changed while it is read", "ask again") from error


def open_index(disk: Disk, state: Path, ledger: Path) -> Index:
    """
    Return the index, brought up to where the log stands now.
    """
    return Index(disk, state, ledger)


def index_in(disk: Disk, state: Path, stopping: Stopping = nobody_stops) -> Index:
    """
    Return the index of a state folder's ledger; it reads files.

    Raise `StartRefused` where there is no ledger, or where it is to stop before it has read all of it.
    """
    return Index(disk, state, ledger_in(disk, state), stopping)


def _kept(disk: Disk, path: Path) -> sqlite3.Connection:
    return disk.database(path)


def _anew(disk: Disk, path: Path) -> sqlite3.Connection:
    for beside in ("-journal", "-wal", "-shm", ""):
        disk.remove(path.with_name(path.name + beside))
    return disk.database(path)


def _in_memory(_: Disk, _path: Path) -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _is_cut(disk: Disk, path: Path, database: sqlite3.Connection) -> bool:
    """
    Tell whether the file's end is missing: SQLite takes what it misses of a last page for zeros.
    """
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    try:
        return pages > 0 and not disk.read_part(path, pages * page_bytes - 1, 1)
    except FileNotFoundError:
        # Another process throws it away.
        return True


def _after(error: Exception, way: Way) -> Way:
    """
    Return how to open the index after an error: a file that another process holds is none of its faults.
    """
    return _in_memory if getattr(error, "sqlite_errorcode", 0) & 0xFF in HELD else way


def _opened(disk: Disk, state: Path, ledger: Path, way: Way, stopping: Stopping = nobody_stops) -> sqlite3.Connection:
    try:
        database = way(disk, state / INDEX)
    except OSError:
        # It cannot be written here.
        return _opened(disk, state, ledger, _in_memory, stopping)
    try:
        database.execute(f"PRAGMA busy_timeout={BUSY_WAIT_MS}")
        if way is _kept and _is_cut(disk, state / INDEX, database):
            raise sqlite3.DatabaseError("the file ends before its last page")
        catch_up(disk, database, ledger, stopping)
    except sqlite3.Error as error:
        database.close()
        if way is _in_memory:
            raise
        return _opened(disk, state, ledger, _after(error, _anew if way is _kept else _in_memory), stopping)
    except StartRefused:
        database.close()
        raise
    return database
