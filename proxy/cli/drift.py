"""`breakwater drift`: whose calls came to differ from what they were, and that somebody has looked."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from config.place import state_folder
from proxy.cli.client import Running, find_running
from proxy.cli.heard import looked, reached, whose
from proxy.cli.say import data, shown, table
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater drift list
  breakwater drift list --json
  breakwater drift reset support_refund_agent --reason OPS-7
  breakwater drift reset support_refund_agent --reason "new purpose" --learn

An agent's calls are compared with its last days (`drift` on its card). An alarm
stands until somebody has looked; where the card says `suggest`, its writes are
parked until then. Look first: `breakwater ledger find --agent NAME --since 1d`.
"""

HEADERS = ("agent", "state", "days", "act", "since", "why")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    listing = verbs.add_parser(
        "list", help="print how each agent's calls stand", epilog="example: breakwater drift list --json"
    )
    listing.set_defaults(run=list_agents)
    resetting = verbs.add_parser(
        "reset",
        help="end an alarm once you have looked; it is on record",
        epilog="example: breakwater drift reset support_refund_agent --reason OPS-7",
    )
    resetting.add_argument("agent", metavar="AGENT")
    resetting.add_argument("--reason", required=True, metavar="TEXT", help="what you found, for the record")
    resetting.add_argument(
        "--learn", action="store_true", help="it is to be like this from now on: forget its days, and learn anew"
    )
    resetting.set_defaults(run=reset)


def list_agents(args: argparse.Namespace) -> int:
    """
    Print how each agent's calls stand.
    """
    found = looked(_running(args), "/v1/drift")
    if args.json:
        data(found)
    else:
        table(*whose(HEADERS, [_row(one) for one in found], found))
    return 0


def reset(args: argparse.Namespace) -> int:
    """
    End an alarm, at every process that has one.
    """
    word = {"reason": args.reason, "learn": args.learn}
    said = reached(_running(args), "POST", f"/v1/drift/{quote(args.agent, safe='')}/reset", word)
    if args.json:
        data(said)
    else:
        print(shown(f"{said['agent']}: {'its days are learned anew' if said['learn'] else 'no alarm stands'}"))
    return 0


def _running(args: argparse.Namespace) -> Running:
    running = find_running(state_folder(args.config))
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "calls are compared by a process that runs")
    return running


def _row(one: dict[str, Any]) -> list[object]:
    days = f"{one['days']} of {one['of_days']}"
    return [one["agent"], one["state"], days, one["act"], one["since"] or "-", one["why"] or "-"]
