"""
The state folder: made in one order at the first start, and found again, locked, at every later one.

Each step is durable before the next: the lock, the key ring, `keys.db`, a log whose first batch names it and says that
writes may pass, the operator's token, what a shared store knows this folder's process by. A start that was cut short
between any two of them is finished by the next. A folder that has a log without a kill record is not a first start:
there, writes are stopped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from config.settings import LedgerSettings
from proxy.clock import Clock, Randomness
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.ledger.datakeys import DataKeys
from proxy.ledger.disk import Disk, Handle, make_durable_folder, write_whole
from proxy.ledger.drafts import Draft, system
from proxy.ledger.epoch import begin, take_over
from proxy.ledger.kept import Kept
from proxy.ledger.keyring import KeyRing, make_ring, read_ring
from proxy.ledger.layout import ADMIN_TOKEN, DATA_KEYS, KEY_RING, LEDGER, LOCK, REPLICA, VAULT, epochs, home_of
from proxy.ledger.recovery import Torn, is_clean, read_epoch, resume
from proxy.ledger.remembered import Remembered, remembered_epochs, reread
from proxy.ledger.snapshots import Snapshots
from proxy.ledger.stops import first_stop
from proxy.ledger.tail import Log
from proxy.ledger.views import Views
from proxy.ulid import Ulids

ADMIN_TOKEN_BYTES = 32
BOOT_BYTES = 8
REPLICA_BYTES = 8


@dataclass(frozen=True, slots=True)
class Program:
    """
    What a log says of the program that writes it.
    """

    software: str
    config_hash: str
    boot: str


@dataclass(slots=True)
class State:
    """
    A state folder that is ours, and what its log says.
    """

    lock: Handle
    ring: KeyRing
    keys: DataKeys
    log: Log
    views: Views
    torn: Torn | None
    remembered: Remembered
    snapshots: Snapshots
    replica: str

    def close(self, disk: Disk) -> None:
        """
        Give the files and the folder back.
        """
        segment = self.log.segment
        for handle in (segment.entries, segment.blobs) if segment else ():
            disk.close(handle)
        self.keys.close()
        disk.close(self.lock)


def open_state(
    folder: Path,
    options: LedgerSettings,
    *,
    clock: Clock,
    randomness: Randomness,
    disk: Disk,
    config_hash: str,
    software: str,
    new_epoch: str | None,
    since: datetime,
) -> State:
    """
    Lock the folder, finish or repeat its first start, and set its log up to be written on.

    `since` is from when on the end of a write is remembered.
    Raise `StartRefused` where that is not possible, `LedgerDamaged` where the log does not verify.
    """
    try:
        make_durable_folder(disk, folder)
        lock = _lock(disk, folder)
    except OSError as error:
        raise _refused(folder, error) from error
    program = Program(software, config_hash, randomness(BOOT_BYTES).hex())
    try:
        return _open_locked(folder, lock, options, clock, randomness, disk, program, new_epoch, since)
    except (OSError, LedgerUnavailable) as error:
        disk.close(lock)
        raise _refused(folder, error) from error
    except BaseException:
        disk.close(lock)
        raise


def _refused(folder: Path, error: Exception) -> StartRefused:
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = "it must be on a local disk with room, writable by the user that runs Breakwater"
    return StartRefused(f"the state folder {folder} cannot be used: {what}", hint)


def _lock(disk: Disk, folder: Path) -> Handle:
    try:
        handle = disk.lock(folder / LOCK)
    except BlockingIOError:
        hint = "stop it, or ask it (`breakwater status`); two processes never share a ledger"
        raise StartRefused(f"another process uses the state folder {folder}", hint) from None
    disk.sync_folder(folder)
    return handle


def _open_locked(
    folder: Path,
    lock: Handle,
    options: LedgerSettings,
    clock: Clock,
    randomness: Randomness,
    disk: Disk,
    program: Program,
    new_epoch: str | None,
    since: datetime,
) -> State:
    ledger, home = folder / LEDGER, home_of(folder, disk)
    found = epochs(disk, ledger)
    if not found and disk.exists(folder / (ADMIN_TOKEN if home == folder else REPLICA)):
        hint = "restore the folder `ledger` from your copy, or name another state folder to begin anew"
        raise StartRefused(f"the ledger is missing from {folder}, which had one", hint)
    if found and not disk.exists(folder / DATA_KEYS):
        hint = "restore it from your copy; without it no sealed payload can be opened"
        raise StartRefused(f"the data keys are missing: {folder / DATA_KEYS}", hint)
    if new_epoch is not None and not found:
        raise StartRefused(f"there is no ledger in {folder} to follow", "start without --new-epoch")
    if found:
        # Whoever gave the newest epoch its name may have ended before that was durable.
        disk.sync_folder(ledger)
    # A new key ring beside what an older one sealed would open none of it.
    ring = _ring(disk, home, randomness, first=home == folder and not found and not disk.names(folder / VAULT))
    # Stop here: a key ring, no log; the next start goes on.
    keys = DataKeys(disk.database(folder / DATA_KEYS), disk, ring)
    keys.prepare()
    disk.sync_folder(folder)
    # Stop here: as above.
    log = _log(options, keys, clock, randomness)
    now = clock.now()
    if not found or new_epoch is not None:
        _begin(disk, ledger, found, log, options, program, new_epoch, now)
    # Stop here: the log exists and says that writes may pass; the next start goes on with it.
    if home == folder and not disk.exists(folder / ADMIN_TOKEN):
        token = base64.b32encode(randomness(ADMIN_TOKEN_BYTES)).rstrip(b"=").lower()
        write_whole(disk, folder / ADMIN_TOKEN, token, 0o600)
    if not disk.exists(folder / REPLICA):
        # Not the log's name, which several may share, nor the token, which an operator may make one for all.
        write_whole(disk, folder / REPLICA, randomness(REPLICA_BYTES).hex().encode(), 0o600)
    epoch = epochs(disk, ledger)[-1]
    fresh = epoch not in found
    remembered, kept = Remembered(since), Kept(disk, ring)
    for former in remembered_epochs(disk, ledger, since)[:-1]:
        reread(disk, former, remembered, kept)
    epoch_found = read_epoch(disk, epoch, remembered, kept)
    snapshots = Snapshots(disk, epoch, kept, clock, since, epoch_found.trusted)
    log.on_turned = snapshots.due
    log.folder, log.origin = epoch, epoch_found.views.origin
    first = () if fresh else _later(log, epoch, options, program)
    clean = fresh or is_clean(disk, epoch_found)
    if not clean:
        remembered.stopped()
    torn = resume(disk, log, epoch_found, first, clean=clean, now=now)
    replica = disk.read(folder / REPLICA).decode("ascii", "replace").strip()
    return State(lock, ring, keys, log, epoch_found.views, torn, remembered, snapshots, replica)


def _ring(disk: Disk, folder: Path, randomness: Randomness, *, first: bool) -> KeyRing:
    path = folder / KEY_RING
    if not disk.exists(path):
        if not first:
            hint = "restore it from your copy; without it no sealed payload can be opened"
            raise StartRefused(f"the key ring is missing: {path}", hint)
        make_ring(disk, path, randomness)
    return read_ring(disk, path)


def _log(options: LedgerSettings, keys: DataKeys, clock: Clock, randomness: Randomness) -> Log:
    return Log(
        folder=Path(),
        origin="",
        keys=keys,
        randomness=randomness,
        ulids=Ulids(clock, randomness),
        segment_bytes_max=options.segment.max_bytes,
        segment_age_max=timedelta(seconds=options.segment.max_age_s),
    )


def _begin(
    disk: Disk,
    ledger: Path,
    found: list[Path],
    log: Log,
    options: LedgerSettings,
    program: Program,
    new_epoch: str | None,
    now: datetime,
) -> None:
    """
    Begin the first epoch, or one that follows the newest.
    """
    make_durable_folder(disk, ledger)
    number = int(found[-1].name) + 1 if found else 1
    if found:
        previous, carried = take_over(disk, found[-1], new_epoch or "")
    else:
        previous, carried = None, (first_stop(),)
    former = str(previous["origin"]).rpartition("/")[0] if previous else ""
    log.origin = f"{options.origin or former or options.log_name}/{number}"
    begin(disk, ledger, number, log, (_opened(log.origin, program, previous), *carried), now)


def _opened(origin: str, program: Program, previous: Mapping[str, object] | None) -> Draft:
    said = {"software": program.software, "config": program.config_hash, "boot": program.boot}
    return system("log.opened", origin=origin, prev=previous, **said)


def _later(log: Log, epoch: Path, options: LedgerSettings, program: Program) -> tuple[Draft, ...]:
    """
    Return the records with which a later start begins.
    """
    base = log.origin.rpartition("/")[0]
    if options.origin and base and options.origin != base:
        hint = "put the former name back, or begin a log of the new name: `breakwater serve --new-epoch REASON`"
        raise StartRefused(f"ledger.origin is {options.origin}, but this ledger is {base}", hint)
    applied = system("config.applied", hash=program.config_hash, version=program.software, boot=program.boot)
    if base:
        return (applied,)
    # All that the log ever said was cut off: it has no name and no kill record, so writes stay stopped.
    log.origin = f"{options.log_name}/{int(epoch.name)}"
    return _opened(log.origin, program, None), applied


def read_admin_token(folder: Path, disk: Disk) -> str:
    """
    Return the operator's token of a state folder.

    Raise `StartRefused` where it cannot be read.
    """
    try:
        return disk.read(home_of(folder, disk) / ADMIN_TOKEN).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        hint = "it is made at the first start and readable by the user that runs Breakwater"
        raise StartRefused(f"the operator's token cannot be read: {folder / ADMIN_TOKEN}", hint) from error
