"""
The end of the log, and the one way in which it grows: `commit(batch, disk)`, a plain function.

A batch is all or nothing. Its order on disk is what every promise rests on:

1. a data key is durable before the first blob that is sealed with it;
2. blobs are durable before the entries that point to them, so that no entry points at nothing;
3. entries and their COMMIT frame leave in one write and are durable before anyone is told.

Where a write fails because there is no room, what was written of the batch is cut off again and `LedgerUnavailable`
says that the log is as it was. Every other failure, and any failure of a sync, leaves the log in a state that nobody
can know: it travels as `OSError`, after which this log is not to be used again. (After a failed sync the pages may be
marked clean without being on disk, so that asking again would lie.)
"""

from __future__ import annotations

import errno
import hashlib
from datetime import datetime

from proxy.errors import LedgerUnavailable
from proxy.ledger import frames
from proxy.ledger.compose import compose
from proxy.ledger.disk import FULL, Disk, Handle
from proxy.ledger.drafts import stamp
from proxy.ledger.layout import TORN, blobs_beside, segment_name
from proxy.ledger.tail import Batch, Log, Segment, Written


def commit(batch: Batch, disk: Disk) -> tuple[Written, ...]:
    """
    Make a batch durable and return where its records stand.

    Raise `LedgerUnavailable` where there is no room (the log is as it was), `OSError` where the log is lost.
    """
    log = batch.log
    try:
        segment = _segment(log, batch.now, disk)
        keys = log.keys.of_tasks((d.task for d in batch.drafts if d.parts), log.randomness)
    except OSError as error:
        raise _judged(error) from error
    composed = compose(batch, segment, keys)
    if composed.blobs:
        _write(segment, disk, segment.blobs, b"".join(composed.blobs))
        _sync(disk, segment.blobs)
    # Stop here: blobs that no entry points to; recovery cuts them off.
    data = b"".join((*composed.frames, frames.commit_frame(composed.tree.size, composed.tree.root())))
    _write(segment, disk, segment.entries, data)
    # Stop here: all of the batch, none of it, or a torn end that recovery cuts off; nobody was told.
    _sync(disk, segment.entries)
    segment.size += len(data)
    segment.digest.update(data)
    segment.blob_size = composed.blob_end
    log.tree, log.last_ts, log.last_now = composed.tree, composed.last_ts, batch.now
    log.chains.update(composed.chains)
    return tuple(composed.written)


def _judged(error: OSError) -> Exception:
    if error.errno == errno.EBUSY:
        # Somebody reads the data keys and does not end: nothing was written, and it may go on when they do.
        return LedgerUnavailable("the data keys are in use")
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        # Nothing was opened, so nothing was written: it may go on when others have closed theirs.
        return LedgerUnavailable("no further file can be opened")
    return LedgerUnavailable("the disk is full") if error.errno in FULL else error


def _write(segment: Segment, disk: Disk, handle: Handle, data: bytes) -> None:
    try:
        disk.append(handle, (data,))
    except OSError as error:
        if error.errno not in FULL:
            raise
        disk.truncate(segment.entries, segment.size)
        disk.truncate(segment.blobs, segment.blob_size)
        raise LedgerUnavailable("the disk is full") from error


def _sync(disk: Disk, handle: Handle) -> None:
    try:
        disk.sync(handle)
    except OSError as error:
        # Whatever the reason that is given, full among them: nobody knows what is on disk now.
        raise OSError(errno.EIO, f"a sync failed: {error.strerror}") from error


def _segment(log: Log, now: datetime, disk: Disk) -> Segment:
    """
    Return the segment to write to: the open one, or a new one where that is full or old.
    """
    segment = log.segment
    if segment is not None:
        large = max(segment.size, segment.blob_size) >= log.segment_bytes_max
        empty = segment.first == log.tree.size
        if empty or not (large or now - segment.began >= log.segment_age_max):
            return segment
        seal_segment(log, segment, disk)
    log.segment = open_segment(log, now, disk)
    log.on_turned()
    return log.segment


def seal_segment(log: Log, segment: Segment, disk: Disk) -> None:
    """
    End a segment: its SEAL is durable when this returns, and nothing is written to it again.
    """
    seal_bytes = frames.seal_frame(log.tree.size, log.tree.root(), segment.digest.digest())
    _write(segment, disk, segment.entries, seal_bytes)
    _sync(disk, segment.entries)
    log.segment = None
    # Stop here: the newest segment is sealed; the next batch begins another.
    disk.close(segment.entries)
    disk.close(segment.blobs)


def open_segment(log: Log, now: datetime, disk: Disk) -> Segment:
    """
    Begin a segment at the log's end: both files and their names are durable when this returns.
    """
    path = log.folder / segment_name(log.tree.size)
    blobs = blobs_beside(path)
    # Left by a start that was cut short here: they hold no entry. Payloads without their entries are kept as evidence.
    disk.remove(path)
    if disk.exists(blobs) and disk.read_part(blobs, 0, 1):
        disk.make_folder(log.folder / TORN)
        disk.rename(blobs, log.folder / TORN / f"{stamp(now).replace(':', '')}-{blobs.name}")
    disk.remove(blobs)
    made = [disk.create(blobs)]
    try:
        made.append(disk.create(path))
        disk.append(made[1], (frames.MAGIC,))
        disk.sync(made[1])
        disk.sync_folder(log.folder)
    except OSError:
        for handle in made:
            disk.close(handle)
        raise
    blob_handle, handle = made
    digest = hashlib.sha256(frames.MAGIC)
    return Segment(log.tree.size, handle, blob_handle, len(frames.MAGIC), 0, digest, now)
