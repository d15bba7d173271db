"""A state folder that cannot be used (locked, damaged, without what it needs) is named, and left as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.ledger.disk import RealDisk
from tests.starts.installed import Installed, contents

NEW_EPOCH = "serve --new-epoch"


@pytest.fixture
def made(here: Installed) -> Installed:
    """
    Give an installation whose folder holds some records: two starts, three keys.
    """
    for _ in range(3):
        assert here.run("key", "mint", "support").code == 0
    return here


def segment(here: Installed) -> Path:
    """
    Return the newest segment.
    """
    return max(here.state.glob("ledger/000001/*.bwl"))


def flip(path: Path, offset: int) -> None:
    """
    Turn one bit of a file over.
    """
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))


def test_locked(made: Installed) -> None:
    """A folder that another process has is refused, and left as it was."""
    disk = RealDisk()
    before = contents(made.state)
    lock = disk.lock(made.state / "lock")
    no = made.refused()
    disk.close(lock)
    assert no.errors == [f"another process uses the state folder {made.state}"]
    assert "two processes never share a ledger" in no.hint
    assert contents(made.state) == before


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_flipped(part: float, made: Installed) -> None:
    """A flipped byte among what was committed is damage: named, with the way on, and nothing is repaired by itself."""
    path = segment(made)
    flip(path, int(path.stat().st_size * part))
    before = contents(made.state)
    no = made.refused()
    assert len(no.errors) == 1
    assert NEW_EPOCH in no.hint
    after = contents(made.state)
    assert {name: after[name] for name in before} == before
    assert made.run("ledger", "verify").code == 1


def test_commands_on_damage(made: Installed) -> None:
    """A command that needs the folder refuses a damaged one as `serve` does."""
    flip(segment(made), segment(made).stat().st_size // 2)
    for words in (("key", "mint", "support"), ("key", "list"), ("key", "revoke", "x")):
        no = made.run(*words)
        assert (no.code, no.out) == (1, "")
        assert NEW_EPOCH in no.hint


def overwrite(path: Path, content: bytes) -> None:
    """
    Put another file in the place of one that not even its owner may write to.
    """
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: (state / "keyring").unlink(), "the key ring is missing"),
        (lambda state: overwrite(state / "keyring", b""), "key ring"),
        (lambda state: overwrite(state / "keyring", b"\x00" * 40), "key ring"),
        (lambda state: (state / "keys.db").write_bytes(b"not a database, but as long as one" * 200), "not a database"),
    ],
    ids=["no ring", "empty ring", "another ring", "no database"],
)
def test_secrets(spoil: Callable[[Path], object], said: str, made: Installed) -> None:
    """A folder without its key ring or its data keys is refused before its log is written to."""
    spoil(made.state)
    log = segment(made).read_bytes()
    no = made.refused()
    assert len(no.errors) == 1
    assert said in no.errors[0]
    assert segment(made).read_bytes() == log


def test_new_epoch_of_nothing(here: Installed) -> None:
    """There is no epoch after none, and saying so keeps no ordinary start from being the first."""
    no = here.refused("--new-epoch", "lost")
    assert no.errors == [f"there is no ledger in {here.state} to follow"]
    assert no.hint == "start without --new-epoch"
    assert here.run("key", "mint", "support").code == 0


@pytest.mark.parametrize(
    ("given", "error", "hint"),
    [
        (("--new-epoch-of", "1"), "--new-epoch-of says of whom a new log is begun, and none is", "--new-epoch REASON"),
        (("--new-epoch", "lost", "--new-epoch-of", "2"), "there is no worker 2 among 1", "--workers"),
        (("--workers", "1", "--new-epoch", "lost", "--new-epoch-of", "2"), "there is no worker 2 among 1", "--workers"),
    ],
)
def test_new_epoch_of_nobody(given: tuple[str, ...], error: str, hint: str, made: Installed) -> None:
    """A new log is begun of a worker that is started, or the start is refused and the log is as it was."""
    log = segment(made).read_bytes()
    no = made.refused(*given)
    assert len(no.errors) == 1
    assert error in no.errors[0]
    assert hint in no.hint
    assert segment(made).read_bytes() == log


def test_another_name(made: Installed) -> None:
    """A ledger is not written on under another name than its own."""
    made.write(made.document(ledger={**made.document()["ledger"], "origin": "example.com/payments/1"}))
    no = made.refused()
    assert "ledger.origin is example.com/payments/1" in no.errors[0]
    assert NEW_EPOCH in no.hint


def test_torn_tail(made: Installed) -> None:
    """Half a batch at the end is what a crash leaves: it is cut off, kept aside, on record, and no damage."""
    path = segment(made)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[-60:-30])
    assert made.run("key", "list").code == 0
    (recovered,) = [row for row in tail(made) if row["k"] == "log.recovered"]
    assert recovered["dropped_bytes"] == 30
    assert list(made.state.glob("ledger/000001/torn/*"))
    assert made.run("ledger", "verify").code == 0


def tail(here: Installed) -> list[dict[str, Any]]:
    """
    Return the newest records.
    """
    return [row["entry"] for row in json.loads(here.run("ledger", "tail", "-n", "50", "--json").out)]
