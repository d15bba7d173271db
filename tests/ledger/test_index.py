"""The index: what it finds, under any name, and what it keeps to itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from breakers.call import Applied
from proxy.errors import StartRefused
from proxy.ledger import catchup
from proxy.ledger.about import object_hashes
from proxy.ledger.changed import Changed
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import Wanted, index_in, open_index
from proxy.ledger.verify import verify
from tests.ledger.by_hand import answers, right_answers
from tests.ledger.forged_log import ForgedLog, change, intent, outcome, resolved
from tests.ledger.world import ANY_ROOM, Answered, World, wire, write
from tests.ledger.world import outcome as ended

OLD, NEW = ("refund", "h1:old"), ("refund", "h1:new")
CHARGE = ("charge", "h1:old")

LOOK = {"k": "call.look", "call": "C1", "task": "t1", "prov": "stripe", "op": "charges.retrieve", "eff": "not_applied"}
READ: Mapping[str, Any] = {"prov": "github", "op": "issues/get", "res": [{"type": "issue", "id_h": "h1:issue"}]}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A log of two epochs: an applied write after a look, one in doubt, one without outcome, a read, a refusal."""
    log = ForgedLog()
    log.batch({"k": "log.opened", "origin": "one"}, LOOK, intent("C1", res=[OLD]))
    log.batch(outcome("C1", 2), change("C1", 2, res=[OLD, NEW, CHARGE]), intent("C2", "t2"))
    log.turn()
    log.batch(outcome("C2", 5, "t2", "unknown"), intent("C3", "t2", res=[NEW]), outcome("C4", None, "t1", **READ))
    log.batch({"k": "call.decision", "call": "C5", "task": "t1", "agent": "a5", "prov": "stripe", "st": 403})
    log.save(tmp_path / "ledger" / "000001")
    later = ForgedLog(salt="later")
    later.batch({"k": "log.opened", "origin": "two"}, intent("C6", res=[("refund", "h1:else")]), outcome("C6", 1))
    later.save(tmp_path / "ledger" / "000002")
    return tmp_path


def indices(state: Path, **wanted: Any) -> list[str]:
    index = open_index(RealDisk(), state, state / "ledger")
    found = [f"{int(record.epoch.name)}.{record.index}" for record in index.find(Wanted(**wanted))]
    index.close()
    return found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"call": "C1"}, "1.1 1.2 1.3 1.4"),
        ({"task": "t2"}, "1.5 1.6 1.7"),
        ({"agent": "agent-of-t2"}, "1.5 1.6 1.7"),
        ({"agent": "a5"}, "1.9"),
        ({"kind": "log.opened"}, "1.0 2.0"),
        ({"operation": "refunds.create"}, "1.2 1.3 1.4 1.5 1.6 1.7 2.1 2.2"),
        ({"operation": "charges.retrieve"}, "1.1"),
        ({"api": "github"}, "1.8"),
        ({"api": "stripe", "kind": "call.outcome"}, "1.3 1.6 2.2"),
        ({"open_only": True}, "1.5 1.7"),
        ({"open_only": True, "task": "t1"}, ""),
        ({"since": "2026-11-21T12:00:00.008000Z"}, "1.8 1.9"),
        ({"until": "2026-11-21T12:00:00.001000Z"}, "1.0 2.0"),
        ({"since": "2026-11-21T12:00:00.002000Z", "until": "2026-11-21T12:00:00.004000Z"}, "1.2 1.3 2.2"),
        ({"newest": 3}, "2.0 2.1 2.2"),
        ({"task": "t1", "newest": 2}, "2.1 2.2"),
        ({"newest": 0}, ""),
        ({"newest": -1}, ""),
        ({"call": "C9"}, ""),
        ({"task": "t1' OR 1=1 --"}, ""),
    ],
    ids=str,
)
def test_find(wanted: dict[str, Any], found: str, state: Path) -> None:
    """What is found is what fits all that was asked for, in the order of the log, the newest where it is too many."""
    assert indices(state, **wanted) == found.split()


@pytest.mark.parametrize(
    ("kind", "id_h", "calls"),
    [
        ("refund", "h1:old", "C1 C3"),
        ("refund", "h1:new", "C1 C3"),
        ("charge", "h1:old", "C1"),
        ("issue", "h1:issue", "C4"),
        ("refund", "h1:else", "C6"),
        ("refund", "h1:issue", ""),
        ("refund", "none", ""),
    ],
)
def test_touching(kind: str, id_h: str, calls: str, state: Path) -> None:
    """An object is found under each of its ids, with all records of the calls that named it."""
    index = open_index(RealDisk(), state, state / "ledger")
    found = index.touching(kind, id_h)
    index.close()
    assert list(dict.fromkeys(record.entry["call"] for record in found)) == calls.split()
    if "C1" in calls:
        assert [record.index for record in found if record.entry["call"] == "C1"] == [1, 2, 3, 4]


def test_chain_of_names(tmp_path: Path) -> None:
    """An object that was renamed twice is one object under its first and its last name."""
    log = ForgedLog()
    for number, (one, other) in enumerate((("a", "b"), ("c", "d"), ("b", "c"))):
        log.batch(change(f"C{number}", 0, res=[("refund", one), ("refund", other)]))
    log.save(tmp_path / "ledger" / "000001")
    index = open_index(RealDisk(), tmp_path, tmp_path / "ledger")
    assert [[r.index for r in index.touching("refund", one)] for one in "abcd"] == [[0, 1, 2]] * 4
    index.close()


