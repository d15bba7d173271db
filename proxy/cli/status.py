"""`breakwater status`: doors, store, ledger, kill switch, breakers, in flight, in doubt."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from config.place import state_folder
from proxy.cli.client import find_running
from proxy.cli.heard import looked
from proxy.cli.replicas import print_replicas
from proxy.cli.say import data, table
from proxy.cli.usage import add_command
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater status
  breakwater --json status
"""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Print the state of the running process.
    """
    running = find_running(state_folder(args.config))
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "`breakwater serve` starts one")
    state = looked(running, "/v1/status")
    if args.json:
        data(state)
        return 0
    ledger = state["ledger"]
    print("ready" if state["ready"] else f"not ready: {', '.join(state['why'])}")
    print(f"ledger  {ledger['state']}, {ledger['entries']} entries, {ledger['pending']} waiting, {ledger['origin']}")
    store = state["store"]
    print(f"store   {store['kind']}" + (f", not to be relied on: {store['fault']}" if store["fault"] else ""))
    print(f"kill    {_kill(state['kill'])}")
    print(f"calls   {state['in_flight']} writes in flight, {len(state['in_doubt'])} in doubt")
    if state["breakers"]:
        kept = ("breaker", "state", "until", "why")
        table(kept, [["-" if one[name] is None else one[name] for name in kept] for one in state["breakers"]])
    table(["door", "address"], sorted(state["doors"].items()))
    if workers := state.get("workers"):
        columns = ["worker", "pid", "state", "starts"]
        rows = [[*(one[name] or "-" for name in columns), ", ".join(one["why"]) or "ready"] for one in workers]
        table([*columns, "is"], rows)
    print_replicas(state.get("replicas", ()))
    if state["in_doubt"]:
        columns = ["intent", "api", "operation", "agent", "at"]
        table(["in doubt: intent", *columns[1:]], [[item[c] for c in columns] for item in state["in_doubt"]])
    return 0


def _kill(kill: Mapping[str, Any]) -> str:
    """
    Return what is stopped, by whom and why, and whether something of it is under way.
    """
    lines = [
        f"{one['scope']} {one['mode']}"
        + (f" until {one['until']}, then {one['back']}" if one["until"] else "")
        + f", epoch {one['epoch']}, by {one['by'] or 'nobody'}"
        + (f": {one['reason']}" if one["reason"] else "")
        for one in kill["scopes"]
    ]
    if kill["file"]:
        lines.append(f"the file KILL says {kill['file']}")
    if not kill["process"]["heard"]:
        lines.append("nothing is heard of the shared state: no write passes")
    if lines and kill["mode"] != "run":
        flying = len(kill["process"]["in_flight"]) + len(kill["elsewhere"] or ())
        lines.append("confirmed: nothing is under way" if kill["confirmed"] else f"not confirmed: {flying} under way")
    return "\n        ".join(lines) or str(kill["mode"])
