"""
How records are printed: a table of the newest, and all of one call with its payloads opened.

What came from outside is printed on one line with its control characters spelled out, and cut where it is long; the
whole of it is in the JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from breakers.known import State
from breakers.spend import Notice
from config.faults import Unreadable
from config.money import Money
from proxy.ledger.approvallines import approval_result
from proxy.ledger.blobs import Digest, Kept, Opening, Payload
from proxy.ledger.chargelines import charge_lines, spell_amount
from proxy.ledger.difflines import change_lines, parsed_json, summary
from proxy.ledger.read import Payloads, Record

TEXT_SHOWN_MAX = 2000
"""A screen's worth of one payload."""

WHY = {
    Opening.MISSING: "its file is missing",
    Opening.ERASED: "its key was destroyed",
    Opening.BAD: "it is not what was recorded",
}

NAMES = {
    "req": "request",
    "resp": "upstream's answer",
    "seen": "shown to the agent",
    "before": "what it touches, before",
    "head": "headers shown",
    "evidence": "what was seen",
    "reason": "an operator's words",
    "shown": "what an approver is shown",
    "note": "a reviewer's words",
}

REPEATS = {"replay": "replayed", "join": "joined", "unknown": "nobody knows how that ended"}
"""How a repeat was answered; a word that is not here is printed as it is."""

PARKED = frozenset({"suggest-only", "approval-pending"})
"""What a write is told that joins a suggestion."""

CHANGE = "change.recorded"

HEADERS = ("index", "time", "kind", "call", "agent", "operation", "result")


def row(record: Record) -> Sequence[object]:
    """
    Return a record as a row under `HEADERS`.
    """
    entry = record.entry
    agent = entry.get("act", {}).get("agent") or entry.get("agent") or ""
    return (record.index, entry["ts"], record.kind, entry.get("call", ""), agent, entry.get("op", ""), result(entry))


def result(entry: Mapping[str, Any]) -> str:
    """
    Return what an entry comes to, in a few words.
    """
    match entry["k"]:
        case "call.intent":
            return "may be sent from here on"
        case "call.held":
            return "a read, charged before it may be sent"
        case "call.decision" if "how" in entry:
            how = REPEATS.get(entry["how"], entry["how"])
            return f"repeat of {entry.get('par', '?')}: {how}, status {entry.get('st', '?')}"
        case "approval.requested" | "approval.decided" | "approval.ended":
            return approval_result(entry)
        case "call.decision" if "par" in entry and PARKED.intersection(entry.get("pol", {}).get("reasons", ())):
            return f"the same as suggestion {entry['par']}, which stands as it was; status {entry['st']}"
        case "call.decision":
            return f"refused: {', '.join(entry.get('pol', {}).get('reasons', ['unknown']))}, status {entry['st']}"
        case "call.look" if "of" in entry:
            return f"as looked up under {entry['of']}"
        case "call.outcome" | "call.look":
            status = entry.get("st")
            answer = f"status {status}" if status is not None else str(entry.get("err", {}).get("class", "no answer"))
            return f"{entry['eff']}, sent {entry['sent']}, {answer}, {entry.get('up_ms', '?')} ms"
        case "call.delivery" if entry.get("early"):
            return f"the caller did not wait: told status {entry['st']}, still under way"
        case "call.delivery" if entry.get("complete"):
            return f"the answer of {entry.get('par', '?')}, which its own caller had missed, arrived here"
        case "call.delivery":
            return f"cut off after {entry.get('bytes', '?')} bytes"
        case "change.recorded":
            return summary(entry)
        case "edge.refused" | "agent.refused" | "agent.repeated":
            return ", ".join(f"{reason} {count}" for reason, count in sorted(entry.get("counts", {}).items()))
        case "kill.changed":
            until = f" until {entry['until']}, then {entry['back']}" if "until" in entry else ""
            by = f", by {entry['by']}" if "by" in entry else ""
            return f"{entry['scope']}: {entry['mode']}, epoch {entry['epoch']}{until}{by}"
        case "kill.asked":
            return f"{entry['by']} wants {entry['scope']}: {entry['mode']}, in place of epoch {entry['epoch']}"
        case "log.recovered":
            return f"{entry.get('dropped_bytes', '?')} bytes cut off"
        case "key.minted" | "key.revoked":
            return str(entry["kid"])
        case "operator.minted":
            return f"{entry['kid']} for {entry['name']}, {_by(entry)}"
        case "operator.revoked":
            return f"{entry['kid']}, {_by(entry)}"
        case "operator.asked":
            return f"{entry['by']} at process {entry['from']}: {entry['route']}, {entry['about']}"
        case "credential.changed":
            return f"{entry['name']}@{entry['ver']} {entry['how']}"
        case "log.opened":
            return str(entry.get("origin", ""))
        case "log.closed":
            return str(entry.get("reason", ""))
        case "recovery.opened" | "recovery.probed" | "recovery.resolved":
            return doubt(entry)
        case _:
            return enveloped(entry)


