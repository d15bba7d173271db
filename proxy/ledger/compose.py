"""
Drafts take their place in the log: index, time, the links of their task, and their payloads sealed beside them.

Nothing is written here. The composition works on copies, so that a batch that cannot be written changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from struct import Struct

from proxy.ledger import frames, profile
from proxy.ledger.blobs import OPENER_BYTES, Bound, Digest, commitment, seal
from proxy.ledger.datakeys import NONCE_BYTES, DataKey
from proxy.ledger.drafts import Draft, stamp, system
from proxy.ledger.places import spell_place
from proxy.ledger.tail import LONG_AGO, Batch, Log, Segment, Written
from proxy.ledger.tree import Frontier, leaf_hash

STEP_BACK = timedelta(seconds=1)
"""A clock that steps back further than ordinary corrections is worth a record."""

TICK = timedelta(microseconds=1)

ENTRY_VERSION = 1

ENTRY_BYTES_MAX = 16_384
"""Far above any entry of ours and far below the 65,535 bytes that readers of such logs can take."""

KEPT_WHEN_OVER = frozenset(
    {
        "v", "k", "i", "id", "ts", "task", "tn", "tp", "call", "act", "tr", "at", "prov", "op", "m", "intent", "eff",
        "sent", "st", "of", "wire", "req", "resp", "seen", "blobs", "kid", "hash", "agent", "mode", "scope", "epoch",
        "touches", "before", "outcome", "after", "patch", "inv", "paths", "note", "idem", "head", "par", "how", "rw",
        "place", "parked", "resolved", "way", "found", "evidence", "state", "by", "why", "keeps", "incident", "reason",
        "bud", "spent", "sug", "shown", "exp", "dig", "ans", "roles", "ver", "waits", "shadow", "verdict", "end",
        "into",
    }
)  # fmt: skip
"""What an entry that would be too large still says: who, what, how it ended, and its commitments."""

_DRAWN = Struct(f"{OPENER_BYTES}s{NONCE_BYTES}s")
"""What each payload draws: an opener and a nonce."""


@dataclass(slots=True)
class Composed:
    """
    A batch as it will stand on disk, and the log's end once it does.
    """

    tree: Frontier
    last_ts: datetime
    entry_end: int
    blob_end: int
    drawn: Iterator[tuple[bytes, bytes]]
    frames: list[bytes] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)


def compose(batch: Batch, segment: Segment, keys: dict[str, DataKey]) -> Composed:
    """
    Return a batch composed for the end of a segment; `keys` holds the data key of every task that has payloads.
    """
    log = batch.log
    end = Composed(log.tree.copy(), log.last_ts, segment.size, segment.blob_size, _drawn(batch))
    if log.last_now != LONG_AGO and log.last_now - batch.now > STEP_BACK:
        jump = (batch.now - log.last_now) // timedelta(milliseconds=1)
        _add(end, batch, segment, system("log.clock", jump_ms=jump), None)
        end.written.clear()
    for draft in batch.drafts:
        _add(end, batch, segment, draft, keys.get(draft.task))
    return end


def _drawn(batch: Batch) -> Iterator[tuple[bytes, bytes]]:
    """
    Return an opener and a nonce for each payload of a batch.
    """
    count = sum([len(draft.parts) for draft in batch.drafts])
    # At once: the system is asked as long for few as for many.
    return _DRAWN.iter_unpack(batch.log.randomness(_DRAWN.size * count) if count else b"")


def _add(end: Composed, batch: Batch, segment: Segment, draft: Draft, key: DataKey | None) -> None:
    log, index = batch.log, end.tree.size
    end.last_ts = max(batch.now, end.last_ts + TICK) if end.last_ts != LONG_AGO else batch.now
    number, previous = end.chains.get(draft.task) or log.chains.get(draft.task) or (0, None)
    entry: dict[str, object] = {
        "v": ENTRY_VERSION,
        "k": draft.kind,
        "i": index,
        "id": log.ulids.new(),
        "ts": stamp(end.last_ts),
        "task": draft.task,
        "tn": number,
        "tp": previous.hex() if previous else None,
    }
    if draft.call is not None:
        entry["call"] = draft.call
    if draft.actor is not None:
        entry["act"] = draft.actor
    if draft.trace is not None:
        entry["tr"] = draft.trace
    entry.update(draft.fields)
    if draft.parts and key is not None:
        entry["blobs"] = _seal_parts(end, log, segment, draft, key, entry)
    body = _spell(entry)
    leaf = leaf_hash(body)
    end.tree.append(leaf)
    end.chains[draft.task] = (number + 1, leaf)
    frame = frames.frame(frames.Kind.ENTRY, body)
    place = spell_place(log.origin, segment.first, index, end.entry_end, len(body))
    end.frames.append(frame)
    end.entry_end += len(frame)
    end.written.append(Written(index, leaf, end.last_ts, place))


def _spell(entry: dict[str, object]) -> bytes:
    # Drafts were checked against the profile when they were taken; what is added here is inside it.
    body = profile.spell(entry)
    if len(body) <= ENTRY_BYTES_MAX:
        return body
    kept = {name: value for name, value in entry.items() if name in KEPT_WHEN_OVER}
    return profile.spell({**kept, "over": True})


def _seal_parts(
    end: Composed, log: Log, segment: Segment, draft: Draft, key: DataKey, entry: dict[str, object]
) -> list[dict[str, object]]:
    """
    Seal a draft's payloads, put their commitments into its entry, and return where they will stand.
    """
    places: list[dict[str, object]] = []
    origin, task, call = log.origin, draft.task, draft.call or ""
    for part in draft.parts:
        name, payload = part.name, part.payload
        opener, nonce = next(end.drawn)
        c = commitment(opener, name, payload)
        blob = seal(key, nonce, opener, payload, Bound(origin, task, call, name), c)
        said = entry[name] = {**part.more, "c": c.hex(), "n": payload.length}
        if isinstance(payload, Digest):
            said["digest"] = True
        hashed, length = sha256(blob).hexdigest(), len(blob)
        places.append({"p": name, "s": segment.first, "o": end.blob_end, "l": length, "h": hashed, "d": key.id})
        end.blobs += frames.blob_frame(blob)
        end.blob_end += frames.HEAD_BYTES + length
    return places
