"""Keys and payloads: what opens, and what must not."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import StartRefused
from proxy.ledger.blobs import Bound, Capture, Digest, Kept, Opening, Payload, commitment, seal, unseal
from proxy.ledger.datakeys import DataKey, DataKeys
from proxy.ledger.disk import Disk, RealDisk
from proxy.ledger.keyring import KeyRing, make_ring, read_ring
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import Counted

KEY, OTHER = DataKey("one", b"1" * 32), DataKey("two", b"2" * 32)
BOUND = Bound("origin/1", "task", "call", "req")
PATH = Path("/")
NONCE, OPENER = b"n" * 12, b"o" * 32


def sealed(payload: Payload, key: DataKey = KEY, bound: Bound = BOUND, opener: bytes = OPENER) -> tuple[bytes, bytes]:
    c = commitment(opener, bound.part, payload)
    return seal(key, NONCE, opener, payload, bound, c), c


@given(st.binary(max_size=200))
def test_opens(data: bytes) -> None:
    """A payload opens to the bytes that were sealed."""
    blob, c = sealed(Kept(data))
    assert unseal(KEY, blob, BOUND, c, len(data)) == Kept(data)


@pytest.mark.parametrize("part", ["origin", "task", "call", "part"])
def test_opens_nowhere_else(part: str) -> None:
    """A blob that was moved to another log, task, call or part does not open."""
    blob, c = sealed(Kept(b"amount=100"))
    there = Bound(**{name: getattr(BOUND, name) for name in ("origin", "task", "call", "part")} | {part: "other"})
    assert unseal(KEY, blob, there, c, 10) is Opening.BAD


def test_two_keys() -> None:
    """A ciphertext that is valid under a second key still does not open to anything but what was committed to."""
    _, c = sealed(Kept(b"amount=100"))
    crafted = seal(OTHER, NONCE, OPENER, Kept(b"amount=999"), BOUND, c)
    assert unseal(OTHER, crafted, BOUND, c, 10) is Opening.BAD


def test_digest_is_no_payload() -> None:
    """What was sealed as a digest does not open as a payload of the same bytes, nor with another length."""
    digest = Digest(70_000, b"d" * 32)
    blob, c = sealed(digest)
    assert unseal(KEY, blob, BOUND, c, 70_000, digest=True) == digest
    assert unseal(KEY, blob, BOUND, c, 70_001, digest=True) is Opening.BAD
    assert unseal(KEY, blob, BOUND, c, 70_000) is Opening.BAD


def test_hides() -> None:
    """Equal payloads have different commitments under different openers."""
    assert commitment(b"a" * 32, "req", Kept(b"x")) != commitment(b"b" * 32, "req", Kept(b"x"))


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(0, 40))
def test_capture(pieces: list[bytes], bound: int) -> None:
    """A capture keeps a payload up to its bound, and beyond it says its length and digest."""
    capture = Capture(bound)
    for piece in pieces:
        capture.feed(piece)
    whole = b"".join(pieces)
    payload = capture.payload()
    assert payload.length == len(whole)
    assert isinstance(payload, Kept) is (len(whole) <= bound)
    assert payload.data == whole or len(whole) > bound


def keys_at(path: Path, disk: Disk, ring: KeyRing) -> DataKeys:
    keys = DataKeys(disk.database(path / "keys.db"), disk, ring)
    keys.prepare()
    return keys


def test_data_keys_last(tmp_path: Path) -> None:
    """A task's data key is the same after a restart, and another task's is another."""
    disk, ring = RealDisk(), KeyRing({1: b"s" * 32}, 1)
    keys = keys_at(tmp_path, disk, ring)
    made = keys.of_tasks(["a", "b", "a"], Counted())
    assert made["a"].key != made["b"].key
    keys.close()
    again = keys_at(tmp_path, disk, ring)
    assert again.of_tasks(["a"], Counted(99)) == {"a": made["a"]}
    assert again.open(made["a"].id, "a") == made["a"]
    assert again.open(made["a"].id, "b") is None
    assert oct((tmp_path / "keys.db").stat().st_mode)[-3:] == "600"
    again.close()


def test_destroyed_key_is_gone(tmp_path: Path) -> None:
    """Nothing of a deleted data key stays in the file."""
    disk, ring = RealDisk(), KeyRing({1: b"s" * 32}, 1)
    keys = keys_at(tmp_path, disk, ring)
    made = keys.of_tasks(["a"], Counted())["a"]
    database = disk.database(tmp_path / "keys.db")
    (wrap,) = database.execute("SELECT wrap FROM data_key").fetchone()
    assert wrap in (tmp_path / "keys.db").read_bytes()
    database.execute("PRAGMA secure_delete=ON")
    database.execute("DELETE FROM data_key")
    database.close()
    assert keys.open(made.id, "a") is None
    assert wrap not in (tmp_path / "keys.db").read_bytes()
    keys.close()


def test_rings_differ() -> None:
    """Without the ring that wrapped it, a data key does not open."""
    disk = MemoryDisk()
    keys = keys_at(PATH, disk, KeyRing({1: b"s" * 32}, 1))
    made = keys.of_tasks(["a"], Counted())["a"]
    assert DataKeys(disk.database(PATH / "keys.db"), disk, KeyRing({1: b"t" * 32}, 1)).open(made.id, "a") is None


def test_newer_ring_opens_older() -> None:
    """A ring with a newer secret still opens what the older one wrapped, and wraps with the newer."""
    disk = MemoryDisk()
    made = keys_at(PATH, disk, KeyRing({1: b"s" * 32}, 1)).of_tasks(["a"], Counted())["a"]
    newer = DataKeys(disk.database(PATH / "keys.db"), disk, KeyRing({1: b"s" * 32, 2: b"t" * 32}, 2))
    assert newer.open(made.id, "a") == made
    fresh = newer.of_tasks(["b"], Counted(50))["b"]
    assert DataKeys(disk.database(PATH / "keys.db"), disk, KeyRing({1: b"s" * 32}, 1)).open(fresh.id, "b") is None


def test_labels_differ() -> None:
    """Every label derives a key of its own."""
    ring = KeyRing({1: b"s" * 32}, 1)
    labels = ("fingerprint", "token", "redaction", "wrapping", "upstream-key")
    assert len({ring.key(label) for label in labels}) == len(labels)


def test_redacts() -> None:
    """A redacted value is equal for equal values of one class, whatever their Unicode form, and for no other."""
    ring = KeyRing({1: b"s" * 32}, 1)
    assert ring.redact("path", "\u00e9") == ring.redact("path", "e\u0301")
    assert ring.redact("path", "a") != ring.redact("idem", "a")
    assert ring.redact("path", "a") != KeyRing({1: b"t" * 32}, 1).redact("path", "a")
    assert len(ring.redact("path", "a")) == len("h1:1:") + 26


def test_ring_file(tmp_path: Path) -> None:
    """The key ring file is read back as it was made, readable by its owner alone."""
    make_ring(RealDisk(), tmp_path / "keyring", Counted())
    ring = read_ring(RealDisk(), tmp_path / "keyring")
    assert ring.key("token") == KeyRing({1: Counted()(32)}, 1).key("token")
    assert oct((tmp_path / "keyring").stat().st_mode)[-3:] == "400"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        orjson.dumps({"current": 1, "secrets": {"1": "c2hvcnQ="}}),
        orjson.dumps({"current": 2, "secrets": {"1": base64.b64encode(b"s" * 32).decode()}}),
    ],
)
def test_damaged_ring(tmp_path: Path, content: bytes) -> None:
    """A key ring that is none is refused in one sentence that quotes nothing of it."""
    (tmp_path / "keyring").write_bytes(content)
    with pytest.raises(StartRefused) as refused:
        read_ring(RealDisk(), tmp_path / "keyring")
    assert "the key ring is damaged" in refused.value.error
    assert "c2hvcnQ" not in refused.value.error
