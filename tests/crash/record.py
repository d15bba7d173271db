"""
A ledger read with nothing of ours: frames by the format's own words, entries as JSON, up to the last COMMIT.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"BWSEG01\n"
HEAD = struct.Struct(">II")
ENTRY, COMMIT, SEAL = 1, 2, 4
COUNT = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Log:
    """
    The entries of every whole batch, as bytes, and what stands behind the last one.
    """

    bodies: tuple[bytes, ...]
    torn: bytes

    @property
    def entries(self) -> list[dict[str, Any]]:
        """
        Return what the entries say.
        """
        return [json.loads(body) for body in self.bodies]


def read_log(state: Path) -> Log:
    """
    Read a state folder's newest log; only the newest segment may have a torn end.
    """
    epoch = max(path for path in (state / "ledger").iterdir() if path.name.isdigit())
    bodies: list[bytes] = []
    torn = b""
    for path in sorted(epoch.glob("seg-*.bwl")):
        assert not torn, f"{path.name} follows a torn segment"
        assert int(path.stem[4:]) == len(bodies), f"{path.name} does not begin where the one before ends"
        torn = _read_segment(path.read_bytes(), bodies)
    return Log(tuple(bodies), torn)


def _read_segment(data: bytes, bodies: list[bytes]) -> bytes:
    """
    Add a segment's entries; return what stands behind its last COMMIT or SEAL.
    """
    if not data.startswith(MAGIC):
        assert MAGIC.startswith(data), "a file that is no segment"
        return data
    offset = good = len(MAGIC)
    batch: list[bytes] = []
    while offset + HEAD.size < len(data):
        length, crc = HEAD.unpack_from(data, offset)
        body = data[offset + HEAD.size : offset + HEAD.size + length]
        if len(body) != length or zlib.crc32(body) != crc:
            break
        offset += HEAD.size + length
        kind, payload = body[0], body[1:]
        if kind == ENTRY:
            batch.append(payload)
        elif kind in {COMMIT, SEAL}:
            bodies += batch
            batch = []
            assert COUNT.unpack_from(payload)[0] == len(bodies), "a COMMIT counts other entries"
            good = offset
    return data[good:]


def torn_files(state: Path) -> list[bytes]:
    """
    Return what recoveries put aside, oldest first.
    """
    return [path.read_bytes() for path in sorted((state / "ledger").glob("*/torn/*.bin"))]