def _by(entry: Mapping[str, Any]) -> str:
    # Who did it elsewhere stands in the record of that process.
    return f"by {entry['by']}" if "by" in entry else f"at process {entry.get('from', '?')}"


def enveloped(entry: Mapping[str, Any]) -> str:
    """
    Return what a record of a task, a token, a cap or the configuration comes to, in a few words.
    """
    match entry["k"]:
        case "task.opened":
            linked = f", for {entry['record']}" if "record" in entry else ""
            return f"{entry['task']} until {entry['exp']}{linked}"
        case "task.closed":
            return f"{entry['task']} {entry['why']}"
        case "token.minted":
            return f"{entry['tid']} for {entry['task']}"
        case "token.revoked":
            return str(entry["tid"])
        case "budget.alerted":
            measure, kind = entry["measure"], entry["kind"]
            what = f"{entry['threshold']} % reached" if kind == Notice.REACHED else kind
            stands = f"{spell_amount(measure, entry['settled'])} of {spell_amount(measure, entry['cap'])}"
            return f"{entry['node']} {entry['period']} {measure.partition(':')[0]}: {what}, {stands}"
        case "budget.told":
            return str(entry["alert"])
        case "lease.taken" | "lease.ended" as kind:
            return f"{entry['lease']}, {'calls of a cap taken ahead' if kind == 'lease.taken' else 'given back'}"
        case "breaker.changed":
            return f"{entry['breaker']}: {entry['was']} to {entry['state']}, {entry['rule']}"
        case "drift.alarmed":
            return f"{entry['agent']}: {entry['differs']} is {entry['hits']} of {entry['of']}"
        case "drift.reset":
            return f"{entry['agent']}, by {entry['by']}" + (", its days are learned anew" if entry["learn"] else "")
        case "fleet.changed":
            return " ".join([entry["how"], *entry.get("names", ()), *([entry["why"]] if "why" in entry else [])])
        case "review.asked":
            return "somebody is to look at it"
        case "review.decided":
            return f"{'ok' if entry['ok'] else 'wrong'}, by {entry['by']}"
        case "notice.told":
            return str(entry["notice"])
        case "config.applied":
            return str(entry["hash"])[:12]
        case _:
            return ""


def doubt(entry: Mapping[str, Any]) -> str:
    """
    Return what a record of a write in doubt comes to, in a few words.
    """
    match entry["k"]:
        case "recovery.opened":
            return "it is looked into: nobody knows how it ended"
        case "recovery.probed":
            return f"looked for it ({entry['way']}): found {entry['found']}, {entry['n']} in all"
        case _:
            incident = f", INCIDENT {entry['incident']}" if "incident" in entry else ""
            parked = entry["state"] == State.PARKED
            said = "a person must say how it ended" if parked else f"resolved as {entry['eff']}"
            return f"{said}, by {entry['by']} ({entry['why']}){incident}"


