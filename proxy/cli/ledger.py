"""`breakwater ledger`: verify the record, show a call, print the newest records."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from config.load import load
from proxy.cli.say import data, error, shown, table
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import Payloads, find_call, last_records, ledger_in
from proxy.ledger.show import HEADERS, as_json, lines, row
from proxy.ledger.verify import Report
from proxy.ledger.verify import verify as verify_ledger

EPILOG = """\
examples:
  breakwater ledger verify
  breakwater ledger verify --dir /var/lib/breakwater --json
  breakwater ledger show 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater ledger tail -n 50

All three read the files and change nothing; a running process is not asked and
not disturbed. `verify` exits 1 on damage and names it: torn-tail, tampered.
"""

TAIL_COUNT = 20
"""What fits a screen with room to spare."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    Add the command and its verbs.
    """
    verbs = add_noun(commands, "ledger", "verify, show CALL, tail", EPILOG)
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
    for verb in (verifying, showing, tailing):
        verb.add_argument("--dir", type=Path, metavar="D", help="a state folder, instead of the configured one")


def _state(args: argparse.Namespace) -> Path:
    return args.dir if args.dir is not None else load(args.config).settings.state


def verify(args: argparse.Namespace) -> int:
    """
    Check the ledger; return 1 where anything is not as it was.
    """
    state, disk = _state(args), RealDisk()
    ledger_in(disk, state)
    report = verify_ledger(disk, state)
    if args.json:
        # One finding has a name of its own at the top: the first, which is where the log stopped being whole.
        first = report.findings[0].finding if report.findings else None
        data({"ok": report.ok, "finding": first, **asdict(report)})
    else:
        _print(report)
    return 0 if report.ok else 1


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
    state, disk = _state(args), RealDisk()
    records = find_call(disk, ledger_in(disk, state), args.call)
    if not records:
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


def tail(args: argparse.Namespace) -> int:
    """
    Print the newest records.
    """
    state, disk = _state(args), RealDisk()
    records = last_records(disk, ledger_in(disk, state), max(0, args.n))
    if args.json:
        data([as_json(record) for record in records])
    else:
        table(HEADERS, [row(record) for record in records])
    return 0
