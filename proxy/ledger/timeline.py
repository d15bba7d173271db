"""
What a task saw and did, and what became of an object: the record told by call, in the order of their first entries.

    2026-11-21T12:00:00.000001Z  01K9ZTQ6Q7T6GZ7E0M3V4R8XWB  stripe refunds.create
      our look at charges.retrieve: status 200, 31 ms
      moves 25.00 USD
      applied, sent yes, status 200, 148 ms
      stripe charge changed: 1 expected
        ~ /amount_refunded  0 → 2500  (expected)

A block says what was decided, what was done and what changed; what was sent and shown is added where it is asked for.
Nothing here judges; what a damaged log makes of an entry is named, and the others are told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from breakers.call import Applied
from breakers.known import State
from proxy.ledger.chargelines import charge_summary
from proxy.ledger.read import Payloads, Record
from proxy.ledger.show import CHANGE, as_json, details, foreseen, payload_lines, result

INDENT = "  "


@dataclass(frozen=True, slots=True)
class Told:
    """
    The records of one call, oldest first; or one record that belongs to none.
    """

    call: str | None
    records: tuple[Record, ...]

    def said(self, name: str) -> Any:
        """
        Return what the records of the call itself say under a name: looks of ours have an operation of their own.
        """
        own = [record.entry for record in self.records if record.kind != "call.look"]
        return next((entry[name] for entry in own if entry.get(name) is not None), None)

    @property
    def agent(self) -> str | None:
        """
        Return whose call it was.
        """
        actor = self.said("act")
        return actor.get("agent") if isinstance(actor, dict) else None


def calls(records: Iterable[Record]) -> list[Told]:
    """
    Return records by call, in the order of their first entries.
    """
    found: dict[object, list[Record]] = {}
    for record in records:
        call = record.entry.get("call")
        # What belongs to no call stands for itself.
        found.setdefault(call if isinstance(call, str) else (record.epoch, record.index), []).append(record)
    return [Told(call if isinstance(call, str) else None, tuple(held)) for call, held in found.items()]


def about(kind: str, told: Told) -> Told:
    """
    Return a call with what it says of one type of object only; a record names one object of a type, by all its ids.
    """

    def narrowed(record: Record) -> Record:
        if record.kind != CHANGE:
            return record
        named = [one for one in record.entry.get("res", ()) if one.get("type") == kind]
        return replace(record, entry={**record.entry, "res": named})

    return Told(told.call, tuple(narrowed(record) for record in told.records))


def told_as_json(told: Told, payloads: Payloads, *, full: bool) -> dict[str, object]:
    """
    Return a call with its records; the payloads of its change are opened, and with `full` all.
    """
    records = [as_json(record, payloads if full or record.kind == CHANGE else None) for record in told.records]
    named = {"task": told.said("task"), "agent": told.agent, "api": told.said("prov"), "operation": told.said("op")}
    return {"call": told.call, **named, "records": records}


def block(told: Told, payloads: Payloads, *, whose: bool = False, full: bool = False) -> Iterator[str]:
    """
    Yield the lines that tell of a call: `whose` it was, and with `full` everything that was sent and shown.
    """
    began = told.records[0].entry["ts"]
    if told.call is None:
        yield f"{began}  {' '.join(_lines(told.records[0], payloads, full=False))}"
    else:
        what = told.said("op") or f"{told.said('m') or ''} (no operation was recognised)".strip()
        yield f"{began}  {told.call}  {told.said('prov') or ''} {what}"
        if whose:
            yield f"{INDENT}agent {told.agent}, task {told.said('task')}"
        for record in told.records:
            yield from (INDENT + line for line in _lines(record, payloads, full=full))
        # What is no entry of ours was named above.
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError):
            if taken := charge_summary([record.entry for record in told.records]):
                yield INDENT + taken
        if doubt := _doubt(told.records):
            yield INDENT + doubt


def _lines(record: Record, payloads: Payloads, *, full: bool) -> Sequence[str]:
    try:
        return list(_said(record, payloads, full=full))
    except (KeyError, TypeError, ValueError, AttributeError):
        return [f"{record.kind}  this entry is not one of ours: see `breakwater ledger verify`"]


def _said(record: Record, payloads: Payloads, *, full: bool) -> Iterator[str]:
    entry = record.entry
    yield from filter(None, (_came_to(record),))
    if full:
        yield from details(entry)
    elif record.kind == "call.intent":
        yield from foreseen(entry)
    if full or record.kind == CHANGE:
        yield from payload_lines(record, payloads.open(record), text_max=None)


def _came_to(record: Record) -> str:
    entry = record.entry
    match record.kind:
        case "call.intent" | "call.held" | "change.recorded":
            # What it came to stands in the outcome; what changed is printed as a diff.
            return ""
        case "call.look" if "of" in entry:
            return f"our look at {entry.get('op', '')}: {result(entry)}"
        case "call.look":
            return f"our look at {entry.get('op', '')}: {_answer(entry)}"
        case "call.outcome" if entry.get("intent") is None:
            return f"read: {_answer(entry)}{_delivered(entry.get('dlv', {}))}"
        case "call.outcome":
            shown, came = entry.get("seen", {}).get("st"), entry.get("st")
            return result(entry) + (f", shown as status {shown}" if shown not in {None, came} else "")
        case "call.decision" if "how" in entry:
            return result(entry)
        case "call.decision":
            gate = entry.get("pol", {}).get("gate")
            return result(entry) + (f", by {gate}" if gate else "")
        case "recovery.opened" | "recovery.probed" | "recovery.resolved" | "call.delivery":
            return result(entry)
        case "approval.requested" | "approval.decided" | "approval.ended":
            return result(entry)
        case kind:
            return f"{kind}  {result(entry)}".rstrip()


def _answer(entry: Mapping[str, Any]) -> str:
    status = entry.get("st")
    answer = f"status {status}" if status is not None else str(entry.get("err", {}).get("class", "no answer"))
    return f"{answer}, {entry.get('up_ms', '?')} ms"


def _delivered(delivery: Mapping[str, Any]) -> str:
    size = f", {delivery.get('bytes', '?')} bytes"
    return size if delivery.get("complete") else f"{size}, cut off there"


def _doubt(records: Sequence[Record]) -> str:
    kinds = [record.kind for record in records]
    resolved = [record.entry.get("state") for record in records if record.kind == "recovery.resolved"]
    if resolved:
        return "in doubt: a person is to say whether it took effect" if State.COMPLETED not in resolved else ""
    ends = [record.entry.get("eff") for record in records if record.kind == "call.outcome"]
    if "call.intent" in kinds and not ends and "recovery.opened" not in kinds:
        return "no outcome is on record: it is under way, or in doubt"
    doubted = ends[-1:] == [Applied.UNKNOWN] or (not ends and "recovery.opened" in kinds)
    return "in doubt: nobody knows whether it took effect" if doubted else ""
