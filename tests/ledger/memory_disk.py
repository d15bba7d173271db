"""
A disk in memory that knows what is durable, and that can stop, fill up or fail at any step.

A stop in the middle of an append leaves half of it. `after_kill` is what the next process finds when only the process
died: everything, durable or not as it was. `after_power_loss` is what it finds when the machine did: synced content
under synced names, and nothing else.

What a sync could not write stays in memory, marked as written, as Linux leaves whole pages: no later sync of that file
puts it on disk, and a power loss leaves zeros in its place.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy.ledger.disk import Handle, Room
from tests.canary.plugin import watch


class Stopped(BaseException):
    """The process ended here."""


@dataclass(eq=False)
class File:
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    unwritten: list[slice] = field(default_factory=list)
    locked: bool = False
    database: sqlite3.Connection | None = None


@dataclass(eq=False)
class Folder:
    live: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)


class MemoryDisk:
    def __init__(self, root: Folder | None = None) -> None:
        self.root = root or Folder()
        watch.disks.add(self)
        self.handles: dict[int, File] = {}
        self.steps: list[str] = []
        self.stop_at: int | None = None
        self.fault: Callable[[str, str], OSError | None] = lambda step, name: None
        self.short = False
        self.free = 10**12

    # ---------------------------------------------------------------- what a test does to it

    def after_kill(self) -> MemoryDisk:
        return MemoryDisk(_kept(self.root, {}))

    def after_power_loss(self) -> MemoryDisk:
        return MemoryDisk(_durable(self.root))

    def tree(self, path: Path = Path("/")) -> dict[str, bytes]:
        """Return every file's content by its path."""
        folder = self._find(path)
        found: dict[str, bytes] = {}
        if isinstance(folder, Folder):
            for name, node in folder.live.items():
                if isinstance(node, File):
                    found[str(path / name)] = bytes(node.content)
                else:
                    found |= self.tree(path / name)
        return found

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file's content, behind the program's back."""
        file = self._find(path)
        assert isinstance(file, File)
        file.content = bytearray(content)

    def _step(self, step: str, path: str) -> None:
        self.steps.append(f"{step} {path}")
        if self.stop_at is not None and len(self.steps) > self.stop_at:
            raise Stopped(self.steps[-1])
        if fault := self.fault(step, path):
            raise fault

    def _find(self, path: Path) -> File | Folder | None:
        node: File | Folder | None = self.root
        for part in path.parts[1:]:
            node = node.live.get(part) if isinstance(node, Folder) else None
        return node

    def _folder(self, path: Path) -> Folder:
        folder = self._find(path)
        if not isinstance(folder, Folder):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return folder

    def _file(self, path: Path) -> File:
        file = self._find(path)
        if not isinstance(file, File):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return file

    def _handle(self, file: File) -> Handle:
        number = len(self.handles) + 100
        self.handles[number] = file
        return Handle(number)

    # ---------------------------------------------------------------- the protocol

    def exists(self, path: Path) -> bool:
        return self._find(path) is not None

    def names(self, folder: Path) -> list[str]:
        found = self._find(folder)
        return sorted(found.live) if isinstance(found, Folder) else []

    def read(self, path: Path) -> bytes:
        return bytes(self._file(path).content)

    def read_part(self, path: Path, offset: int, length: int) -> bytes:
        return self.read(path)[offset : offset + length]

    def make_folder(self, path: Path) -> None:
        self._step("make_folder", path.name)
        folder = self.root
        for part in path.parts[1:]:
            node = folder.live.setdefault(part, Folder())
            assert isinstance(node, Folder)
            folder = node

    def create(self, path: Path, mode: int = 0o600) -> Handle:
        self._step("create", path.name)
        folder = self._folder(path.parent)
        if path.name in folder.live:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        folder.live[path.name] = file = File()
        return self._handle(file)

    def reopen(self, path: Path) -> Handle:
        return self._handle(self._file(path))

    def append(self, handle: Handle, pieces: Sequence[bytes]) -> None:
        file, data = self.handles[handle], b"".join(pieces)
        half = data[: len(data) // 2]
        try:
            self._step("append", "")
        except (Stopped, OSError):
            file.content += half
            raise
        file.content += data

    def truncate(self, handle: Handle, size: int) -> None:
        self._step("truncate", "")
        del self.handles[handle].content[size:]

    def sync(self, handle: Handle) -> None:
        file = self.handles[handle]
        try:
            self._step("sync", "")
        except OSError:
            file.unwritten.append(slice(len(file.durable), len(file.content)))
            raise
        durable = bytearray(file.content)
        for lost in file.unwritten:
            durable[lost] = bytes(lost.stop - lost.start)
        file.durable = bytes(durable)

    def close(self, handle: Handle) -> None:
        self.handles[handle].locked = False

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename", f"{source.name} {target.name}")
        self._folder(target.parent).live[target.name] = self._folder(source.parent).live.pop(source.name)

    def remove(self, path: Path) -> None:
        folder = self._find(path.parent)
        if isinstance(folder, Folder) and path.name in folder.live:
            self._step("remove", path.name)
            del folder.live[path.name]

    def sync_folder(self, path: Path) -> None:
        self._step("sync_folder", path.name)
        folder = self._folder(path)
        folder.durable = dict(folder.live)

    def lock(self, path: Path) -> Handle:
        self._step("lock", path.name)
        file = self._folder(path.parent).live.setdefault(path.name, File())
        assert isinstance(file, File)
        if file.locked:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        file.locked = True
        return self._handle(file)

    def locked(self, path: Path) -> bool:
        file = self._find(path)
        return isinstance(file, File) and file.locked

    def allocate(self, path: Path, size: int) -> None:
        self._step("allocate", path.name)
        self._folder(path.parent).live[path.name] = File()

    def room(self, path: Path) -> Room:
        return Room(self.free, 10**12)

    def database(self, path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        self._step("database", path.name)
        if read_only:
            file = self._file(path)
        else:
            node = self._folder(path.parent).live.setdefault(path.name, File())
            assert isinstance(node, File)
            file = node
            self._folder(path.parent).durable[path.name] = node
        if file.database is None:
            file.database = _database(bytes(file.content))
        return _Shared(file.database)  # type: ignore[return-value] # what is used of a connection

    def commit(self, database: sqlite3.Connection) -> None:
        self._step("commit", "")
        database.execute("COMMIT")


class _Shared:
    """A connection that is not closed with its first user: the file lives on."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.execute, self.executemany = database.execute, database.executemany

    @property
    def in_transaction(self) -> bool:
        return self._database.in_transaction

    def close(self) -> None:
        pass


