"""
The disk as the ledger uses it: the only file of the ledger that does I/O, and an object so that a test can break it.

Every method is one step that either happened or raised `OSError`; durability is asked for explicitly, by `sync` for a
file's content and by `sync_folder` for the names in a folder. SQLite's faults are translated into `OSError` here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NewType, Protocol
from urllib.parse import quote

Handle = NewType("Handle", int)

IOV_MAX = 1024
"""The most pieces that Linux takes in one writev."""

LOCK_TRIES = 10
LOCK_RETRY_S = 0.02

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What an operating system says where there is no room left."""


@dataclass(frozen=True, slots=True)
class Room:
    """
    How much of a file system is free to us, and how large it is, in bytes.
    """

    free: int
    total: int


class Disk(Protocol):
    """
    Files and folders, one step at a time.
    """

    def exists(self, path: Path) -> bool:
        """
        Tell whether a file or folder has this name.
        """

    def names(self, folder: Path) -> list[str]:
        """
        Return the names in a folder, sorted; none where there is no folder.
        """

    def read(self, path: Path) -> bytes:
        """
        Return a file's content.
        """

    def read_part(self, path: Path, offset: int, length: int) -> bytes:
        """
        Return a part of a file's content, shorter where the file ends.
        """

    def make_folder(self, path: Path) -> None:
        """
        Make a folder that only its owner may enter; its parents too.
        """

    def create(self, path: Path, mode: int = 0o600) -> Handle:
        """
        Make a file that did not exist and open it for appending.
        """

    def reopen(self, path: Path) -> Handle:
        """
        Open an existing file for appending.
        """

    def append(self, handle: Handle, pieces: Sequence[bytes]) -> None:
        """
        Write the pieces behind the file's end, all of them; where it raises, some may have been written.
        """

    def truncate(self, handle: Handle, size: int) -> None:
        """
        Cut a file.
        """

    def sync(self, handle: Handle) -> None:
        """
        Return when the file's content is durable.
        """

    def close(self, handle: Handle) -> None:
        """
        Give a handle back; a lock held through it ends.
        """

    def rename(self, source: Path, target: Path) -> None:
        """
        Give a file or folder another name, replacing a file that has it.
        """

    def remove(self, path: Path) -> None:
        """
        Remove a file or a folder with all that is in it; one that does not exist is removed already.
        """

    def sync_folder(self, path: Path) -> None:
        """
        Return when the names in a folder are durable.
        """

    def lock(self, path: Path) -> Handle:
        """
        Take the exclusive lock on a file, made where it is missing; raise `BlockingIOError` where another holds it.
        """

    def locked(self, path: Path) -> bool:
        """
        Tell whether a running process holds the lock on a file.
        """

    def allocate(self, path: Path, size: int) -> None:
        """
        Make a file that takes this much room.
        """

    def room(self, path: Path) -> Room:
        """
        Return the room on the file system of a folder.
        """

    def database(self, path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        """
        Open an SQLite file in autocommit mode, usable from any one thread at a time.
        """

    def commit(self, database: sqlite3.Connection) -> None:
        """
        Make the open transaction durable.
        """


class RealDisk:
    """
    The machine's own disk.
    """

    def exists(self, path: Path) -> bool:
        return path.exists()

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def read_part(self, path: Path, offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, path: Path, mode: int = 0o600) -> Handle:
        return Handle(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, mode))

    def reopen(self, path: Path) -> Handle:
        return Handle(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))

    def append(self, handle: Handle, pieces: Sequence[bytes]) -> None:
        left = [memoryview(piece) for piece in pieces if piece]
        while left:
            # A short write is no error: what is left is written next.
            written = os.writev(handle, left[:IOV_MAX])
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]

    def truncate(self, handle: Handle, size: int) -> None:
        os.ftruncate(handle, size)

    def sync(self, handle: Handle) -> None:
        os.fdatasync(handle)

    def close(self, handle: Handle) -> None:
        os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def remove(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def sync_folder(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def lock(self, path: Path) -> Handle:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for left in reversed(range(LOCK_TRIES)):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if left == 0:
                    os.close(handle)
                    raise
                # Somebody may only be looking, which takes no longer than this.
                Event().wait(LOCK_RETRY_S)
            except OSError:
                os.close(handle)
                raise
        return Handle(handle)

    def locked(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # A shared lock, given back at once: two who only look never see each other.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def allocate(self, path: Path, size: int) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if size:
                os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)

    def room(self, path: Path) -> Room:
        stand = os.statvfs(path)
        return Room(stand.f_bavail * stand.f_frsize, stand.f_blocks * stand.f_frsize)

    def database(self, path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        if not read_only:
            # SQLite would make it readable to the group.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        mode = "ro" if read_only else "rw"
        try:
            uri = f"file:{quote(str(path))}?mode={mode}"
            return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise as_os_error(error) from error

    def commit(self, database: sqlite3.Connection) -> None:
        try:
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise as_os_error(error) from error


def as_os_error(error: sqlite3.Error) -> OSError:
    """
    Return what an SQLite fault means for the disk.
    """
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    # CANTOPEN is a journal that could not be made: no descriptor is left, and nothing was written.
    meant = {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_BUSY: errno.EBUSY,
        sqlite3.SQLITE_CANTOPEN: errno.EMFILE,
    }
    return OSError(meant.get(code, errno.EIO), str(error))


def write_whole(disk: Disk, path: Path, content: bytes, mode: int) -> None:
    """
    Make a file with this content, durable, under its name only when it is whole.
    """
    draft = path.with_name(path.name + ".new")
    disk.remove(draft)
    handle = disk.create(draft, mode)
    try:
        disk.append(handle, (content,))
        disk.sync(handle)
    finally:
        disk.close(handle)
    disk.rename(draft, path)
    disk.sync_folder(path.parent)


def make_durable_folder(disk: Disk, path: Path) -> None:
    """
    Make a folder, its parents too, whose name is durable when this returns, whoever made it.
    """
    made = [path, *(parent for parent in path.parents if not disk.exists(parent))]
    disk.make_folder(path)
    for folder in reversed(made):
        # A parent that is not ours to read was not made by us.
        with contextlib.suppress(PermissionError):
            disk.sync_folder(folder.parent)


def is_locked(folder: Path, disk: Disk) -> bool:
    """
    Tell whether a running process uses a state folder.
    """
    # A parent of workers goes on while the worker of this folder is being replaced.
    return disk.locked(folder / "lock") or disk.locked(folder / "parent.lock")