def test_stopped_half_way(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is told to stop waits for one batch at most, and whoever comes next goes on from there."""
    monkeypatch.setattr(catchup, "ROWS_AT_ONCE", 2)
    asked = iter((False, False, True))
    with pytest.raises(StartRefused, match="the process stops"):
        index_in(RealDisk(), state, lambda: next(asked))
    with closing(sqlite3.connect(state / "index.db")) as half:
        assert half.execute("SELECT count(*) FROM entry").fetchone() == (6,)
    assert len(indices(state)) == 13


def test_names(state: Path) -> None:
    """It lists the tasks that have calls, the newest first, and the types of objects by API."""
    index = open_index(RealDisk(), state, state / "ledger")
    assert index.tasks(9) == ["t1", "t2"]
    assert index.tasks(1) == ["t1"]
    assert index.types() == {"github": ["issue"], "stripe": ["charge", "refund"]}
    assert repr(index) == f"Index({state}, 13 entries)"
    index.close()


def test_open(tmp_path: Path) -> None:
    """Open is what is in doubt: parked too, resolved no more, in a former log as well."""
    log = ForgedLog()
    log.batch({"k": "log.opened", "origin": "log/1"}, *(intent(f"C{n}") for n in range(1, 7)))
    log.batch(*(outcome(f"C{n}", n, eff="unknown") for n in range(1, 6)), outcome("C6", 6, eff="not_applied"))
    log.batch(resolved("C1", 1, eff="not_applied"), resolved("C2", 2, eff="unknown", state="parked"))
    log.save(tmp_path / "ledger" / "000001")
    assert indices(tmp_path, open_only=True) == ["1.2", "1.3", "1.4", "1.5"]
    later = ForgedLog(salt="later")
    later.batch({"k": "log.opened", "origin": "log/2"}, resolved("C3", 3, of="log/1"), resolved("C2", 2, of="log/1"))
    later.batch(*(resolved("C4", 4, of=of) for of in ("log/2", "log/3", "log", "log/0", 7)), resolved("C4", 99))
    later.save(tmp_path / "ledger" / "000002")
    assert indices(tmp_path, open_only=True) == ["1.4", "1.5"]


def test_odd_entries(tmp_path: Path) -> None:
    """Entries that are no JSON, or say something else than text where a name belongs, keep nothing from being found."""
    log = ForgedLog()
    log.batch(
        intent("C1", res=[OLD]),
        b"no JSON",
        b"[]",
        b"\xff\xfe",
        b"",
        {"k": ["call.intent"], "call": {"a": 1}, "act": "agent", "op": 2**63, "prov": 1.5},
        {"k": "call.outcome", "call": "C1", "intent": 2**64 - 1, "eff": "applied"},
        {"k": "call.outcome", "call": "C1", "intent": [], "eff": {}},
        {"k": "change.recorded", "call": "C1", "res": {"type": "refund"}},
        {"k": "change.recorded", "call": "C1", "res": [1, {"type": 7, "id_h": "x"}, {"id_h": "x"}, {"type": "refund"}]},
        {"k": "x", "ts": 5, "task": None, "agent": []},
        outcome("C1", 0),
    )
    log.save(tmp_path / "ledger" / "000001")
    assert answers(tmp_path) == right_answers(tmp_path)
    assert indices(tmp_path, call="C1") == ["1.0", "1.6", "1.7", "1.8", "1.9", "1.11"]
    assert indices(tmp_path, open_only=True) == []


async def test_nothing_secret(tmp_path: Path) -> None:
    """Nothing of what was sent, shown or named stands in it, and nobody but its owner may read it."""
    world = World(disk=RealDisk(), folder=tmp_path, settings=ANY_ROOM)
    ledger = world.started()
    held = write(1, pairs=(("charge", "ch_canary"), ("note", "note-canary")), idempotency_key="key-canary")
    made = await ledger.intend(held, wire(b"charge=ch_canary"))
    body = b'{"id": "re_canary"}'
    entry = await ledger.conclude(made, ended(Applied.APPLIED, body), Answered(body=body))
    named = (("refund", "re_canary", "create"),)
    ledger.change_recorded(made, entry, Changed(named, body, b'[{"op":"add","path":"/canary","value":1}]', b"[]"))
    await ledger.close("stopped")
    index = open_index(RealDisk(), tmp_path, tmp_path / "ledger")
    assert [
        record.kind for record in index.touching("refund", *object_hashes("stripe", "refund", "re_canary", ledger.ring))
    ]
    index.close()
    file = tmp_path / "index.db"
    assert b"canary" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [name for name in RealDisk().names(tmp_path) if name.startswith("index.db")] == ["index.db"]


def test_not_verified(tmp_path: Path) -> None:
    """What stands in it is no part of the record: `verify` neither reads nor misses it."""
    World(disk=RealDisk(), folder=tmp_path, settings=ANY_ROOM).open()
    (tmp_path / "index.db").write_bytes(b"garbage")
    assert verify(RealDisk(), tmp_path).ok


def test_kept(state: Path) -> None:
    """What was read once is not read again: only the last entry of each epoch, and what is behind it."""
    assert answers(state) == right_answers(state)
    read: list[tuple[str, int]] = []

    class Watched(RealDisk):
        def read(self, path: Path) -> bytes:
            raise AssertionError(path)

        def read_part(self, path: Path, offset: int, length: int) -> bytes:
            if path.suffix == ".bwl":
                read.append((f"{path.parent.name}/{path.stem[-2:]}", offset))
            return super().read_part(path, offset, length)

    open_index(Watched(), state, state / "ledger").close()
    with sqlite3.connect(state / "index.db") as database:
        places = database.execute("SELECT place FROM stand ORDER BY epoch").fetchall()
    database.close()
    wanted = [("000001/06", places[0][0]), ("000002/00", places[1][0])]
    assert sorted(set(read)) == wanted
    assert len(read) == 4
