"""`breakwater doubt`: writes of which nobody knows whether they took effect: list them, look now, say how it is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from breakers.known import State
from config.place import state_folder
from proxy.cli.client import Running, find_running, has_started
from proxy.cli.heard import looked, say_alone, whose
from proxy.cli.lookup import Lookup, looking_into
from proxy.cli.say import data, table
from proxy.cli.usage import add_noun
from proxy.clock import SystemClock
from proxy.control.doubt import admit_reason
from proxy.errors import StartRefused
from proxy.ledger.drafts import read_stamp
from proxy.ledger.index import Wanted
from proxy.ledger.read import Record

EPILOG = """\
examples:
  breakwater doubt list
  breakwater doubt list --json
  breakwater doubt probe 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater doubt resolve 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --applied --reason OPS-7
  breakwater doubt resolve 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --not-applied --reason OPS-7

A write is in doubt when it was sent and no answer says what became of it. A
running process looks for each by itself; `unknown` is still looked for, `parked`
waits for a person, who resolves it once: what is said is on record, and repeats
of the write are answered by it.
"""

PROBE_S = 120.0
"""A look may send the write again under its key, and list: each takes as long as its API does."""

HEADERS = ("intent", "state", "api", "operation", "agent", "age", "tried", "next look")

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    listing = verbs.add_parser(
        "list",
        help="print the writes in doubt, what was tried, and when they are looked for next",
        epilog="example: breakwater doubt list --json",
    )
    listing.set_defaults(run=list_doubts)
    probing = verbs.add_parser(
        "probe",
        help="look for one now, and print what was found",
        epilog="example: breakwater doubt probe 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB",
    )
    probing.set_defaults(run=probe)
    resolving = verbs.add_parser(
        "resolve",
        help="say how one ended; your word is final and on record",
        epilog="example: breakwater doubt resolve 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --not-applied --reason OPS-7",
        # An example that is broken into lines is none.
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for verb in (probing, resolving):
        verb.add_argument("intent", metavar="INTENT", help="the id of the call that is in doubt")
    word = resolving.add_mutually_exclusive_group(required=True)
    word.add_argument("--applied", action="store_true", help="it took effect: repeats are told so, nothing is sent")
    word.add_argument("--not-applied", action="store_true", help="it did not: the agent may do it again")
    resolving.add_argument("--reason", required=True, metavar="TEXT", help="how you know, for the record")
    resolving.set_defaults(run=resolve)


def list_doubts(args: argparse.Namespace) -> int:
    """
    Print the writes in doubt, as the running process or the record says.
    """
    state = state_folder(args.config)
    running = find_running(state)
    if running is not None:
        doubts = looked(running, "/v1/doubt")
    else:
        say_alone(args.config)
        doubts = _on_record(state) if has_started(state) else []
    if args.json:
        data(doubts)
    else:
        table(*whose(HEADERS, [_row(doubt) for doubt in doubts], doubts))
    return 0


def probe(args: argparse.Namespace) -> int:
    """
    Look for one now.
    """
    doubt = _running(args).insist("POST", f"/v1/doubt/{_id(args.intent)}/probe", within_s=PROBE_S)
    if args.json:
        data(doubt)
        return 0
    for one in doubt["tried"][-1:]:
        print(f"{one['way']}: {_found(one)}")
    how = f", {doubt['how']}" if doubt["how"] else ""
    print(f"{doubt['intent']} is {doubt['state']}{how}")
    return 0


def resolve(args: argparse.Namespace) -> int:
    """
    Say how one ended.
    """
    body = {"applied": args.applied, "reason": admit_reason(args.reason)}
    resolved = _running(args).insist("POST", f"/v1/doubt/{_id(args.intent)}/resolve", body)
    if args.json:
        data(resolved)
    else:
        print(f"{resolved['intent']} is on record as {'applied' if resolved['applied'] else 'not applied'}")
    return 0


def _running(args: argparse.Namespace) -> Running:
    running = find_running(state_folder(args.config))
    if running is None:
        hint = "`breakwater serve` starts one, which looks for every write in doubt by itself"
        raise StartRefused("no Breakwater is running on this state folder", hint)
    return running


def _id(intent: str) -> str:
    if not (intent.isascii() and intent.isalnum()):
        raise StartRefused(f"'{intent}' is no id of a call", "`breakwater doubt list` prints the ids")
    return intent


def _row(doubt: Mapping[str, Any]) -> list[object]:
    tried = doubt["tried"]
    last = f"{len(tried)}, {tried[-1]['way']}: {_found(tried[-1])}" if tried else "nothing yet"
    return [
        *(doubt[name] for name in ("intent", "state", "api", "operation", "agent")),
        _age(read_stamp(doubt["at"]), SystemClock().now()),
        last,
        doubt["next"] or "none",
    ]


def _found(tried: Mapping[str, Any]) -> str:
    if tried["failed"] is not None:
        return f"nothing learned ({tried['failed']})"
    return f"{tried['found']} ({tried['n']})" if tried["n"] else str(tried["found"])


def _age(since: datetime, now: datetime) -> str:
    seconds = max(0, int((now - since).total_seconds()))
    return next((f"{seconds // size}{unit}" for unit, size in _UNITS if seconds >= size), "0s")


def _on_record(state: Path) -> list[dict[str, Any]]:
    """
    Return the writes in doubt as the record has them, oldest first.
    """
    with looking_into(state) as record:
        return [_recorded(one, record) for one in record.index.find(Wanted(open_only=True))]


def _recorded(opened: Record, record: Lookup) -> dict[str, Any]:
    entry = opened.entry
    about = record.index.find(Wanted(call=entry["call"]))
    parked = [one.entry for one in about if one.kind == "recovery.resolved"]
    tried = [one.entry for one in about if one.kind == "recovery.probed"]
    return {
        "intent": entry["call"],
        "state": str(State.PARKED if parked or entry.get("parked") else State.UNKNOWN),
        "api": entry["prov"],
        "operation": entry["op"],
        "agent": entry["act"]["agent"],
        "task": entry["task"],
        "at": entry["at"],
        "tried": [
            {"at": one["ts"], "way": one["way"], "found": one["found"], "n": one["n"], "failed": None} for one in tried
        ],
        "how": f"parked:{parked[-1]['why']}" if parked else None,
        "next": None,
    }
