"""`breakwater serve`: run until told to stop, as one process or as workers under a parent."""

from __future__ import annotations

import argparse
import os
from functools import partial

from config.load import Configuration, load
from proxy.cli.usage import add_command
from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk
from proxy.ledger.layout import PARENT_LOCK, home_of
from proxy.parent import Wanted, refuse_fewer, supervise
from proxy.places import Alone
from proxy.server import run as run_server
from proxy.signalled import stops_wait
from proxy.worker import take_up

EPILOG = """\
examples:
  breakwater serve
  breakwater serve --workers 4
  breakwater --config deploy/breakwater.yaml serve
  breakwater serve --new-epoch "disk of node 3 was damaged, ticket 4711"

Logs one JSON line a call on standard output. SIGTERM drains: /readyz fails
first, writes under way finish and are recorded, then the process ends.
With --workers a parent holds the doors and keeps so many processes behind
them, each with a ledger of its own; they share a Redis. `breakwater restart`
replaces one after the other.
"""

WORKERS_MAX = 64
"""As in the configuration: more processes than that are more than one machine's."""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    parser.add_argument("--workers", type=_count, metavar="N", help="how many processes serve, under a parent")
    parser.add_argument("--fewer", action="store_true", help="although folders of further workers hold records")
    parser.add_argument(
        "--new-epoch", metavar="REASON", help="start a new log whose first record names the old, damaged one"
    )
    parser.add_argument("--new-epoch-of", type=_count, metavar="N", help="which worker's log (default 1)")
    # What a parent gives its workers, and nobody else anybody.
    parser.add_argument("--worker", type=_count, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """
    Serve until a signal; return 1 when the ledger could not be written any more, or a worker did not end well.
    """
    environ, read = dict(os.environ), partial(load, args.config)
    with stops_wait():
        if args.worker is not None:
            place = take_up()
            return run_server(read(), environ, place.orders.new_epoch, read, place)
        configuration = read()
        count = args.workers if args.workers is not None else configuration.settings.workers
        _refuse_log_of_nobody(args, count or 1)
        if count is not None:
            wanted = Wanted(count, args.new_epoch, args.new_epoch_of or 1, args.fewer)
            return supervise(configuration, wanted, environ)
        _refuse_others_folder(configuration, fewer=args.fewer)
        return run_server(configuration, environ, args.new_epoch, read, Alone())


def _refuse_log_of_nobody(args: argparse.Namespace, workers: int) -> None:
    if args.new_epoch_of is None:
        return
    if args.new_epoch is None:
        raise StartRefused(
            "--new-epoch-of says of whom a new log is begun, and none is", "give --new-epoch REASON, too"
        )
    if args.new_epoch_of > workers:
        hint = "name a worker that is started, or start as many with --workers"
        raise StartRefused(
            f"there is no worker {args.new_epoch_of} among {workers}, whose log would be begun anew", hint
        )


def _refuse_others_folder(configuration: Configuration, *, fewer: bool) -> None:
    state, disk = configuration.settings.state, RealDisk()
    if disk.locked(home_of(state, disk) / PARENT_LOCK):
        hint = "stop it, or ask it (`breakwater status`); two processes never share a ledger"
        raise StartRefused(f"a parent of workers has the state folder {state}", hint)
    if not fewer:
        refuse_fewer(state, 1)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= WORKERS_MAX:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 to {WORKERS_MAX}")
    return int(text)