def _database(content: bytes) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if content:
        database.deserialize(content)
    return database


def _kept(folder: Folder, copies: dict[int, File | Folder]) -> Folder:
    """Copy what a process leaves; one that has two names, or is durable under a name that it lost, is copied once."""

    def copied(node: File | Folder) -> File | Folder:
        if id(node) not in copies:
            copies[id(node)] = _kept(node, copies) if isinstance(node, Folder) else _copied_file(node, durable=False)
        return copies[id(node)]

    live, durable = ({name: copied(node) for name, node in names.items()} for names in (folder.live, folder.durable))
    return Folder(live, durable)


def _durable(folder: Folder) -> Folder:
    left = {
        name: _durable(node) if isinstance(node, Folder) else _copied_file(node, durable=True)
        for name, node in folder.durable.items()
    }
    return Folder(left, dict(left))


def _copied_file(file: File, durable: bool) -> File:
    if file.database is not None:
        # SQLite keeps its own promise: what was committed is there, what was not is not.
        if file.database.in_transaction:
            file.database.execute("ROLLBACK")
        # A file without a single page is not serialised.
        pages = file.database.execute("PRAGMA page_count").fetchone()[0]
        return File(bytearray(file.database.serialize() if pages else b""))
    if durable:
        return File(bytearray(file.durable), file.durable)
    return File(bytearray(file.content), file.durable, list(file.unwritten))
