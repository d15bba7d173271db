"""Whatever becomes of the index, or of the log under it, the answers are those of the log."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.installation import ROOT
from proxy.ledger import catchup, index
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import Wanted, open_index
from tests.ledger.by_hand import Place, answers, everything, place, right_answers
from tests.ledger.forged_log import ForgedLog, change, intent, outcome
from tests.ledger.world import ANY_ROOM, World, commit_now, drafts

PAGE = 4096
CALLS = 24


def a_log(calls: int = CALLS, salt: str = "") -> ForgedLog:
    log = ForgedLog(salt=salt)
    log.batch({"k": "log.opened", "origin": salt or "first"})
    for number in range(calls):
        at, task = log.tree.size, f"task-{number // 9}"
        named = [("refund", f"h1:{number}"), ("charge", f"h1:{number // 7}")]
        made = intent(f"C{number}", task, named)
        log.batch(made, outcome(f"C{number}", at, task), change(f"C{number}", at, task, named))
        if number % 10 == 9:
            log.turn()
    return log


@pytest.fixture
def state(tmp_path: Path) -> Path:
    a_log().save(tmp_path / "ledger" / "000001")
    return tmp_path


@pytest.fixture
def right(state: Path) -> dict[str, object]:
    """The right answers, which a first index has given."""
    assert answers(state) == right_answers(state)
    return dict(right_answers(state))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(b"no database " * 1000)


def zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def other_version(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM entry")
        database.execute("PRAGMA user_version=1")
    database.close()


def other_tables(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE object")
    database.close()


def a_folder_of_leftovers(file: Path) -> None:
    file.unlink()
    for name in ("index.db-journal", "index.db-wal", "index.db-shm"):
        file.with_name(name).write_bytes(b"left behind " * 1000)


@pytest.mark.parametrize(
    "damage", [Path.unlink, emptied, garbage, zeros, other_version, other_tables, a_folder_of_leftovers]
)
def test_damaged(damage: Callable[[Path], None], state: Path, right: dict[str, object]) -> None:
    """An index that is gone, is no index, or is one of another kind is built again, and then stands."""
    damage(state / "index.db")
    assert answers(state) == right
    assert indexed(state) == len(everything(state))


def indexed(state: Path) -> int:
    database = sqlite3.connect(state / "index.db")
    (count,) = database.execute("SELECT count(*) FROM entry").fetchone()
    database.close()
    return int(count)


def sizes(whole: int) -> Iterator[int]:
    yield from (1, 15, 16, 99, 100, PAGE - 1, whole - PAGE, whole - 1)
    yield from range(PAGE, whole, PAGE)


def test_truncated(state: Path, right: dict[str, object]) -> None:
    """An index that was cut anywhere is built again."""
    whole = (state / "index.db").read_bytes()
    for size in sizes(len(whole)):
        (state / "index.db").write_bytes(whole[:size])
        assert answers(state) == right, size


@pytest.mark.parametrize("filling", [b"\x00", b"\xff", b"\x0d"])
def test_page_lost(filling: bytes, state: Path, right: dict[str, object]) -> None:
    """An index of which one page was lost answers as before, whichever it is."""
    whole = (state / "index.db").read_bytes()
    for start in range(0, len(whole), PAGE):
        (state / "index.db").write_bytes(whole[:start] + filling * PAGE + whole[start + PAGE :])
        assert answers(state) == right, start


def test_rows_moved(state: Path, right: dict[str, object]) -> None:
    """A row that says something else than the entry at its place is found out, and all of them are built again."""
    for lie in (
        "place = place + 1",
        "segment = segment + 1",
        "task = 'task-2'",
        "bytes = 10",
        "place = -5",
        "place = 'x'",
    ):
        with sqlite3.connect(state / "index.db") as database:
            database.execute(f"UPDATE entry SET {lie} WHERE i = 7")
        database.close()
        assert answers(state) == right, lie


@pytest.mark.parametrize("ahead", [1, 2, 20])
def test_ahead(ahead: int, state: Path, right: dict[str, object]) -> None:
    """An index that has read further than the log goes, because the log was cut, is built again."""
    shorter = a_log(CALLS - ahead)
    shorter.save(state / "ledger" / "000001")
    assert answers(state) == right_answers(state) != right
    a_log().save(state / "ledger" / "000001")
    assert answers(state) == right


def test_ahead_by_a_commit(state: Path) -> None:
    """An entry whose COMMIT was lost is not in the log, and no longer in the index."""
    log = a_log(11)
    log.save(state / "ledger" / "000001")
    assert answers(state) == right_answers(state)
    newest = max((state / "ledger" / "000001").glob("*.bwl"))
    newest.write_bytes(newest.read_bytes()[:-1])
    assert answers(state) == right_answers(state)
    assert indexed(state) == log.tree.size - 3


@pytest.mark.parametrize("salt", ["2", "another log"])
def test_replaced(salt: str, state: Path, right: dict[str, object]) -> None:
    """Another log in the same place is another log, though it has as many entries of the same calls."""
    a_log(CALLS, salt).save(state / "ledger" / "000001")
    assert answers(state) == right_answers(state)
    assert answers(state).values() != right.values()


def test_new_epoch(state: Path, right: dict[str, object]) -> None:
    """A new epoch is read beside the old ones; one that is gone is forgotten."""
    a_log(5, "new").save(state / "ledger" / "000002")
    assert answers(state) == right_answers(state) != right
    for file in (state / "ledger" / "000002").iterdir():
        file.unlink()
    (state / "ledger" / "000002").rmdir()
    assert answers(state) == right


def test_segment_lost(state: Path, right: dict[str, object]) -> None:
    """Records whose segment is gone are no longer found, the others are."""
    sorted((state / "ledger" / "000001").glob("*.bwl"))[1].unlink()
    assert answers(state) == right_answers(state) != right


def test_changed_under_way(state: Path) -> None:
    """A log that is replaced between opening the index and asking it is read again before it answers."""
    opened = open_index(RealDisk(), state, state / "ledger")
    a_log(4, "other").save(state / "ledger" / "000001")
    assert [place(r) for r in opened.find(Wanted())] == [place(r) for r in everything(state)]
    opened.close()


class NoDatabase(RealDisk):
    def database(self, path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        raise OSError(errno.EROFS, "Read-only file system")


class NoRoom(RealDisk):
    def database(self, path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        made = super().database(path)
        made.execute("PRAGMA max_page_count=3")
        return made


class NoRemoval(RealDisk):
    def remove(self, path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("disk", [NoDatabase(), NoRoom()], ids=["read-only", "full"])
def test_not_writable(disk: RealDisk, state: Path) -> None:
    """Where the folder cannot be written to, or has no room, the index is built in memory."""
    assert answers(state, disk) == right_answers(state)


def test_not_removable(state: Path, right: dict[str, object]) -> None:
    """A broken index that cannot be removed stays where it is, and the answers are right."""
    garbage(state / "index.db")
    assert answers(state, NoRemoval()) == right
    assert (state / "index.db").read_bytes().startswith(b"no database")


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_held(how: str, state: Path, right: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the index and does not end, one in memory answers, and the file is left to it."""
    monkeypatch.setattr(index, "BUSY_WAIT_MS", 20)
    longer = a_log(CALLS + 1)
    longer.save(state / "ledger" / "000001")
    number = (state / "index.db").stat().st_ino
    holder = sqlite3.connect(state / "index.db", isolation_level=None)
    holder.execute(f"BEGIN {how}")
    assert answers(state) == right_answers(state) != right
    holder.execute("ROLLBACK")
    holder.close()
    assert (state / "index.db").stat().st_ino == number
    assert answers(state) == right_answers(state)
    assert indexed(state) == longer.tree.size


