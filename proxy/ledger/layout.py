"""
Where a ledger's files stand.

    STATE/ledger/000001/seg-00000000000000000000.bwl     entries of the first epoch, from index 0
                        seg-00000000000000000000.bwb     their payloads, sealed
                        seg-00000000000000000000.bws     what they come to: a snapshot, which may be deleted
                        torn/                            what recovery cut off
                        closed                           that its last `log.closed` is durable: size and root
    STATE/ledger/000002/                                 the next epoch, begun by `serve --new-epoch`
    STATE/ledger/000002.new/                             one whose beginning was cut short: it never existed
    STATE/workers/2/                                     the state folder of a second worker, with a ledger of its own

The workers of one parent have one key ring, one operator's token, one vault and one file KILL: those of STATE, which is
also the first worker's own folder.
"""

from __future__ import annotations

import re
from pathlib import Path

from proxy.ledger.disk import Disk

LEDGER, LOCK, KEY_RING, DATA_KEYS, ADMIN_TOKEN = "ledger", "lock", "keyring", "keys.db", "admin.token"
REPLICA = "replica"
WORKERS, PARENT_LOCK = "workers", "parent.lock"
INDEX = "index.db"
VAULT = "vault"
TORN, CLOSED = "torn", "closed"

_EPOCH = re.compile(r"\d{6}")
_WORKER = re.compile(r"[2-9]|[1-9][0-9]{1,2}")
_SEGMENT = re.compile(r"seg-(\d{20})\.bwl")


def worker_folder(state: Path, number: int) -> Path:
    """
    Return the state folder of a worker, counted from 1.
    """
    return state if number == 1 else state / WORKERS / str(number)


def worker_of(folder: Path) -> int:
    """
    Return the number of the worker whose state folder is called so.
    """
    is_further = folder.parent.name == WORKERS and _WORKER.fullmatch(folder.name) is not None
    return int(folder.name) if is_further else 1


def home_of(folder: Path, disk: Disk) -> Path:
    """
    Return the folder whose key ring, token, vault and file KILL count for a state folder: its own, or its parent's.
    """
    # One that has a ring of its own was never a worker's, whatever it is called.
    return folder.parent.parent if worker_of(folder) > 1 and not disk.exists(folder / KEY_RING) else folder


def workers_with_records(state: Path, disk: Disk) -> list[int]:
    """
    Return the numbers of the workers, beside the first, whose folders hold a ledger.
    """
    numbers = sorted(int(name) for name in disk.names(state / WORKERS) if _WORKER.fullmatch(name))
    return [number for number in numbers if epochs(disk, worker_folder(state, number) / LEDGER)]


def segment_name(first: int) -> str:
    """
    Return the name of the segment that begins with an index; its payloads are beside it, `.bwb` for `.bwl`.
    """
    return f"seg-{first:020d}.bwl"


def blobs_beside(segment: Path) -> Path:
    """
    Return the file of a segment's payloads.
    """
    return segment.with_suffix(".bwb")


def snapshot_beside(segment: Path) -> Path:
    """
    Return the file of what a log's segments come to, up to the end of one.
    """
    return segment.with_suffix(".bws")


def epochs(disk: Disk, ledger: Path) -> list[Path]:
    """
    Return the folders of a ledger's epochs, oldest first.
    """
    return [ledger / name for name in disk.names(ledger) if _EPOCH.fullmatch(name)]


def epoch_folder(ledger: Path, number: int) -> Path:
    """
    Return the folder of an epoch.
    """
    return ledger / f"{number:06d}"


def segments(disk: Disk, epoch: Path) -> list[tuple[int, Path]]:
    """
    Return the segments of an epoch with the index of their first entry, in order.
    """
    found = ((_SEGMENT.fullmatch(name), name) for name in disk.names(epoch))
    return [(int(match.group(1)), epoch / name) for match, name in found if match]
