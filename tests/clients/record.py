"""
What the record must say of a play: every request that an upstream was sent, and nothing else, and what each write did.

An upstream numbers its requests and says the number in the header that its catalogue calls the request's id. So each
record of something that was sent names exactly one request, the last of its tries, and each request is a try of exactly
one record.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from loadtest.upstreams.wiretap import Seen
from proxy.diff import apply
from proxy.images import parse_image, same
from proxy.ledger.blobs import Kept
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import Payloads, last_records, ledger_in

# A read's entry and a change are written off the road: far longer than that takes on a busy machine.
_SOON_S = 15.0
_STEP_S = 0.01

_NUMBER = re.compile(r"[0-9A-F]{4,}(?=:)|[0-9]+\Z")

Record = Mapping[str, Any]

# What all tries of one request have in common.
Try = tuple[str, str, str | None, bytes]


@dataclass(frozen=True, slots=True)
class Proof:
    """
    What was proven of a play: the numbers of the requests that were Breakwater's own, looks and tries before the last;
    how many writes took effect, how many of them have a change on record, and which operations have no object that
    could change.
    """

    own: frozenset[int]
    writes: int
    changes: int
    objectless: Counter[str] = field(default_factory=Counter)


class Ledger:
    """
    The record of a running installation, read beside it.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._mark = len(self._read())

    def _read(self) -> list[Any]:
        disk = RealDisk()
        return last_records(disk, ledger_in(disk, self._state), 1 << 20)

    def skip(self) -> None:
        """
        Leave what is on record by now out of every look from here on.
        """
        self._mark = len(self._read())

    def proven(self, seen: Sequence[Seen], soon_s: float = _SOON_S) -> Proof:
        """
        Wait until nothing is under way any more, and fail unless the record says what the upstream saw, and all of it.
        """
        until = time.monotonic() + soon_s
        while not _ended(found := self._read()[self._mark :], len(seen)) and time.monotonic() < until:
            time.sleep(_STEP_S)
        payloads = Payloads(RealDisk(), self._state)
        try:
            records = [
                {**record.entry, "opened": {part: _text(said) for part, said in payloads.open(record).items()}}
                for record in found
            ]
        finally:
            payloads.close()
        return proven(records, seen)


def _text(payload: object) -> bytes:
    return payload.data if isinstance(payload, Kept) else b""


def _ended(records: Sequence[Any], arrived: int) -> bool:
    entries = [record.entry for record in records]
    outcomes = {entry["intent"]: entry for entry in entries if entry["k"] == "call.outcome"}
    changed = {entry["intent"] for entry in entries if entry["k"] == "change.recorded"}
    intents = [entry for entry in entries if entry["k"] == "call.intent"]
    sent = sum(entry.get("tries", 1) for entry in entries if entry.get("sent") == "yes")
    return sent == arrived and all(
        (outcome := outcomes.get(entry["i"])) is not None
        and (outcome["eff"] != "applied" or not entry.get("touches") or entry["i"] in changed)
        for entry in intents
    )


def proven(records: Sequence[Record], seen: Sequence[Seen]) -> Proof:
    """
    Fail unless the records are those of these requests: each exactly once, each write with its change.
    """
    sent = [record for record in records if record.get("sent") == "yes"]
    by_number = {_number(record): record for record in sent}
    assert len(by_number) == len(sent), _differing(sent, seen)
    earlier = set(range(1, len(seen) + 1)) - set(by_number)
    assert _said(by_number, seen) == Counter(_shown(seen[number - 1]) for number in earlier), _differing(sent, seen)
    by_call: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_call[record.get("call", "")].append(record)
    for number, record in by_number.items():
        request = seen[number - 1]
        asked = next((one for one in by_call[record["call"]] if one["k"] in {"call.intent", "call.outcome"}), record)
        if record["k"] == "call.look":
            assert request.method == "GET", f"a look was made by {request.method} {request.target}"
        else:
            assert _asked(asked) == (request.method, _segments(request)), f"{request.method} {request.target}"
            assert (asked["k"] == "call.intent") is (asked["rw"] == "w"), f"{asked['op']} is a {asked['rw']}"
    written = [of_call for of_call in by_call.values() if any(one["k"] == "call.intent" for one in of_call)]
    applied = [of_call for of_call in written if _one(of_call, "call.outcome")["eff"] == "applied"]
    objectless = Counter(_one(one, "call.intent")["op"] for one in applied if not _changed(one))
    looks = frozenset(_number(record) for record in sent if record["k"] == "call.look")
    return Proof(looks | earlier, len(applied), len(applied) - objectless.total(), objectless)


def _said(by_number: Mapping[int, Record], seen: Sequence[Seen]) -> Counter[Try]:
    """
    Return how often each request was tried before its last try, by the record.
    """
    tried: Counter[Try] = Counter()
    for number, record in by_number.items():
        assert 1 <= number <= len(seen), f"{record['k']} is of a request that nobody saw"
        tried[_shown(seen[number - 1])] += record.get("tries", 1) - 1
    return +tried


def _shown(request: Seen) -> Try:
    return request.method, request.target, request.header("Idempotency-Key"), request.body


def _number(record: Record) -> int:
    found = _NUMBER.search(record.get("rid") or "")
    assert found is not None, f"{record['k']} of {record.get('op')} names no request"
    return int(found[0], 16 if ":" in record["rid"] else 10)


def _differing(sent: Sequence[Record], seen: Sequence[Seen]) -> str:
    numbers = Counter(map(_number, sent))
    missing = [f"{one.method} {one.target}" for number, one in enumerate(seen, 1) if numbers[number] != 1]
    return f"{len(seen)} requests arrived, {len(sent)} are on record; not exactly once: {missing}"


def _asked(record: Record) -> tuple[str, list[str]]:
    request = json.loads(record["opened"]["req"])
    return request["method"], request["segments"]


def _segments(request: Seen) -> list[str]:
    return [unquote(segment) for segment in request.path.strip("/").split("/")]


def _one(records: Sequence[Record], kind: str) -> Record:
    found = [record for record in records if record["k"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind} for {records[0].get('op')}"
    return found[0]


def _changed(records: Sequence[Record]) -> bool:
    """
    Fail unless a write that took effect has exactly one change, which leads from its images to each other; return
    whether there was an object at all: its operation may have none, or only one that an answer names.
    """
    intent, outcome = _one(records, "call.intent"), _one(records, "call.outcome")
    if not intent.get("touches"):
        assert not any(record["k"] == "change.recorded" for record in records)
        return False
    change = _one(records, "change.recorded")
    assert (change["intent"], change["outcome"]) == (intent["i"], outcome["i"])
    if not change.get("res"):
        return False
    # Of what else it touched it may say that nobody could see it before, as of a charge that an intent makes.
    assert {"after", "patch", "inv"} <= change["opened"].keys(), f"the change of {intent['op']} says {change['note']}"
    before, after, patch, inverse = (
        parse_image(opened)
        for opened in (intent["opened"]["before"], *(change["opened"][part] for part in ("after", "patch", "inv")))
    )
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    both = before.keys() & after.keys()
    was, now = ({kind: image for kind, image in side.items() if kind in both} for side in (before, after))
    assert change["res"][0]["type"] in both, f"{intent['op']} is about an object that is not on both sides"
    assert same(apply(was, patch), now), f"the patch of {intent['op']} does not lead there"  # type: ignore[arg-type]
    assert same(apply(now, inverse), was), f"the inverse of {intent['op']} does not lead back"  # type: ignore[arg-type]
    return True
