"""
From a folder to a log that can be written: what is whole is kept, a torn end is put aside, damage refuses to start.

After any stop that was not clean, the verified part of the newest segment is copied to a new file, and that file takes
its name: a sync that failed unseen may have left pages that are in memory and not on disk, and only writing them again
puts them there. The record that says what was cut off is written into the copy before it takes the name, so that the
two happen at once.

A stop was clean where the log ends with `log.closed` and a file beside it says that this is durable. The record alone
may be one that is only in memory, because its own sync failed; the file is written once that has not.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from proxy.errors import LedgerDamaged
from proxy.ledger.disk import Disk, Handle, make_durable_folder, write_whole
from proxy.ledger.drafts import Draft, stamp, system
from proxy.ledger.fold import Fold, Newest, fold
from proxy.ledger.frames import MAGIC
from proxy.ledger.kept import Kept
from proxy.ledger.layout import CLOSED, TORN, blobs_beside, worker_of
from proxy.ledger.log import commit
from proxy.ledger.remembered import Remembered
from proxy.ledger.replay import End, Ending
from proxy.ledger.tail import Batch, Log, Segment
from proxy.ledger.tree import Frontier


@dataclass(frozen=True, slots=True)
class Torn:
    """
    What recovery cut off.
    """

    entries: bytes
    blobs: bytes


def read_epoch(disk: Disk, epoch: Path, remembered: Remembered | None = None, kept: Kept | None = None) -> Fold:
    """
    Read an epoch that is to be written on, or what is not in snapshots of it.

    Raise `LedgerDamaged` where more than its end is missing.
    """
    found = fold(disk, epoch, remembered, kept)
    if found.newest is None and found.damage is None:
        # An epoch gets its name with its first segment in it.
        raise LedgerDamaged(End.TAMPERED, f"the ledger is damaged: {epoch} holds no segment", _hint(epoch))
    if found.damage is not None and found.damaged is not None:
        raise damaged(found.damaged, found.damage)
    return found


def damaged(segment: Path, damage: Ending) -> LedgerDamaged:
    """
    Return what says that a segment is not what was written.
    """
    place = f"entry {damage.index}, {segment.name} at byte {damage.offset}"
    # A torn end in any but the newest segment was not left by a crash.
    return LedgerDamaged(End.TAMPERED, f"the ledger is damaged: {place}: {damage.why}", _hint(segment.parent))


def _hint(epoch: Path) -> str:
    # Without the number the first worker would begin a new log, and this one would refuse again.
    number = worker_of(epoch.parent.parent)
    whose = f" --new-epoch-of {number}" if number > 1 else ""
    return f"keep the files; `breakwater serve --new-epoch REASON{whose}` starts a new log that names this one"


def resume(disk: Disk, log: Log, found: Fold, first: tuple[Draft, ...], *, clean: bool, now: datetime) -> Torn | None:
    """
    Set a log's end to what was found, write `first` as the next batch, and return what was cut off, if anything was.

    `clean` says that the last stop is known to have left everything on disk.
    """
    views = found.views
    log.tree, log.chains = found.tree, dict(views.chains)
    log.last_ts = log.last_now = views.last_ts
    newest = found.newest
    if newest is None or clean:
        if newest is not None and newest.ending.end is not End.SEALED:
            log.segment = _reopen(disk, newest, now)
        if first:
            commit(Batch(log, first, now), disk)
        return None
    torn = _cut(disk, newest)
    _keep_torn(disk, newest, torn, now)
    recovered = system(
        "log.recovered",
        dropped_bytes=len(torn.entries),
        dropped_blob_bytes=len(torn.blobs),
        sha256=hashlib.sha256(torn.entries).hexdigest() if torn.entries else None,
    )
    # An empty log first says whose it is.
    drafts = (*first, recovered) if log.tree.size == 0 else (recovered, *first)
    _copy(disk, log, newest, drafts, now)
    return torn


def say_closed(disk: Disk, log: Log) -> None:
    """
    Say beside a log that all of it, its `log.closed` too, is durable.

    Where that is not possible the next start takes the stop for one that was not clean: it costs time.
    """
    with contextlib.suppress(OSError):
        write_whole(disk, log.folder / CLOSED, _stand(log.tree), 0o600)


def is_clean(disk: Disk, found: Fold) -> bool:
    """
    Tell whether the last process ended by saying so, knew that to be durable, and nothing stands behind its last word.
    """
    newest = found.newest
    if newest is None or found.views.last_kind != "log.closed":
        return False
    if _said_closed(disk, newest.path.with_name(CLOSED)) != _stand(found.tree):
        return False
    return newest.ending.good == len(newest.data) and _blob_size(disk, newest) == newest.blob_end


def _said_closed(disk: Disk, path: Path) -> bytes:
    try:
        return disk.read(path) if disk.exists(path) else b""
    except OSError:
        # Without it a start only takes longer.
        return b""


def write_again(disk: Disk, found: Fold) -> None:
    """
    Write the newest segment of a log again, byte by byte as it is, unless it is known to be on disk.

    Of a damaged log nothing is written: only the last batch may not be on disk, and what is whole ends before that.
    """
    newest = found.newest
    if newest is None or found.damage is not None or is_clean(disk, found):
        return
    paths = [path for path in (blobs_beside(newest.path), newest.path) if disk.exists(path)]
    for path in paths:
        disk.close(_copy_file(disk, path, disk.read(path)))
    # Stop here, or before any of the names: the files are what they were, whichever of them have their names by then.
    for path in paths:
        disk.rename(_draft(path), path)
    disk.sync_folder(newest.path.parent)


def _stand(tree: Frontier) -> bytes:
    return f"{tree.size} {tree.root().hex()}\n".encode()


def _blob_size(disk: Disk, newest: Newest) -> int:
    path = blobs_beside(newest.path)
    return len(disk.read(path)) if disk.exists(path) else -1


def _cut(disk: Disk, newest: Newest) -> Torn:
    path = blobs_beside(newest.path)
    blobs = disk.read(path) if disk.exists(path) else b""
    if len(blobs) < newest.blob_end:
        why = f"the ledger is damaged: {path.name} lacks payloads that entries point to"
        raise LedgerDamaged(End.TAMPERED, why, _hint(path.parent))
    return Torn(newest.data[newest.ending.good :], blobs[newest.blob_end :])


def _keep_torn(disk: Disk, newest: Newest, torn: Torn, now: datetime) -> None:
    if not torn.entries:
        return
    folder = newest.path.parent / TORN
    make_durable_folder(disk, folder)
    name = f"{stamp(now).replace(':', '')}-{newest.path.stem}.bin"
    write_whole(disk, folder / name, torn.entries, 0o600)


def _reopen(disk: Disk, newest: Newest, now: datetime) -> Segment:
    blobs = disk.reopen(blobs_beside(newest.path))
    entries = disk.reopen(newest.path)
    digest = hashlib.sha256(newest.data)
    return Segment(newest.first, entries, blobs, len(newest.data), newest.blob_end, digest, now)


def _copy(disk: Disk, log: Log, newest: Newest, drafts: tuple[Draft, ...], now: datetime) -> None:
    """
    Copy the verified part of the newest segment, write the drafts behind it, and give the copy its name.
    """
    prefix = newest.data[: newest.ending.good] or MAGIC
    blob_path = blobs_beside(newest.path)
    blob_prefix = disk.read(blob_path)[: newest.blob_end] if newest.blob_end else b""
    blobs = _copy_file(disk, blob_path, blob_prefix)
    entries = _copy_file(disk, newest.path, prefix)
    full = max(len(prefix), newest.blob_end) >= log.segment_bytes_max
    ended = full or newest.ending.end is End.SEALED
    if newest.ending.end is not End.SEALED:
        digest = hashlib.sha256(prefix)
        log.segment = Segment(newest.first, entries, blobs, len(prefix), newest.blob_end, digest, now)
    if not ended:
        commit(Batch(log, drafts, now), disk)
    # Stop here: the old files still stand, the copies have no name of a segment; the next start does all of this again.
    disk.rename(_draft(blob_path), blob_path)
    disk.rename(_draft(newest.path), newest.path)
    disk.sync_folder(newest.path.parent)
    if log.segment is None:
        disk.close(entries)
        disk.close(blobs)
    if ended:
        commit(Batch(log, drafts, now), disk)


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _copy_file(disk: Disk, path: Path, content: bytes) -> Handle:
    disk.remove(_draft(path))
    handle = disk.create(_draft(path))
    disk.append(handle, (content,))
    disk.sync(handle)
    return handle
