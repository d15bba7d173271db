"""`breakwater fleet`: the replicas of a deployment, and that one of them will not come back."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from config.place import state_folder
from proxy.cli.client import Running, find_running
from proxy.cli.say import data, shown, table
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater fleet list
  breakwater fleet list --json
  breakwater fleet forget 5d1f2a90c3b47e68 "its disk is lost, OPS-7"

After a loss of the shared state nothing is written before every replica that
belongs to the fleet has told what it knows. Forget one only where it is stopped
for good: its open writes are in doubt then, and what only its own ledger knew
is known to nobody.
"""

HEADERS = ("replica", "state", "heard at", "host", "pid", "in flight", "kill epoch", "software")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    listing = verbs.add_parser(
        "list", help="print who belongs to the fleet, and who is here", epilog="example: breakwater fleet list --json"
    )
    listing.set_defaults(run=list_replicas)
    forgetting = verbs.add_parser(
        "forget",
        help="wait for a replica no more that is stopped for good; it is on record",
        epilog='example: breakwater fleet forget 5d1f2a90c3b47e68 "its disk is lost, OPS-7"',
    )
    forgetting.add_argument("replica", metavar="ID")
    forgetting.add_argument("reason", metavar="REASON", help="why it will not come back, for the record")
    forgetting.set_defaults(run=forget)


def list_replicas(args: argparse.Namespace) -> int:
    """
    Print who belongs to the fleet, as a running process hears of them.
    """
    found = _running(args).insist("GET", "/v1/fleet")
    if args.json:
        data(found)
        return 0
    if found["fault"] is not None:
        print(shown(f"no write is begun: {found['fault']}"))
    if found["members"]:
        table(HEADERS, [_cells(row) for row in found["members"]])
    else:
        print("nobody shares this Breakwater's store")
    return 0


def forget(args: argparse.Namespace) -> int:
    """
    Forget a replica.
    """
    path = f"/v1/fleet/{quote(args.replica, safe='')}/forget"
    said = _running(args).insist("POST", path, {"reason": args.reason})
    if args.json:
        data(said)
        return 0
    print(shown(f"{said['replica']} is forgotten: nobody waits for it"))
    if said["doubts"]:
        print(f"{len(said['doubts'])} of its writes are in doubt, and wait for a person: `breakwater doubt list`")
        table(("in doubt: intent",), [(intent,) for intent in said["doubts"]])
    return 0


def _running(args: argparse.Namespace) -> Running:
    running = find_running(state_folder(args.config))
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "ask at the state folder of one that runs")
    return running


def _cells(row: dict[str, Any]) -> list[object]:
    whose = f"{row['replica']} (asked)" if row["self"] else row["replica"]
    names = ("state", "heard_at", "host", "pid", "in_flight", "kill_epoch", "software")
    return [whose, *("-" if row[name] in {None, ""} else row[name] for name in names)]
