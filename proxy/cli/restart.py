"""`breakwater restart`: replace the workers of a running parent, one after the other."""

from __future__ import annotations

import argparse
import time

from config.place import state_folder
from proxy.cli.client import find_running
from proxy.cli.say import data, error
from proxy.cli.usage import add_command
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater restart
  breakwater restart --json

For `serve --workers N`. A worker takes no more connections, ends once those
that it has are done, and is followed by a new process; the next one's turn is
when that is ready. The others take what comes meanwhile, so no call is refused
and no write is made twice. A new process reads the configuration, and is what
is installed by then. SIGUSR2 does the same.
"""

STEP_S = 0.2


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Restart and wait; return 1 where a worker did not come back.
    """
    running = find_running(state_folder(args.config))
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "`breakwater serve` starts one")
    said, told = running.insist("POST", "/v1/restart"), 0
    while True:
        for number in said["done"][told:]:
            if not args.json:
                print(f"worker {number} is replaced")
        told = len(said["done"])
        if not said["under_way"]:
            break
        time.sleep(STEP_S)
        said = running.insist("GET", "/v1/restart")
    if args.json:
        data(said)
    if said["why"]:
        error(f"not all workers were replaced: {said['why']}", "see /readyz and the log, then `breakwater restart`")
        return 1
    return 0
