"""
A new log beside a former one: what it takes over from what can still be read, and how it comes to exist.

An epoch is written in a folder that is no epoch's yet, and renamed once its first batch is durable: either it began
with everything in it or it never existed. From a damaged former log it takes no key and no operator's token that is
valid, because a revocation may be in what is lost; of what stands behind the damage it believes what narrows (a stop)
and what leaves doubt (an intent), and nothing that widens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from breakers.stops import ALL, Mode, Stop
from proxy.keys import AgentKey, OperatorToken
from proxy.ledger import frames
from proxy.ledger.changed import interrupted
from proxy.ledger.disk import Disk
from proxy.ledger.doubts import opened_draft
from proxy.ledger.drafts import Draft, system
from proxy.ledger.drifts import alarm_draft
from proxy.ledger.fleets import fleet_drafts
from proxy.ledger.fold import Fold, fold
from proxy.ledger.layout import epoch_folder, segments
from proxy.ledger.log import commit
from proxy.ledger.places import spell_place
from proxy.ledger.recovery import write_again
from proxy.ledger.stopped import CHANGED as STOPPED
from proxy.ledger.stops import stop_draft
from proxy.ledger.tail import Batch, Log

CARRIED = "log"
"""By whom a personal token was made, or writes were stopped, where a record only carries something over."""

REASON_LENGTH_MAX = 500
"""Of an operator's words in the first record: a sentence or two, and a ticket's number."""

BELIEVED = frozenset(
    {
        "call.intent", "call.outcome", "change.recorded", "recovery.opened", "recovery.resolved", "key.revoked",
        "operator.revoked", "credential.changed", "drift.alarmed", "fleet.changed",
    }
)  # fmt: skip
"""Kinds that are believed from behind the damage; a kill record is, where it stops."""


def take_over(disk: Disk, former: Path, reason: str) -> tuple[Mapping[str, object], tuple[Draft, ...]]:
    """
    Return what a new epoch's first record says of the former log, and the records that carry its state over.

    What is said of it is on disk by then: it may have been read from memory, where it stood alone.
    """
    found = fold(disk, former)
    write_again(disk, found)
    for entry, place in _behind(disk, former, found):
        _believe(found, entry, place)
    views, lost = found.views, _lost_bytes(disk, former, found)
    previous = {
        "origin": views.origin,
        "size": found.tree.size,
        "root": found.tree.root().hex(),
        "reason": reason[:REASON_LENGTH_MAX],
        "lost_bytes": lost,
    }
    # A revocation may stand in what is damaged: then no key of the former log is valid any more. That one was revoked
    # is carried on: another process of the deployment may have missed it.
    keys = [_key(key) for key in views.keys.values() if key.revoked or not lost]
    keys += [_token(token) for token in views.operators.values() if token.revoked or not lost]
    # All of them, those that are gone too: no number of a name is ever used again.
    sealed = [system("credential.changed", name=n, ver=ver, how=how) for (n, ver), how in views.credentials.items()]
    open_there = [replace(write, origin=write.origin or views.origin) for write in views.open.values()]
    doubts = [opened_draft(write, carried=True) for write in open_there]
    untold = [interrupted(owed, views.origin) for owed in views.owed.values()]
    stops = [stop_draft(stop) for stop in _stops(views.stops, lost)]
    drifted = [alarm_draft(one, told=False) for one in views.drifted.values()]
    return previous, (*stops, *keys, *sealed, *drifted, *fleet_drafts(views.fleet), *doubts, *untold)


def _key(key: AgentKey) -> Draft:
    return system("key.minted", agent=key.agent, kid=key.kid, hash=key.digest, over=key.revoked or None)


def _token(token: OperatorToken) -> Draft:
    said = {"name": token.operator, "kid": token.kid, "hash": token.digest, "over": token.revoked or None}
    return system("operator.minted", by=CARRIED, **said)


def _stops(known: Mapping[str, Stop], lost: int) -> Iterator[Stop]:
    """
    Yield what is stopped in a new epoch: all that was. Where something is lost, a stop may be lost with it, so that
    writes are stopped until an operator resumes them.
    """
    # No more kill records can have been lost than bytes, so that no epoch of theirs is used again.
    epoch = 1 + lost + max((stop.epoch for stop in known.values()), default=0)
    whole = known.get(ALL, Stop(ALL, Mode.STOP_WRITES, 0))
    if lost:
        modes = (whole.mode, Mode.STOP_WRITES, whole.back if whole.until is not None else whole.mode)
        whole = Stop(ALL, max(modes, key=lambda mode: mode.strictness), 0, CARRIED)
    for stop in (whole, *(one for scope, one in known.items() if scope != ALL)):
        yield replace(stop, epoch=epoch)


def begin(disk: Disk, ledger: Path, number: int, log: Log, drafts: tuple[Draft, ...], now: datetime) -> None:
    """
    Write an epoch with these records as its first batch; it exists when this returns.
    """
    draft = epoch_folder(ledger, number).with_suffix(".new")
    disk.remove(draft)
    disk.make_folder(draft)
    log.folder = draft
    commit(Batch(log, drafts, now), disk)
    assert log.segment is not None
    disk.close(log.segment.entries)
    disk.close(log.segment.blobs)
    log.segment = None
    # Stop here: the epoch is whole under a name that nobody reads; the next start begins it anew.
    disk.rename(draft, epoch_folder(ledger, number))
    disk.sync_folder(ledger)


def _lost_bytes(disk: Disk, epoch: Path, found: Fold) -> int:
    """
    Return how many bytes stand at and behind the damage.
    """
    if found.damage is None or found.damaged is None:
        return 0
    behind = (path for _, path in segments(disk, epoch) if path.name >= found.damaged.name)
    return sum(len(disk.read(path)) for path in behind) - found.damage.good


def _behind(disk: Disk, epoch: Path, found: Fold) -> Iterator[tuple[Mapping[str, Any], str]]:
    """
    Yield the entries that can still be read from the damage on, each with its place.
    """
    if found.damage is None or found.damaged is None:
        return
    for first, path in segments(disk, epoch):
        if path.name < found.damaged.name:
            continue
        start = found.damage.good if path == found.damaged else 0
        for frame in frames.salvage(disk.read(path), start):
            if frame.kind is not frames.Kind.ENTRY:
                continue
            try:
                entry = orjson.loads(frame.payload)
            except ValueError:
                continue
            if isinstance(entry, dict) and isinstance(index := entry.get("i"), int):
                yield entry, spell_place(found.views.origin, first, index, frame.offset, len(frame.payload))


def _believe(found: Fold, entry: Mapping[str, Any], place: str) -> None:
    kind = entry.get("k")
    stops = kind == STOPPED and entry.get("mode") != Mode.RUN
    if kind not in BELIEVED and not stops:
        return
    try:
        found.views.see(entry["i"], b"", entry, place)
    except (KeyError, TypeError, ValueError):
        return
