"""`breakwater resume`: lift a stop that one has seen, through the ramp, at once, or for a time."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from breakers.stops import Mode
from proxy.cli.client import find_running
from proxy.cli.kill import add_scope
from proxy.cli.say import data, shown
from proxy.cli.usage import add_command
from proxy.cli.where import add_dir, state_of
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater resume --reason "refunds are right again, OPS-7"
  breakwater resume --scope agent:support_refund_agent --reason OPS-7 --full
  breakwater resume --to suggest --reason "look at the first ones, OPS-7"
  breakwater resume --break-glass --ttl 20m --reason "payouts are due, OPS-8"

It lifts the stop that it shows, and no newer one. Writes come back slowly, one
every ten seconds at first; --full lets all pass at once. It takes the role
`resume`, and two people where the configuration says so: the first one's word
waits for a quarter of an hour, the other's same command does it.
--break-glass lets a scope run for an hour at most, then it is stopped as before:
it takes the role `break-glass`, for `all` two people, and everybody is told.
"""

RESUME_S = 30.0


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    add_scope(parser)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why it may go on, for the record")
    parser.add_argument(
        "--to", choices=[str(mode) for mode in Mode if mode is not Mode.STOP_ALL], default=str(Mode.RUN),
        help="up to which mode",
    )  # fmt: skip
    parser.add_argument("--full", action="store_true", help="let all pass at once, without the ramp")
    parser.add_argument("--break-glass", action="store_true", help="for a time only")
    parser.add_argument("--ttl", default="20m", metavar="T", help="for how long, with --break-glass")
    add_dir(parser)


def run(args: argparse.Namespace) -> int:
    """
    Lift a stop, or say who else has to.
    """
    running = find_running(state_of(args))
    if running is None:
        hint = "start one with `breakwater serve`: it starts as stopped as it ended"
        raise StartRefused("no Breakwater is running on this state folder", hint)
    record = running.insist("GET", f"/v1/kill?scope={quote(args.scope)}")["record"]
    body: dict[str, object] = {"scope": args.scope, "epoch": record["epoch"], "reason": args.reason}
    if args.break_glass:
        path, body = "/v1/break-glass", {**body, "ttl": args.ttl}
    else:
        path, body = "/v1/resume", {**body, "to": args.to, "full": args.full}
    said = running.insist("POST", path, body, within_s=RESUME_S)
    if args.json:
        data(said)
    elif said["waits"]:
        print(f"{said['by']} wants it; another operator's same command does it, until {said['until']}")
    else:
        because = f" ({record['reason']})" if record["reason"] else ""
        lifted = f"{record['scope']} {record['mode']}, epoch {record['epoch']}, by {record['by']}{because}"
        # Others wrote it, or whoever can write to what is shared.
        print(f"lifted: {shown(lifted)}")
        until = f" until {said['until']}, then {said['back']}" if said["until"] else ""
        print(shown(f"{said['scope']}: {said['mode']}, epoch {said['epoch']}, by {said['by']}{until}"))
    return 0
