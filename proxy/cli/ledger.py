"""`breakwater ledger`: verify the record, show a call, find records, tell an object's history, print the newest."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from config.faults import did_you_mean
from config.load import load
from proxy.cli.lookup import looking_into, moment, others_of, print_calls, say_others
from proxy.cli.say import data, error, shown, table
from proxy.cli.usage import add_noun
from proxy.cli.where import add_dir, state_of
from proxy.errors import StartRefused
from proxy.ledger.about import object_hashes
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import Wanted
from proxy.ledger.keyring import read_ring
from proxy.ledger.layout import KEY_RING, home_of
from proxy.ledger.read import Payloads, Record, find_call, last_records, ledger_in
from proxy.ledger.show import HEADERS, as_json, lines, row
from proxy.ledger.timeline import about, calls
from proxy.ledger.verify import Report
from proxy.ledger.verify import verify as verify_ledger

EPILOG = """\
examples:
  breakwater ledger verify
  breakwater ledger verify --dir /var/lib/breakwater --json
  breakwater ledger show 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater ledger history github issue acme/support/7
  breakwater ledger find --agent support_refund_agent --since 2h
  breakwater ledger find --open
  breakwater ledger tail -n 50

All of them read the files; a running process is not asked and not disturbed.
`history` and `find` keep an index beside the record, which may be deleted at any
time. `verify` exits 1 on damage and names it: torn-tail, tampered.
"""

TAIL_COUNT = 20
"""What fits a screen with room to spare."""

LOOKED_UP = ("call", "task", "agent", "api", "operation", "kind")
"""What a record is found by, word for word."""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    verifying = verbs.add_parser(
        "verify",
        help="check every segment, every payload, every link",
        epilog="example: breakwater ledger verify --json",
    )
    verifying.set_defaults(run=verify)
    showing = verbs.add_parser(
        "show",
        help="print all that is on record of a call",
        epilog="example: breakwater ledger show 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB",
    )
    showing.add_argument("call", metavar="CALL", help="the call's id, from the header Breakwater-Call")
    showing.set_defaults(run=show)
    tailing = verbs.add_parser("tail", help="print the newest records", epilog="example: breakwater ledger tail -n 50")
    tailing.add_argument("-n", type=int, default=TAIL_COUNT, metavar="N", help=f"how many (default {TAIL_COUNT})")
    tailing.set_defaults(run=tail)
    for verb in (verifying, showing, _add_history(verbs), _add_find(verbs), tailing):
        add_dir(verb)


def _add_history(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    telling = verbs.add_parser(
        "history",
        help="print everything that touched or named an object, under any of its ids",
        epilog="example: breakwater ledger history stripe charge ch_3MtwBwLkdIwHu7ix28a3tqPa",
    )
    telling.add_argument("api", metavar="API", help="the API's name in the configuration")
    telling.add_argument("type", metavar="TYPE", help="the object's type in its catalogue")
    telling.add_argument("id", metavar="ID", help="its id; one of several parts is joined by /")
    telling.set_defaults(run=history)
    return telling


def _add_find(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    finding = verbs.add_parser(
        "find",
        help="print the records for which all that is given holds",
        epilog="example: breakwater ledger find --operation refunds.create --since 2026-11-20 --until 2h",
    )
    for name in LOOKED_UP:
        finding.add_argument(f"--{name}", metavar=name.upper())
    finding.add_argument("--since", type=moment, metavar="WHEN", help="a time, a day, or how long ago: 2h")
    finding.add_argument("--until", type=moment, metavar="WHEN", help="up to then, not including it")
    finding.add_argument("--open", action="store_true", help="writes whose outcome nobody knows")
    finding.add_argument("-n", type=int, default=TAIL_COUNT, metavar="N", help=f"how many (default {TAIL_COUNT})")
    finding.set_defaults(run=find)
    return finding


def verify(args: argparse.Namespace) -> int:
    """
    Check the ledger, and those of further workers; return 1 where anything is not as it was.
    """
    state, disk = state_of(args), RealDisk()
    ledger_in(disk, state)
    report = verify_ledger(disk, state)
    others = {number: verify_ledger(disk, folder) for number, folder in others_of(state).items()}
    if args.json:
        beside = {"workers": [{"worker": number, **_said(one)} for number, one in others.items()]} if others else {}
        data({**_said(report), **beside, "ok": report.ok and all(one.ok for one in others.values())})
    else:
        _print(report)
        for number, one in others.items():
            print(f"worker {number}:")
            _print(one)
    return 0 if report.ok and all(one.ok for one in others.values()) else 1


def _said(report: Report) -> dict[str, object]:
    # One finding has a name of its own at the top: the first, which is where the log stopped being whole.
    first = report.findings[0].finding if report.findings else None
    return {"ok": report.ok, "finding": first, **asdict(report)}


def _print(report: Report) -> None:
    for stand in report.epochs:
        print(f"{shown(stand.origin)}: {stand.size} entries and {stand.payloads} payloads in {stand.segments} segments")
        print(f"  root {stand.root}")
    for finding in report.findings:
        place = f"epoch {finding.epoch}, {finding.segment}, byte {finding.offset}, entry {finding.index}"
        error(f"{finding.finding}: {place}: {finding.why}")
    if report.ok:
        print("ok, beside a running process" if report.running else "ok")


def show(args: argparse.Namespace) -> int:
    """
    Print all that is on record of a call.
    """
    state, disk = state_of(args), RealDisk()
    # A call is in the record of one worker, whole.
    for folder in (state, *others_of(state).values()):
        if records := find_call(disk, ledger_in(disk, folder), args.call):
            state = folder
            break
    else:
        raise StartRefused(f"no record names the call {args.call}", "its id is in the header Breakwater-Call")
    payloads = Payloads(disk, state)
    try:
        if args.json:
            data([as_json(record, payloads) for record in records])
        else:
            for line in lines(records, payloads):
                print(shown(line))
    finally:
        payloads.close()
    return 0


def history(args: argparse.Namespace) -> int:
    """
    Print everything that touched or named an object, oldest first.
    """
    state = state_of(args)
    with looking_into(state) as record:
        ring = read_ring(RealDisk(), home_of(state, RealDisk()) / KEY_RING)
        found = record.index.touching(args.type, *object_hashes(args.api, args.type, args.id, ring))
        if not found:
            raise _not_named(args, record.index.types())
        told = calls(found)
        if not args.json:
            told = [about(args.type, one) for one in told]
        header = f"{args.api} {args.type} {args.id}: {len(told)} call{'' if len(told) == 1 else 's'}"
        print_calls(header, told, record.payloads, as_data=args.json, whose=True)
    return 0


def _not_named(args: argparse.Namespace, recorded: Mapping[str, Sequence[str]]) -> StartRefused:
    # A folder that is named by itself has no configuration beside it: what there is is what is on record.
    catalogs = load(args.config).catalogs if args.dir is None else {}
    apis = {*recorded, *catalogs}
    if args.api not in apis:
        return StartRefused(f"there is no API '{args.api}'", did_you_mean(args.api, apis) or "no object is on record")
    specs = catalogs[args.api].objects if args.api in catalogs else {}
    types = {*recorded.get(args.api, ()), *specs}
    if args.type not in types:
        hint = did_you_mean(args.type, types) or f"its types: {', '.join(sorted(types))}"
        return StartRefused(f"{args.api} has no objects of the type '{args.type}'", hint)
    parts = specs[args.type].key if args.type in specs else ()
    hint = f"its id is {'/'.join(parts)}" if len(parts) > 1 else "write its id as the API does"
    return StartRefused(f"no record names the {args.api} {args.type} '{args.id}'", hint)


def find(args: argparse.Namespace) -> int:
    """
    Print the records that were asked for; of too many, the newest.
    """
    said = {name: getattr(args, name) for name in (*LOOKED_UP, "since", "until")}
    wanted = Wanted(**said, open_only=args.open, newest=max(0, args.n))
    with looking_into(state_of(args)) as record:
        _print_rows(record.index.find(wanted), as_data=args.json)
    return 0


def tail(args: argparse.Namespace) -> int:
    """
    Print the newest records.
    """
    state, disk = state_of(args), RealDisk()
    say_others(state)
    _print_rows(last_records(disk, ledger_in(disk, state), max(0, args.n)), as_data=args.json)
    return 0


def _print_rows(records: Sequence[Record], *, as_data: bool) -> None:
    if as_data:
        data([as_json(record) for record in records])
    else:
        table(HEADERS, [row(record) for record in records])
