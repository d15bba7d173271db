"""`breakwater healthcheck`: exit 0 when the process is ready, for containers."""

from __future__ import annotations

import argparse

from config.place import state_folder
from proxy.cli.client import find_running
from proxy.cli.say import data
from proxy.cli.usage import add_command
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater healthcheck
"""

OK = 200


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Ask `/readyz`; print what it says.
    """
    running = find_running(state_folder(args.config))
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "`breakwater serve` starts one")
    status, answer = running.ask("GET", "/readyz")
    if args.json:
        data(answer)
    else:
        print("ready" if status == OK else f"not ready: {', '.join(answer['why'])}")
    return 0 if status == OK else 1
