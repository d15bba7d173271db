"""A log of a hundred thousand calls, as long as one of months: real records, told again and again under other names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from proxy.ledger import records
from proxy.ledger.book import Delivered, Ledger
from proxy.ledger.changed import Changed, change
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import Draft, stamp
from proxy.ledger.read import read_segment
from tests.ledger.forged_log import ForgedLog
from tests.ledger.world import ANY_ROOM, START, Answered, World, commit_now, outcome, read, wire, write

Entry = Mapping[str, Any]

TASK = "support_refund_agent/2026-11-21"

WRITES_OF_TEN = 4
"""Of ten calls of an agent that has work to do, the others look something up."""

SEGMENT_BYTES = 64 << 20
"""As large as the configuration makes a segment."""

CALLS_OF_A_TASK = 200

BATCH = 64
"""Entries that became durable together under load."""

ANSWER = orjson.dumps({"id": "ch_1", "object": "charge", "metadata": {f"key_{n}": "x" * 40 for n in range(40)}})


@dataclass(frozen=True)
class Big:
    """Where the log is, and what stands in it."""

    state: Path
    calls: int
    entries: int
    bytes: int


def make(folder: Path, count: int) -> Big:
    """Write a log of so many calls, those of the one real task spread evenly among them."""
    world = World(disk=RealDisk(), folder=folder / "state", settings=ANY_ROOM)
    ledger = world.open()
    drafts: list[Draft] = []
    for number in range(CALLS_OF_A_TASK):
        drafts += _call(number, ledger, ledger._state.log.tree.size + len(drafts))
    commit_now(ledger, *drafts)
    epoch = world.folder / "ledger" / "000001"
    (segment,) = epoch.glob("*.bwl")
    ledger._state.close(RealDisk())
    opened, *real = [record.entry for record in read_segment(segment.read_bytes(), segment, 0)]
    log = ForgedLog()
    log.batch(opened)
    entries = _told_again([list(told) for told in _by_call(real)], count)
    while batch := list(islice(entries, BATCH)):
        log.batch(*batch)
        if len(log.newest) > SEGMENT_BYTES:
            log.turn()
    log.save(epoch)
    return Big(world.folder, count, log.tree.size, sum(map(len, log.segments.values())))


def _call(number: int, ledger: Ledger, index: int) -> tuple[Draft, ...]:
    """Return the records of a call of the task: a read's one, or a write's three, the first of them at an index."""
    if number % 10 >= WRITES_OF_TEN:
        seen = Delivered(200, ANSWER, len(ANSWER), complete=True)
        return (records.read_outcome(read(number, task=TASK), outcome(body=b""), seen, ledger.ring),)
    made = write(number, task=TASK)
    changed = Changed(
        (("charge", f"ch_{number}", "update"), ("refund", f"re_{number}", "create")),
        b'{"charge":%b,"refund":%b}' % (ANSWER, ANSWER),
        orjson.dumps([{"op": "replace", "path": f"/charge/amount_{n}", "value": n} for n in range(9)]),
        orjson.dumps([{"op": "replace", "path": f"/charge/amount_{n}", "value": 0} for n in range(9)]),
        {"expected": [f"/charge/amount_{n}" for n in range(9)]},
    )
    return (
        records.intent(made, wire(), ledger.ring, b"r" * 32),
        records.write_outcome(made.go.call, index, outcome(body=ANSWER), Answered(body=ANSWER), 65_536),
        change(made.go.call, index, index + 1, changed, ledger.ring),
    )


def _by_call(entries: Sequence[Entry]) -> list[list[Entry]]:
    called: dict[str, list[Entry]] = {}
    for entry in entries:
        if "call" in entry:
            called.setdefault(entry["call"], []).append(entry)
    return list(called.values())


def _told_again(real: Sequence[Sequence[Entry]], count: int) -> Iterator[bytes]:
    """Yield the entries of so many calls: each real one once, and between them others like it."""
    index, every = 1, count // len(real)
    for number in range(count):
        which, between = divmod(number, every)
        first, told = index, real[which] if not between else [_another(one, number) for one in real[number % len(real)]]
        for entry in told:
            at = stamp(START + timedelta(seconds=number, microseconds=index))
            said = {**entry, "i": index, "id": f"{index:026d}", "ts": at}
            if said.get("intent") is not None:
                said["intent"] = first
            yield orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
            index += 1


def _another(entry: Entry, number: int) -> Entry:
    agent = f"agent_{number % 12}"
    named = [{**one, "id_h": _hash(number, one["id_h"])} for one in entry.get("res", ())]
    said = {"call": f"{number:026d}", "task": f"{agent}/{number // 1000}", "act": {"agent": agent, "tok": "k1"}}
    return {**entry, **said, **({"res": named} if named else {})}


def _hash(number: int, of: str) -> str:
    # An object is met a few times, by calls that are close to each other.
    return "h1:1:" + hashlib.sha256(f"{number // 3}{of}".encode()).hexdigest()[:26]
