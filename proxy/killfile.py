"""
The file KILL in the state folder: a stop that needs neither network nor program, only whoever may write there.

Its one word is a mode; an empty file is `stop-writes`, one that cannot be read or says something else `stop-all`. As
long as it is there nothing lowers what it says. Deleting it does not resume: what it said is on record by then.
"""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

from breakers.stops import Mode
from proxy.ledger.disk import Disk

NAME = "KILL"

WORD_BYTES_MAX = 64
"""Longer than every mode, line ends included."""


class KillFile:
    """
    One state folder's file.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.path, self._disk = folder / NAME, disk

    def __repr__(self) -> str:
        return f"KillFile({self.path})"

    def mode(self) -> Mode | None:
        """
        Return what it says, or None where it is not there.
        """
        try:
            # Nothing is opened that could make whoever opens it wait.
            if not S_ISREG(self.path.lstat().st_mode):
                return Mode.STOP_ALL
            said = self._disk.read_part(self.path, 0, WORD_BYTES_MAX).decode("ascii").strip()
            return Mode(said) if said else Mode.STOP_WRITES
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return Mode.STOP_ALL
