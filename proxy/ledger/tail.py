"""The end of one log: what must be known to append to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from breakers.noun import noun
from proxy.clock import Randomness
from proxy.ledger.datakeys import DataKeys
from proxy.ledger.disk import Handle
from proxy.ledger.drafts import Draft
from proxy.ledger.tree import Frontier
from proxy.ulid import Ulids

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Segment:
    """
    The open segment: its two files, how much of each is committed, and the running digest of the first.
    """

    first: int
    entries: Handle
    blobs: Handle
    size: int
    blob_size: int
    digest: hashlib._Hash
    began: datetime


@dataclass(slots=True)
class Log:
    """
    One log's end, owned by whoever calls `commit`: one thread, one process.

    `chains` maps a task to the number of its entries and the leaf hash of its newest. `on_turned` is called when a
    segment was begun: all others are sealed.
    """

    folder: Path
    origin: str
    keys: DataKeys
    randomness: Randomness
    ulids: Ulids
    segment_bytes_max: int
    segment_age_max: timedelta
    tree: Frontier = field(default_factory=Frontier)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    last_ts: datetime = LONG_AGO
    last_now: datetime = LONG_AGO
    segment: Segment | None = None
    on_turned: Callable[[], None] = field(default=lambda: None)

    def __repr__(self) -> str:
        return f"<Log {self.origin} size={self.tree.size} tasks={len(self.chains)}>"


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Drafts that become durable together, at a moment, at the end of a log.
    """

    log: Log
    drafts: tuple[Draft, ...]
    now: datetime


@noun
class Written:
    """
    Where a record stands.
    """

    index: int
    leaf_hash: bytes
    at: datetime
    place: str = ""
