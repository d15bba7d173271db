"""`breakwater status`: doors, store, ledger, kill switch, breakers, in flight, in doubt."""

from __future__ import annotations

import argparse

from config.load import load
from proxy.cli.client import find_running
from proxy.cli.say import data, table
from proxy.cli.usage import add_command
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater status
  breakwater --json status
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    Add the command.
    """
    add_command(commands, "status", "doors, store, ledger, kill switch, breakers, in flight, in doubt", EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Print the state of the running process.
    """
    configuration = load(args.config)
    running = find_running(configuration.settings.state)
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "`breakwater serve` starts one")
    state = running.insist("GET", "/v1/status")
    if args.json:
        data(state)
        return 0
    ledger = state["ledger"]
    print("ready" if state["ready"] else f"not ready: {', '.join(state['why'])}")
    print(f"ledger  {ledger['state']}, {ledger['entries']} entries, {ledger['pending']} waiting, {ledger['origin']}")
    store = state["store"]
    print(f"store   {store['kind']}" + (f", not to be relied on: {store['fault']}" if store["fault"] else ""))
    print(f"kill    {state['kill']['mode']}")
    print(f"calls   {state['in_flight']} writes in flight, {len(state['in_doubt'])} in doubt")
    if state["breakers"]:
        kept = ("breaker", "state", "until", "why")
        table(kept, [["-" if one[name] is None else one[name] for name in kept] for one in state["breakers"]])
    table(["door", "address"], sorted(state["doors"].items()))
    if state["in_doubt"]:
        columns = ["intent", "api", "operation", "agent", "at"]
        table(["in doubt: intent", *columns[1:]], [[item[c] for c in columns] for item in state["in_doubt"]])
    return 0
