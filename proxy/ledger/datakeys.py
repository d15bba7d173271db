"""
The data keys: one for each task, wrapped, in `keys.db`; destroying one makes that task's payloads unreadable for good.

This is the only part of the ledger that may change: rows are deleted, and SQLite overwrites what it deletes. It is
opened by one connection, without a write-ahead log that would keep old pages. A row is durable before the first blob
that is sealed with it.

    wrap := 01 | version | nonce12 | AES-256-GCM(KEK[version], key, aad = "bw/v1/dek" 00 id 00 task)
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.clock import Randomness
from proxy.ledger.disk import Disk, as_os_error
from proxy.ledger.keyring import WRAPPING, KeyRing

KEY_BYTES = 32
NONCE_BYTES = 12

REMEMBERED_MAX = 1024
"""Tasks whose key is kept in memory; an older task's is unwrapped again when it comes back."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS data_key (
    id   TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    wrap BLOB NOT NULL
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS data_key_task ON data_key (task)"


@dataclass(frozen=True, slots=True)
class DataKey:
    """
    The key that seals one task's payloads.
    """

    id: str
    key: bytes = field(repr=False)
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A cipher is dearer to make than most payloads are to seal.
        object.__setattr__(self, "cipher", AESGCM(self.key))


class DataKeys:
    """
    Finds, makes and opens data keys.
    """

    def __init__(self, database: sqlite3.Connection, disk: Disk, ring: KeyRing) -> None:
        self._database, self._disk, self._ring = database, disk, ring
        self._known: OrderedDict[str, DataKey] = OrderedDict()

    def __repr__(self) -> str:
        return f"DataKeys({len(self._known)} in memory)"

    def prepare(self) -> None:
        """
        Make the table where it is missing, and the settings that let a deleted key be gone.
        """
        try:
            self._database.execute("PRAGMA journal_mode=DELETE")
            self._database.execute("PRAGMA synchronous=EXTRA")
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(_SCHEMA)
            self._database.execute(_INDEX)
        except sqlite3.Error as error:
            raise as_os_error(error) from error
        self._disk.commit(self._database)

    def of_tasks(self, tasks: Iterable[str], randomness: Randomness) -> dict[str, DataKey]:
        """
        Return the key of each task; those that are missing are made and durable when this returns.
        """
        wanted = dict.fromkeys(tasks)
        found = {task: key for task in wanted if (key := self._known.get(task) or self._stored(task))}
        if missing := [task for task in wanted if task not in found]:
            found |= self._make(missing, randomness)
        for task, key in found.items():
            self._known[task] = key
            self._known.move_to_end(task)
        while len(self._known) > max(REMEMBERED_MAX, len(found)):
            self._known.popitem(last=False)
        return found

    def open(self, key_id: str, task: str) -> DataKey | None:
        """
        Return the key with this id, or None where it was destroyed or does not belong to this task.
        """
        try:
            row = self._database.execute("SELECT wrap FROM data_key WHERE id = ?", (key_id,)).fetchone()
        except sqlite3.Error as error:
            raise as_os_error(error) from error
        return self._unwrap(key_id, task, row[0]) if row else None

    def close(self) -> None:
        """
        Close the file.
        """
        self._database.close()

    def _stored(self, task: str) -> DataKey | None:
        query = "SELECT id, wrap FROM data_key WHERE task = ? ORDER BY rowid DESC LIMIT 1"
        try:
            row = self._database.execute(query, (task,)).fetchone()
        except sqlite3.Error as error:
            raise as_os_error(error) from error
        return self._unwrap(row[0], task, row[1]) if row else None

    def _make(self, tasks: Iterable[str], randomness: Randomness) -> dict[str, DataKey]:
        made = {task: DataKey(randomness(10).hex(), randomness(KEY_BYTES)) for task in tasks}
        rows = [(key.id, task, self._wrap(key, task, randomness(NONCE_BYTES))) for task, key in made.items()]
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT INTO data_key (id, task, wrap) VALUES (?, ?, ?)", rows)
            self._disk.commit(self._database)
        except (sqlite3.Error, OSError) as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise (as_os_error(error) if isinstance(error, sqlite3.Error) else error) from error
        return made

    def _wrap(self, key: DataKey, task: str, nonce: bytes) -> bytes:
        kek = AESGCM(self._ring.key(WRAPPING))
        return bytes((1, self._ring.current)) + nonce + kek.encrypt(nonce, key.key, _bound(key.id, task))

    def _unwrap(self, key_id: str, task: str, wrap: bytes) -> DataKey | None:
        try:
            kek = AESGCM(self._ring.key(WRAPPING, wrap[1]))
            nonce, sealed = wrap[2 : 2 + NONCE_BYTES], wrap[2 + NONCE_BYTES :]
            return DataKey(key_id, kek.decrypt(nonce, sealed, _bound(key_id, task)))
        except (InvalidTag, KeyError, IndexError, ValueError):
            return None


def _bound(key_id: str, task: str) -> bytes:
    return b"\x00".join((b"bw/v1/dek", key_id.encode(), task.encode()))
