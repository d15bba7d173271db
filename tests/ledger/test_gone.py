"""What is missing from a state folder that had it once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import LedgerDamaged, StartRefused
from proxy.ledger.verify import verify
from tests.ledger.forge import written
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.test_recovery import start_on
from tests.ledger.world import FOLDER

EPOCH = FOLDER / "ledger" / "000001"


def gone(disk: MemoryDisk, folder: Path) -> None:
    """Take a folder and all that is in it away."""
    for name in list(disk.names(folder)):
        disk.remove(folder / name)


def test_ledger_gone() -> None:
    """A folder that had a ledger never gets a first one again."""
    disk = written(2)
    gone(disk, EPOCH)
    gone(disk, FOLDER / "ledger")
    with pytest.raises(StartRefused, match="the ledger is missing"):
        start_on(disk)


def test_segments_gone() -> None:
    """An epoch without a segment is damage, to a start and to verification."""
    disk = written(2)
    gone(disk, EPOCH)
    with pytest.raises(LedgerDamaged, match="holds no segment"):
        start_on(disk)
    assert [finding.why for finding in verify(disk, FOLDER).findings] == ["the epoch holds no segment"]


def test_data_keys_gone() -> None:
    """Without its data keys a ledger is not written on: what it sealed could not be opened any more."""
    disk = written(2)
    disk.remove(FOLDER / "keys.db")
    with pytest.raises(StartRefused, match="the data keys are missing"):
        start_on(disk)


def test_entries_gone() -> None:
    """Payloads whose entries were taken away are named."""
    disk = written(2)
    disk.append(disk.create(EPOCH / "seg-00000000000000000099.bwb"), (b"payloads",))
    assert [finding.why for finding in verify(disk, FOLDER).findings] == ["payloads without their entries"]
