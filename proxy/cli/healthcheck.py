"""`breakwater healthcheck`: exit 0 when the process is ready, for containers."""

from __future__ import annotations

import argparse

from config.load import load
from proxy.cli.client import find_running
from proxy.cli.say import data
from proxy.cli.usage import add_command
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater healthcheck
"""

OK = 200


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    Add the command.
    """
    add_command(commands, "healthcheck", "exit 0 when the process is ready (for containers)", EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Ask `/readyz`; print what it says.
    """
    running = find_running(load(args.config).settings.state)
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "`breakwater serve` starts one")
    status, answer = running.ask("GET", "/readyz")
    if args.json:
        data(answer)
    else:
        print("ready" if status == OK else f"not ready: {', '.join(answer['why'])}")
    return 0 if status == OK else 1
