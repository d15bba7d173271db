"""What an index must answer, found the slow way: every record of the log is read and asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.ledger.disk import RealDisk
from proxy.ledger.index import Wanted, open_index
from proxy.ledger.layout import epochs, segments
from proxy.ledger.read import Record, read_segment

Place = tuple[str, int, bytes]

NAMES = {"call": "call", "task": "task", "api": "prov", "operation": "op", "kind": "k", "agent": "agent"}


def place(record: Record) -> Place:
    """A record by where it stands and what it says."""
    return (record.epoch.name, record.index, record.body)


def everything(state: Path) -> list[Record]:
    """Every record of every epoch, in order."""
    disk = RealDisk()
    return [
        record
        for epoch in epochs(disk, state / "ledger")
        for first, path in segments(disk, epoch)
        for record in read_segment(path.read_bytes(), path, first)
    ]


def found(records: Sequence[Record], wanted: Wanted) -> list[Place]:
    """The records that are asked for."""
    of_calls = [record for record in records if record.kind != "call.look"]
    still_open = unsettled(records)

    def fits(record: Record) -> bool:
        for name in NAMES:
            asked, said = getattr(wanted, name), value(record, name)
            if asked is not None and said is None and name in {"api", "operation"}:
                call = value(record, "call")
                said = asked if any(value(o, "call") == call and value(o, name) == asked for o in of_calls) else None
                said = None if call is None else said
            if asked is not None and said != asked:
                return False
        at = record.entry["ts"]
        bounds = [bound for bound in (wanted.since, wanted.until) if bound is not None]
        timely = not bounds or isinstance(at, str)
        timely = timely and (wanted.since is None or at >= wanted.since) and (wanted.until is None or at < wanted.until)
        return timely and (not wanted.open_only or (record.epoch.name, record.index) in still_open)

    fitting = [place(record) for record in records if fits(record)]
    return fitting if wanted.newest is None else fitting[max(0, len(fitting) - wanted.newest) :]


def unsettled(records: Sequence[Record]) -> set[tuple[str, int]]:
    """The intents without a definite outcome that were not resolved either."""
    left = {(record.epoch.name, record.index) for record in records if record.kind == "call.intent"}
    for record in records:
        if record.kind == "call.outcome" and record.entry.get("eff") in ("applied", "not_applied"):
            ended = record.entry.get("intent")
            if isinstance(ended, int) and ended < record.index:
                left.discard((record.epoch.name, ended))
        if record.kind == "recovery.resolved" and record.entry.get("state") == "completed":
            left -= _resolved(record)
    return left


def _resolved(record: Record) -> set[tuple[str, int]]:
    ended, former = record.entry.get("intent"), record.entry.get("of")
    if record.entry.get("eff") not in ("applied", "not_applied") or not isinstance(ended, int):
        return set()
    epoch = f"{int(former.rpartition('/')[2]):06d}" if isinstance(former, str) else record.epoch.name
    earlier = (epoch, ended) < (record.epoch.name, record.index)
    return {(epoch, ended)} if earlier else set()


def touched(records: Sequence[Record], kind: str, id_h: str) -> list[Place]:
    """The records that name an object by any of its ids, and those of the same calls."""
    ids, naming = {id_h}, set[int]()
    while more := [n for n, record in enumerate(records) if n not in naming and ids & set(_ids(record, kind))]:
        naming |= set(more)
        ids |= {one for n in more for one in _ids(records[n], kind)}
    calls = {value(records[n], "call") for n in naming} - {None}
    return [place(r) for n, r in enumerate(records) if n in naming or value(r, "call") in calls]


def value(record: Record, name: str) -> str | None:
    """What a record says under a name, if it is text."""
    said = record.entry.get(NAMES[name])
    actor = record.entry.get("act")
    if name == "agent" and isinstance(actor, dict):
        said = actor.get("agent") or said
    return said if isinstance(said, str) else None


def _ids(record: Record, kind: str) -> list[str]:
    res = record.entry.get("res")
    named = [one for one in res if isinstance(one, dict)] if isinstance(res, list) else []
    return [one["id_h"] for one in named if one.get("type") == kind and isinstance(one.get("id_h"), str)]


def answers(state: Path, disk: RealDisk | None = None) -> dict[str, list[Place]]:
    """Everything that the index of a folder answers, by what was asked."""
    index = open_index(disk or RealDisk(), state, state / "ledger")
    try:
        said = {repr(wanted): [place(r) for r in index.find(wanted)] for wanted in questions(everything(state))}
        for kind, id_h in objects(everything(state)):
            said[f"{kind} {id_h}"] = [place(record) for record in index.touching(kind, id_h)]
        return said
    finally:
        index.close()


def right_answers(state: Path) -> dict[str, list[Place]]:
    """The same, found by hand."""
    records = everything(state)
    said = {repr(wanted): found(records, wanted) for wanted in questions(records)}
    return said | {f"{kind} {id_h}": touched(records, kind, id_h) for kind, id_h in objects(records)}


def questions(records: Sequence[Record]) -> list[Wanted]:
    """All that can be asked of some records: each name that stands in one, moments between them, and no match."""
    named = [_by_name(name, text) for name in NAMES for text in sorted({value(r, name) or "none" for r in records})]
    times = sorted({record.entry["ts"] for record in records if isinstance(record.entry["ts"], str)})
    middle = times[len(times) // 2] if times else ""
    bounds = [Wanted(since=middle), Wanted(until=middle), Wanted(since=middle, kind="call.intent", newest=2)]
    return [Wanted(), Wanted(newest=3), Wanted(newest=0), Wanted(open_only=True), *bounds, *named]


def _by_name(name: str, text: str) -> Wanted:
    asked: dict[str, Any] = {name: text}
    return Wanted(**asked)


def objects(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Every object that some record names, and one that none does."""
    kinds = ("refund", "charge")
    return [(kind, one) for kind in kinds for one in sorted({i for r in records for i in _ids(r, kind)} | {"h1:none"})]
