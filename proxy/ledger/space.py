"""
How much room is left for the record, and the reserve that is given up to write down how things ended.

Below the floor the ledger stops taking what could still be refused. The reserve is a file that holds room and nothing
else; when a write meets a full disk it is removed, so that outcomes and the log's end can still be written.
"""

from __future__ import annotations

from pathlib import Path

from config.settings import Disk as DiskSettings
from proxy.ledger.disk import Disk

RESERVE_NAME = "reserve"

LOOK_EVERY_S = 1.0
"""Asking the file system is cheap, but not once a batch."""


class Space:
    """
    The room for one ledger, and its reserve.
    """

    def __init__(self, disk: Disk, folder: Path, *, free_bytes_min: int, free_pct_min: int, reserve_bytes: int) -> None:
        self._disk, self._folder = disk, folder
        self._free_bytes_min, self._free_pct_min, self._reserve_bytes = free_bytes_min, free_pct_min, reserve_bytes
        self._reserve = folder / RESERVE_NAME
        self._looked_at: float | None = None
        self._enough = True
        self.free_bytes = 0
        """As it was when somebody last looked."""

    @classmethod
    def of(cls, settings: DiskSettings, disk: Disk, folder: Path) -> Space:
        """
        Return the room that is configured for a ledger's folder.
        """
        return cls(
            disk,
            folder,
            free_bytes_min=settings.min_free_bytes,
            free_pct_min=settings.min_free_pct,
            reserve_bytes=settings.reserve_bytes,
        )

    def __repr__(self) -> str:
        return f"Space(enough={self._enough}, reserve={self._disk.exists(self._reserve)})"

    def enough(self, now: float, *, look: bool = False) -> bool:
        """
        Tell whether there is room to go on, looking at most once a second unless told to look; refill the reserve.
        """
        if look or self._looked_at is None or now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._enough = self._has_room() and self._refill()
        return self._enough

    def release(self) -> None:
        """
        Give the reserve up.
        """
        self._enough = False
        self._disk.remove(self._reserve)

    def _has_room(self) -> bool:
        room = self._disk.room(self._folder)
        self.free_bytes = room.free
        return room.free >= self._free_bytes_min and room.free * 100 >= room.total * self._free_pct_min

    def _refill(self) -> bool:
        if self._disk.exists(self._reserve) and (not self._reserve_bytes or self._disk.read_part(self._reserve, 0, 1)):
            return True
        try:
            self._disk.allocate(self._reserve, self._reserve_bytes)
        except OSError:
            self._disk.remove(self._reserve)
            return False
        return True
