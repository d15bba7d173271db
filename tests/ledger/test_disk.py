"""The real disk: what its steps do on a real file system."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import StartRefused
from proxy.ledger.disk import IOV_MAX, RealDisk, as_os_error, is_locked, make_durable_folder, write_whole
from proxy.ledger.state import read_admin_token
from proxy.ledger.verify import verify
from tests.ledger.world import ANY_ROOM, World, commit_now, drafts

DISK = RealDisk()


def modes(folder: Any) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode)[-3:] for path in folder.rglob("*")}


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Where the system writes less than it was given, all of it is written all the same."""
    real = os.writev

    def short(handle: int, pieces: list[bytes]) -> int:
        return real(handle, [bytes(pieces[0])[:most]])

    monkeypatch.setattr(os, "writev", short)
    handle = DISK.create(tmp_path / "file")
    pieces = [b"", b"one", b"twotwo", b"", b"x" * 100]
    DISK.append(handle, pieces)
    DISK.close(handle)
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_many_pieces(tmp_path: Path) -> None:
    """More pieces than the system takes at once are all written, in order."""
    handle = DISK.create(tmp_path / "file")
    pieces = [b"%d," % number for number in range(3 * IOV_MAX)]
    DISK.append(handle, pieces)
    DISK.truncate(handle, 4)
    DISK.append(handle, [b"end"])
    DISK.sync(handle)
    DISK.close(handle)
    assert (tmp_path / "file").read_bytes() == b"0,1,end"


def test_first_start(tmp_path: Path) -> None:
    """A first start makes a folder that only its owner can enter, with files that only its owner can read."""
    state = tmp_path / "a/b/state"
    ledger = World(disk=DISK, folder=state, settings=ANY_ROOM).open()
    found = modes(state)
    assert oct(state.stat().st_mode)[-3:] == "700"
    assert found.pop("keyring") == "400"
    assert found.pop("ledger") == found.pop("000001") == "700"
    assert set(found.values()) == {"600"}
    assert len(read_admin_token(state, DISK)) == 52
    commit_now(ledger, *drafts(1, ledger))
    assert verify(DISK, state).ok


def test_second_process(tmp_path: Path) -> None:
    """A second process on one folder is refused and writes nothing; a lock ends with its process."""
    world = World(disk=DISK, folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.open()
    assert is_locked(world.folder, DISK)
    before = {path: path.stat().st_mtime_ns for path in world.folder.rglob("*")}
    with pytest.raises(StartRefused, match="another process uses the state folder"):
        world.open()
    assert before == {path: path.stat().st_mtime_ns for path in world.folder.rglob("*")}
    DISK.close(ledger._state.lock)
    assert not is_locked(world.folder, DISK)
    code = (
        "import fcntl, os, sys; handle = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(handle, fcntl.LOCK_EX);"
        " print('held', flush=True); sys.stdin.read()"
    )
    holder = [sys.executable, "-c", code, str(world.folder / "lock")]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StartRefused, match="another process"):
            world.open()
        process.kill()
        process.wait()
    world.open()


def test_looking_takes_no_lock(tmp_path: Path) -> None:
    """Asking whether a folder is used does not use it, and a folder that is none is not used."""
    assert not is_locked(tmp_path / "none", DISK)
    world = World(disk=DISK, folder=tmp_path / "state", settings=ANY_ROOM)
    DISK.close(world.open()._state.lock)
    assert not is_locked(world.folder, DISK)
    assert not is_locked(world.folder, DISK)
    world.open()


def test_reserve(tmp_path: Path) -> None:
    """The reserve takes real room, and removing what is not there is no error."""
    DISK.allocate(tmp_path / "reserve", 1 << 20)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
    assert 0 < DISK.room(tmp_path).free <= DISK.room(tmp_path).total
    DISK.remove(tmp_path / "reserve")
    DISK.remove(tmp_path / "reserve")
    assert DISK.names(tmp_path) == DISK.names(tmp_path / "none") == []


def test_unusable_folder(tmp_path: Path) -> None:
    """A folder that cannot be made, and keys that are no database, are one clear error each."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartRefused, match="cannot be used"):
        World(disk=DISK, folder=tmp_path / "file/state", settings=ANY_ROOM).open()
    world = World(disk=DISK, folder=tmp_path / "state", settings=ANY_ROOM)
    DISK.close(world.open()._state.lock)
    (world.folder / "keys.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(StartRefused, match=r"cannot be used: file is not a database"):
        world.open()
    assert not is_locked(world.folder, DISK)


def test_missing_ring(tmp_path: Path) -> None:
    """A ledger without its key ring refuses to start instead of making another."""
    world = World(disk=DISK, folder=tmp_path / "state", settings=ANY_ROOM)
    DISK.close(world.open()._state.lock)
    (world.folder / "keyring").unlink()
    with pytest.raises(StartRefused, match="the key ring is missing"):
        world.open()
    assert not (world.folder / "keyring").exists()


def test_other_origin(tmp_path: Path) -> None:
    """A log keeps its name: a configuration that names another is refused, and a new epoch takes it."""
    world = World(disk=DISK, folder=tmp_path / "state", settings=ANY_ROOM)
    DISK.close(world.open()._state.lock)
    world.settings = ANY_ROOM.model_copy(update={"origin": "example.com/payments/replica-1"})
    with pytest.raises(StartRefused, match=r"but this ledger is breakwater\.invalid/local/0"):
        world.open()
    assert world.open(new_epoch="it has a name now").origin == "example.com/payments/replica-1/2"


def test_sqlite_faults() -> None:
    """SQLite's faults mean for the ledger what the disk's own mean."""
    full, broken = sqlite3.OperationalError("full"), sqlite3.DatabaseError("broken")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert as_os_error(full).errno == errno.ENOSPC
    assert as_os_error(broken).errno == errno.EIO


def test_whole_files(tmp_path: Path) -> None:
    """A file that is written whole replaces what a stop left of an earlier attempt."""
    (tmp_path / "token.new").write_bytes(b"half")
    write_whole(DISK, tmp_path / "token", b"whole", 0o600)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"token": b"whole"}
    make_durable_folder(DISK, tmp_path / "x/y/z")
    assert (tmp_path / "x/y/z").is_dir()
