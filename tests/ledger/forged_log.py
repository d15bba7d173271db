"""Logs written without a writer: entries as somebody says them, in batches, at once and without waiting for a disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import orjson

from proxy.ledger import frames
from proxy.ledger.drafts import stamp
from proxy.ledger.frames import Kind
from proxy.ledger.layout import segment_name
from proxy.ledger.tree import Frontier, leaf_hash
from tests.ledger.world import START

Entry = Mapping[str, object]


@dataclass
class ForgedLog:
    """One epoch's log in memory, its segments under their names; `save` puts it on disk as it is by then."""

    tree: Frontier = field(default_factory=Frontier)
    segments: dict[str, bytearray] = field(default_factory=dict)
    salt: str = ""

    def batch(self, *entries: Entry | bytes) -> None:
        """Append a batch; an entry that is bytes stands there as it is."""
        if not self.segments:
            self.turn()
        data = self.newest
        for entry in entries:
            body = entry if isinstance(entry, bytes) else self._spelled(entry)
            self.tree.append(leaf_hash(body))
            data += frames.frame(Kind.ENTRY, body)
        data += frames.commit_frame(self.tree.size, self.tree.root())

    def torn(self, entry: Entry) -> None:
        """Append an entry behind which no COMMIT stands."""
        data = self.newest
        data += frames.frame(Kind.ENTRY, self._spelled(entry))

    def turn(self) -> None:
        """Seal the segment that is written to, and begin another."""
        if self.segments:
            data = self.newest
            data += frames.seal_frame(self.tree.size, self.tree.root(), sha256(data).digest())
        self.segments[segment_name(self.tree.size)] = bytearray(frames.MAGIC)

    def save(self, epoch: Path) -> None:
        """Make this all that the epoch's folder holds."""
        epoch.mkdir(parents=True, exist_ok=True)
        for path in epoch.glob("*.bwl"):
            if path.name not in self.segments:
                path.unlink()
        for name, data in self.segments.items():
            (epoch / name).write_bytes(data)

    def copy(self) -> ForgedLog:
        held = {name: bytearray(data) for name, data in self.segments.items()}
        return ForgedLog(self.tree.copy(), held, self.salt)

    @property
    def newest(self) -> bytearray:
        """The segment that is written to."""
        return self.segments[max(self.segments)]

    def _spelled(self, entry: Entry) -> bytes:
        # Every entry of a real log is unlike all others: it has an id, and a time of its own.
        index = self.tree.size
        at = stamp(START + timedelta(milliseconds=index))
        said = {"v": 1, "i": index, "id": f"{self.salt}{index}", "ts": at, "task": "system", "tn": 0, "tp": None}
        return orjson.dumps({**said, **entry}, option=orjson.OPT_SORT_KEYS)


def intent(call: str, task: str = "t1", res: Iterable[tuple[str, str]] = (), **more: object) -> Entry:
    """An intent of a refund, or of another operation."""
    return _of_call("call.intent", call, task, {"prov": "stripe", "op": "refunds.create", **_named(res), **more})


def outcome(call: str, index: int | None, task: str = "t1", eff: str = "applied", **more: object) -> Entry:
    """How a write ended whose intent has this index; without one, a read."""
    return _of_call("call.outcome", call, task, {"intent": index, "eff": eff, "sent": "yes", "st": 200, **more})


def resolved(
    call: str, index: int, task: str = "t1", eff: str = "applied", state: str = "completed", **more: object
) -> Entry:
    """How a write in doubt ended whose intent has this index, by what was found out since."""
    said = {"intent": index, "eff": eff, "state": state, "by": "reconciler", "why": "found", "keeps": True, **more}
    return _of_call("recovery.resolved", call, task, said)


def change(call: str, index: int, task: str = "t1", res: Iterable[tuple[str, str]] = (), **more: object) -> Entry:
    """What a write changed."""
    said = {"prov": "stripe", "op": "refunds.create", "intent": index, "outcome": index + 1, **_named(res), **more}
    return _of_call("change.recorded", call, task, said)


def _of_call(kind: str, call: str, task: str, said: Mapping[str, object]) -> Entry:
    return {"k": kind, "call": call, "task": task, "act": {"agent": f"agent-of-{task}", "tok": "k1"}, **said}


def _named(res: Iterable[tuple[str, str]]) -> Mapping[str, object]:
    found = [{"type": kind, "id_h": id_h} for kind, id_h in res]
    return {"res": found} if found else {}
