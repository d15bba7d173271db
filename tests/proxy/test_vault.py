"""What is sealed opens as it was, under its own name and version, with its own key ring, and otherwise not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk
from proxy.secret import Secret
from proxy.vault import Vault, Version
from tests.canary.forms import secret
from tests.ledger.memory_disk import MemoryDisk, Stopped
from tests.ledger.world import Counted
from tests.proxy.sealed import AT, VAULT, ring, vault

TEXT = secret("vault")
V1, V2 = Version("stripe", 1), Version("stripe", 2)
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)


def sealed(*versions: Version, text: str = TEXT) -> MemoryDisk:
    """
    Return a disk on which these versions are sealed.
    """
    disk = MemoryDisk()
    for version in versions:
        vault(disk).seal(version, AT, Secret(f"{text}-{version.ref}"))
    return disk


def refusal(disk: MemoryDisk, version: Version = V1) -> str:
    """
    Return what is said of a version that does not open.
    """
    with pytest.raises(StartRefused) as refused:
        vault(disk).open(version)
    said = refused.value
    assert said.__cause__ is None
    assert f"version {version.number} of '{version.name}'" in said.error
    assert f"breakwater vault rotate {version.name}" in said.hint
    assert TEXT not in said.error + said.hint
    return said.error


@given(PRINTABLE, st.integers(1, 999_999_999))
def test_round_trip(text: str, number: int) -> None:
    """What is sealed is what opens, with the moment of its sealing, whatever text it is."""
    here, version = vault(), Version("a-name_1", number)
    here.seal(version, AT, Secret(text))
    assert here.open(version).reveal() == text
    assert here.sealed_at(version) == AT
    assert here.stored() == (version,)


def test_every_bit() -> None:
    """A file with one bit changed, wherever, does not open."""
    disk = sealed(V1)
    path = VAULT / V1.ref
    whole = disk.read(path)
    for place in range(len(whole)):
        for bit in range(8):
            disk.write(path, whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            assert "its file is not what was sealed" in refusal(disk)
    disk.write(path, whole)
    assert vault(disk).open(V1).reveal() == f"{TEXT}-stripe@1"


def test_every_length() -> None:
    """A file that is cut anywhere, or longer than it was, does not open."""
    disk = sealed(V1)
    path = VAULT / V1.ref
    whole = disk.read(path)
    for content in (*(whole[:length] for length in range(len(whole))), whole + b"\x00"):
        disk.write(path, content)
        assert "does not open" in refusal(disk)


@pytest.mark.parametrize("other", [V2, Version("github", 1)], ids=["version", "name"])
def test_swapped(other: Version) -> None:
    """Two files whose names were swapped, and one under a name that it never had, do not open."""
    disk = sealed(V1, other)
    mine, theirs = disk.read(VAULT / V1.ref), disk.read(VAULT / other.ref)
    disk.write(VAULT / V1.ref, theirs)
    disk.write(VAULT / other.ref, mine)
    refusal(disk)
    refusal(disk, other)
    renamed = sealed(V1)
    renamed.rename(VAULT / V1.ref, VAULT / other.ref)
    refusal(renamed, other)
    assert vault(renamed).stored() == (other,)


def test_gone() -> None:
    """A version without a file says so, and has no time."""
    disk = sealed(V1)
    vault(disk).destroy(V1)
    assert "cannot be read: No such file" in refusal(disk)
    assert vault(disk).sealed_at(V1) is None
    vault(disk).destroy(V1)


def test_other_ring() -> None:
    """A key ring of another secret, or one without the version that wrapped it, opens nothing."""
    disk = sealed(V1)
    for keys in (ring(2), ring(2, 3)):
        with pytest.raises(StartRefused, match="does not open"):
            vault(disk, keys).open(V1)


def test_sealed_twice() -> None:
    """A version is sealed once: what stands there is never replaced by another secret."""
    disk = sealed(V1)
    with pytest.raises(FileExistsError):
        vault(disk).seal(V1, AT, Secret("another"))
    assert vault(disk).open(V1).reveal() == f"{TEXT}-stripe@1"


def test_nothing_shared() -> None:
    """Two versions of one text share no key, no nonce and no sealed byte string."""
    disk, here = MemoryDisk(), Counted()
    store = Vault(VAULT, disk, ring(1), here)
    for version in (V1, V2):
        store.seal(version, AT, Secret(TEXT))
    one, two = (disk.read(VAULT / version.ref)[20:] for version in (V1, V2))
    assert not {one[i : i + 12] for i in range(len(one) - 11)} & {two[i : i + 12] for i in range(len(two) - 11)}


def test_what_is_no_version() -> None:
    """Names that no version has are not listed: drafts, other spellings of a number, anything else."""
    disk = sealed(V1)
    for name in (
        "stripe@02",
        "stripe@0",
        "stripe",
        "Stripe@1",
        "@1",
        "stripe@1.new",
        "stripe@1@2",
        "stripe@9999999999",
    ):
        disk.create(VAULT / name)
    assert vault(disk).stored() == (V1,)


def test_ring_rotates() -> None:
    """Under a newer ring old files open, are wrapped anew once tended, and then need the old version no more."""
    disk = sealed(V1, V2)
    newer = vault(disk, ring(1, 2))
    assert newer.open(V1).reveal() == f"{TEXT}-stripe@1"
    newer.tend()
    assert vault(disk, ring(2)).open(V1).reveal() == f"{TEXT}-stripe@1"
    assert vault(disk, ring(2)).open(V2).reveal() == f"{TEXT}-stripe@2"
    assert vault(disk, ring(2)).sealed_at(V1) == AT
    before = dict(disk.tree())
    newer.tend()
    assert disk.tree() == before


@pytest.mark.parametrize("died", ["process", "machine"])
def test_ring_rotation_stopped(died: str) -> None:
    """A rotation of the ring that stops anywhere leaves each file open under both versions; the next finishes."""
    for step in range(100):
        disk = sealed(V1, V2)
        disk.steps.clear()
        disk.stop_at = step
        try:
            vault(disk, ring(1, 2)).tend()
            stopped = False
        except Stopped:
            stopped = True
        survivor = disk.after_kill() if died == "process" else disk.after_power_loss()
        for _ in range(2):
            for version in (V1, V2):
                assert vault(survivor, ring(1, 2)).open(version).reveal() == f"{TEXT}-{version.ref}"
            vault(survivor, ring(1, 2)).tend()
        assert sorted(survivor.names(VAULT)) == ["stripe@1", "stripe@2"]
        assert vault(survivor, ring(2)).open(V1).reveal() == f"{TEXT}-stripe@1"
        if not stopped:
            break
    assert 5 < step < 99


def test_unknown_to_the_ring() -> None:
    """A file whose key does not open is left as it is by a rotation of the ring."""
    disk = sealed(V1)
    path = VAULT / V1.ref
    whole = disk.read(path)
    disk.write(path, before := whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    vault(disk, ring(1, 2)).tend()
    assert disk.read(path) == before


def test_modes(tmp_path: Path) -> None:
    """On a real disk the folder is its owner's alone, and so is every file."""
    folder = tmp_path / "vault"
    Vault(folder, RealDisk(), ring(1), Counted()).seal(V1, AT, Secret(TEXT))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()] == [("stripe@1", 0o600)]
    assert Vault(folder, RealDisk(), ring(1), Counted()).open(V1).reveal() == TEXT
