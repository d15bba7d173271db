"""
What was judged, read from the ledger: one operation and one sealed request for each request id of the upstream.

The id that the upstream gave in its answer is in the outcome; the request is sealed beside the intent of a write and
beside the outcome of a read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.ledger.blobs import Kept
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import Payloads, Record, last_records, ledger_in
from tests.wire.reading import Number


@dataclass(frozen=True, slots=True)
class Judged:
    """
    One call as it was judged: its operation, its API account, and the canonical request.
    """

    call: str
    api: str
    operation: str
    effect: str
    document: Mapping[str, Any]


def judgements(state: Path, wanted: Container[str] | None = None) -> dict[str, Judged]:
    """
    Return the calls that reached the upstream, by the upstream's id of them: all, or those that are wanted.
    """
    disk = RealDisk()
    records = [one for one in last_records(disk, ledger_in(disk, state), sys.maxsize) if one.entry.get("call")]
    payloads = Payloads(disk, state)
    try:
        requests = {one.entry["call"]: one for one in records if "req" in one.entry}
        outcomes = [one for one in records if one.kind == "call.outcome" and one.entry.get("rid")]
        outcomes = [one for one in outcomes if wanted is None or one.entry["rid"] in wanted]
        return {str(one.entry["rid"]): _judged(requests[one.entry["call"]], payloads) for one in outcomes}
    finally:
        payloads.close()


def looks(state: Path) -> dict[str, str]:
    """
    Return the reads that Breakwater made by itself: the call that each was for, by the upstream's id of the read.
    """
    disk = RealDisk()
    records = last_records(disk, ledger_in(disk, state), sys.maxsize)
    return {str(one.entry["rid"]): str(one.entry["call"]) for one in records if one.kind == "call.look"}


def _judged(record: Record, payloads: Payloads) -> Judged:
    entry, request = record.entry, payloads.open(record)["req"]
    assert isinstance(request, Kept), f"the request of {entry['call']} does not open: {request}"
    effect = "read" if entry["rw"] == "r" else "write"
    return Judged(
        str(entry["call"]), str(entry["prov"]), str(entry["op"]), effect, json.loads(request.data, parse_float=Number)
    )
