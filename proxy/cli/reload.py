"""`breakwater reload`: have the running process take a changed configuration, or say why it does not."""

from __future__ import annotations

import argparse

from config.faults import Fault
from config.load import load
from proxy.cli.client import find_running
from proxy.cli.say import data, faults
from proxy.cli.usage import add_command
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater reload
  breakwater reload --json

Takes cards, teams, caps, prices, and the settings that judgement reads. What
only a start can take is named, and then nothing is changed; nor is it where
the files have a fault. Each call keeps the version that it was judged by.
SIGHUP does the same, and says what came of it in the log.
"""

WITHIN_S = 60.0
"""For reading large catalogues again, and compiling ten thousand cards."""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Reload, and print what is in force; where it is refused, print every fault and return 1.
    """
    running = find_running(load(args.config).settings.state)
    if running is None:
        raise StartRefused("no Breakwater serves this configuration", "start one with `breakwater serve`")
    status, answer = running.ask("POST", "/v1/reload", within_s=WITHIN_S)
    if status >= 400:  # the protocol's own bound
        faults(Fault(**fault) for fault in answer.get("faults", ()))
        raise StartRefused(str(answer.get("error", status)), str(answer.get("hint", "")))
    if args.json:
        data(answer)
    elif answer["changed"]:
        print(f"in force: {answer['version'][:12]}, before: {answer['was'][:12]}")
        print("\n".join(f"  {path}" for path in answer["changed"]))
    else:
        print(f"nothing has changed; in force: {answer['version'][:12]}")
    return 0
