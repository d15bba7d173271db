"""`breakwater serve`: run until told to stop."""

from __future__ import annotations

import argparse
import os

from proxy.cli.usage import add_command
from proxy.server import run as run_server

EPILOG = """\
examples:
  breakwater serve
  breakwater --config deploy/breakwater.yaml serve
  breakwater serve --new-epoch "disk of node 3 was damaged, ticket 4711"

Logs one JSON line a call on standard output. SIGTERM drains: /readyz fails
first, writes under way finish and are recorded, then the process ends.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    parser.add_argument(
        "--new-epoch", metavar="REASON", help="start a new log whose first record names the old, damaged one"
    )


def run(args: argparse.Namespace) -> int:
    """
    Serve until a signal; return 1 when the ledger could not be written any more.
    """
    return run_server(args.config, dict(os.environ), args.new_epoch)