def test_two_at_once(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several that open it at once share the work: each has all answers, and nothing is taken in twice."""
    monkeypatch.setattr(catchup, "ROWS_AT_ONCE", 5)
    right, start, wrong = right_answers(state), threading.Barrier(4), list[object]()

    def look() -> None:
        start.wait()
        if answers(state) != right:
            wrong.append(1)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert indexed(state) == len(everything(state))


KILLED = """
import os, sys
from pathlib import Path
from proxy.ledger import catchup
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import open_index

catchup.ROWS_AT_ONCE = 30
written = catchup._Batch.write

def dies(batch, database):
    if batch.after is not None and batch.after.size >= 60:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", batch.entries)
        os._exit(9)
    return written(batch, database)

catchup._Batch.write = dies
open_index(RealDisk(), Path(sys.argv[1]), Path(sys.argv[1]) / "ledger")
"""


@pytest.mark.slow
def test_killed(state: Path) -> None:
    """A process that dies while it builds the index leaves what it had taken in, and the next goes on from there."""
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    ended = subprocess.run([sys.executable, "-c", KILLED, str(state)], env=environment, timeout=30, check=False)
    assert ended.returncode == 9
    assert indexed(state) == 60
    assert answers(state) == right_answers(state)


def test_while_written(tmp_path: Path) -> None:
    """Beside a process that writes, each look finds the log as it was at some moment, and none goes back."""
    world = World(disk=RealDisk(), folder=tmp_path, settings=ANY_ROOM)
    ledger = world.open()
    done = threading.Event()

    def work() -> None:
        for number in range(40):
            commit_now(ledger, *drafts(number + 1, ledger))
        done.set()

    writer = threading.Thread(target=work)
    writer.start()
    seen: list[list[Place]] = [[]]
    while not done.is_set():
        opened = open_index(RealDisk(), tmp_path, tmp_path / "ledger")
        seen.append([place(record) for record in opened.find(Wanted())])
        opened.close()
    writer.join()
    whole = [place(record) for record in everything(tmp_path)]
    assert len(whole) == 82
    for one, other in zip(seen, [*seen[1:], whole], strict=True):
        assert one == other[: len(one)]
    assert answers(tmp_path) == right_answers(tmp_path)