def as_json(record: Record, payloads: Payloads | None = None) -> dict[str, object]:
    """
    Return a record with its place, and its payloads where they are to be opened.
    """
    place = {"epoch": record.epoch.name, "segment": record.segment.name, "offset": record.offset}
    if payloads is None:
        return {**place, "entry": record.entry}
    opened = {
        part: _payload(payload, parsed=record.kind == CHANGE or part == "before")
        for part, payload in payloads.open(record).items()
    }
    return {**place, "entry": record.entry, "payloads": opened}


def _payload(payload: Payload | Opening, *, parsed: bool) -> dict[str, object]:
    match payload:
        case Kept(data) if parsed:
            return parsed_json(data)
        case Kept(data):
            try:
                return {"text": data.decode()}
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(data).decode()}
        case Digest(length, data):
            return {"length": length, "sha256": data.hex()}
        case Opening():
            return {"unreadable": str(payload)}


def lines(records: Sequence[Record], payloads: Payloads) -> Iterator[str]:
    """
    Yield the lines that tell a person of one call.
    """
    first, bud = records[0].entry, ()
    yield f"call {first['call']}"
    named = (("agent", first.get("act", {}).get("agent")), ("task", first["task"]), ("api", first.get("prov")))
    named = (*named, ("operation", first.get("op")), *first.get("lab", {}).items())
    for name, value in named:
        if value:
            yield f"  {name:10} {value}"
    for record in records:
        yield ""
        yield f"#{record.index}  {record.entry['ts']}  {record.kind}  {result(record.entry)}"
        yield from (f"  {line}" for line in details(record.entry))
        bud = record.entry.get("bud") or bud
        yield from (f"  {line}" for line in charge_lines(record.entry, bud))
        yield from (f"  {line}" for line in payload_lines(record, payloads.open(record)))


def payload_lines(
    record: Record, opened: Mapping[str, Payload | Opening], text_max: int | None = TEXT_SHOWN_MAX
) -> Iterator[str]:
    """
    Yield what a record carries: a change as its diff, every other payload as text, cut where it is longer.
    """
    if record.kind == CHANGE:
        yield from change_lines(record.entry, opened)
    for part, payload in opened.items():
        # Of a change, what opens was just printed.
        if record.kind != CHANGE or not isinstance(payload, Kept):
            yield f"{NAMES.get(part, part)}: {_text(payload, text_max)}"


def details(entry: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield what else a record says: who judged it, what it moves, what the upstream calls it.
    """
    if policy := entry.get("pol"):
        rules = ", ".join(policy.get("rules", ())) or policy.get("gate", "")
        if "ver" in policy:
            yield f"judged by {rules} under {str(policy['ver'])[:12]}"
        if flags := policy.get("flags"):
            yield f"noted: {', '.join(flags)}"
    yield from foreseen(entry)
    if entry.get("seen", {}).get("same"):
        yield "shown to the agent as it came"
    if any(entry.get(part, {}).get("cut") for part in ("resp", "seen")):
        yield "members that are never stored are left out of what is kept of the answer"
    if entry.get("par") and "how" not in entry and "complete" not in entry:
        yield f"for the sake of {entry['par']}"
    if entry.get("rid"):
        yield f"the upstream calls it {entry['rid']}"
    if entry.get("over"):
        yield "the entry was too large: names and commitments only"


def foreseen(entry: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield what an intent says of what is about to happen.
    """
    if moves := entry.get("moves"):
        yield f"moves {_money(moves)}"
    if "sug" in entry:
        yield f"carries out suggestion {entry['sug']}"
    if entry.get("before") == "missing":
        yield "what it touches could not be read before it"


def _money(moves: Mapping[str, str]) -> str:
    try:
        return str(Money(int(moves["micros"]), moves["currency"]))
    except Unreadable:
        return f"{moves['micros']} micro-units of {moves['currency']}"


def _text(payload: Payload | Opening, text_max: int | None) -> str:
    match payload:
        case Opening():
            return f"cannot be opened: {WHY[payload]}"
        case Digest(length, data):
            return f"{length} bytes, sha256 {data.hex()}"
        case Kept(data):
            text = data.decode("utf-8", "backslashreplace")
            cut = text_max is not None and len(text) > text_max
            return f"{text[:text_max]}… ({len(data)} bytes)" if cut else text
